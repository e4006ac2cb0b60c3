"""A list or a round is reversed as a whole, each original by the rules of its own."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation.calls import (
    award,
    bet,
    close_round,
    play,
    rollback,
    rollback_list,
    rollback_round,
    win,
)
from tests.simulation.deployment import BONUS, CASH, Desk, render

from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX
from cage.core.rules import Verdict, WinRollbackRule
from cage.core.wallet import (
    BetKind,
    KeySpace,
    Kind,
    Original,
    Receipt,
    ReversalReceipt,
    State,
)

NEGATIVE = {"win_rollback": WinRollbackRule.ALLOW_NEGATIVE}
NO_OP = {"win_rollback": WinRollbackRule.NO_OP}
SETTLED = {"settled_rollback": Verdict.ACCEPT}
NOT_LATE = {"late_rollback": Verdict.REFUSE}
ONCE = {"second_rollback": Verdict.REFUSE}
KNOWN = {"unknown_rollback": Verdict.REFUSE}


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


def shown(answer: ReversalReceipt) -> list[tuple[str, int, str]]:
    """Write each part as its original, what it moved and what it is."""
    return [
        (
            part.transaction_id,
            part.receipt.transaction.cash + part.receipt.transaction.bonus,
            "tombstone"
            if part.receipt.tombstone
            else "again"
            if part.receipt.replayed
            else "",
        )
        for part in answer.parts
    ]


def balance(desk: Desk) -> tuple[int, int]:
    """Return cash and bonus of the player."""
    return desk.wallet().cash, desk.wallet().bonus


def test_list_has_an_answer_for_each(desk: Desk) -> None:
    """Bets come back, an unknown id leaves a tombstone, and nothing else is touched."""
    for command in (bet("b1", 120), bet("b2", 5, round_id="r2"), bet("b3", 7)):
        desk.send(command)
    answer = desk.send(rollback_list("x1", "b1", "lost", "b2"))
    (first, unknown, last) = answer.parts

    assert shown(answer) == [("b1", 120, ""), ("lost", 0, "tombstone"), ("b2", 5, "")]
    assert (first.receipt.transaction.cash, first.receipt.transaction.bonus) == (
        100,
        20,
    )
    assert (first.kind, unknown.kind, last.kind) == (Kind.BET, 0, Kind.BET)
    assert balance(desk) == (CASH, BONUS - 7)
    assert desk.send(bet("lost", 1)).reason == Reason.ALREADY_ROLLED_BACK
    assert isinstance(desk.send(rollback("x3", "b3")), Receipt)


def test_head_follows_its_parts(desk: Desk) -> None:
    """The row under the caller's id moves nothing and comes after its parts."""
    desk.send(bet("b1"))
    answer = desk.send(rollback_list("x1", "b1", "lost"))
    rows = desk.book.transactions[-4:]

    assert [(row.key_space, row.transaction_id, row.state) for row in rows] == [
        (KeySpace.PART, "2/x1/0", State.POSTED),
        (KeySpace.PART, "2/x1/1", State.TOMBSTONE),
        (KeySpace.MOVE, "lost", State.TOMBSTONE),
        (KeySpace.REVERSE, "x1", State.POSTED),
    ]
    assert answer.receipt.transaction is rows[-1]
    assert (rows[-1].cash, rows[-1].bonus) == (0, 0)
    assert [row.cash for row in answer.moved] == [10]


@pytest.mark.parametrize("names", [("w1", "b2"), ("b1", "w1", "b2")])
def test_unit_of_a_list_is_reversed_once(desk: Desk, names: tuple[str, ...]) -> None:
    """Actions of one Play stand for the Play, which goes back once."""
    desk.send(play(bet("b1", 10), win("w1", 4), bet("b2", 3)))
    answer = desk.send(rollback_list("x1", *names))
    again = [(name, 9, "again") for name in names[1:]]

    assert shown(answer) == [(names[0], 9, ""), *again]
    assert [row.cash for row in answer.moved] == [9]
    assert balance(desk) == (CASH, BONUS)


