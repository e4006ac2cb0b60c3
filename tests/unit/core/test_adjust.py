"""An adjustment corrects what was posted, up or down, by the rules."""

from typing import Any

import pytest
from tests.simulation.calls import adjust, award, bet, close_round, play, rollback, win
from tests.simulation.commands import switch_game
from tests.simulation.deployment import Desk, render, set_status

from cage.core.adjust import Reference
from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX, INT64_MIN
from cage.core.player import PlayerStatus
from cage.core.rules import AdjustOverdraftRule, Verdict, WinRollbackRule
from cage.core.wallet import FLAG_ROUND_CLOSED, Account, Kind, Receipt

ALLOW = AdjustOverdraftRule.ALLOW_NEGATIVE


@pytest.fixture
def desk() -> Desk:
    """Return a deployment whose player ann has 100 cash and 50 bonus."""
    return Desk()


# What was posted, the delta, what the player has then, and the expected split.
SPLITS: list[tuple[list[Any], int, tuple[int, int], tuple[int, int]]] = [
    ([bet("b1", 10)], 7, (100, 50), (7, 0)),
    ([bet("b1", 10)], 0, (100, 50), (0, 0)),
    ([bet("b1", 10)], -7, (100, 50), (-7, 0)),
    # 100 cash and 20 bonus: a sixth is bonus, rounded down.
    ([bet("b1", 120)], 13, (100, 50), (11, 2)),
    ([bet("b1", 120)], -13, (100, 50), (-11, -2)),
    # What bonus lacks comes from cash, and the other way round.
    ([bet("b1", 120)], -60, (100, 3), (-57, -3)),
    ([bet("b1", 120)], -60, (20, 50), (-20, -40)),
    ([bet("b1", 10)], -60, (20, 50), (-20, -40)),
    # All of both, and no more.
    ([bet("b1", 10)], -70, (20, 50), (-20, -50)),
    # A free correction: nothing tells a split, so it is cash.
    ([bet("b1", 0)], 5, (100, 50), (5, 0)),
]


@pytest.mark.parametrize(("earlier", "delta", "owns", "split"), SPLITS)
def test_split_is_that_of_the_references(
    desk: Desk,
    earlier: list[Any],
    delta: int,
    owns: tuple[int, int],
    split: tuple[int, int],
) -> None:
    """A delta is split as what it corrects was, as far as the player has it."""
    for call in earlier:
        desk.send(call)
    desk.fund(cash=owns[0], bonus=owns[1])
    row = desk.send(adjust("a1", delta)).transaction

    assert (row.cash, row.bonus) == split
    assert (row.amount, row.kind) == (delta, Kind.ADJUST)


def test_adjustment_is_in_its_round(desk: Desk) -> None:
    """The round keeps the sum of its adjustments apart from bets and wins."""
    desk.send(bet("b1", 10))
    desk.send(win("w1", 30))
    desk.send(close_round())
    desk.send(adjust("a1", -20, "w1"))
    desk.send(adjust("a2", 5, "b1", "w1"))
    round_ = desk.round()

    assert round_ is not None
    assert (round_.adjust_count, round_.adjust_amount) == (2, -15)
    assert (round_.bet_count, round_.win_count, round_.win_amount) == (1, 1, 30)


HOUSES: list[tuple[Any, str, Account]] = [
    (bet("b1", 5), "r1", Account.GAME),
    (bet("b1", 5, kind=2), "r1", Account.TIP),
    (award("b1", 5), "", Account.AWARD),
    (win("b1", 5, bet_transaction_id="b0"), "r1", Account.GAME),
]


@pytest.mark.parametrize(("earlier", "round_id", "account"), HOUSES)
def test_other_side_is_that_of_the_reference(
    desk: Desk, earlier: Any, round_id: str, account: Account
) -> None:
    """Money comes from, and goes to, the account that the reference moved it with."""
    desk.send(bet("b0", 1))
    desk.send(earlier)
    desk.send(adjust("a1", -4, round_id=round_id))
    (own, house) = [(line[2], line[5]) for line in desk.book.entries[-2:]]

    assert own == (Account.PLAYER_CASH, -4)
    assert house == (account, 4)


