"""A player holds money in several currencies, each wallet apart and exact."""

import json
from dataclasses import replace

import pytest
from tests.integration.carriers import Send, assert_refused
from tests.integration.deployment import Player

from cage.client import (
    CurrencyMismatchError,
    CurrencyNotFoundError,
    PlayerNotFoundError,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def opened(player: Player, currency: str) -> Player:
    """Open one more wallet; return the player as one who plays in it."""
    await player.casino.operator.players.open_wallet(
        player_id=player.player_id, currency_code=currency
    )
    return replace(player, currency=currency)


async def test_e46_wallets_stay_apart(player: Player, send: Send) -> None:
    """Each wallet moves by its own bets alone, at its own scale."""
    fine = await opened(player, "MIL")
    await fine.deposit("1.00000")
    bet = await send(fine, fine.bet("0.00001", "b", "fine"))
    win = await send(fine, fine.win("0.00003", None, "fine", bet_transaction_id="b"))
    await send(player, player.bet("10.00"))
    poor = await send(fine, fine.bet("1.00003", None, "fine"))
    shown = await player.casino.operator.players.get_player(player_id=player.player_id)

    assert (bet.receipt.after.cash, bet.receipt.after.scale) == (99_999, 5)
    assert win.receipt.after.cash == 100_002
    assert_refused(poor, "INSUFFICIENT_FUNDS")
    assert poor.balance.currency_code == "MIL"
    assert [(each.currency_code, each.cash) for each in shown.balances] == [
        ("EUR", 9_000),
        ("MIL", 100_002),
    ]
    assert shown.player.currency_code == "EUR"
    assert list(shown.player.more_currency_codes) == ["MIL"]


async def test_e23_currency_has_to_be_opened(player: Player, send: Send) -> None:
    """Before its wallet is open a currency is refused, for launches and awards too."""
    other = replace(player, currency="USD")
    refused = [
        await send(other, other.bet("0", None, "r1")),
        await send(other, other.award("1.00")),
    ]
    with pytest.raises(CurrencyMismatchError):
        await other.launch()
    with pytest.raises(CurrencyMismatchError):
        await other.deposit("1.00")
    await opened(player, "USD")
    await other.deposit("1.00")
    bet = await send(other, other.bet("1.00", None, "r2"))

    for answer in refused:
        assert_refused(answer, "CURRENCY_MISMATCH", expected="EUR", sent="USD")
    assert bet.receipt.after.cash == 0


async def test_e23_sessions_are_of_one_wallet(player: Player, send: Send) -> None:
    """Sessions in two currencies run beside each other, each for its own."""
    other = await opened(player, "USD")
    await other.deposit("5.00")
    tokens = {each.currency: await each.session() for each in (player, other)}
    own = [
        await send(each, each.bet("1", None, c, session_token=tokens[c]))
        for c, each in (("EUR", player), ("USD", other))
    ]
    crossed = await send(
        other, other.bet("1", None, "USD", session_token=tokens["EUR"])
    )

    assert [answer.receipt.cash.currency_code for answer in own] == ["EUR", "USD"]
    assert_refused(crossed, "CURRENCY_MISMATCH", expected="EUR", sent="USD")


async def test_e23_round_has_one_currency(player: Player, send: Send) -> None:
    """A round stays in the currency of its first transaction."""
    other = await opened(player, "USD")
    await other.deposit("5.00")
    await send(player, player.bet("1.00", "bet"))
    bet = await send(other, other.bet("1.00"))
    win = await send(other, other.win("1.00", bet_transaction_id="bet"))
    same = await send(other, other.bet("1.00", "bet"))

    for answer in (bet, win):
        assert_refused(answer, "CURRENCY_MISMATCH", expected="EUR", sent="USD")
    assert_refused(same, "TRANSACTION_MISMATCH", field="currency_code")


async def test_opening_again_changes_nothing(player: Player) -> None:
    """The account's own currency, and one that is open, stay as they are."""
    players = player.casino.operator.players
    for currency in ("USD", "EUR", "USD", "MIL"):
        reply = await players.open_wallet(
            player_id=player.player_id, currency_code=currency
        )
    entries = [
        entry
        async for entry in player.casino.deployment.admin.admin.list_audit_entries(
            noun="player", noun_id=player.player_id
        )
    ]

    assert list(reply.player.more_currency_codes) == ["USD", "MIL"]
    assert entries[-1].action == "OpenWallet"
    after = json.loads(entries[-1].after_json)["more_currencies"].split()
    assert len(after) == 2


async def test_unknown_currency_and_player(player: Player) -> None:
    """What does not exist, or is another operator's, is not found."""
    players = player.casino.operator.players
    with pytest.raises(CurrencyNotFoundError):
        await players.open_wallet(player_id=player.player_id, currency_code="XYZ")
    with pytest.raises(PlayerNotFoundError):
        await players.open_wallet(player_id="nobody", currency_code="USD")
