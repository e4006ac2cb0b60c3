"""A win is paid whatever the player's state, once, and split as its stake was."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulation.calls import award, bet, close_round, play, rollback, win
from tests.simulation.commands import switch_game
from tests.simulation.deployment import CASH, Desk, render, set_status

from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX
from cage.core.player import PlayerStatus
from cage.core.wallet import Account, BetKind, JackpotWin, Kind, Receipt
from cage.core.win import split_win

Fault = Callable[[Desk, Any], object]


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has bet 0.10 in round r1 as b1."""
    desk = Desk()
    desk.send(bet("b1", 10))
    return desk


def sets(**content: object) -> Fault:
    """Return a fault of the call itself."""

    def fault(_: Desk, call: Any) -> None:
        for name, value in content.items():
            setattr(call, name, value)

    return fault


def other_round_currency(desk: Desk, _: Any) -> None:
    """Let the round be in another currency."""
    round_ = desk.round()

    assert round_ is not None

    round_.currency_no = desk.book.currency("USD").currency_no


def jackpot(amount: int, scale: int = 2, code: str = "EUR") -> tuple[JackpotWin, ...]:
    """Return the part of a win that one jackpot pays."""
    return (JackpotWin(jackpot_id="j", currency_code=code, amount=amount, scale=scale),)


FIRST_GUARDS: list[tuple[Reason, Fault]] = [
    (Reason.KEY_INVALID, sets(key_id="no-key")),
    (Reason.PLAYER_NOT_FOUND, sets(player_id="nobody")),
    (Reason.CURRENCY_NOT_FOUND, sets(currency_code="XYZ")),
    (Reason.AMOUNT_OUT_OF_RANGE, sets(amount=-1)),
    (Reason.SCALE_MISMATCH, sets(scale=19)),
    (Reason.CURRENCY_MISMATCH, sets(jackpot_wins=jackpot(1, code="USD"))),
    (Reason.INVALID_FIELD, sets(jackpot_wins=jackpot(INT64_MAX) * 2)),
    (Reason.TRANSACTION_MISMATCH, lambda desk, _: desk.send(award("w1", 0))),
    (Reason.GAME_NOT_FOUND, sets(game_id="lost")),
]
LAST_GUARD: tuple[Reason, Fault] = (
    Reason.BALANCE_OUT_OF_RANGE,
    sets(amount=INT64_MAX),
)
BY_ROUND = [
    *FIRST_GUARDS,
    (Reason.BET_NOT_FOUND, sets(round_id="r9")),
    (Reason.CURRENCY_MISMATCH, other_round_currency),
    (Reason.ALREADY_ROLLED_BACK, lambda desk, _: desk.send(rollback("x1", "b1"))),
    LAST_GUARD,
]
BY_BET = [
    *FIRST_GUARDS,
    (Reason.BET_NOT_FOUND, sets(bet_transaction_id="b9")),
    (Reason.REFERENCE_MISMATCH, sets(round_id="r9")),
    (Reason.CURRENCY_MISMATCH, other_round_currency),
    (Reason.ALREADY_ROLLED_BACK, lambda desk, _: desk.send(rollback("x1", "b1"))),
    LAST_GUARD,
]


@pytest.mark.parametrize(
    ("guards", "reference", "index"),
    [
        (guards, reference, index)
        for guards, reference in ((BY_ROUND, ""), (BY_BET, "b1"))
        for index in range(len(guards))
    ],
)
def test_guards_stand_in_order(
    desk: Desk, guards: list[tuple[Reason, Fault]], reference: str, index: int
) -> None:
    """Every refusal wins over those after it, and stores nothing."""
    call = win("w1", 10, bet_transaction_id=reference)
    for _, fault in reversed(guards[index:]):
        fault(desk, call)
    before = render([desk.book.next_no, desk.wallet(), desk.round()])
    answer = desk.send(call)

    assert isinstance(answer, CageError)
    assert answer.reason == guards[index][0]
    assert answer.balance is None
    assert render([desk.book.next_no, desk.wallet(), desk.round()]) == before