@pytest.mark.parametrize(
    ("rule", "cash"), [(AdjustOverdraftRule.REJECT, 0), (ALLOW, -60)]
)
def test_overdraft_rule(desk: Desk, rule: AdjustOverdraftRule, cash: int) -> None:
    """Whether cash may become negative is up to the rule; bonus never does."""
    desk.rule(adjust_overdraft=rule)
    desk.send(bet("b1", 150))
    desk.send(win("w1", 150))
    desk.fund(cash=40, bonus=50)
    answer = desk.send(adjust("a1", -150, "w1"))
    wallet = desk.wallet()

    if rule == ALLOW:
        assert answer.current.playable == 0
        assert (wallet.cash, wallet.bonus) == (cash, 0)
    else:
        assert answer.reason == Reason.INSUFFICIENT_FUNDS
        assert answer.balance.playable == 90
        # It is no bet: the same id may pass once there is money.
        desk.fund(cash=150)
        assert isinstance(desk.send(adjust("a1", -150, "w1")), Receipt)


@pytest.mark.parametrize(
    "change",
    [
        set_status("no", "ann", PlayerStatus.SELF_EXCLUDED),
        switch_game("off", "slots", enabled=False),
        close_round(),
    ],
)
def test_adjustment_passes(desk: Desk, change: Any) -> None:
    """Neither status, switch nor the close of the round stands in the way."""
    desk.send(bet("b1", 1))
    desk.send(change)

    assert isinstance(desk.send(adjust()), Receipt)


def test_e41_edit_and_resettlement(desk: Desk) -> None:
    """E41: a settled bet is settled again, up and down, and each call once."""
    desk.send(bet("b1", 100))
    desk.send(win("w1", 180, bet_transaction_id="b1", round_closed=True))
    steps = [
        adjust("unsettle", -180, "w1"),
        adjust("resettle", 90, "b1", "w1"),
        adjust("edit", -20, "resettle"),
    ]
    answers = [desk.send(call) for call in [*steps, *steps]]

    assert [each.transaction.cash for each in answers[:3]] == [-180, 90, -20]
    assert [each.replayed for each in answers] == [False] * 3 + [True] * 3
    assert desk.wallet().cash == 70


def test_adjustment_may_close_its_round(desk: Desk) -> None:
    """An adjustment may be the last call of the round."""
    desk.send(bet("b1", 1))
    row = desk.send(adjust(round_closed=True)).transaction

    assert row.flags == FLAG_ROUND_CLOSED
    assert desk.send(bet("b2")).reason == Reason.ROUND_CLOSED


# What an adjustment names, and the rollback of what is settled by it.
SETTLED = [(("b1",), "b1"), (("b1", "b2"), "b2"), (("w1",), "w1")]


@pytest.mark.parametrize(("names", "original"), SETTLED)
def test_what_is_adjusted_is_not_rolled_back(
    desk: Desk, names: tuple[str, ...], original: str
) -> None:
    """What an adjustment corrects, or its round, counts as settled."""
    desk.rule(win_rollback=WinRollbackRule.ALLOW_NEGATIVE)
    desk.send(bet("b1", 10))
    desk.send(bet("b2", 10))
    if original == "w1":
        desk.send(win("w1", 5))
    desk.send(adjust("a1", 10, *names))
    refused = desk.send(rollback("x1", original))
    desk.rule(
        settled_rollback=Verdict.ACCEPT, win_rollback=WinRollbackRule.ALLOW_NEGATIVE
    )

    assert refused.reason == Reason.ALREADY_SETTLED
    assert isinstance(desk.send(rollback("x1", original)), Receipt)


def test_other_bets_are_still_rolled_back(desk: Desk) -> None:
    """An adjustment that names one bet leaves the others of the round alone."""
    desk.send(bet("b1", 10))
    desk.send(bet("b2", 10))
    desk.send(adjust("a1", 10, "b1"))

    assert isinstance(desk.send(rollback("x1", "b2")), Receipt)


@pytest.mark.parametrize("rule", list(WinRollbackRule))
def test_adjustment_is_not_rolled_back(desk: Desk, rule: WinRollbackRule) -> None:
    """Whatever the rules say, an adjustment is corrected by another one."""
    desk.rule(win_rollback=rule)
    desk.send(bet("b1", 10))
    desk.send(adjust("a1", 10))

    assert desk.send(rollback("x1", "a1")).reason == Reason.ROLLBACK_NOT_ALLOWED


def test_action_of_a_play_is_a_reference(desk: Desk) -> None:
    """An action of a play is corrected like any transaction; the play is settled."""
    desk.send(play(bet("b1", 10), win("w1", 3, bet_transaction_id="b1")))
    answer = desk.send(adjust("a1", 7, "w1"))

    assert answer.transaction.cash == 7
    assert desk.send(rollback("x1", "b1")).reason == Reason.ALREADY_SETTLED


def test_late_adjustment_of_a_tombstone(desk: Desk) -> None:
    """An adjustment that was rolled back before it came never moves."""
    desk.send(bet("b1", 1))
    desk.send(rollback("x1", "a1"))

    assert desk.send(adjust("a1")).reason == Reason.ALREADY_ROLLED_BACK


