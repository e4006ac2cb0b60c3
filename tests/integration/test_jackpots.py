"""Jackpot parts are recorded as sent, finer than the ledger, and never posted apart."""

from typing import Any

import pytest
from tests.integration.carriers import Send, assert_refused
from tests.integration.deployment import Player

from cage.client import money
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import (
    AwardKind,
    BetKind,
    JackpotContribution,
    JackpotWin,
    Transaction,
    TransactionState,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWARDS = [kind for kind in AwardKind.values() if kind]


def contribution(jackpot_id: str, amount: int, scale: int) -> JackpotContribution:
    """Build a contribution at any scale."""
    sent = Money(currency_code="EUR", amount=amount, scale=scale)
    return JackpotContribution(jackpot_id=jackpot_id, amount=sent)


def part(jackpot_id: str, amount: str) -> JackpotWin:
    """Build what a jackpot pays of a win."""
    return JackpotWin(jackpot_id=jackpot_id, amount=money("EUR", amount))


async def read(player: Player, transaction_id: str) -> Transaction:
    """Read a transaction by its id."""
    reply = await player.casino.studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id=transaction_id
    )
    return reply.transaction


async def test_e37_contributions_are_kept_as_sent(player: Player, send: Send) -> None:
    """A contribution of any scale is recorded exactly, and debits nothing more."""
    parts = [
        contribution("mega", 12_345, 6),
        contribution("mini", 1, 18),
        contribution("zero", 0, 0),
        contribution("mega", 2**63 - 1, 18),
    ]
    bet = await send(player, player.bet("1.00", "bet", jackpot_contributions=parts))
    stake = player.stake("1.00", "stake", jackpot_contributions=parts[:2])
    await send(player, player.play(stake))
    stored, staked = await read(player, "bet"), await read(player, "stake")

    assert bet.receipt.cash.amount == -100
    assert list(stored.jackpot_contributions) == parts
    assert list(staked.jackpot_contributions) == parts[:2]
    assert await player.cash() == 10_000 - 200


async def test_e37_wins_name_their_jackpots(player: Player, send: Send) -> None:
    """The jackpot parts of a win are in its amount, and are shown beside it."""
    await send(player, player.bet("1.00", "bet"))
    parts = [part("mega", "30.00"), part("mini", "5.00")]
    win = await send(player, player.win("50.00", "win", jackpot_wins=parts))
    prize = player.prize("5.00", "prize", jackpot_wins=parts[1:])
    await send(player, player.play(prize))
    stored, paid = await read(player, "win"), await read(player, "prize")

    assert win.receipt.cash.amount == 5_000
    assert list(stored.jackpot_wins) == parts
    assert list(paid.jackpot_wins) == parts[1:]
    assert not stored.jackpot_contributions


async def test_e37_refused_bet_shows_what_it_would_have_fed(
    player: Player, send: Send
) -> None:
    """A stored refusal has its contributions too; nothing moved."""
    parts = [contribution("mega", 1, 5)]
    refused = await send(player, player.bet("200.00", "b", jackpot_contributions=parts))
    stored = await read(player, "b")

    assert_refused(refused, "INSUFFICIENT_FUNDS")
    assert stored.state == TransactionState.TRANSACTION_STATE_REFUSED
    assert list(stored.jackpot_contributions) == parts


async def test_e37_lists_show_jackpots(player: Player, send: Send) -> None:
    """A list of transactions shows what each of them has, and of others nothing."""
    parts = [contribution("mega", 1, 5)]
    await send(player, player.bet("1.00", "with", jackpot_contributions=parts))
    await send(player, player.bet("1.00", "without"))
    wallet = player.casino.studio.wallet
    listed = {
        row.transaction_id: list(row.jackpot_contributions)
        async for row in wallet.list_transactions(player_id=player.player_id)
    }

    assert (listed["with"], listed["without"]) == (parts, [])


@pytest.mark.parametrize("kind", AWARDS)
@pytest.mark.parametrize("informational", [False, True])
async def test_awards_of_every_kind(
    player: Player, send: Send, kind: AwardKind.ValueType, *, informational: bool
) -> None:
    """Every kind of award names its campaign, and is posted unless it was paid."""
    award = player.award(
        "7.00", "a", kind=kind, campaign_id="spring", informational=informational
    )
    first, again = await send(player, award), await send(player, award)
    moved: Any = {"kind": kind, "campaign_id": "summer"}
    other = await send(player, player.award("7.00", "a", **moved))
    stored = await read(player, "a")

    assert first.receipt.cash.amount == (0 if informational else 700)
    assert again.receipt.replayed
    assert_refused(other, "TRANSACTION_MISMATCH", field="campaign_id")
    assert (stored.award_kind, stored.campaign_id) == (kind, "spring")
    assert stored.informational == informational


async def test_e37_tip_feeds_and_is_taken_back(player: Player, send: Send) -> None:
    """A tip moves money, is no turnover, and a rollback gives it back."""
    tip = player.bet("2.00", "tip", kind=BetKind.BET_KIND_TIP)
    first = await send(player, tip)
    back = await send(player, player.rollback("tip"))
    late = await send(player, player.bet("2.00", "tip", kind=BetKind.BET_KIND_TIP))

    assert first.receipt.cash.amount == -200
    assert back.receipt.cash.amount == 200
    assert late.receipt.replayed
    assert await player.cash() == 10_000


async def test_e46_large_balance_and_small_parts(player: Player, send: Send) -> None:
    """Cents beside tens of millions, and contributions beside both, stay exact."""
    rich = await player.casino.player("63727092.34")
    fine = [contribution("mega", 1, 10)]
    await send(rich, rich.bet("63727092.33", "all", jackpot_contributions=fine))
    left = await send(rich, rich.bet("0.01", "last", jackpot_contributions=fine))
    win = await send(rich, rich.win("63727092.34", None, bet_transaction_id="all"))

    assert left.receipt.after.cash == 0
    assert win.receipt.after.cash == 6_372_709_234
    assert list((await read(rich, "last")).jackpot_contributions) == fine
