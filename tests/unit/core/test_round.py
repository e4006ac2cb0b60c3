"""A round's state and totals follow from what stands in it."""

from typing import Any

import pytest
from tests.simulation.calls import award, bet, close_round, play, rollback, win
from tests.simulation.deployment import NOW_US, Desk, render

from cage.core.errors import Reason
from cage.core.round import Round, RoundState
from cage.core.wallet import BetKind, Kind

TIP = BetKind.TIP
OPEN, CLOSED, CANCELLED = RoundState.OPEN, RoundState.CLOSED, RoundState.CANCELLED


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


# Calls, then the state, the amounts of bets and wins, and the three counts.
HISTORIES: list[tuple[list[Any], RoundState, tuple[int, int], tuple[int, int, int]]] = [
    ([bet("b1", 10)], OPEN, (10, 0), (1, 0, 0)),
    ([bet("b1", 10), bet("b2", 5)], OPEN, (15, 0), (2, 0, 0)),
    ([bet("b1", 120)], OPEN, (120, 0), (1, 0, 0)),
    ([bet("b1", 0), win("w1", 0)], OPEN, (0, 0), (1, 1, 0)),
    ([bet("b1", 10), win("w1", 7), win("w2", 8)], OPEN, (10, 15), (1, 2, 0)),
    ([bet("b1", 10, round_closed=True)], CLOSED, (10, 0), (1, 0, 0)),
    ([bet("b1"), win("w1", 7, round_closed=True)], CLOSED, (10, 7), (1, 1, 0)),
    ([bet("b1"), close_round(), win("w1", 7)], CLOSED, (10, 7), (1, 1, 0)),
    ([bet("b1"), rollback()], CANCELLED, (0, 0), (1, 0, 1)),
    ([bet("b1"), rollback(round_closed=True)], CANCELLED, (0, 0), (1, 0, 1)),
    ([bet("b1"), rollback(), close_round()], CANCELLED, (0, 0), (1, 0, 1)),
    ([bet("b1"), bet("b2", 5), rollback()], OPEN, (5, 0), (2, 0, 1)),
    ([bet("b1"), rollback(), bet("b2", 5)], OPEN, (5, 0), (2, 0, 1)),
    ([bet("b1"), rollback(), rollback("x2")], CANCELLED, (0, 0), (1, 0, 1)),
    ([bet("b1", 3, kind=TIP)], OPEN, (0, 0), (0, 0, 0)),
    ([bet("b1", 3, kind=TIP), rollback()], OPEN, (0, 0), (0, 0, 1)),
    ([bet("b1"), bet("b2", 3, kind=TIP), rollback()], CANCELLED, (0, 0), (1, 0, 1)),
    ([award("a1", 9, round_id="r1")], OPEN, (0, 9), (0, 1, 0)),
    ([award("a1", 9, round_id="r1", round_closed=True)], CLOSED, (0, 9), (0, 1, 0)),
    ([award("a1", 9, round_id="r1", informational=True)], OPEN, (0, 0), (0, 1, 0)),
    ([play(bet("b1", 9), win("w1", 4))], OPEN, (9, 4), (1, 1, 0)),
    ([play(bet("b1", 9), win("w1", 4)), rollback()], CANCELLED, (0, 0), (1, 1, 2)),
    ([bet("b1"), play(win("w1", 4), bet("b2", 1)), rollback("x2", "b2")],
     OPEN, (10, 0), (2, 1, 2)),
    ([bet("b1"), bet("b2", 500)], OPEN, (10, 0), (1, 0, 0)),
    ([bet("b1"), rollback("x2", "b9")], OPEN, (10, 0), (1, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("calls", "state", "amounts", "counts"), HISTORIES)
def test_totals(
    desk: Desk,
    calls: list[Any],
    state: RoundState,
    amounts: tuple[int, int],
    counts: tuple[int, int, int],
) -> None:
    """A round counts what was posted and sums up what stands; tips in neither."""
    for call in calls:
        desk.send(call)
    round_ = desk.round()

    assert round_ is not None
    assert round_.state == state
    assert (round_.bet_cash + round_.bet_bonus, round_.win_amount) == amounts
    assert (round_.bet_count, round_.win_count, round_.rolled_back_count) == counts
    assert bool(round_.close_time_us) == (state != OPEN)
    assert round_.open_time_us == NOW_US


@pytest.mark.parametrize(
    "calls", [[bet("b1", 500)], [rollback()], [award("a1")], [win("w1")]]
)
def test_what_opens_no_round(desk: Desk, calls: list[Any]) -> None:
    """A refusal, a tombstone and an award without a round open none."""
    for call in calls:
        desk.send(call)

    assert desk.round() is None
    assert desk.send(close_round()).reason == Reason.ROUND_NOT_FOUND


def test_cancelled_round_opens_again(desk: Desk) -> None:
    """A bet in a cancelled round opens it again; it closes at its later time."""
    desk.send(bet("b1"))
    desk.send(rollback())
    desk.book.now_us += 5
    desk.send(bet("b2"))
    round_ = desk.round()

    assert round_ is not None
    assert (round_.state, round_.close_time_us) == (OPEN, 0)

    desk.book.now_us += 5
    desk.send(rollback("b2", "b2"))

    assert (round_.state, round_.close_time_us) == (CANCELLED, NOW_US + 10)


def test_first_close_time_stays(desk: Desk) -> None:
    """A round that was closed keeps its time when it is cancelled later."""
    desk.send(bet("b1", round_closed=True))
    desk.book.now_us += 5
    desk.send(rollback())
    round_ = desk.round()

    assert round_ is not None
    assert (round_.state, round_.close_time_us) == (CANCELLED, NOW_US)


def test_close_is_idempotent_by_its_round(desk: Desk) -> None:
    """The first close records a transaction; every later one shows the round."""
    desk.send(bet("b1", 10))
    first, replayed = desk.send(close_round())
    count = len(desk.book.transactions)
    desk.send(win("w1", 4))
    again, replayed_again = desk.send(close_round(key_id="wide-key"))
    row = desk.book.transactions[count - 1]

    assert (row.kind, row.amount, row.cash, row.round_id) == (
        Kind.CLOSE_ROUND,
        0,
        0,
        "r1",
    )
    assert (replayed, replayed_again) == (False, True)
    assert (first.state, first.win_amount) == (CLOSED, 0)
    assert (again.state, again.win_amount) == (CLOSED, 4)
    assert len(desk.book.transactions) == count + 1


@pytest.mark.parametrize(
    ("changes", "reason", "metadata"),
    [
        ({"key_id": "no-key", "player_id": "zed"}, Reason.KEY_INVALID, {}),
        (
            {"player_id": "zed", "game_id": "lost"},
            Reason.PLAYER_NOT_FOUND,
            {"player_id": "zed"},
        ),
        (
            {"game_id": "lost", "round_id": "r9"},
            Reason.GAME_NOT_FOUND,
            {"game_id": "lost"},
        ),
        ({"round_id": "r9"}, Reason.ROUND_NOT_FOUND, {"round_id": "r9"}),
        ({"game_id": "dice"}, Reason.ROUND_NOT_FOUND, {"round_id": "r1"}),
        ({"player_id": "bob"}, Reason.ROUND_NOT_FOUND, {"round_id": "r1"}),
    ],
)
@pytest.mark.parametrize("close", [close_round, play])
def test_close_guards(
    desk: Desk,
    changes: dict[str, Any],
    reason: Reason,
    metadata: dict[str, str],
    close: Any,
) -> None:
    """A close is refused for its key, player, game and round, in this order."""
    desk.send(bet())
    before = render([desk.book.next_no, desk.round()])
    answer = desk.send(close(**changes))

    assert (answer.reason, answer.metadata) == (reason, metadata)
    assert render([desk.book.next_no, desk.round()]) == before


def test_rounds_are_of_player_and_game(desk: Desk) -> None:
    """The same round id of another game or player is another round."""
    desk.send(bet("b1", round_closed=True))

    assert not desk.send(bet("b2", game_id="dice")).replayed
    assert not desk.send(bet("b3", player_id="bob")).replayed
    assert desk.send(bet("b4")).reason == Reason.ROUND_CLOSED


def test_round_of_a_batch_before(desk: Desk) -> None:
    """A chain that nobody loaded is never taken for an empty one."""
    desk.send(bet())
    round_ = desk.round()

    assert isinstance(round_, Round)

    round_.history = None

    with pytest.raises(AssertionError, match="not loaded"):
        round_.chain()