def references(*names: str, **more: Any) -> tuple[Reference, ...]:
    """Name transactions."""
    return tuple(Reference(transaction_id=name, **more) for name in names)


GUARDS: list[tuple[Reason, dict[str, object], str]] = [
    (Reason.KEY_INVALID, {"key_id": "no-key"}, ""),
    (Reason.PLAYER_NOT_FOUND, {"player_id": "zed"}, ""),
    (Reason.CURRENCY_NOT_FOUND, {"currency_code": "XYZ"}, ""),
    (Reason.SCALE_MISMATCH, {"scale": -1, "delta": -INT64_MAX}, ""),
    (Reason.AMOUNT_OUT_OF_RANGE, {"scale": 2, "delta": INT64_MIN}, ""),
    (Reason.TRANSACTION_MISMATCH, {"transaction_id": "b0", "delta": -INT64_MAX}, ""),
    (Reason.GAME_NOT_FOUND, {"game_id": "lost", "transaction_id": "a1"}, ""),
    (
        Reason.TRANSACTION_NOT_FOUND,
        {"game_id": "slots", "references": references("none", "b0")},
        "none",
    ),
    (
        Reason.TRANSACTION_NOT_FOUND,
        {"references": references("refused", kind=Kind.WIN)},
        "refused",
    ),
    (
        Reason.TRANSACTION_NOT_FOUND,
        {"references": references("gone", kind=Kind.WIN)},
        "gone",
    ),
    (
        Reason.REFERENCE_MISMATCH,
        {"references": references("b0", kind=Kind.WIN), "round_id": "r9"},
        "kind",
    ),
    (
        Reason.REFERENCE_MISMATCH,
        {"references": references("b0"), "round_id": "r9", "game_id": "dice"},
        "round_id",
    ),
    (
        Reason.REFERENCE_MISMATCH,
        {"round_id": "r1", "game_id": "dice", "currency_code": "USD"},
        "game_id",
    ),
    (Reason.CURRENCY_MISMATCH, {"game_id": "slots", "currency_code": "USD"}, ""),
    (Reason.INSUFFICIENT_FUNDS, {"currency_code": "EUR", "delta": -INT64_MAX}, ""),
    (Reason.BALANCE_OUT_OF_RANGE, {"delta": INT64_MAX}, ""),
]


@pytest.mark.parametrize("index", range(len(GUARDS)))
def test_guards_stand_in_order(desk: Desk, index: int) -> None:
    """Every refusal wins over those after it, and stores nothing."""
    desk.send(bet("b0", 1))
    desk.send(bet("refused", 1_000))
    desk.send(rollback("x0", "gone"))
    call = adjust("a1", -INT64_MAX, "b0")
    for _, content, _ in reversed(GUARDS[index:]):
        for name, value in content.items():
            setattr(call, name, value)
    before = render([desk.book.next_no, desk.wallet(), desk.round()])
    answer = desk.send(call)

    assert isinstance(answer, CageError)
    assert answer.reason == GUARDS[index][0]
    assert GUARDS[index][2] in ("", *answer.metadata.values())
    assert render([desk.book.next_no, desk.wallet(), desk.round()]) == before


RETRIES: list[tuple[str, dict[str, object]]] = [
    ("currency_code", {"currency_code": "USD"}),
    ("delta", {"delta": 8}),
    ("round_id", {"round_id": "r2"}),
    ("references", {"references": references("b1", "b2")}),
    ("game_id", {"game_id": "dice"}),
]


@pytest.mark.parametrize("index", range(len(RETRIES)))
def test_retry_is_compared_in_order(desk: Desk, index: int) -> None:
    """A retry that differs names the first field that does; nothing moves."""
    desk.send(bet("b1", 1))
    desk.send(adjust("a1", 7))
    changes: dict[str, Any] = {}
    for _, content in RETRIES[index:]:
        changes |= content
    answer = desk.send(adjust("a1", **{"delta": 7, **changes}))

    assert answer.reason == Reason.TRANSACTION_MISMATCH
    assert answer.metadata == {"transaction_id": "a1", "field": RETRIES[index][0]}


def test_range_of_the_round(desk: Desk) -> None:
    """The sum of a round's adjustments stays within 64 bits, down too."""
    desk.rule(adjust_overdraft=ALLOW)
    desk.send(bet("b1", 100))
    answers = [desk.send(adjust(f"a{n}", -INT64_MAX)) for n in (1, 2)]

    assert isinstance(answers[0], Receipt)
    assert answers[1].reason == Reason.BALANCE_OUT_OF_RANGE
