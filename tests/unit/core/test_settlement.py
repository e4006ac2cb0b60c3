"""What a win settles follows from the rules: each on both sides, in order."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.simulation.calls import award, bet, close_round, play, rollback, win
from tests.simulation.commands import require_session
from tests.simulation.deployment import CASH, Desk

from cage.core.errors import Reason
from cage.core.rules import SettlementRule, Verdict, WinRollbackRule, WinsPerBetRule
from cage.core.wallet import Bet, BetKind, Receipt, State, Win

ACCEPT, REFUSE = Verdict.ACCEPT, Verdict.REFUSE
ONE = {"wins_per_bet": WinsPerBetRule.ONE}
BY_BET = {"settlement": SettlementRule.BET}
BY_ROUND = {"settlement": SettlementRule.ROUND}
NO_BET = {"win_without_bet": ACCEPT}
UNDONE = {"win_after_rollback": ACCEPT}
NOT_LATE = {"late_win": REFUSE}
TAKEN = {"win_rollback": WinRollbackRule.ALLOW_NEGATIVE}

WIN = win("w9", 7)
OF_BET = win("w9", 7, bet_transaction_id="b1")
OF_OTHER = win("w9", 7, bet_transaction_id="b2")
CLOSED = [bet(), close_round()]
TOMB = [rollback("x1", "b1")]
FIRST_OF_BET = win("w1", 1, bet_transaction_id="b1")


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


# Rules, what came before, the win, and the reason of its refusal, if any.
CASES: list[tuple[dict[str, int], Sequence[Any], Win, Reason | None]] = [
    # What a win may name.
    ({}, [bet()], WIN, None),
    ({}, [bet()], OF_BET, None),
    (BY_BET, [bet()], OF_BET, None),
    (BY_BET, [bet()], WIN, Reason.INVALID_FIELD),
    (BY_ROUND, [bet()], WIN, None),
    (BY_ROUND, [bet()], OF_BET, Reason.INVALID_FIELD),
    # The bet.
    ({}, [], WIN, Reason.BET_NOT_FOUND),
    ({}, [], OF_BET, Reason.BET_NOT_FOUND),
    ({}, [bet()], OF_OTHER, Reason.BET_NOT_FOUND),
    ({}, [bet("b1", 1_000)], OF_BET, Reason.BET_NOT_FOUND),
    (NO_BET, [], WIN, None),
    (NO_BET, [], OF_BET, None),
    (NO_BET, [bet()], OF_OTHER, None),
    (NO_BET, [bet("b1", 1_000)], OF_BET, None),
    (NO_BET, [bet(kind=BetKind.TIP)], WIN, None),
    (NO_BET, [bet(kind=BetKind.TIP)], OF_BET, Reason.REFERENCE_MISMATCH),
    (NO_BET, [bet(round_id="r2")], OF_BET, Reason.REFERENCE_MISMATCH),
    (NO_BET, [award("b1")], OF_BET, Reason.REFERENCE_MISMATCH),
    # A rollback.
    ({}, [bet(), rollback()], OF_BET, Reason.ALREADY_ROLLED_BACK),
    ({}, [bet(), rollback()], WIN, Reason.ALREADY_ROLLED_BACK),
    ({}, TOMB, OF_BET, Reason.ALREADY_ROLLED_BACK),
    (NO_BET, TOMB, OF_BET, Reason.ALREADY_ROLLED_BACK),
    (NO_BET, [bet(), rollback()], OF_BET, Reason.ALREADY_ROLLED_BACK),
    (UNDONE, [bet(), rollback()], OF_BET, None),
    (UNDONE, [bet(), rollback()], WIN, None),
    (UNDONE, TOMB, OF_BET, None),
    (UNDONE, TOMB, WIN, Reason.BET_NOT_FOUND),
    (UNDONE, [bet(), bet("b2"), rollback()], OF_BET, None),
    ({}, [bet(), bet("b2"), rollback()], WIN, None),
    # The close of the round.
    ({}, CLOSED, WIN, None),
    (NOT_LATE, [bet()], WIN, None),
    (NOT_LATE, CLOSED, WIN, Reason.ROUND_CLOSED),
    (NOT_LATE, CLOSED, OF_BET, Reason.ROUND_CLOSED),
    (NOT_LATE, [bet(round_closed=True)], OF_BET, Reason.ROUND_CLOSED),
    (NOT_LATE, [*CLOSED, bet("b2", round_id="r2")], win("w9", 7, round_id="r2"), None),
    (NOT_LATE, [bet(), close_round(), rollback()], WIN, Reason.ROUND_CLOSED),
    (
        {**NOT_LATE, "settled_rollback": ACCEPT},
        [bet(), close_round(), rollback()],
        WIN,
        Reason.ALREADY_ROLLED_BACK,
    ),
    # The wins before.
    ({}, [bet(), FIRST_OF_BET], OF_BET, None),
    (ONE, [bet()], OF_BET, None),
    (ONE, [bet()], WIN, None),
    (ONE, [bet(), FIRST_OF_BET], OF_BET, Reason.ALREADY_SETTLED),
    (ONE, [bet(), win("w1", 0)], OF_BET, Reason.ALREADY_SETTLED),
    (ONE, [bet(), win("w1", 0)], WIN, Reason.ALREADY_SETTLED),
    (ONE, [bet(), FIRST_OF_BET], WIN, Reason.ALREADY_SETTLED),
    (ONE, [bet(), bet("b2"), FIRST_OF_BET], OF_OTHER, None),
    (ONE, [bet(), FIRST_OF_BET, bet("b2")], OF_OTHER, None),
    (ONE, [bet(), win("w1", 1), bet("b2")], OF_OTHER, None),
    (ONE, [bet(), award("a1", 5, round_id="r1")], OF_BET, None),
    (ONE, [play(bet(), FIRST_OF_BET)], OF_BET, Reason.ALREADY_SETTLED),
    ({**ONE, **TAKEN}, [bet(), FIRST_OF_BET, rollback("x1", "w1")], OF_BET, None),
    ({**ONE, **TAKEN}, [bet(), FIRST_OF_BET, rollback("x1", "w1")], WIN, None),
    ({**NOT_LATE, **ONE}, [*CLOSED, FIRST_OF_BET], OF_BET, Reason.ROUND_CLOSED),
]


@pytest.mark.parametrize(("rules", "before", "won", "reason"), CASES)
def test_win_by_the_rules(
    desk: Desk,
    rules: dict[str, int],
    before: Sequence[Any],
    won: Win,
    reason: Reason | None,
) -> None:
    """A win is paid, or refused without a trace, as the rules say."""
    desk.rule(**rules)
    for command in before:
        desk.send(command)
    cash, next_no = desk.wallet().cash, desk.book.next_no
    answer = desk.send(won)
    again = desk.send(won)

    if reason is None:
        assert isinstance(answer, Receipt), answer
        assert again.replayed
        assert again.transaction == answer.transaction
        assert desk.wallet().cash == cash + 7
    else:
        assert (answer.reason, again.reason) == (reason, reason)
        assert (desk.wallet().cash, desk.book.next_no) == (cash, next_no)


@pytest.mark.parametrize("name", ["", "b1", "lost"])
@pytest.mark.parametrize("retried", ["", "b1", "lost", "other"])
def test_name_of_a_bet_that_is_not_there(desk: Desk, name: str, retried: str) -> None:
    """A win without its bet is known by the name it gave, also when the bet comes."""
    desk.rule(win_without_bet=ACCEPT)
    first = desk.send(win("w1", 7, bet_transaction_id=name))
    desk.send(bet("b1", 1))
    answer = desk.send(win("w1", 7, bet_transaction_id=retried))

    assert isinstance(first, Receipt)
    if retried == name:
        assert answer.transaction == first.transaction
    else:
        assert answer.reason == Reason.TRANSACTION_MISMATCH
        assert answer.metadata["field"] == "bet_transaction_id"
    assert desk.wallet().cash == CASH + 6


def test_win_without_a_bet_settles_none(desk: Desk) -> None:
    """A bet that comes after its win is rolled back as any other."""
    desk.rule(win_without_bet=ACCEPT)
    desk.send(win("w1", 7, bet_transaction_id="b1"))
    desk.send(bet("b1"))

    assert isinstance(desk.send(rollback()), Receipt)


def test_win_without_a_bet_is_cash(desk: Desk) -> None:
    """Without a stake to split by, all of a win is cash."""
    desk.rule(win_without_bet=ACCEPT)
    desk.send(bet("b1", 150))
    won = desk.send(win("w1", 7, round_id="r2"))

    assert (won.transaction.cash, won.transaction.bonus) == (7, 0)


@pytest.mark.parametrize(
    ("rules", "named", "field"),
    [(BY_BET, "", "actions[1]"), (BY_ROUND, "b1", "actions[1]")],
)
def test_form_of_a_play_is_not_stored(
    desk: Desk, rules: dict[str, int], named: str, field: str
) -> None:
    """A win of a play that names what it may not is an error of form, not of state."""
    desk.rule(**rules)
    next_no = desk.book.next_no
    wrong = desk.send(play(bet(), win("w1", 7, bet_transaction_id=named)))

    assert wrong.reason == Reason.INVALID_FIELD
    assert wrong.metadata["field"] == f"{field}.win.bet_transaction_id"
    assert desk.book.next_no == next_no

    right = desk.send(
        play(bet(), win("w1", 7, bet_transaction_id="" if named else "b1"))
    )

    assert len(right.receipts) == 2


@pytest.mark.parametrize("won", [WIN, OF_BET])
def test_retry_outlives_the_form(desk: Desk, won: Win) -> None:
    """A win that was paid is answered again when its form is no longer taken."""
    desk.send(bet())
    first = desk.send(won)
    first_play = desk.send(play(bet("b3"), win("w3", 1)))
    desk.rule(**(BY_ROUND if won is OF_BET else BY_BET))
    again = desk.send(won)

    assert again.replayed
    assert again.transaction == first.transaction
    assert desk.send(play(bet("b3"), win("w3", 1))).replayed
    assert first_play.receipts


def test_second_win_of_a_play_is_stored(desk: Desk) -> None:
    """A play with two wins for one bet is refused as a whole, for ever."""
    desk.rule(**ONE)
    wins = [win(f"w{number}", 7, bet_transaction_id="b1") for number in (1, 2)]
    both = play(bet(), *wins)
    answers = [desk.send(both), desk.send(both)]
    desk.rule()
    answers.append(desk.send(both))

    assert [answer.reason for answer in answers] == [Reason.ALREADY_SETTLED] * 3
    assert desk.wallet().cash == CASH
    assert {row.state for row in desk.book.transactions[-3:]} == {State.REFUSED}


def test_rules_are_of_the_caller(desk: Desk) -> None:
    """The rules of one integration leave the callers of another alone."""
    desk.rule(win_without_bet=ACCEPT)
    desk.send(require_session("free", "strict", bet_needs_session=False))

    assert isinstance(desk.send(win()), Receipt)
    assert desk.send(win(key_id="strict-key")).reason == Reason.BET_NOT_FOUND


# What is played, and whether a win may pay for a bet of it.
FUNDS: list[tuple[list[Bet | Win], dict[bool, Reason | None]]] = [
    ([bet("b1", 150)], {False: None, True: None}),
    ([bet("b1", 100), win("w1", 60), bet("b2", 50)], {False: None, True: None}),
    (
        [bet("b1", 100), win("w1", 60), bet("b2", 51)],
        {False: None, True: Reason.INSUFFICIENT_FUNDS},
    ),
    (
        [bet("b1", 151), win("w1", 60)],
        dict.fromkeys((False, True), Reason.INSUFFICIENT_FUNDS),
    ),
    (
        [bet("b1", 151, campaign_id="free")],
        dict.fromkeys((False, True), Reason.FREE_ROUNDS_UNAVAILABLE),
    ),
]


@pytest.mark.parametrize(("actions", "reasons"), FUNDS)
@pytest.mark.parametrize("bets_first", [False, True])
def test_what_pays_for_a_play(
    desk: Desk,
    actions: list[Bet | Win],
    reasons: dict[bool, Reason | None],
    *,
    bets_first: bool,
) -> None:
    """Where bets come first, no win of the play pays for one; nothing else changes."""
    desk.rule(play_funds=1 + bets_first)
    answer = desk.send(play(*actions))
    reason = reasons[bets_first]

    assert getattr(answer, "reason", None) == reason
    if reason == Reason.INSUFFICIENT_FUNDS:
        assert answer.balance.playable == 150
