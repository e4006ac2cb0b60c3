"""A rollback gives back what moved, once, and never fails for lack of an original."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation.calls import (
    award,
    bet,
    close_round,
    play,
    rollback,
    win,
)
from tests.simulation.deployment import BONUS, CASH, Desk, render, set_status

from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX, INT64_MIN
from cage.core.player import PlayerStatus
from cage.core.wallet import Account, BetKind, Kind, Receipt, State


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


def entries(desk: Desk, receipt: Receipt) -> dict[int, int]:
    """Return the amount on each account of a transaction."""
    item_no = receipt.transaction.item_no
    return {line[2]: line[5] for line in desk.book.entries if line[1] == item_no}


@pytest.mark.parametrize("rollback_id", ["b1", "x1"])
def test_parts_go_back_to_where_they_came_from(desk: Desk, rollback_id: str) -> None:
    """Cash and bonus of a bet come back as they were, under any rollback id."""
    desk.send(bet("b1", 120))
    answer = desk.send(rollback(rollback_id, "b1"))
    row = answer.transaction

    assert (row.kind, row.state) == (Kind.ROLLBACK, State.POSTED)
    assert (row.cash, row.bonus, row.amount) == (100, 20, 120)
    assert (answer.replayed, answer.tombstone) == (False, False)
    assert (desk.wallet().cash, desk.wallet().bonus) == (CASH, BONUS)
    assert entries(desk, answer) == {
        Account.PLAYER_CASH: 100,
        Account.PLAYER_BONUS: 20,
        Account.GAME: -120,
    }


def test_unknown_original_leaves_a_tombstone(desk: Desk) -> None:
    """The rollback of an unknown id succeeds, and the original never debits."""
    answer = desk.send(rollback("x1", "b1"))

    assert (answer.tombstone, answer.replayed) == (True, False)
    assert (answer.transaction.cash, answer.transaction.bonus) == (0, 0)
    assert answer.current.version == 2
    for late in (bet(), win("b1"), award("b1"), play(bet())):
        assert desk.send(late).reason == Reason.ALREADY_ROLLED_BACK
    assert (desk.wallet().cash, desk.wallet().version) == (CASH, 2)


@pytest.mark.parametrize("again_id", ["x1", "x2"])
@pytest.mark.parametrize("before", [[], [bet()], [play(bet("b1"), bet("b2"))]])
def test_second_rollback_answers_the_first(
    desk: Desk, before: list[Any], again_id: str
) -> None:
    """Rolling back again, under another id too, gives the first answer every time."""
    for command in before:
        desk.send(command)
    first = desk.send(rollback("x1", "b1"))
    desk.send(award("a1", 7))
    moved = len(desk.book.entries)
    for _ in range(2):
        again = desk.send(rollback(again_id, "b1"))

        assert again.replayed
        assert again.transaction == first.transaction
        assert again.tombstone == first.tombstone
        assert again.current.cash == first.current.cash + 7
    assert len(desk.book.entries) == moved
    assert len(desk.book.transactions[-1:]) == 1


@pytest.mark.parametrize("is_refused", [False, True])
def test_every_action_stands_for_its_play(desk: Desk, *, is_refused: bool) -> None:
    """A rollback may name any action of a play, and so may its retries."""
    stake = 200 if is_refused else 10
    desk.send(play(bet("b1", stake), win("w1", 4), bet("b2", 3)))
    desk.send(rollback("x1", "w1"))

    assert (desk.wallet().cash, desk.wallet().bonus) == (CASH, BONUS)
    for rollback_id in ("x1", "x2", "x3"):
        for original_id in ("b1", "w1", "b2"):
            answer = desk.send(rollback(rollback_id, original_id))

            assert isinstance(answer, Receipt), answer
    assert (desk.wallet().cash, desk.wallet().bonus) == (CASH, BONUS)


def test_play_is_reversed_in_one_sum(desk: Desk) -> None:
    """The rollback of a play takes its wins back with its bets."""
    desk.send(play(bet("b1", 120), win("w1", 60)))
    answer = desk.send(rollback("x1", "b1"))
    round_ = desk.round()

    assert (answer.transaction.cash, answer.transaction.bonus) == (50, 10)
    assert round_ is not None
    assert (round_.bet_cash, round_.bet_bonus, round_.win_amount) == (0, 0, 0)
    assert (round_.bet_count, round_.win_count, round_.rolled_back_count) == (1, 1, 2)
    assert round_.state.name == "CANCELLED"


def test_spent_win_of_a_play_is_taken_back(desk: Desk) -> None:
    """Cash turns negative when the win of a reversed play was spent."""
    desk.fund(cash=10)
    desk.send(play(bet("b1", 10), win("w1", 90)))
    desk.send(bet("b2", 90, round_id="r2"))
    answer = desk.send(rollback("x1", "b1"))

    assert answer.current.cash == -80
    assert answer.current.playable == 0
    assert desk.send(bet("b3", 1)).reason == Reason.INSUFFICIENT_FUNDS
    assert isinstance(desk.send(bet("b4", 0)), Receipt)


def test_play_of_no_net_amount_is_reversed(desk: Desk) -> None:
    """Tip and stake go back to their own accounts when the sum of a play is zero."""
    desk.send(play(bet("b1", 5), bet("b2", 5, kind=BetKind.TIP), win("w1", 10)))
    answer = desk.send(rollback("x1", "b1"))

    assert (answer.transaction.cash, answer.transaction.version) == (0, 5)
    assert entries(desk, answer) == {Account.GAME: 5, Account.TIP: -5}


def test_tip_goes_back(desk: Desk) -> None:
    """The rollback of a tip is on the account of tips, and no total of the round."""
    desk.send(bet("b1", 5, kind=BetKind.TIP))
    answer = desk.send(rollback("x1", "b1"))
    round_ = desk.round()

    assert entries(desk, answer) == {Account.PLAYER_CASH: 5, Account.TIP: -5}
    assert round_ is not None
    assert (round_.bet_count, round_.rolled_back_count) == (0, 1)
    assert round_.state.name == "OPEN"


def test_refused_original_is_answered(desk: Desk) -> None:
    """The rollback of a refused bet succeeds as a move of nothing."""
    desk.send(bet("b1", 500))
    answer, again = (desk.send(rollback("x1", "b1")) for _ in range(2))

    assert (answer.replayed, again.replayed) == (False, True)
    assert answer.transaction == again.transaction
    assert answer.transaction.state == State.ALIAS
    assert (answer.transaction.cash, answer.transaction.bonus) == (0, 0)
    assert desk.send(bet("b1", 500)).reason == Reason.INSUFFICIENT_FUNDS


@pytest.mark.parametrize("original_id", ["b2", "b9"])
def test_id_of_another_original(desk: Desk, original_id: str) -> None:
    """A rollback id that stands for another original is a mismatch."""
    desk.send(bet("b1"))
    desk.send(bet("b2"))
    desk.send(rollback("x1", "b1"))
    answer = desk.send(rollback("x1", original_id))

    assert answer.reason == Reason.TRANSACTION_MISMATCH
    assert answer.metadata == {"transaction_id": "x1", "field": "original"}


@pytest.mark.parametrize(
    ("calls", "is_settled"),
    [
        ([win("w1", 5, bet_transaction_id="b1")], True),
        ([win("w1", 0, bet_transaction_id="b1")], True),
        ([win("w1", 5)], True),
        ([win("w1", 5, bet_transaction_id="b2")], False),
        ([play(bet("b3"), win("w1", 5, bet_transaction_id="b1"))], True),
        ([play(bet("b3"), win("w1", 5))], True),
        ([close_round()], True),
        ([play(round_closed=True)], True),
        ([bet("b3", round_closed=True)], False),
        ([win("w1", 5, bet_transaction_id="b2", round_closed=True)], False),
        ([award("a1", 5, round_id="r1")], False),
        ([award("a1", 5, round_id="r1", round_closed=True)], False),
        ([win("b1", 5, bet_transaction_id="b1")], False),
        ([play(bet("b3"), win("w1", 5)), rollback("x2", "b3")], False),
    ],
)
def test_settled_bet_stays(desk: Desk, calls: list[Any], *, is_settled: bool) -> None:
    """A bet that a later call settled is not rolled back, unless that was undone."""
    for command in (bet("b1"), bet("b2"), *calls):
        desk.send(command)
    answer = desk.send(rollback("x1", "b1"))

    assert isinstance(answer, CageError) == is_settled
    if is_settled:
        assert answer.reason == Reason.ALREADY_SETTLED
        assert desk.book.transactions[-1].kind != Kind.ROLLBACK


def test_win_before_the_bet_does_not_settle_it(desk: Desk) -> None:
    """A win of the round settles the bets before it, not those after."""
    for command in (bet("b1"), win("w1"), bet("b2")):
        desk.send(command)

    assert isinstance(desk.send(rollback("x2", "b2")), Receipt)
    assert desk.send(rollback("x1", "b1")).reason == Reason.ALREADY_SETTLED


def test_own_close_and_own_wins_do_not_settle(desk: Desk) -> None:
    """A bet that closed its round, or a play with its wins, is still reversed."""
    desk.send(bet("b1", round_closed=True))
    desk.send(play(bet("b2"), win("w2", 3), round_id="r2", round_closed=True))

    assert isinstance(desk.send(rollback("x1", "b1")), Receipt)
    assert isinstance(desk.send(rollback("x2", "w2")), Receipt)
    assert (desk.wallet().cash, desk.wallet().bonus) == (CASH, BONUS)


def test_rollback_closes_its_round(desk: Desk) -> None:
    """A rollback that is the last call of its round closes it."""
    desk.send(bet("b1"))
    desk.send(bet("b2"))
    desk.send(rollback("x1", "b1", round_closed=True))

    assert desk.send(bet("b3")).reason == Reason.ROUND_CLOSED


# Guards in order: key, player; the id; the kind of the original; what became of it;
# the range of the balance. Each is one reason, and what brings it about.
Guard = tuple[Reason, Callable[[Desk, Any], object]]


def _overflow(desk: Desk, _: object) -> None:
    desk.fund(cash=INT64_MAX)


GUARDS: list[Guard] = [
    (Reason.KEY_INVALID, lambda _, call: setattr(call, "key_id", "no-key")),
    (Reason.PLAYER_NOT_FOUND, lambda _, call: setattr(call, "player_id", "zed")),
    (
        Reason.TRANSACTION_MISMATCH,
        lambda desk, _: desk.send(rollback("x1", "other")),
    ),
    (
        Reason.ROLLBACK_NOT_ALLOWED,
        lambda _, call: setattr(call, "original_kind", Kind.ROLLBACK),
    ),
    (
        Reason.REFERENCE_MISMATCH,
        lambda _, call: setattr(call, "original_kind", Kind.WIN),
    ),
    (Reason.ALREADY_SETTLED, lambda desk, _: desk.send(win("w1", 0))),
    (Reason.BALANCE_OUT_OF_RANGE, _overflow),
]


@pytest.mark.parametrize("index", range(len(GUARDS)))
def test_guards_stand_in_order(desk: Desk, index: int) -> None:
    """Every refusal wins over those after it, and stores nothing."""
    desk.send(bet("b1"))
    call = rollback("x1", "b1")
    # Two faults set the same field, so the earlier one is brought about last.
    for _, fault in reversed(GUARDS[index:]):
        fault(desk, call)
    before = render([desk.book.next_no, desk.wallet(), desk.round()])
    answer = desk.send(call)

    assert answer.reason == GUARDS[index][0]
    assert answer.balance is None
    assert render([desk.book.next_no, desk.wallet(), desk.round()]) == before


@pytest.mark.parametrize(
    ("stored", "kind", "reason"),
    [
        (win("w1"), Kind.UNSPECIFIED, Reason.ROLLBACK_NOT_ALLOWED),
        (win("w1"), Kind.WIN, Reason.ROLLBACK_NOT_ALLOWED),
        (win("w1"), Kind.BET, Reason.REFERENCE_MISMATCH),
        (award("w1"), Kind.UNSPECIFIED, Reason.ROLLBACK_NOT_ALLOWED),
        (award("w1", round_id="r1"), Kind.AWARD, Reason.ROLLBACK_NOT_ALLOWED),
        (play(win("w1")), Kind.UNSPECIFIED, Reason.ROLLBACK_NOT_ALLOWED),
        (bet("w1", 500), Kind.WIN, Reason.REFERENCE_MISMATCH),
    ],
)
def test_only_bets_are_rolled_back(
    desk: Desk, stored: Any, kind: Kind, reason: Reason
) -> None:
    """Wins and awards stay, and a kind that is sent has to fit."""
    desk.send(bet("b1"))
    desk.send(stored)
    answer = desk.send(rollback("x1", "w1", original_kind=kind))

    assert answer.reason == reason


def test_ids_are_of_the_integration(desk: Desk) -> None:
    """Another integration's id is unknown to a rollback."""
    desk.send(bet("b1"))
    answer = desk.send(rollback("x1", "b1", key_id="strict-key"))

    assert answer.tombstone
    assert desk.wallet().cash == CASH - 10


