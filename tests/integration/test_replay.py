"""A call that is sent again gets its first answer, whatever has happened since."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused, first_answer, is_replay
from tests.integration.deployment import Deployment, Player

from cage.admin.v1.admin_pb2 import Role
from cage.client import CageError, money
from cage.player.v1.player_pb2 import PlayerStatus
from cage.type.v1.balance_pb2 import Balance
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import AwardKind, FreeRound, JackpotContribution

pytestmark = pytest.mark.asyncio(loop_scope="session")

Build: TypeAlias = Callable[[Player, str], Message]

# Each comes after a bet "b" of 10.00 in the round; given are player and session.
CALLS: dict[str, Build] = {
    "bet": lambda p, token: p.bet("10.00", "id", session_token=token),
    "closing bet": lambda p, token: p.bet(
        "10.00", "id", session_token=token, round_closed=True
    ),
    "win": lambda p, _: p.win("5.00", "id", bet_transaction_id="b"),
    "win of the round": lambda p, _: p.win("5.00", "id"),
    "play": lambda p, token: p.play(
        p.stake("7.00", "id"), p.prize("5.00", "id-2"), session_token=token
    ),
    "play of a win": lambda p, _: p.play(p.prize("5.00", "id")),
    "rollback": lambda p, _: p.rollback("b", "id"),
    "tombstone": lambda p, _: p.rollback("never", "id"),
    "rollback of a list": lambda p, _: p.rollback_list("b", "never", id_="id"),
    "rollback of a round": lambda p, _: p.rollback_round("id"),
    "tombstone of a round": lambda p, _: p.rollback_round("id", "never"),
    "close": lambda p, _: p.close(),
    "close by a play": lambda p, _: p.play(round_closed=True),
    "award": lambda p, _: p.award("1.00", "id"),
    "adjust": lambda p, _: p.adjust("-1.00", "b", id_="id"),
    "reserve": lambda p, token: p.reserve("10.00", "id", session_token=token),
    "release of an unknown reserve": lambda p, _: p.release("never", "id"),
}


async def disturb(player: Player) -> None:
    """Change everything that could stand in the way of a new call."""
    casino = player.casino
    await player.deposit("7.00")
    await player.end_sessions()
    await player.set_status(PlayerStatus.PLAYER_STATUS_SELF_EXCLUDED)
    await casino.studio.call(player.close())
    for noun in ("game", "studio", "integration", "brand", "operator"):
        await casino.switch(noun, enabled=False)


@pytest.mark.parametrize("name", CALLS)
async def test_retry_gets_the_first_answer(
    deployment: Deployment, send: Send, name: str
) -> None:
    """The same call gets the same receipt and the current balance; nothing moves."""
    player = await (await deployment.casino()).player()
    await player.casino.studio.call(player.bet("10.00", "b"))
    request = CALLS[name](player, await player.session())
    first = await send(player, request)
    await disturb(player)
    before = await player.balance()
    again = await send(player, request)

    assert not isinstance(first, CageError), first
    assert not isinstance(again, CageError), again
    assert not is_replay(first)
    assert is_replay(again)
    assert first_answer(again) == first_answer(first)
    now, told = await player.balance(), told_balance(again)

    assert (now.cash, now.version) == (before.cash, before.version)
    assert told is None or (told.cash, told.version) == (now.cash, now.version)


def told_balance(answer: Any) -> Balance | None:
    """Return the balance of now that an answer tells, if it tells any."""
    names = answer.DESCRIPTOR.fields_by_name
    if "receipt" in names:
        return answer.receipt.current  # type: ignore[no-any-return]
    return answer.balance if "balance" in names and answer.receipts else None


USD = money("USD", "10.00")
FREE = FreeRound(campaign_id="c")
# A call, the same id with another content, and the first field that differs.
Differing: TypeAlias = tuple[
    Callable[[Player], Message], Callable[[Player], Message], str
]
MISMATCHES: dict[str, Differing] = {
    "bet to win": (lambda p: p.bet("10.00", "id"), lambda p: p.win("1", "id"), "kind"),
    "bet to award": (
        lambda p: p.bet("10.00", "id"),
        lambda p: p.award("10.00", "id"),
        "kind",
    ),
    "bet to play": (
        lambda p: p.bet("10.00", "id"),
        lambda p: p.play(p.stake("10.00", "id")),
        "kind",
    ),
    "bet of another currency": (
        lambda p: p.bet("10.00", "id"),
        lambda p: p.bet(USD, "id", "elsewhere"),
        "currency_code",
    ),
    "bet of another amount": (
        lambda p: p.bet("10.00", "id"),
        lambda p: p.bet("10.01", "id", "elsewhere", game_id="chess"),
        "amount",
    ),
    "bet of another round": (
        lambda p: p.bet("10.00", "id"),
        lambda p: p.bet("10.00", "id", "elsewhere", game_id="chess"),
        "round_id",
    ),
    "bet of another game": (
        lambda p: p.bet("10.00", "id"),
        lambda p: p.bet("10.00", "id", game_id="chess", free_round=FREE),
        "game_id",
    ),
    "bet of a campaign": (
        lambda p: p.bet("10.00", "id"),
        lambda p: p.bet("10.00", "id", free_round=FREE),
        "campaign_id",
    ),
    "win of another bet": (
        lambda p: p.win("10.00", "id", bet_transaction_id="b"),
        lambda p: p.win("10.00", "id", game_id="chess"),
        "bet_transaction_id",
    ),
    "win of the round": (
        lambda p: p.win("10.00", "id"),
        lambda p: p.win("10.00", "id", bet_transaction_id="b"),
        "bet_transaction_id",
    ),
    "award of another kind": (
        lambda p: p.award("1.00", "id"),
        lambda p: p.award("2.00", "id", kind=AwardKind.AWARD_KIND_JACKPOT),
        "kind",
    ),
    "award of another campaign": (
        lambda p: p.award("1.00", "id", campaign_id="c"),
        lambda p: p.award("1.00", "id", campaign_id="d"),
        "campaign_id",
    ),
    "rollback of another original": (
        lambda p: p.rollback("b", "id"),
        lambda p: p.rollback("another", "id"),
        "original",
    ),
    "tombstone of another original": (
        lambda p: p.rollback("never", "id"),
        lambda p: p.rollback("b", "id"),
        "original",
    ),
    "rollback of another list": (
        lambda p: p.rollback_list("b", "never", id_="id"),
        lambda p: p.rollback_list("never", "b", id_="id"),
        "originals",
    ),
    "rollback of another round": (
        lambda p: p.rollback_round("id"),
        lambda p: p.rollback_round("id", "elsewhere"),
        "round_id",
    ),
    "rollback of one of a list": (
        lambda p: p.rollback_list("b", id_="id"),
        lambda p: p.rollback("b", "id"),
        "original",
    ),
    "rollback of the round of a bet": (
        lambda p: p.rollback("b", "id"),
        lambda p: p.rollback_round("id"),
        "whole_round",
    ),
    "action of another amount": (
        lambda p: p.play(p.stake("1", "id"), p.prize("2", "id-2")),
        lambda p: p.play(p.stake("1", "id"), p.prize("3", "id-2")),
        "amount",
    ),
    "fewer actions": (
        lambda p: p.play(p.stake("1", "id"), p.prize("2", "id-2")),
        lambda p: p.play(p.stake("1", "id")),
        "actions",
    ),
    "more actions": (
        lambda p: p.play(p.stake("1", "id"), p.prize("2", "id-2")),
        lambda p: p.play(p.stake("1", "id"), p.prize("2", "id-2"), p.stake("1", "x")),
        "actions",
    ),
    "other order": (
        lambda p: p.play(p.stake("1", "id"), p.stake("1", "id-2")),
        lambda p: p.play(p.stake("1", "id-2"), p.stake("1", "id")),
        "actions",
    ),
    "action alone": (
        lambda p: p.play(p.stake("1", "id"), p.prize("2", "id-2")),
        lambda p: p.bet("1", "id"),
        "kind",
    ),
}


@pytest.mark.parametrize("name", MISMATCHES)
async def test_other_content_is_refused(player: Player, send: Send, name: str) -> None:
    """The same id with another content names the first difference, moves nothing."""
    build_first, build_second, field = MISMATCHES[name]
    await player.casino.studio.call(player.bet("10.00", "b"))
    first = await send(player, build_first(player))
    before = await player.balance()
    second = await send(player, build_second(player))

    assert not isinstance(first, CageError), first
    assert_refused(second, "TRANSACTION_MISMATCH", field=field)
    assert second.metadata["transaction_id"] in {"id", "id-2"}
    assert (await player.balance()).version == before.version


async def test_what_is_never_compared(player: Player, send: Send) -> None:
    """Session, times, details, round_closed, contributions and scale may differ."""
    first = await send(player, player.bet("10.00", "id"))
    part = JackpotContribution(jackpot_id="j", amount=money("EUR", "0.00001"))
    other = player.bet(
        Money(currency_code="EUR", amount=10_000, scale=3),
        "id",
        session_token="s.bogus",
        details="another",
        round_closed=True,
        jackpot_contributions=[part],
    )
    other.occur_time.GetCurrentTime()
    again = await send(player, other)

    assert is_replay(again)
    assert first_answer(again) == first_answer(first)


async def test_what_a_rollback_never_compares(player: Player, send: Send) -> None:
    """A rollback's amount, round and game may differ too."""
    await player.casino.studio.call(player.bet("10.00", "b"))
    first = await send(player, player.rollback("b", "id"))
    other = player.rollback(
        "b", "id", amount=USD, round_id="elsewhere", game_id="chess", details="x"
    )
    again = await send(player, other)

    assert is_replay(again)
    assert first_answer(again) == first_answer(first)


