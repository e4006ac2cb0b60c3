"""A rollback gives back what was taken, once, and stops what has not come yet."""

from collections.abc import Callable
from typing import TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused, first_answer, is_replay
from tests.integration.deployment import Player

from cage.wallet.v1.wallet_pb2 import (
    BetKind,
    RoundState,
    TransactionKind,
    TransactionState,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

BET = TransactionKind.TRANSACTION_KIND_BET
ROLLBACK = TransactionKind.TRANSACTION_KIND_ROLLBACK
Build: TypeAlias = Callable[[Player], Message]


async def stored_state(player: Player, id_: str) -> TransactionState.ValueType:
    """Read what became of a rollback."""
    reply = await player.casino.studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id=id_, kind=ROLLBACK
    )
    return reply.transaction.state


async def test_rollback_cancels_its_round(player: Player, send: Send) -> None:
    """A round whose only bet is taken back is cancelled, and takes a bet again."""
    await send(player, player.bet("10.00", "bet"))
    back = await send(player, player.rollback("bet"))
    cancelled = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )
    another = await send(player, player.bet("1.00"))

    assert (back.receipt.cash.amount, back.receipt.after.cash) == (1_000, 10_000)
    assert cancelled.round.state == RoundState.ROUND_STATE_CANCELLED
    assert cancelled.round.bet_amount.amount == 0
    assert cancelled.round.HasField("close_time")
    assert another.receipt.cash.amount == -100


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
async def test_tombstone_stops_the_late_original(
    player: Player, send: Send, kind: TransactionKind.ValueType
) -> None:
    """A rollback of an unknown id succeeds, and its original is never posted."""
    back = await send(player, player.rollback("late", "back", original_kind=kind))
    again = await send(player, player.rollback("late", "back"))
    late = [
        await send(player, request)
        for request in (
            player.bet("10.00", "late"),
            player.play(player.stake("10.00", "late")),
            player.win("1.00", bet_transaction_id="late"),
        )
    ]

    assert (back.tombstone, is_replay(back)) == (True, False)
    assert (again.tombstone, is_replay(again)) == (True, True)
    assert (back.receipt.cash.amount, back.receipt.after.cash) == (0, 10_000)
    for answer in late:
        assert_refused(answer, "ALREADY_ROLLED_BACK")
    assert await stored_state(player, "back") == (
        TransactionState.TRANSACTION_STATE_TOMBSTONE
    )
    assert await player.cash() == 10_000


async def test_tombstone_stops_a_whole_play(player: Player, send: Send) -> None:
    """A play is refused when one of its actions was taken back before it came."""
    await send(player, player.rollback("b"))
    play = player.play(player.stake("1.00", "a"), player.prize("5.00", "b"))

    assert_refused(await send(player, play), "ALREADY_ROLLED_BACK")
    assert await player.cash() == 10_000


async def test_second_rollback_answers_the_first(player: Player, send: Send) -> None:
    """Under its own id or another one, a second rollback moves nothing."""
    await send(player, player.bet("10.00", "bet"))
    first = await send(player, player.rollback("bet", "back"))
    again = await send(player, player.rollback("bet", "back"))
    alias = await send(player, player.rollback("bet", "alias"))
    alias_again = await send(player, player.rollback("bet", "alias"))

    assert [is_replay(a) for a in (first, again, alias, alias_again)] == [
        False, True, True, True,
    ]  # fmt: skip
    assert first_answer(again) == first_answer(first)
    assert first_answer(alias) == first_answer(alias_again)
    assert alias.receipt.transaction_id == "alias"
    assert alias.receipt.ledger_id == first.receipt.ledger_id
    assert alias.receipt.cash == first.receipt.cash
    assert alias.receipt.current.version == first.receipt.after.version
    assert await stored_state(player, "alias") == (
        TransactionState.TRANSACTION_STATE_ALIAS
    )
    assert await player.cash() == 10_000


async def test_second_tombstone_answers_the_first(player: Player, send: Send) -> None:
    """Another rollback of an unknown id is an alias of the tombstone."""
    await send(player, player.rollback("late", "back"))
    alias = await send(player, player.rollback("late", "alias"))
    late = await send(player, player.bet("1.00", "late"))

    assert (alias.tombstone, is_replay(alias)) == (True, True)
    assert_refused(late, "ALREADY_ROLLED_BACK")


async def test_alias_of_another_original(player: Player, send: Send) -> None:
    """The id of an alias cannot be used for another original."""
    for id_ in ("a", "b"):
        await send(player, player.bet("1.00", id_))
    await send(player, player.rollback("a", "back"))
    await send(player, player.rollback("a", "alias"))
    answer = await send(player, player.rollback("b", "alias"))

    assert_refused(answer, "TRANSACTION_MISMATCH", field="original")


# What settles a bet "bet", and what rolls it back.
SETTLING: dict[str, list[Build]] = {
    "a win that names it": [lambda p: p.win("5.00", bet_transaction_id="bet")],
    "a win of nothing": [lambda p: p.win("0", bet_transaction_id="bet")],
    "a win of the round": [lambda p: p.win("5.00")],
    "a play's win": [lambda p: p.play(p.prize("5.00"))],
    "a close": [lambda p: p.close()],
    "a close by a play": [lambda p: p.play(round_closed=True)],
}
LEAVING_OPEN: dict[str, list[Build]] = {
    "another bet": [lambda p: p.bet("5.00")],
    "a win of another bet": [
        lambda p: p.bet("5.00", "other"),
        lambda p: p.win("5.00", bet_transaction_id="other"),
    ],
    "another bet that closes": [lambda p: p.bet("5.00", round_closed=True)],
    "an award in the round": [lambda p: p.award("5.00", None, "round")],
    "a round of its own": [
        lambda p: p.bet("5.00", None, "elsewhere"),
        lambda p: p.win("9.00", None, "elsewhere"),
        lambda p: p.close("elsewhere"),
    ],
}