def test_state_of_the_player_does_not_matter(desk: Desk) -> None:
    """A rollback passes for a player who is blocked."""
    desk.send(bet("b1"))
    desk.send(set_status("block", "ann", PlayerStatus.CLOSED))

    assert isinstance(desk.send(rollback()), Receipt)
    assert desk.wallet().cash == CASH


@pytest.mark.parametrize(
    ("cash", "bonus", "is_in_range"),
    [
        (INT64_MAX - 30, 0, True),
        (INT64_MAX - 29, 0, False),
        (-5, INT64_MAX - 25, True),
        (-5, INT64_MAX - 24, False),
        (-30, INT64_MAX - 20, True),
        (-30, INT64_MAX - 19, False),
    ],
)
def test_upper_edge(desk: Desk, cash: int, bonus: int, *, is_in_range: bool) -> None:
    """A rollback keeps cash, bonus and their sum within 64 bits."""
    desk.fund(cash=10, bonus=20)
    desk.send(bet("b1", 30))
    desk.fund(cash=cash, bonus=bonus)
    answer = desk.send(rollback())

    assert isinstance(answer, Receipt) == is_in_range
    if not is_in_range:
        assert answer.reason == Reason.BALANCE_OUT_OF_RANGE


@pytest.mark.parametrize(("cash", "is_in_range"), [(INT64_MIN + 80, 1), (INT64_MIN, 0)])
def test_lower_edge(desk: Desk, cash: int, *, is_in_range: int) -> None:
    """Taking a spent win back keeps cash within 64 bits."""
    desk.fund(cash=10)
    desk.send(play(bet("b1", 10), win("w1", 90)))
    desk.fund(cash=cash)
    answer = desk.send(rollback())

    assert isinstance(answer, Receipt) == bool(is_in_range)