@pytest.mark.parametrize(
    ("reference", "place", "reason", "metadata"),
    [
        ("b9", {}, Reason.BET_NOT_FOUND, {}),
        ("refused", {}, Reason.BET_NOT_FOUND, {}),
        ("tombstone", {}, Reason.ALREADY_ROLLED_BACK, {}),
        ("w0", {}, Reason.REFERENCE_MISMATCH, {"field": "kind"}),
        ("a0", {}, Reason.REFERENCE_MISMATCH, {"field": "kind"}),
        ("tip", {}, Reason.REFERENCE_MISMATCH, {"field": "kind"}),
        ("w0", {"round_id": "r9"}, Reason.REFERENCE_MISMATCH, {"field": "kind"}),
        (
            "b1",
            {"round_id": "r9", "game_id": "dice"},
            Reason.REFERENCE_MISMATCH,
            {"field": "round_id"},
        ),
        (
            "b1",
            {"game_id": "dice"},
            Reason.REFERENCE_MISMATCH,
            {"field": "game_id"},
        ),
    ],
)
def test_reference(
    desk: Desk,
    reference: str,
    place: dict[str, Any],
    reason: Reason,
    metadata: dict[str, str],
) -> None:
    """A win names a stake that was posted, in its own round and game."""
    for call in (
        bet("refused", 500),
        rollback("x0", "tombstone"),
        win("w0", 0),
        award("a0", 0, round_id="r1"),
        bet("tip", 0, kind=BetKind.TIP),
    ):
        desk.send(call)
    answer = desk.send(win("w1", 10, bet_transaction_id=reference, **place))

    assert (answer.reason, answer.metadata) == (reason, metadata)


@pytest.mark.parametrize("call", [bet("b2", 0, kind=BetKind.TIP), award("a1")])
def test_round_without_stake_has_no_win(call: Any) -> None:
    """A round of tips or awards has no bet that could win."""
    desk = Desk()
    call.round_id = "r1"
    desk.send(call)

    assert desk.send(win()).reason == Reason.BET_NOT_FOUND


@pytest.mark.parametrize("reference", ["", "b1"])
@pytest.mark.parametrize(
    "calls",
    [
        [set_status("no", "ann", PlayerStatus.SELF_EXCLUDED)],
        [switch_game("off", "slots", enabled=False)],
        [close_round()],
        [win("w0", 3)],
        [win("w0", 3, round_closed=True)],
        [bet("b2", 1), rollback("b2", "b2")],
    ],
)
def test_win_passes(desk: Desk, reference: str, calls: list[Any]) -> None:
    """Neither status, switch, close nor an earlier win stands in the way."""
    for call in calls:
        desk.send(call)
    answer = desk.send(win("w1", 25, bet_transaction_id=reference))

    assert isinstance(answer, Receipt), answer
    assert answer.transaction.cash == 25


def test_win_of_a_rolled_back_bet(desk: Desk) -> None:
    """A bet that was rolled back is not paid, while others of its round are."""
    desk.send(bet("b2", 5))
    desk.send(rollback("x1", "b1"))
    by_name = desk.send(win("w1", bet_transaction_id="b1"))

    assert by_name.reason == Reason.ALREADY_ROLLED_BACK
    assert isinstance(desk.send(win("w2", bet_transaction_id="b2")), Receipt)
    assert isinstance(desk.send(win("w3")), Receipt)


def test_win_of_a_rolled_back_play(desk: Desk) -> None:
    """Naming any bet of a play that was rolled back is refused."""
    desk.send(play(bet("p1", 1), bet("p2", 1)))
    desk.send(rollback("x1", "p1"))
    answer = desk.send(win("w1", bet_transaction_id="p2"))

    assert answer.reason == Reason.ALREADY_ROLLED_BACK


SPLITS = [
    (100, 2, 1, 67, 33),
    (1, 1, 1, 1, 0),
    (3, 1, 1, 2, 1),
    (0, 1, 1, 0, 0),
    (99, 0, 0, 99, 0),
    (99, 5, 0, 99, 0),
    (99, 0, 5, 0, 99),
    (INT64_MAX, 1, INT64_MAX - 1, 1, INT64_MAX - 1),
    (INT64_MAX, INT64_MAX - 1, 1, INT64_MAX - 1, 1),
]


@pytest.mark.parametrize(("amount", "bet_cash", "bet_bonus", "cash", "bonus"), SPLITS)
def test_split_table(
    amount: int, bet_cash: int, bet_bonus: int, cash: int, bonus: int
) -> None:
    """The bonus part is rounded down and cash takes the rest."""
    assert split_win(amount, bet_cash, bet_bonus) == (cash, bonus)


@given(st.integers(0, INT64_MAX), st.integers(0, 2**62), st.integers(0, 2**62))
def test_split_is_exact(amount: int, bet_cash: int, bet_bonus: int) -> None:
    """No unit is lost, and the bonus part is less than a unit below its share."""
    cash, bonus = split_win(amount, bet_cash, bet_bonus)

    assert cash + bonus == amount
    assert min(cash, bonus) >= 0
    if bet_bonus:
        share = Fraction(amount * bet_bonus, bet_cash + bet_bonus)

        assert 0 <= share - bonus < 1