@pytest.mark.parametrize("name", SETTLING)
async def test_settled_bet_stays(player: Player, send: Send, name: str) -> None:
    """A bet that another call has settled is not rolled back."""
    await send(player, player.bet("10.00", "bet"))
    for build in SETTLING[name]:
        await player.casino.studio.call(build(player))
    before = await player.balance()
    answer = await send(player, player.rollback("bet"))

    assert_refused(answer, "ALREADY_SETTLED")
    assert (await player.balance()).version == before.version


@pytest.mark.parametrize("name", LEAVING_OPEN)
async def test_unsettled_bet_goes_back(player: Player, send: Send, name: str) -> None:
    """A bet that nothing has settled is rolled back."""
    await send(player, player.bet("10.00", "bet"))
    for build in LEAVING_OPEN[name]:
        await player.casino.studio.call(build(player))
    answer = await send(player, player.rollback("bet"))

    assert answer.receipt.cash.amount == 1_000


async def test_bet_that_closed_its_round_goes_back(player: Player, send: Send) -> None:
    """A bet whose own call closed the round is still reversed."""
    await send(player, player.bet("10.00", "bet", round_closed=True))
    answer = await send(player, player.rollback("bet"))

    assert answer.receipt.cash.amount == 1_000


async def test_rollback_closes_the_round(player: Player, send: Send) -> None:
    """A rollback that is the last call of its round closes it."""
    await send(player, player.bet("10.00", "bet"))
    await send(player, player.bet("5.00", "other"))
    await send(player, player.rollback("bet", round_closed=True))

    assert_refused(await send(player, player.bet("1.00")), "ROUND_CLOSED")


# What stays: the setup, the original's id, and the kind that is sent with it.
STAYING: dict[str, tuple[Build | None, int]] = {
    "win": (lambda p: p.win("5.00", "it"), 0),
    "win by its kind": (lambda p: p.win("5.00", "it"), 2),
    "award": (lambda p: p.award("5.00", "it"), 0),
    "award of the round": (lambda p: p.award("5.00", "it", "round"), 4),
    "play of wins": (lambda p: p.play(p.prize("5.00", "it")), 0),
    "rollback": (lambda p: p.rollback("bet", "it"), 3),
    "unknown rollback": (None, 3),
}


@pytest.mark.parametrize("name", STAYING)
async def test_what_stays(player: Player, send: Send, name: str) -> None:
    """Wins, awards and rollbacks are not rolled back."""
    build, kind = STAYING[name]
    await send(player, player.bet("10.00", "bet"))
    if build is not None:
        await send(player, build(player))
    before = await player.balance()
    answer = await send(player, player.rollback("it", original_kind=kind))

    assert_refused(answer, "ROLLBACK_NOT_ALLOWED")
    assert (await player.balance()).version == before.version


async def test_win_of_a_bet_that_was_taken_back(player: Player, send: Send) -> None:
    """A bet that was rolled back is not won, nor is its cancelled round."""
    await send(player, player.bet("10.00", "bet"))
    await send(player, player.rollback("bet"))
    by_bet = await send(player, player.win("50.00", bet_transaction_id="bet"))
    by_round = await send(player, player.win("50.00"))

    assert_refused(by_bet, "ALREADY_ROLLED_BACK")
    assert_refused(by_round, "ALREADY_ROLLED_BACK")
    assert await player.cash() == 10_000


async def test_bet_after_its_rollback_is_its_replay(player: Player, send: Send) -> None:
    """A bet that was taken back answers its first receipt and never debits again."""
    bet = player.bet("10.00", "bet")
    first = await send(player, bet)
    await send(player, player.rollback("bet"))
    again = await send(player, bet)

    assert is_replay(again)
    assert first_answer(again) == first_answer(first)
    assert again.receipt.current.cash == 10_000


async def test_kind_has_to_fit(player: Player, send: Send) -> None:
    """A rollback that takes a bet for a win is refused."""
    await send(player, player.bet("10.00", "bet"))
    answer = await send(player, player.rollback("bet", original_kind=2))

    assert_refused(answer, "REFERENCE_MISMATCH", field="kind")
    assert (await send(player, player.rollback("bet", original_kind=BET))).receipt


async def test_tip_goes_back(player: Player, send: Send) -> None:
    """A tip is rolled back as a bet is."""
    await send(player, player.bet("10.00", "tip", kind=BetKind.BET_KIND_TIP))
    answer = await send(player, player.rollback("tip"))

    assert answer.receipt.cash.amount == 1_000
    assert await player.cash() == 10_000


async def test_one_original_in_one_batch(player: Player) -> None:
    """Bet, rollback, second rollback and late bet agree inside one batch too."""
    bet = player.bet("10.00", "bet")
    (
        posted,
        back,
        alias,
        late,
        tomb,
        refused,
    ) = await player.casino.studio.wallet.batch_execute(
        [
            bet,
            player.rollback("bet", "back"),
            player.rollback("bet", "alias"),
            bet,
            player.rollback("never"),
            player.bet("1.00", "never"),
        ]
    )

    assert posted.receipt.cash.amount == -1_000  # type: ignore[union-attr]
    assert back.receipt.cash.amount == 1_000  # type: ignore[union-attr]
    assert (is_replay(alias), is_replay(late)) == (True, True)
    assert tomb.tombstone  # type: ignore[union-attr]
    assert_refused(refused, "ALREADY_ROLLED_BACK")
    assert await player.cash() == 10_000
