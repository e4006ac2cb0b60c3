"""The undo of a rollback lets the original stand again, once, in every carrier."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused, first_answer, is_replay
from tests.integration.deployment import Player, Ruled

from cage.client import WinRollbackRule
from cage.player.v1.player_pb2 import PlayerStatus
from cage.wallet.v1.wallet_pb2 import RoundState, TransactionKind

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEGATIVE = WinRollbackRule.WIN_ROLLBACK_RULE_ALLOW_NEGATIVE
Build: TypeAlias = Callable[[Player], Message]

# What is rolled back with the id "back", what that gives, and what it is made of.
UNDONE: dict[str, tuple[list[Build], Build, int]] = {
    "a bet": (
        [lambda p: p.bet("10.00", "bet")],
        lambda p: p.rollback("bet", "back"),
        1_000,
    ),
    "a bet that closed its round": (
        [lambda p: p.bet("10.00", "bet", round_closed=True)],
        lambda p: p.rollback("bet", "back"),
        1_000,
    ),
    "a play": (
        [lambda p: p.play(p.stake("10.00", "bet"), p.prize("25.00", "win"))],
        lambda p: p.rollback("win", "back"),
        -1_500,
    ),
    "a win": (
        [lambda p: p.bet("10.00"), lambda p: p.win("25.00", "win")],
        lambda p: p.rollback("win", "back"),
        -2_500,
    ),
    "a list": (
        [lambda p: p.bet("10.00", "bet"), lambda p: p.bet("5.00", "b", "other")],
        lambda p: p.rollback_list("b", "never", "bet", id_="back"),
        1_500,
    ),
    "a round": (
        [lambda p: p.bet("10.00", "bet"), lambda p: p.win("25.00", "win")],
        lambda p: p.rollback_round("back"),
        -1_500,
    ),
}


async def setup(player: Player, send: Send, name: str) -> int:
    """Play and roll back; return the cash that there was before the rollback."""
    calls, back, given = UNDONE[name]
    for build in calls:
        await send(player, build(player))
    before = await player.cash()
    answer = await send(player, back(player))

    assert answer.receipt.cash.amount == given

    return before


@pytest.mark.parametrize("name", UNDONE)
async def test_e20_undo_of_a_rollback(ruled: Ruled, send: Send, name: str) -> None:
    """E20: what a rollback moved moves back, once, and the round is what it was."""
    player = await ruled(win_rollback=NEGATIVE)
    before = await setup(player, send, name)
    first = await send(player, player.reinstate("back", "again"))
    retry = await send(player, player.reinstate("back", "again"))
    other = await send(player, player.reinstate("back", "other"))

    assert first.receipt.cash.amount == -UNDONE[name][2]
    assert first.receipt.after.cash == before
    assert first.receipt.before.cash == before + UNDONE[name][2]
    assert (is_replay(first), is_replay(retry)) == (False, True)
    assert first_answer(retry) == first_answer(first)
    assert [each.receipt.ledger_id for each in other.reversals] == [
        each.receipt.ledger_id for each in first.reversals
    ]
    if not first.reversals:
        assert first_answer(other).receipt.ledger_id == first.receipt.ledger_id
        assert is_replay(other)
    assert await player.cash() == before


@pytest.mark.parametrize("name", UNDONE)
async def test_e20_rollback_after_its_undo(ruled: Ruled, send: Send, name: str) -> None:
    """E20: the old rollback keeps its answer, and one with a new id reverses again."""
    player = await ruled(win_rollback=NEGATIVE)
    before = await setup(player, send, name)
    request = UNDONE[name][1](player)
    await send(player, player.reinstate("back", "again"))
    retry = await send(player, request)

    assert is_replay(retry)
    assert await player.cash() == before

    request.transaction_id = "back-2"  # type: ignore[attr-defined]
    second = await send(player, request)
    assert not is_replay(second)
    assert second.receipt.cash.amount == UNDONE[name][2]
    assert await player.cash() == before + UNDONE[name][2]


@pytest.mark.parametrize("rule", [0, 2, 3])
async def test_e20_spent_money(ruled: Ruled, send: Send, rule: int) -> None:
    """E20: a stake that was spent is taken again only where cash may be negative."""
    player = await ruled(win_rollback=rule)
    await send(player, player.bet("60.00", "bet"))
    await send(player, player.rollback("bet", "back"))
    await send(player, player.bet("70.00", None, "other"))
    answer = await send(player, player.reinstate("back", "again"))

    if rule == NEGATIVE:
        assert answer.receipt.after.cash == -3_000
        return
    assert_refused(answer, "INSUFFICIENT_FUNDS")
    assert answer.balance.cash == 3_000
    await player.deposit("30.00")
    again = await send(player, player.reinstate("back", "again"))
    assert (again.receipt.after.cash, is_replay(again)) == (0, False)


async def test_e20_other_rollback_is_a_mismatch(player: Player, send: Send) -> None:
    """E20: the id of a reinstatement stands for one rollback."""
    for id_ in ("a", "b"):
        await send(player, player.bet("1.00", id_))
        await send(player, player.rollback(id_, id_))
    await send(player, player.reinstate("a", "again"))
    other = await send(player, player.reinstate("b", "again"))
    unknown = await send(player, player.reinstate("never", "again"))

    for answer in (other, unknown):
        assert_refused(answer, "TRANSACTION_MISMATCH", field="rollback_transaction_id")
        assert answer.metadata["transaction_id"] == "again"
    assert await player.cash() == 9_900


async def test_e8_reinstatement_after_expiry(player: Player, send: Send) -> None:
    """E8: a reinstatement passes after the session's end, for a blocked player."""
    token = await player.session()
    await send(player, player.bet("10.00", "bet", session_token=token))
    await send(player, player.rollback("bet", "back"))
    await player.end_sessions()
    await player.set_status(PlayerStatus.PLAYER_STATUS_SUSPENDED)
    answer = await send(player, player.reinstate("back", session_token=token))

    assert answer.receipt.cash.amount == -1_000