@pytest.mark.parametrize(
    ("reference", "cash", "bonus"), [("b1", 100, 0), ("b2", 80, 20), ("", 91, 9)]
)
def test_split_follows_the_stake(
    desk: Desk, reference: str, cash: int, bonus: int
) -> None:
    """A win is split as the bet it names, or as all standing bets of its round."""
    desk.send(bet("b0", 50))
    desk.send(bet("b2", 50))
    desk.send(bet("b9", 30))
    desk.send(rollback("x9", "b9"))
    desk.fund(cash=0)
    row = desk.send(win("w1", 100, bet_transaction_id=reference)).transaction

    assert (row.cash, row.bonus) == (cash, bonus)
    assert (row.cash_after, row.bonus_after) == (cash, bonus)


def test_row_and_entries(desk: Desk) -> None:
    """A win refers to its bet and is posted against the game."""
    row = desk.send(win("w1", 7, bet_transaction_id="b1")).transaction
    lines = [line[2:6] for line in desk.book.entries if line[1] == row.item_no]
    wallet, game_no = desk.wallet(), desk.book.game("slots").game_no

    assert (row.kind, row.variant, row.amount) == (Kind.WIN, 0, 7)
    assert row.reference_no == row.item_no - 1
    assert lines == [
        (Account.PLAYER_CASH, wallet.player_no, wallet.currency_no, 7),
        (Account.GAME, game_no, wallet.currency_no, -7),
    ]


def test_loss_moves_nothing(desk: Desk) -> None:
    """A win of zero is posted without an entry and settles the bet."""
    count = len(desk.book.entries)
    answer = desk.send(win("w1", 0))

    assert not answer.moved
    assert len(desk.book.entries) == count
    assert desk.wallet().version == 3
    assert desk.send(rollback("b1", "b1")).reason == Reason.ALREADY_SETTLED


@pytest.mark.parametrize(
    ("cash", "bonus", "amount", "is_in_range"),
    [
        (INT64_MAX - 10, 0, 10, True),
        (INT64_MAX - 9, 0, 10, False),
        (INT64_MAX - 20, 10, 10, True),
        (INT64_MAX - 20, 11, 10, False),
        (-10, INT64_MAX, 10, True),
        (-10, INT64_MAX, 11, False),
        (INT64_MAX, -10, 1, False),
        (0, 0, INT64_MAX, True),
        (1, 0, INT64_MAX, False),
    ],
)
def test_range(
    desk: Desk, cash: int, bonus: int, amount: int, *, is_in_range: bool
) -> None:
    """A win keeps cash, bonus and their sum within 64 bits."""
    desk.fund(cash=cash, bonus=bonus)
    answer = desk.send(win("w1", amount))

    assert isinstance(answer, Receipt) == is_in_range


def test_round_total_stays_in_range(desk: Desk) -> None:
    """The wins of a round cannot add up to more than 64 bits."""
    desk.fund(cash=0)
    desk.send(win("w1", INT64_MAX))
    desk.fund(cash=0)

    assert desk.send(win("w2", 1)).reason == Reason.BALANCE_OUT_OF_RANGE


@pytest.mark.parametrize(
    ("parts", "reason", "field"),
    [
        (jackpot(10), None, ""),
        (jackpot(4) + jackpot(6), None, ""),
        (jackpot(100, 3), None, ""),
        (jackpot(0), None, ""),
        (jackpot(4) + jackpot(7), Reason.INVALID_FIELD, "jackpot_wins"),
        (jackpot(1) + jackpot(-1), Reason.AMOUNT_OUT_OF_RANGE,
         "jackpot_wins[1].amount"),
        (jackpot(1, 3), Reason.SCALE_MISMATCH, "jackpot_wins[0].amount"),
        (jackpot(1, -1), Reason.SCALE_MISMATCH, "jackpot_wins[0].amount"),
    ],
)  # fmt: skip
def test_jackpots(
    desk: Desk, parts: tuple[JackpotWin, ...], reason: Reason | None, field: str
) -> None:
    """Jackpots pay parts of a win, up to all of it."""
    answer = desk.send(win("w1", 10, jackpot_wins=parts))

    if reason is None:
        assert answer.transaction.cash == 10
    else:
        assert answer.reason == reason
        assert answer.metadata["field"] == field


def test_other_integration_wins_by_round_only(desk: Desk) -> None:
    """Another integration knows the round, but no bet of it by id."""
    by_name = desk.send(win("w1", key_id="strict-key", bet_transaction_id="b1"))
    by_round = desk.send(win("w1", key_id="strict-key"))

    assert by_name.reason == Reason.BET_NOT_FOUND
    assert by_round.transaction.cash_after == CASH
