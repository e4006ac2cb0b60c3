"""What a rollback gives back follows from the rules: each on both sides."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.simulation.calls import award, bet, close_round, play, rollback, win
from tests.simulation.deployment import CASH, Desk

from cage.core.errors import Reason
from cage.core.rules import RollbackAmountRule, Verdict, WinRollbackRule
from cage.core.wallet import Receipt, Rollback, State

ACCEPT, REFUSE = Verdict.ACCEPT, Verdict.REFUSE
KNOWN = {"unknown_rollback": REFUSE}
ONCE = {"second_rollback": REFUSE}
SETTLED = {"settled_rollback": ACCEPT}
NOT_LATE = {"late_rollback": REFUSE}
MATCH = {"rollback_amount": RollbackAmountRule.MATCH}
NEGATIVE = {"win_rollback": WinRollbackRule.ALLOW_NEGATIVE}
NO_OP = {"win_rollback": WinRollbackRule.NO_OP}

X1 = rollback("x1", "b1")
OF_WIN = rollback("x1", "w1")
WON = [bet(), win("w1", 7, bet_transaction_id="b1")]
WINS = [bet(), play(win("w1", 7), win("w2", 1))]
CLOSED = [bet(), bet("b2"), close_round()]
CLOSING = {"round_closed": True}


def sent(amount: int, scale: int = 2, currency_code: str = "EUR") -> Rollback:
    """Roll back bet b1, and send an amount with it."""
    content: dict[str, Any] = {
        "amount": amount,
        "scale": scale,
        "currency_code": currency_code,
    }
    return rollback("x1", "b1", **content)


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


# Rules, what came before, the rollback, and what it moves or why it is refused.
CASES: list[tuple[dict[str, int], Sequence[Any], Rollback, int | Reason]] = [
    # An unknown id.
    ({}, [], X1, 0),
    (KNOWN, [], X1, Reason.TRANSACTION_NOT_FOUND),
    (KNOWN, [rollback("x2", "b1")], X1, Reason.TRANSACTION_NOT_FOUND),
    (KNOWN, [bet()], X1, 10),
    (KNOWN, [bet("b1", 1_000)], X1, 0),
    # A second rollback.
    ({}, [bet(), rollback("x2")], X1, 10),
    (ONCE, [bet(), rollback("x2")], X1, Reason.ALREADY_ROLLED_BACK),
    (ONCE, [bet()], X1, 10),
    (ONCE, [play(bet(), bet("b2")), rollback("x2", "b2")], X1,
     Reason.ALREADY_ROLLED_BACK),
    (ONCE, [bet("b1", 1_000), rollback("x2")], X1, 0),
    # A settled bet.
    ({}, WON, X1, Reason.ALREADY_SETTLED),
    (SETTLED, WON, X1, 10),
    (SETTLED, [bet(), win("w1", 7)], X1, 10),
    (SETTLED, CLOSED, X1, 10),
    # The close of the round.
    ({}, [bet(), bet("b2", **CLOSING)], X1, 10),
    (NOT_LATE, [bet(), bet("b2", **CLOSING)], X1, Reason.ROUND_CLOSED),
    (NOT_LATE, [bet()], X1, 10),
    (NOT_LATE, [bet("b2"), bet("b1", **CLOSING)], X1, 10),
    (NOT_LATE, [play(bet(), win("w1", 7), **CLOSING)], X1, 3),
    (NOT_LATE, [bet(), award("a1", 5, round_id="r1", **CLOSING)], X1,
     Reason.ROUND_CLOSED),
    (NOT_LATE, [bet(), bet("b2"), rollback("x2", "b2", **CLOSING)], X1,
     Reason.ROUND_CLOSED),
    (NOT_LATE, CLOSED, X1, Reason.ALREADY_SETTLED),
    ({**NOT_LATE, **SETTLED}, CLOSED, X1, Reason.ROUND_CLOSED),
    ({**NOT_LATE, **NEGATIVE}, [*WON, close_round()], OF_WIN, Reason.ROUND_CLOSED),
    ({**NOT_LATE, **NEGATIVE}, [bet(), win("w1", 7, **CLOSING)], OF_WIN,
     Reason.ROUND_CLOSED),
    ({**NOT_LATE, **NEGATIVE}, [bet(), play(win("w1", 7), **CLOSING)], OF_WIN, -7),
    ({**NOT_LATE, **NEGATIVE}, [*CLOSED, play(win("w1", 7), **CLOSING)], OF_WIN,
     Reason.ROUND_CLOSED),
    # A win or an award.
    ({}, WON, OF_WIN, Reason.ROLLBACK_NOT_ALLOWED),
    (NEGATIVE, WON, OF_WIN, -7),
    (NO_OP, WON, OF_WIN, -7),
    ({}, WINS, OF_WIN, Reason.ROLLBACK_NOT_ALLOWED),
    (NEGATIVE, WINS, OF_WIN, -8),
    (NO_OP, WINS, OF_WIN, -8),
    ({}, [award("w1", round_id="r1")], OF_WIN, Reason.ROLLBACK_NOT_ALLOWED),
    (NEGATIVE, [award("w1", round_id="r1")], OF_WIN, -10),
    (NO_OP, [award("w1", round_id="r1")], OF_WIN, -10),
    (NEGATIVE, [award("w1")], OF_WIN, Reason.ROLLBACK_NOT_ALLOWED),
    (NO_OP, [award("w1")], OF_WIN, Reason.ROLLBACK_NOT_ALLOWED),
    ({**NEGATIVE, **ONCE}, [*WON, rollback("x2", "w1")], OF_WIN,
     Reason.ALREADY_ROLLED_BACK),
    (NEGATIVE, [*WON, rollback("x2", "w1")], OF_WIN, -7),
    (NEGATIVE, [*WON, rollback("x2", "w1")], X1, 10),
    # The amount.
    ({}, [bet()], sent(999, 3, "USD"), 10),
    (MATCH, [bet()], X1, 10),
    (MATCH, [bet()], sent(10), 10),
    (MATCH, [bet()], sent(1, 1), 10),
    (MATCH, [bet()], sent(10_000, 5), 10),
    (MATCH, [bet()], sent(11), Reason.REFERENCE_MISMATCH),
    (MATCH, [bet()], sent(0), Reason.REFERENCE_MISMATCH),
    (MATCH, [bet()], sent(-10), Reason.REFERENCE_MISMATCH),
    (MATCH, [bet()], sent(10, -1), Reason.REFERENCE_MISMATCH),
    (MATCH, [bet()], sent(10_001, 5), Reason.REFERENCE_MISMATCH),
    (MATCH, [bet()], sent(10, 2, "USD"), Reason.REFERENCE_MISMATCH),
    (MATCH, [bet()], sent(10, 2, ""), Reason.REFERENCE_MISMATCH),
    (MATCH, [bet()], sent(10, -1, ""), Reason.REFERENCE_MISMATCH),
    (MATCH, [bet()], sent(0, 2, ""), Reason.REFERENCE_MISMATCH),
    (MATCH, [], sent(11), 0),
    (MATCH, [bet(), rollback("x2")], sent(11), Reason.REFERENCE_MISMATCH),
    (MATCH, [play(bet(), bet("b2", 5))], sent(10), 15),
    (MATCH, [play(bet(), bet("b2", 5))], sent(15), Reason.REFERENCE_MISMATCH),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "before", "back", "outcome"), CASES)
def test_rollback_by_the_rules(
    desk: Desk,
    rules: dict[str, int],
    before: Sequence[Any],
    back: Rollback,
    outcome: int | Reason,
) -> None:
    """A rollback gives back, or is refused, as the rules say, and so is its retry."""
    desk.rule(**rules)
    for command in before:
        desk.send(command)
    answer, again = desk.send(back), desk.send(back)

    if isinstance(outcome, Reason):
        assert (answer.reason, again.reason) == (outcome, outcome)
    else:
        assert isinstance(answer, Receipt), answer
        assert answer.transaction.cash == outcome
        assert again.replayed
        assert again.transaction == answer.transaction


def test_refused_rollback_leaves_the_tombstone(desk: Desk) -> None:
    """The late bet never debits, whatever the rollback was told."""
    desk.rule(unknown_rollback=REFUSE)
    refused = desk.send(X1)
    late = desk.send(bet())
    desk.rule()
    again = desk.send(X1)

    assert refused.metadata == {"transaction_id": "b1"}
    assert late.reason == Reason.ALREADY_ROLLED_BACK
    assert (again.tombstone, again.replayed) == (True, True)
    assert desk.wallet().cash == CASH


@pytest.mark.parametrize("rule", [NEGATIVE, NO_OP])
@pytest.mark.parametrize(
    "paid",
    [
        win("w1", 50),
        win("w1", 50, bet_transaction_id="b1"),
        award("w1", 50, round_id="r1"),
        play(win("w1", 50)),
    ],
)
def test_money_that_was_spent(desk: Desk, rule: dict[str, int], paid: Any) -> None:
    """A spent win leaves cash below zero, or stays until the money is back."""
    desk.rule(**rule)
    desk.fund(cash=10)
    for command in (bet(), paid, bet("b2", 20, round_id="r2")):
        desk.send(command)
    first, again = desk.send(OF_WIN), desk.send(OF_WIN)

    assert again.transaction == first.transaction
    if rule is NEGATIVE:
        assert (first.transaction.cash, desk.wallet().cash) == (-50, -20)
        return
    assert (first.transaction.state, first.transaction.cash) == (State.ALIAS, 0)
    assert (first.tombstone, first.replayed) == (False, False)

    desk.send(award("a1", 20))
    kept = desk.send(OF_WIN)
    later = desk.send(rollback("x2", "w1"))

    assert kept.transaction == first.transaction
    assert (later.transaction.cash, desk.wallet().cash) == (-50, 0)


@pytest.mark.parametrize(("bonus", "moved"), [(5, -5), (4, 0)])
def test_no_op_looks_at_each_part(desk: Desk, bonus: int, moved: int) -> None:
    """Cash does not make up for the bonus part of a win."""
    desk.rule(**NO_OP)
    desk.fund(cash=0, bonus=50)
    desk.send(bet("b1", 50))
    desk.send(win("w1", 5, bet_transaction_id="b1"))
    desk.fund(cash=100, bonus=bonus)
    answer = desk.send(OF_WIN)

    assert (answer.transaction.cash, answer.transaction.bonus) == (0, moved)


# Calls that are refused, with their number of rows where refusals are stored.
REFUSED: list[tuple[Any, int]] = [
    (bet("b1", 151), 1),
    (bet("b1", session_digest="s-over"), 1),
    (play(bet("b1", 151), win("w1", 5)), 2),
    (play(bet("b1", 10), win("w1", 5, bet_transaction_id="b9")), 2),
]


@pytest.mark.parametrize(("refused", "count"), REFUSED)
@pytest.mark.parametrize("is_anew", [False, True])
def test_refused_bet_is_stored_or_not(
    desk: Desk, refused: Any, count: int, *, is_anew: bool
) -> None:
    """A refusal is stored under every id, unless the rules say to judge anew."""
    desk.rule(refused_bet=1 + is_anew)
    next_no, rounds = desk.book.next_no, dict(desk.book.rounds)
    answer = desk.send(refused)
    again = desk.send(refused)

    assert again.reason == answer.reason
    assert desk.book.next_no == next_no + (0 if is_anew else count)
    assert desk.book.rounds == rounds


@pytest.mark.parametrize("is_anew", [False, True])
def test_refused_bet_comes_again(desk: Desk, *, is_anew: bool) -> None:
    """With the money there, the same id is refused again or accepted."""
    desk.rule(refused_bet=1 + is_anew)
    desk.send(bet("b1", 151))
    desk.fund(cash=500)
    answer = desk.send(bet("b1", 151))

    if is_anew:
        assert answer.transaction.cash == -151
    else:
        assert answer.reason == Reason.INSUFFICIENT_FUNDS


def test_stored_refusal_outlives_the_rule(desk: Desk) -> None:
    """What was stored before the rule was switched stays the answer."""
    desk.send(bet("b1", 151))
    desk.rule(refused_bet=2)
    desk.fund(cash=500)

    assert desk.send(bet("b1", 151)).reason == Reason.INSUFFICIENT_FUNDS