def test_unit_of_a_list_is_no_second_rollback(desk: Desk) -> None:
    """The rule against second rollbacks is about other calls."""
    desk.rule(**ONCE)
    desk.send(play(bet("b1", 10), bet("b2", 3)))
    answer = desk.send(rollback_list("x1", "b1", "b2"))

    assert shown(answer) == [("b1", 13, ""), ("b2", 13, "again")]
    assert desk.send(rollback_list("x2", "b2")).reason == Reason.ALREADY_ROLLED_BACK


def test_unknown_id_in_a_list_refuses_nothing(desk: Desk) -> None:
    """Each original has an answer of its own, so the rule for unknown ids waits."""
    desk.rule(**KNOWN)
    desk.send(bet("b1"))
    answer = desk.send(rollback_list("x1", "lost", "b1"))

    assert shown(answer) == [("lost", 0, "tombstone"), ("b1", 10, "")]


def test_order_of_a_list_decides(desk: Desk) -> None:
    """A win that goes back first no longer settles its bet; after it, it does."""
    desk.rule(**NEGATIVE)
    desk.send(bet("b1", 10))
    desk.send(win("w1", 30, bet_transaction_id="b1"))
    refused = desk.send(rollback_list("x1", "b1", "w1"))
    answer = desk.send(rollback_list("x1", "w1", "b1"))

    assert refused.reason == Reason.ALREADY_SETTLED
    assert refused.transaction_id == "b1"
    assert shown(answer) == [("w1", -30, ""), ("b1", 10, "")]
    assert balance(desk) == (CASH, BONUS)


