"""A reinstatement undoes a rollback, once, and leaves all as if it never was."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation.calls import (
    adjust,
    award,
    bet,
    close_round,
    play,
    reinstate,
    rollback,
    rollback_list,
    rollback_round,
    win,
)
from tests.simulation.deployment import BONUS, CASH, Desk, render, set_status

from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX
from cage.core.player import PlayerStatus
from cage.core.rules import Verdict, WinRollbackRule, WinsPerBetRule
from cage.core.wallet import Account, BetKind, Kind, Original, ReversalReceipt, State

NEGATIVE = {"win_rollback": WinRollbackRule.ALLOW_NEGATIVE}
NO_OP = {"win_rollback": WinRollbackRule.NO_OP}
ONE_WIN = {"wins_per_bet": WinsPerBetRule.ONE}


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


def totals(desk: Desk, round_id: str = "r1") -> tuple[Any, ...]:
    """Return what a round and the wallet of the player come to, without times."""
    round_ = desk.round(round_id)
    assert round_ is not None
    return (
        round_.state,
        round_.bet_count,
        round_.win_count,
        round_.rolled_back_count,
        round_.standing_count,
        round_.bet_cash,
        round_.bet_bonus,
        round_.win_amount,
        round_.close_time_us,
        desk.wallet().cash,
        desk.wallet().bonus,
    )


# What is rolled back, how, and what that is named by.
UNDONE: dict[str, tuple[dict[str, int], list[Any], Any]] = {
    "a bet of cash and bonus": ({}, [bet("b1", 120)], rollback("x1", "b1")),
    "a bet that closed its round": (
        {}, [bet("b1", round_closed=True)], rollback("x1", "b1"),
    ),
    "a tip": ({}, [bet("b1", kind=BetKind.TIP)], rollback("x1", "b1")),
    "a win": (NEGATIVE, [bet("b1"), win("w1", 7)], rollback("x1", "w1")),
    "an award": (NEGATIVE, [award("a1", 7, round_id="r1")], rollback("x1", "a1")),
    "a play": (
        {}, [play(bet("b1", 120), bet("t1", 2, kind=BetKind.TIP), win("w1", 9))],
        rollback("x1", "w1"),
    ),
    "one bet of two": ({}, [bet("b1"), bet("b2", 3)], rollback("x1", "b2")),
    "a list": (
        NEGATIVE, [bet("b1"), win("w1", 7, bet_transaction_id="b1")],
        rollback_list("x1", "w1", "lost", "b1"),
    ),
    "a round": (
        NEGATIVE, [bet("b1"), win("w1", 7, bet_transaction_id="b1"), bet("b2", 130)],
        rollback_round("x1"),
    ),
    "a round without anything": ({}, [bet("b1"), rollback("x2")], rollback_round("x1")),
}  # fmt: skip


@pytest.mark.parametrize("name", UNDONE)
def test_all_is_as_before(desk: Desk, name: str) -> None:
    """Balances, split and totals of the round are what they were."""
    rules, calls, undone = UNDONE[name]
    desk.rule(**rules)
    for command in calls:
        desk.send(command)
    before = totals(desk)
    back = desk.send(undone)
    answer = desk.send(reinstate())

    assert not isinstance(back, CageError), back
    assert isinstance(answer, ReversalReceipt), answer
    assert totals(desk) == before
    assert not answer.receipt.replayed
    row = answer.receipt.transaction
    assert (row.kind, row.state) == (Kind.REINSTATE, State.POSTED)


@pytest.mark.parametrize("name", UNDONE)
def test_again_answers_the_first(desk: Desk, name: str) -> None:
    """A retry, and another reinstatement of the same rollback, move nothing."""
    rules, calls, undone = UNDONE[name]
    desk.rule(**rules)
    for command in (*calls, undone):
        desk.send(command)
    first = desk.send(reinstate("y1"))
    before, moved = totals(desk), len(desk.book.entries)
    retry = desk.send(reinstate("y1"))
    other, other_again = (desk.send(reinstate("y2")) for _ in range(2))

    assert retry.receipt.replayed
    assert retry.receipt.transaction == first.receipt.transaction
    assert [part.receipt.transaction for part in retry.parts] == [
        part.receipt.transaction for part in first.parts
    ]
    for answer in (other, other_again):
        assert [part.receipt.transaction for part in answer.parts] == [
            part.receipt.transaction for part in first.parts
        ]
        assert all(part.receipt.replayed for part in answer.parts)
    assert (len(desk.book.entries), totals(desk)) == (moved, before)


def test_rollback_may_follow_again(desk: Desk) -> None:
    """A new id reverses again; the old ids keep their answers."""
    desk.send(bet("b1"))
    first = desk.send(rollback("x1", "b1"))
    desk.send(reinstate("y1", "x1"))
    retry = desk.send(rollback("x1", "b1"))

    assert retry.replayed
    assert retry.transaction == first.transaction
    assert desk.wallet().cash == CASH - 10

    second = desk.send(rollback("x2", "b1"))
    assert second.transaction.cash == 10
    assert desk.send(reinstate("y2", "x1")).receipt.replayed
    assert desk.wallet().cash == CASH

    desk.send(reinstate("y3", "x2"))
    assert desk.wallet().cash == CASH - 10


def test_win_settles_its_bet_again(desk: Desk) -> None:
    """The bet of a reinstated win is settled, and one that stands takes a win."""
    desk.rule(**NEGATIVE)
    for command in (
        bet("b1"),
        win("w1", 5, bet_transaction_id="b1"),
        rollback("x1", "w1"),
        reinstate("y1", "x1"),
    ):
        desk.send(command)

    assert desk.send(rollback("x2", "b1")).reason == Reason.ALREADY_SETTLED

    desk.send(bet("b2", round_id="r2"))
    desk.send(rollback("x3", "b2"))
    desk.send(reinstate("y3", "x3"))
    paid = desk.send(win("w2", 9, round_id="r2", bet_transaction_id="b2"))
    assert paid.transaction.cash == 9


def test_entries_are_on_the_accounts_of_the_rollback(desk: Desk) -> None:
    """Each line of a reinstatement is the opposite of one of the rollback."""
    desk.send(play(bet("b1", 120), bet("t1", 2, kind=BetKind.TIP), win("w1", 9)))
    lines = []
    for command in (rollback("x1", "b1"), reinstate("y1", "x1")):
        item_no = desk.book.next_no
        desk.send(command)
        lines.append({e[2]: e[5] for e in desk.book.entries if e[1] == item_no})

    assert Account.TIP in lines[0]
    assert lines[1] == {account: -amount for account, amount in lines[0].items()}


@pytest.mark.parametrize("name", ["x2", "x3"])
def test_alias_stands_for_its_rollback(desk: Desk, name: str) -> None:
    """A second rollback of an original, also of a part of a list, names the first."""
    desk.send(bet("b1"))
    desk.send(bet("b2"))
    desk.send(rollback_list("x1", "b1", "b2"))
    desk.send(rollback("x2", "b1"))
    desk.send(rollback_list("x3", "b1") if name == "x9" else rollback("x3", "b1"))
    answer = desk.send(reinstate("y1", name))

    assert answer.receipt.transaction.cash == -10
    assert desk.wallet().cash == CASH - 10

    rest = desk.send(reinstate("y2", "x1"))
    assert [(p.transaction_id, p.receipt.replayed) for p in rest.parts] == [
        ("b2", False),
        ("b1", True),
    ]
    assert desk.wallet().cash == CASH - 20


# What came before, and the rollback that moved nothing.
NOTHING: dict[str, tuple[dict[str, int], list[Any], Any]] = {
    "a tombstone": ({}, [], rollback("x1", "b1")),
    "an alias of a tombstone": ({}, [rollback("x2", "b1")], rollback("x1", "b1")),
    "of a refused bet": ({}, [bet("b1", 1_000)], rollback("x1", "b1")),
    "of a win that was spent": (
        NO_OP, [bet("b1"), win("w1", 90), bet("b2", 230, round_id="r2")],
        rollback("x1", "w1"),
    ),
    "a list of nothing": ({}, [], rollback_list("x1", "b1", "b2")),
    "an unknown round": ({}, [], rollback_round("x1")),
    "a list of what another took": (
        {}, [bet("b1"), rollback("x2", "b1")], rollback_list("x1", "b1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_not_reinstated(desk: Desk, name: str) -> None:
    """A rollback that moved nothing is not undone, and its tombstones stand."""
    rules, calls, undone = NOTHING[name]
    desk.rule(**rules)
    for command in calls:
        desk.send(command)
    back = desk.send(undone)
    before = desk.book.next_no
    answer = desk.send(reinstate())

    assert not isinstance(back, CageError), back
    assert answer.reason == Reason.REINSTATE_NOT_ALLOWED
    assert desk.book.next_no == before
    if name in {"a tombstone", "a list of nothing", "an unknown round"}:
        assert desk.send(bet("b1")).reason == Reason.ALREADY_ROLLED_BACK


def _spend(desk: Desk, _: object) -> None:
    desk.fund(cash=9)


def _overflow(desk: Desk, _: object) -> None:
    desk.fund(cash=9, bonus=INT64_MAX)


Fault = tuple[Reason, Callable[[Desk, Any], object]]

# Guards in order. Each is one reason, and what brings it about.
GUARDS: list[Fault] = [
    (Reason.KEY_INVALID, lambda _, call: setattr(call, "key_id", "no-key")),
    (Reason.PLAYER_NOT_FOUND, lambda _, call: setattr(call, "player_id", "zed")),
    (Reason.TRANSACTION_MISMATCH, lambda desk, _: (
        desk.send(bet("b9", 1, round_id="r9")),
        desk.send(rollback("x9", "b9")),
        desk.send(reinstate("y1", "x9")))),
    (Reason.TRANSACTION_NOT_FOUND, lambda _, call: setattr(call, "rollback_id", "x8")),
    (Reason.REINSTATE_NOT_ALLOWED, lambda desk, call: (
        desk.send(rollback("x7", "b7")), setattr(call, "rollback_id", "x7"))),
    (Reason.ALREADY_ROLLED_BACK, lambda desk, _: desk.send(rollback_round("x6"))),
    (Reason.ALREADY_SETTLED, lambda desk, _: desk.send(adjust("c1", 1, "b1"))),
    (Reason.INSUFFICIENT_FUNDS, _spend),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(GUARDS)))
def test_guards_stand_in_order(desk: Desk, index: int) -> None:
    """Every refusal wins over those after it, and stores nothing."""
    desk.send(bet("b1"))
    desk.send(rollback("x1", "b1"))
    call = reinstate("y1", "x1")
    for _, fault in reversed(GUARDS[index:]):
        fault(desk, call)
    before = render([desk.book.next_no, desk.wallet(), desk.round()])
    answer = desk.send(call)

    assert answer.reason == GUARDS[index][0]
    assert (answer.balance is not None) == (answer.reason == Reason.INSUFFICIENT_FUNDS)
    assert render([desk.book.next_no, desk.wallet(), desk.round()]) == before


def test_range_of_the_balance(desk: Desk) -> None:
    """A reinstated win keeps the balance within 64 bits."""
    desk.rule(**NEGATIVE)
    for command in (bet("b1"), win("w1", 50), rollback("x1", "w1")):
        desk.send(command)
    desk.fund(cash=INT64_MAX - 49)

    assert desk.send(reinstate()).reason == Reason.BALANCE_OUT_OF_RANGE

    desk.fund(cash=INT64_MAX - 50)
    assert isinstance(desk.send(reinstate()), ReversalReceipt)


def test_range_of_the_round(desk: Desk) -> None:
    """A reinstated bet keeps the total of its round within 64 bits."""
    desk.fund(cash=10)
    desk.send(bet("b1", 10))
    desk.send(rollback("x1", "b1"))
    desk.fund(cash=INT64_MAX)
    desk.send(bet("b2", INT64_MAX - 9))
    desk.fund(cash=10)

    assert desk.send(reinstate()).reason == Reason.BALANCE_OUT_OF_RANGE


def test_round_of_two_rollbacks_stays_cancelled(desk: Desk) -> None:
    """A round takes bets again once every rollback of it is undone."""
    desk.rule(**NEGATIVE)
    desk.send(bet("b1"))
    desk.send(rollback_round("x1"))
    desk.send(award("a1", 9, round_id="r1"))
    desk.send(rollback_round("x2"))

    # What the later one took was not there for the first: it has to come back first.
    assert desk.send(reinstate("y1", "x1")).reason == Reason.ALREADY_ROLLED_BACK
    assert isinstance(desk.send(reinstate("y2", "x2")), ReversalReceipt)
    assert desk.send(bet("b2")).reason == Reason.ALREADY_ROLLED_BACK
    assert isinstance(desk.send(reinstate("y1", "x1")), ReversalReceipt)
    assert not isinstance(desk.send(bet("b3")), CageError)


@pytest.mark.parametrize("rule", [Verdict.REFUSE, Verdict.ACCEPT])
def test_win_of_a_bet_that_went(desk: Desk, rule: Verdict) -> None:
    """Nobody has both the stake and its win, unless the rules let that be."""
    desk.rule(**NEGATIVE, win_after_rollback=rule)
    for win_ in (win("w1", 7, bet_transaction_id="b1"), win("w1", 7)):
        fresh = Desk()
        fresh.rule(**NEGATIVE, win_after_rollback=rule)
        for command in (bet("b1"), win_, rollback("x1", "w1"), rollback("x2", "b1")):
            fresh.send(command)
        answer = fresh.send(reinstate())

        if rule == Verdict.REFUSE:
            assert answer.reason == Reason.ALREADY_ROLLED_BACK
        else:
            assert answer.receipt.transaction.cash == 7


@pytest.mark.parametrize("is_single", [False, True])
def test_win_of_a_bet_that_was_won_since(desk: Desk, *, is_single: bool) -> None:
    """Where a bet has one win, one that was rolled back does not come beside it."""
    desk.rule(**NEGATIVE, **(ONE_WIN if is_single else {}))
    named = {"bet_transaction_id": "b1"}
    for command in (
        bet("b1"),
        win("w1", 7, **named),
        rollback("x1", "w1"),
        win("w2", 8, **named),
    ):
        desk.send(command)
    answer = desk.send(reinstate())

    if is_single:
        assert answer.reason == Reason.ALREADY_SETTLED
    else:
        assert answer.receipt.transaction.cash == 7


@pytest.mark.parametrize("rule", [1, 2, 3])
def test_spent_money(desk: Desk, rule: int) -> None:
    """What was spent goes again only where the rules let cash become negative."""
    desk.rule(win_rollback=rule)
    for command in (
        bet("b1", 30),
        rollback("x1", "b1"),
        bet("b2", 90, round_id="r2"),
    ):
        desk.send(command)
    answer = desk.send(reinstate())

    if rule == WinRollbackRule.ALLOW_NEGATIVE:
        assert answer.receipt.current.cash == -20
        return
    assert answer.reason == Reason.INSUFFICIENT_FUNDS
    assert (answer.balance.cash, answer.balance.bonus) == (10, BONUS)

    desk.fund(cash=30)
    assert desk.send(reinstate()).receipt.current.cash == 0


def test_first_refusal_undoes_nothing(desk: Desk) -> None:
    """A list of which the player can pay one part is not reinstated in part."""
    for command in (bet("b1", 60), bet("b2", 40), rollback_list("x1", "b1", "b2")):
        desk.send(command)
    desk.fund(cash=70)
    before = render([desk.book.next_no, desk.wallet(), desk.round()])
    answer = desk.send(reinstate())

    assert answer.reason == Reason.INSUFFICIENT_FUNDS
    # b2 was reversed last, so it is the first to stand again: b1 cannot be paid.
    assert answer.transaction_id == "b1"
    assert answer.balance.cash == 70
    assert render([desk.book.next_no, desk.wallet(), desk.round()]) == before


def test_state_of_the_player_does_not_matter(desk: Desk) -> None:
    """A reinstatement passes for a player who is blocked, and in a closed round."""
    desk.send(bet("b1"))
    desk.send(rollback("x1", "b1"))
    desk.send(close_round())
    desk.send(set_status("block", "ann", PlayerStatus.CLOSED))

    assert isinstance(desk.send(reinstate()), ReversalReceipt)


@pytest.mark.parametrize("span", [rollback("x1", "b1"), rollback_list("x1", "b1"),
                                  rollback_round("x1")])  # fmt: skip
def test_reinstatement_closes_its_round(desk: Desk, span: Any) -> None:
    """A reinstatement that is the last call of its round closes it."""
    desk.send(bet("b1"))
    desk.send(span)
    desk.send(reinstate(round_closed=True))

    assert desk.send(bet("b2")).reason == Reason.ROUND_CLOSED


def test_reinstatement_is_not_rolled_back(desk: Desk) -> None:
    """A rollback names the original, never the reinstatement of it."""
    for command in (bet("b1"), rollback("x1", "b1"), reinstate("y1", "x1")):
        desk.send(command)
    kind = Kind.REINSTATE
    single = desk.send(rollback("x2", "y1", original_kind=kind))
    several = desk.send(rollback_list("x3", Original(transaction_id="y1", kind=kind)))

    assert single.reason == several.reason == Reason.ROLLBACK_NOT_ALLOWED


def test_ids_are_of_the_integration(desk: Desk) -> None:
    """Another integration's rollback is unknown to a reinstatement."""
    desk.send(bet("b1"))
    desk.send(rollback("x1", "b1"))
    answer = desk.send(reinstate(key_id="strict-key"))

    assert answer.reason == Reason.TRANSACTION_NOT_FOUND
    assert answer.metadata == {"transaction_id": "x1"}