async def test_round_takes_bets_again(player: Player, send: Send) -> None:
    """A round whose rollback was undone is open, and a refused bet stays refused."""
    await send(player, player.bet("10.00", "a"))
    await send(player, player.rollback_round("back"))
    await send(player, player.bet("1.00", "late"))
    answer = await send(player, player.reinstate("back"))
    read = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )
    late = await send(player, player.bet("1.00", "late"))
    new = await send(player, player.bet("1.00", "new"))

    assert [each.original.transaction_id for each in answer.reversals] == ["a"]
    assert read.round.state == RoundState.ROUND_STATE_OPEN
    assert not read.round.HasField("close_time")
    assert (read.round.bet_amount.amount, read.round.rolled_back_count) == (1_000, 0)
    assert_refused(late, "ALREADY_ROLLED_BACK")
    assert new.receipt.cash.amount == -100


async def test_round_that_was_rolled_back_since(player: Player, send: Send) -> None:
    """One rollback of a round that was rolled back as a whole since is not undone."""
    await send(player, player.bet("10.00", "a"))
    await send(player, player.rollback("a", "back"))
    await send(player, player.rollback_round("whole"))

    refused = await send(player, player.reinstate("back"))
    assert_refused(refused, "ALREADY_ROLLED_BACK")
    await send(player, player.reinstate("whole"))
    answer = await send(player, player.reinstate("back"))
    assert answer.receipt.cash.amount == -1_000


async def test_refused_list_is_not_reinstated_in_part(
    player: Player, send: Send
) -> None:
    """The undo of a list is all or nothing, and names what could not be paid."""
    await send(player, player.bet("60.00", "a"))
    await send(player, player.bet("40.00", "b"))
    await send(player, player.rollback_list("a", "b", id_="back"))
    await send(player, player.bet("30.00", None, "other"))
    answer = await send(player, player.reinstate("back"))

    assert_refused(answer, "INSUFFICIENT_FUNDS")
    assert (answer.transaction_id, answer.balance.cash) == ("a", 7_000)
    assert await player.cash() == 7_000


async def test_reads_of_a_reinstated_list(player: Player, send: Send) -> None:
    """Reads show the parts of a reinstatement under its id, and name the rollback."""
    await send(player, player.bet("1.00", "a"))
    await send(player, player.bet("2.00", "b"))
    await send(player, player.rollback_list("a", "b", id_="back"))
    await send(player, player.reinstate("back", "again"))
    await send(player, player.reinstate("back", "more"))
    wallet = player.casino.studio.wallet
    kind = TransactionKind.TRANSACTION_KIND_REINSTATE
    listed: list[Any] = [
        (each.transaction_id, each.reference_transaction_id, each.cash.amount)
        async for each in wallet.list_transactions(player_id=player.player_id)
        if each.kind == kind
    ]

    assert listed == [
        ("again", "back", -200),
        ("again", "back", -100),
        ("again", "back", 0),
        ("more", "back", 0),
        ("more", "back", 0),
        ("more", "back", 0),
    ]