# Rules, what came before, the id that a list names after bet b1, and why it is refused.
REFUSED: dict[str, tuple[dict[str, int], list[Any], Original, Reason]] = {
    "a rollback": (
        {},
        [],
        Original(transaction_id="it", kind=Kind.ROLLBACK),
        Reason.ROLLBACK_NOT_ALLOWED,
    ),
    "a reinstatement": (
        {},
        [],
        Original(transaction_id="it", kind=Kind.REINSTATE),
        Reason.ROLLBACK_NOT_ALLOWED,
    ),
    "another kind": (
        {},
        [bet("it")],
        Original(transaction_id="it", kind=Kind.WIN),
        Reason.REFERENCE_MISMATCH,
    ),
    "a win": ({}, [win("it")], Original(transaction_id="it"),
              Reason.ALREADY_SETTLED),
    "an award": ({}, [award("it")], Original(transaction_id="it"),
                 Reason.ROLLBACK_NOT_ALLOWED),
    "a second rollback": (ONCE, [bet("it"), rollback("x2", "it")],
                          Original(transaction_id="it"), Reason.ALREADY_ROLLED_BACK),
    "a settled bet": ({}, [bet("it", round_id="r2"), close_round(round_id="r2")],
                      Original(transaction_id="it"), Reason.ALREADY_SETTLED),
    "a closed round": (
        {**NOT_LATE},
        [bet("it", round_id="r2"), bet("b2", round_id="r2", round_closed=True)],
        Original(transaction_id="it"),
        Reason.ROUND_CLOSED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_one_refusal_refuses_the_list(desk: Desk, name: str) -> None:
    """Nothing of a list moves or is stored when one original is refused."""
    rules, calls, original, reason = REFUSED[name]
    desk.rule(**rules)
    for command in (bet("b1"), *calls):
        desk.send(command)
    book = desk.book
    before = render([book.next_no, book.wallets, book.rounds, book.ids, book.by_no])
    dirty = render([book.dirty_wallets, book.dirty_rounds])
    answer = desk.send(rollback_list("x1", "lost", "b1", original))

    assert isinstance(answer, CageError)
    assert answer.reason == reason
    assert answer.transaction_id == ("b1" if name == "a win" else "it")
    after = render([book.next_no, book.wallets, book.rounds, book.ids, book.by_no])
    assert after == before
    assert render([book.dirty_wallets, book.dirty_rounds]) == dirty
    assert isinstance(desk.send(bet("lost", 1)), Receipt)


def test_range_is_of_the_whole_list(desk: Desk) -> None:
    """An overflow of the second original takes the first one back."""
    desk.fund(cash=30)
    desk.send(bet("b1", 10))
    desk.send(bet("b2", 20))
    desk.fund(cash=INT64_MAX - 29)
    answer = desk.send(rollback_list("x1", "b1", "b2"))

    assert answer.reason == Reason.BALANCE_OUT_OF_RANGE
    assert answer.transaction_id == "b2"
    assert desk.wallet().cash == INT64_MAX - 29


def test_list_over_two_currencies(desk: Desk) -> None:
    """Each original moves its own wallet, and a refusal leaves both as they were."""
    dollars = desk.wallet(currency_code="USD")
    dollars.cash, dollars.version = 100, 1
    in_dollars = {"currency_code": "USD", "round_id": "r2"}
    desk.send(bet("b1", 10))
    desk.send(bet("b2", 30, **in_dollars))
    desk.send(bet("b3", 5, **in_dollars, round_closed=True))
    desk.rule(**NOT_LATE)
    refused = desk.send(rollback_list("x1", "b3", "b1", "b2"))

    assert refused.reason == Reason.ROUND_CLOSED
    assert (desk.wallet().cash, desk.wallet(currency_code="USD").cash) == (90, 65)

    answer = desk.send(rollback_list("x1", "b3", "b1"))
    assert [row.cash for row in answer.moved] == [5, 10]
    assert answer.receipt.current.currency.currency_code == "USD"
    assert (desk.wallet().cash, desk.wallet(currency_code="USD").cash) == (100, 70)


def test_list_closes_its_rounds_in_the_end(desk: Desk) -> None:
    """The close of a list comes after its last original, in every round of it."""
    desk.rule(**NOT_LATE)
    for command in (bet("b1"), bet("b2"), bet("b3", round_id="r2"), bet("b4")):
        desk.send(command)
    answer = desk.send(rollback_list("x1", "b1", "b3", "b2", round_closed=True))

    assert len(answer.moved) == 3
    assert [bool(row.flags & 1) for row in answer.moved] == [False, True, True]
    assert desk.send(bet("b5")).reason == Reason.ROUND_CLOSED
    assert desk.send(bet("b6", round_id="r2")).reason == Reason.ROUND_CLOSED


@pytest.mark.parametrize(
    "call",
    [
        rollback("x1", "b1"),
        rollback_list("x1", "b1"),
        rollback_list("x1", "b2", "b1"),
        rollback_list("x1", "b1", "b2", "b3"),
        rollback_round("x1"),
    ],
)
def test_other_target_is_a_mismatch(desk: Desk, call: Any) -> None:
    """The id of a list is not that of another list, of one original or of a round."""
    names = {"Rollback": "original", "RollbackRound": "whole_round"}
    desk.send(bet("b1"))
    desk.send(bet("b2"))
    desk.send(rollback_list("x1", "b1", "b2"))
    answer = desk.send(call)

    assert answer.reason == Reason.TRANSACTION_MISMATCH
    field = names.get(type(call).__name__, "originals")
    assert answer.metadata == {"transaction_id": "x1", "field": field}


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        (rollback("x1", "b1"), rollback_list("x1", "b1"), "originals"),
        (rollback("x1", "b1"), rollback_round("x1"), "whole_round"),
        (rollback_round("x1"), rollback("x1", "b1"), "original"),
        (rollback_round("x1"), rollback_list("x1", "b1"), "originals"),
        (rollback_round("x1"), rollback_round("x1", round_id="r2"), "round_id"),
        (rollback_round("x1"), rollback_round("x1", game_id="dice"), "game_id"),
    ],
)
def test_other_span_is_a_mismatch(
    desk: Desk, first: Any, second: Any, field: str
) -> None:
    """A rollback of one, of a list and of a round never stand for each other."""
    desk.send(bet("b1"))
    desk.send(first)
    answer = desk.send(second)

    assert answer.reason == Reason.TRANSACTION_MISMATCH
    assert answer.metadata == {"transaction_id": "x1", "field": field}