async def test_ids_are_apart(player: Player, send: Send) -> None:
    """One id may be used by another player, integration and as a rollback's."""
    deployment = player.casino.deployment
    other = await player.casino.player()
    integration_id = deployment.name("integration")
    await deployment.admin.admin.create_integration(integration_id=integration_id)
    _, key = await deployment.key(
        Role.ROLE_GAME,
        integration_id=integration_id,
        operator_ids=[player.casino.operator_id],
    )
    answers = [
        await send(player, player.bet("1.00", "id")),
        await send(other, other.bet("2.00", "id")),
        await deployment.client(key).call(player.bet("3.00", "id")),
        await send(player, player.rollback("id", "id")),
    ]

    assert [answer.receipt.cash.amount for answer in answers] == [-100, -200, -300, 100]
    assert not any(is_replay(answer) for answer in answers)


async def test_same_id_twice_in_a_batch(player: Player) -> None:
    """The second of two equal operations of one batch answers the first's receipt."""
    bet = player.bet("10.00", "id")
    first, other, again, read = await player.casino.studio.wallet.batch_execute(
        [bet, player.bet("5.00"), bet, player.read()]
    )

    assert first_answer(again) == first_answer(first)
    assert (is_replay(first), is_replay(other), is_replay(again)) == (
        False,
        False,
        True,
    )
    assert again.receipt.current.cash == read.balance.cash == 8_500  # type: ignore[union-attr]