def test_round_goes_back_newest_first(desk: Desk) -> None:
    """Bets, tips, wins, awards and Plays of a round are reversed, each unit once."""
    desk.rule(**NEGATIVE)
    for command in (
        bet("b1", 120),
        bet("t1", 5, kind=BetKind.TIP),
        play(bet("p1", 3), win("p2", 7)),
        award("a1", 9, round_id="r1"),
        win("w1", 40, bet_transaction_id="b1"),
        bet("o1", 1, round_id="r2"),
    ):
        desk.send(command)
    answer = desk.send(rollback_round("x1"))
    round_ = desk.round()

    assert [(part.transaction_id, part.kind) for part in answer.parts] == [
        ("w1", Kind.WIN),
        ("a1", Kind.AWARD),
        ("p1", Kind.BET),
        ("t1", Kind.BET),
        ("b1", Kind.BET),
    ]
    assert sum(row.cash + row.bonus for row in answer.moved) == -40 - 9 - 4 + 5 + 120
    assert balance(desk) == (CASH - 1, BONUS)
    assert round_ is not None
    assert (round_.state.name, round_.standing_count) == ("CANCELLED", 0)
    assert (round_.bet_cash, round_.bet_bonus, round_.win_amount) == (0, 0, 0)


def test_round_leaves_what_does_not_stand(desk: Desk) -> None:
    """What was rolled back before is not reversed again."""
    for command in (bet("b1"), bet("b2"), rollback("x2", "b1")):
        desk.send(command)

    assert shown(desk.send(rollback_round("x1"))) == [("b2", 10, "")]
    assert balance(desk) == (CASH, BONUS)


def test_round_is_of_the_integration(desk: Desk) -> None:
    """What another integration sent in the round stays."""
    desk.send(bet("b1"))
    answer = desk.send(rollback_round("x1", key_id="strict-key"))

    assert (answer.parts, answer.receipt.tombstone) == ([], False)
    assert desk.wallet().cash == CASH - 10


@pytest.mark.parametrize("before", [[], [bet("b1")], [award("a1", round_id="r1")]])
def test_cancelled_round_takes_no_bet(desk: Desk, before: list[Any]) -> None:
    """A late bet of a round that was rolled back never debits, known or not."""
    desk.rule(**NEGATIVE)
    for command in before:
        desk.send(command)
    answer = desk.send(rollback_round("x1"))

    assert answer.receipt.tombstone == (not before)
    for late in (bet("b9"), play(bet("p1")), bet("b9")):
        assert desk.send(late).reason == Reason.ALREADY_ROLLED_BACK
    assert balance(desk) == (CASH, BONUS)
    assert desk.send(win("w9")).reason == Reason.ALREADY_ROLLED_BACK
    # Its own rollback is answered, as that of any refused bet.
    assert isinstance(desk.send(rollback("x9", "b9")), Receipt)


@pytest.mark.parametrize("before", [[], [bet("b1"), bet("b2")]])
def test_second_rollback_of_a_round(desk: Desk, before: list[Any]) -> None:
    """It answers the first one, under its own id and under another."""
    for command in before:
        desk.send(command)
    first = desk.send(rollback_round("x1"))
    moved = len(desk.book.entries)
    for again_id in ("x1", "x2", "x2"):
        again = desk.send(rollback_round(again_id))

        assert again.receipt.replayed
        assert again.receipt.transaction == first.receipt.transaction
        assert again.receipt.tombstone == first.receipt.tombstone
        assert again.moved == first.moved
        assert [part.transaction_id for part in again.parts] == [
            part.transaction_id for part in first.parts
        ]
    assert len(desk.book.entries) == moved


def test_second_rollback_of_a_round_is_refused(desk: Desk) -> None:
    """Where the rules say so, only a retry is answered."""
    desk.rule(**ONCE)
    desk.send(rollback_round("x1"))

    assert desk.send(rollback_round("x1")).receipt.replayed
    assert desk.send(rollback_round("x2")).reason == Reason.ALREADY_ROLLED_BACK


def test_second_rollback_of_a_round_takes_what_came_since(desk: Desk) -> None:
    """An award that came after the rollback of its round goes back with the next."""
    desk.rule(**NEGATIVE)
    desk.send(rollback_round("x1"))
    desk.send(award("a1", 9, round_id="r1"))

    assert shown(desk.send(rollback_round("x2"))) == [("a1", -9, "")]
    assert balance(desk) == (CASH, BONUS)


@pytest.mark.parametrize("ids", [("x1",), ("x1", "x1"), ("x1", "x2")])
def test_unknown_round_is_refused(desk: Desk, ids: tuple[str, ...]) -> None:
    """The tombstone of a round stands where the rules refuse unknown ones."""
    desk.rule(**KNOWN)
    for rollback_id in ids:
        answer = desk.send(rollback_round(rollback_id))

        assert answer.reason == Reason.ROUND_NOT_FOUND
        assert answer.metadata == {"round_id": "r1"}
    assert desk.send(bet("b1")).reason == Reason.ALREADY_ROLLED_BACK


Fault = tuple[Reason, Callable[[Desk, Any], object]]

# Guards of a round in order, each one reason and what brings it about.
GUARDS: list[Fault] = [
    (Reason.KEY_INVALID, lambda _, call: setattr(call, "key_id", "no-key")),
    (Reason.PLAYER_NOT_FOUND, lambda _, call: setattr(call, "player_id", "zed")),
    (Reason.TRANSACTION_MISMATCH, lambda desk, _: desk.send(rollback("x1", "other"))),
    (Reason.GAME_NOT_FOUND, lambda _, call: setattr(call, "game_id", "chess")),
    (Reason.ROLLBACK_NOT_ALLOWED, lambda desk, _: desk.send(win("w1", 0))),
    (Reason.ALREADY_SETTLED, lambda desk, _: desk.send(close_round())),
    (Reason.BALANCE_OUT_OF_RANGE, lambda desk, _: desk.fund(cash=INT64_MAX)),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(GUARDS)))
def test_guards_of_a_round_stand_in_order(desk: Desk, index: int) -> None:
    """Every refusal wins over those after it, and stores nothing."""
    desk.send(bet("b1"))
    call = rollback_round("x1")
    for _, fault in reversed(GUARDS[index:]):
        fault(desk, call)
    before = render([desk.book.next_no, desk.wallet(), desk.round()])
    answer = desk.send(call)

    assert answer.reason == GUARDS[index][0]
    assert render([desk.book.next_no, desk.wallet(), desk.round()]) == before


# Rules for the rollback of a win, what a player has left of 80 that a bet of 20 won,
# and what the rollback of the win and then its bet answers.
OVERDRAFTS: list[tuple[dict[str, int], int, list[tuple[str, int]] | Reason]] = [
    ({}, 80, Reason.ROLLBACK_NOT_ALLOWED),
    (NEGATIVE, 80, [("w1", -80), ("b1", 20)]),
    (NEGATIVE, 0, [("w1", -80), ("b1", 20)]),
    (NO_OP, 80, [("w1", -80), ("b1", 20)]),
    # The win stays, and with it the settlement of its bet.
    (NO_OP, 79, Reason.ALREADY_SETTLED),
    ({**NO_OP, **SETTLED}, 79, [("w1", 0), ("b1", 20)]),
]


@pytest.mark.parametrize("call", [rollback_list("x1", "w1", "b1"), rollback_round()])
@pytest.mark.parametrize(("rules", "left", "expected"), OVERDRAFTS)
def test_wins_among_several(
    desk: Desk,
    rules: dict[str, int],
    left: int,
    expected: list[tuple[str, int]] | Reason,
    call: Any,
) -> None:
    """A win in a list or a round goes back as it would alone."""
    desk.rule(**rules)
    desk.fund(cash=20)
    desk.send(bet("b1", 20))
    desk.send(win("w1", 80, bet_transaction_id="b1"))
    desk.fund(cash=left)
    answer = desk.send(call)

    if isinstance(expected, Reason):
        assert answer.reason == expected
        assert desk.wallet().cash == left
        return
    assert [(name, moved) for name, moved, _ in shown(answer)] == expected
    assert desk.wallet().cash == left + sum(moved for _, moved in expected)


@pytest.mark.parametrize("rules", [{}, NOT_LATE])
def test_own_close_and_own_wins_go_back_among_several(
    desk: Desk, rules: dict[str, int]
) -> None:
    """A bet that closed its round, and a Play with its win, go back as units."""
    desk.rule(**rules)
    desk.send(bet("b1", round_closed=True))
    desk.send(play(bet("b2"), win("w2", 3), round_id="r2", round_closed=True))
    answer = desk.send(rollback_list("x1", "b1", "w2"))
    desk.send(bet("b3", 5, round_id="r3", round_closed=True))

    assert shown(answer) == [("b1", 10, ""), ("w2", 7, "")]
    assert shown(desk.send(rollback_round("x3", round_id="r3"))) == [("b3", 5, "")]
    assert balance(desk) == (CASH, BONUS)
