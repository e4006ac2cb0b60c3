"""A reserve sets a stake aside, captures take it, a release gives the rest back."""

from typing import Any

import pytest
from tests.simulation.calls import (
    bet,
    capture,
    close_round,
    release,
    reserve,
    rollback,
    win,
)
from tests.simulation.commands import switch_game
from tests.simulation.deployment import NOW_US, Desk, render, set_status

from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX
from cage.core.player import PlayerStatus
from cage.core.reservation import ExpireReserve, ReservationState
from cage.core.rules import RefusedBetRule, Verdict
from cage.core.wallet import Account, Kind, Receipt, State, Wallet

DAY_US = 86_400_000_000


@pytest.fixture
def desk() -> Desk:
    """Return a deployment whose player ann has 100 cash and 50 bonus."""
    return Desk()


def figures(wallet: Wallet) -> tuple[int, int, int]:
    """Return cash, bonus and what is reserved."""
    return (wallet.cash, wallet.bonus, wallet.reserved)


def lines(desk: Desk, answer: Any) -> list[tuple[int, int, int | None]]:
    """Return account, amount and balance of the entries of a receipt."""
    item_no = answer.transaction.item_no
    return [(e[2], e[5], e[6]) for e in desk.book.entries if e[1] == item_no]


def expire(desk: Desk, answer: Any) -> Any:
    """Send what the sweeper sends about a reserve."""
    reserve_no = answer.transaction.item_no
    return desk.send(ExpireReserve(player_id="ann", reserve_no=reserve_no))


def test_e42_reserve_is_captured_in_parts_and_released(desk: Desk) -> None:
    """E42: phoenix captures and releases up to the reserve, and never more."""
    held = desk.send(reserve("h1", 120))
    seen = [figures(desk.wallet())]
    first = desk.send(capture("c1", 50))
    seen.append(figures(desk.wallet()))
    too_much = desk.send(capture("c2", 71))
    second = desk.send(capture("c2", 60))
    back = desk.send(release())
    seen.append(figures(desk.wallet()))
    late = desk.send(capture("c3", 1))
    round_ = desk.round()

    assert seen == [(0, 30, 120), (0, 30, 70), (8, 32, 0)]
    assert lines(desk, held) == [
        (Account.PLAYER_CASH, -100, 0),
        (Account.PLAYER_BONUS, -20, 30),
        (Account.PLAYER_RESERVED, 120, 120),
    ]
    assert lines(desk, first) == [
        (Account.PLAYER_RESERVED, -50, 70),
        (Account.GAME, 50, None),
    ]
    assert lines(desk, back) == [
        (Account.PLAYER_CASH, 8, 8),
        (Account.PLAYER_BONUS, 2, 32),
        (Account.PLAYER_RESERVED, -10, 0),
    ]
    assert too_much.reason == Reason.RESERVE_EXCEEDED
    assert too_much.metadata == {"left": "70"}
    assert isinstance(second, Receipt)
    assert late.reason == Reason.RESERVE_RELEASED
    assert round_ is not None
    assert (round_.bet_cash, round_.bet_bonus) == (92, 18)
    assert (round_.bet_count, round_.standing_count) == (1, 1)


def test_e42_approve_and_cancel(desk: Desk) -> None:
    """E42: SR reserves and approves or cancels; BETBY makes and commits or discards."""
    desk.send(reserve("approved", 40))
    desk.send(reserve("cancelled", 30, round_id="r2"))
    desk.send(capture("approved", 40, "approved"))
    desk.send(release("cancelled", "cancelled"))
    desk.send(win("w1", 80, bet_transaction_id="approved"))
    refused = desk.send(win("w2", 60, bet_transaction_id="cancelled", round_id="r2"))

    assert figures(desk.wallet()) == (140, 50, 0)
    assert refused.reason == Reason.ALREADY_ROLLED_BACK


@pytest.mark.parametrize("amount", [1, 7, 50, 119, 120])
def test_captures_split_as_the_reserve(desk: Desk, amount: int) -> None:
    """However it is cut, what is taken and what goes back is the reserve's split."""
    desk.send(reserve("h1", 120))
    for number, start in enumerate(range(0, 120, amount)):
        desk.send(capture(f"c{number}", min(amount, 120 - start)))
    round_ = desk.round()

    assert round_ is not None
    assert (round_.bet_cash, round_.bet_bonus) == (100, 20)
    assert figures(desk.wallet()) == (0, 30, 0)


def test_reserve_is_no_bet_before_its_capture(desk: Desk) -> None:
    """Only what was captured is the stake of the round; a win needs one."""
    desk.send(reserve())
    by_name = desk.send(win("w1", 5, bet_transaction_id="h1"))
    by_round = desk.send(win("w2", 5))
    round_ = desk.round()

    assert by_name.reason == by_round.reason == Reason.BET_NOT_FOUND
    assert round_ is not None
    assert (round_.bet_count, round_.bet_cash) == (0, 0)

    desk.send(capture("c1", 0))

    assert isinstance(desk.send(win("w1", 5, bet_transaction_id="h1")), Receipt)
    assert isinstance(desk.send(win("w2", 5)), Receipt)


@pytest.mark.parametrize(
    ("rules", "is_released"),
    [({"win_without_bet": 1}, False), ({"win_after_rollback": 1}, True)],
)
def test_rules_of_wins_hold_for_reserves(
    desk: Desk, rules: dict[str, int], *, is_released: bool
) -> None:
    """A reserve without a capture is no bet; once released it is a rolled back one."""
    desk.rule(**rules)
    desk.send(reserve())
    if is_released:
        desk.send(release())
    row = desk.send(win("w1", 5, bet_transaction_id="h1")).transaction

    assert (row.cash, row.state) == (5, State.POSTED)


def test_win_is_split_as_its_reserve(desk: Desk) -> None:
    """The win of a reserve comes back in the split of the reserve."""
    desk.send(reserve("h1", 120))
    desk.send(capture("c1", 60))
    row = desk.send(win("w1", 60, bet_transaction_id="h1")).transaction

    assert (row.cash, row.bonus) == (50, 10)


@pytest.mark.parametrize(
    "change",
    [
        set_status("no", "ann", PlayerStatus.SELF_EXCLUDED),
        switch_game("off", "slots", enabled=False),
    ],
)
def test_capture_and_release_pass(desk: Desk, change: Any) -> None:
    """What became of the player or the game since stops no capture and no release."""
    desk.send(reserve())
    desk.send(change)

    assert isinstance(desk.send(capture("c1", 4)), Receipt)
    assert isinstance(desk.send(release()), Receipt)
    assert isinstance(desk.send(reserve("h2")), CageError)


def test_refusal_is_stored(desk: Desk) -> None:
    """A refused reserve keeps its refusal, unless the rules judge it anew."""
    first = desk.send(reserve("h1", 500))
    desk.fund(cash=1_000)
    again = desk.send(reserve("h1", 500))
    desk.rule(refused_bet=RefusedBetRule.JUDGE_ANEW)
    desk.fund(cash=0)
    anew = [desk.send(reserve("h2", 500))]
    desk.fund(cash=1_000)
    anew.append(desk.send(reserve("h2", 500)))

    assert first.reason == again.reason == Reason.INSUFFICIENT_FUNDS
    assert anew[0].reason == Reason.INSUFFICIENT_FUNDS
    assert isinstance(anew[1], Receipt)
    assert desk.send(capture("c1", 1)).reason == Reason.RESERVE_NOT_FOUND


def test_release_comes_first(desk: Desk) -> None:
    """The release of an unknown reserve leaves a tombstone: it never sets aside."""
    tombstone = desk.send(release())
    late = desk.send(reserve())
    captured = desk.send(capture())

    assert tombstone.tombstone
    assert late.reason == Reason.ALREADY_ROLLED_BACK
    assert captured.reason == Reason.RESERVE_RELEASED
    assert figures(desk.wallet()) == (100, 50, 0)


@pytest.mark.parametrize("rule", list(Verdict))
def test_second_release(desk: Desk, rule: Verdict) -> None:
    """Another release answers the first, or is refused where the rules say so."""
    desk.rule(second_rollback=rule)
    desk.send(reserve())
    first = desk.send(release("x1"))
    again = desk.send(release("x1"))
    other = desk.send(release("x2"))

    assert again.replayed
    assert again.transaction is first.transaction
    if rule == Verdict.ACCEPT:
        assert other.transaction is first.transaction
    else:
        assert other.reason == Reason.ALREADY_ROLLED_BACK
    assert figures(desk.wallet()) == (100, 50, 0)


def test_rollback_of_a_reserve_is_its_release(desk: Desk) -> None:
    """A rollback releases what was not captured, and is refused after a capture."""
    desk.send(reserve("h1", 30))
    desk.send(reserve("h2", 20))
    desk.send(capture("c2", 0, "h2"))
    row = desk.send(rollback("x1", "h1")).transaction
    refused = desk.send(rollback("x2", "h2"))

    assert (row.kind, row.cash) == (Kind.RELEASE, 30)
    assert desk.send(release("x1", "h1")).replayed
    assert refused.reason == Reason.ROLLBACK_NOT_ALLOWED
    assert isinstance(desk.send(release("x2", "h2")), Receipt)


def test_release_is_of_a_reserve(desk: Desk) -> None:
    """A bet is not released."""
    desk.send(bet("b1", 5))
    answer = desk.send(release("x1", "b1"))

    assert answer.reason == Reason.REFERENCE_MISMATCH
    assert answer.metadata == {"field": "kind"}


def test_nothing_left_is_released_too(desk: Desk) -> None:
    """The release of a reserve that was captured whole succeeds and moves nothing."""
    desk.send(reserve())
    desk.send(capture())
    answer = desk.send(release())

    assert (answer.transaction.amount, answer.transaction.cash) == (0, 0)
    assert desk.send(capture("c2", 1)).reason == Reason.RESERVE_RELEASED


def test_closed_round_keeps_the_rest(desk: Desk) -> None:
    """A closed round takes no capture; the rest goes back whatever the rules say."""
    desk.rule(late_rollback=Verdict.REFUSE)
    desk.send(reserve("h1", 10))
    desk.send(capture("c1", 4, round_closed=True))

    assert desk.send(capture("c2", 4)).reason == Reason.ROUND_CLOSED
    assert desk.send(reserve("h2")).reason == Reason.ROUND_CLOSED
    assert desk.send(release()).transaction.cash == 6


def test_release_may_close_its_round(desk: Desk) -> None:
    """A release may be the last call of the round."""
    desk.send(reserve())
    desk.send(release(round_closed=True))

    assert desk.send(bet("b1", 1)).reason == Reason.ROUND_CLOSED


# The life that was sent, the rule, and after how long it is over.
LIVES = [(0, 0, 7 * DAY_US), (0, 60, 60_000_000), (5_000_000, 60, 5_000_000)]


@pytest.mark.parametrize(("sent", "rule", "life_us"), LIVES)
def test_reserve_expires(desk: Desk, sent: int, rule: int, life_us: int) -> None:
    """After its life, and not before, what is left goes back by a release."""
    desk.rule(reserve_life_s=rule)
    held = desk.send(reserve("h1", 10, life_us=sent))
    desk.send(capture("c1", 3))
    desk.book.now_us = NOW_US + life_us - 1
    early = expire(desk, held)
    desk.book.now_us += 1
    swept = [expire(desk, held) for _ in range(2)]
    row = desk.book.transactions[-1]

    assert (early, swept) == (False, [True, False])
    assert figures(desk.wallet()) == (97, 50, 0)
    assert (row.kind, row.cash, row.integration_no) == (Kind.RELEASE, 7, 0)
    assert row.transaction_id.startswith("expire/")
    assert desk.send(capture("c2", 1)).reason == Reason.RESERVE_EXPIRED


def test_capture_passes_until_it_is_swept(desk: Desk) -> None:
    """Nothing but the release ends a reserve: no call computes an expiry."""
    held = desk.send(reserve("h1", 10, life_us=1))
    desk.book.now_us += DAY_US

    assert isinstance(desk.send(capture("c1", 3)), Receipt)
    assert desk.wallet().reserved == 7
    assert expire(desk, held) is True


@pytest.mark.parametrize("rule", list(Verdict))
def test_release_after_expiry(desk: Desk, rule: Verdict) -> None:
    """A release that comes after the expiry answers it, whatever the rules say."""
    desk.rule(second_rollback=rule)
    held = desk.send(reserve("h1", 10, life_us=-1))
    expire(desk, held)
    answer = desk.send(release())

    assert answer.replayed
    assert answer.transaction.cash == 10
    assert figures(desk.wallet()) == (100, 50, 0)


# What ended a reserve before it was swept.
ENDS: list[tuple[list[Any], ReservationState]] = [
    ([capture()], ReservationState.CAPTURED),
    ([release()], ReservationState.RELEASED),
    ([capture("c1", 3), release()], ReservationState.RELEASED),
]


@pytest.mark.parametrize(("calls", "state"), ENDS)
def test_what_is_over_does_not_expire(
    desk: Desk, calls: list[Any], state: ReservationState
) -> None:
    """The sweeper finds nothing to do where a capture or a release came first."""
    held = desk.send(reserve("h1", 10, life_us=-1))
    for call in calls:
        desk.send(call)
    reservation = desk.book.reservations[held.transaction.item_no]

    assert expire(desk, held) is False
    assert reservation.state == state
    assert reservation.left == 0


@pytest.mark.parametrize(("player_id", "reserve_no"), [("bob", None), ("ann", 1)])
def test_nothing_else_expires(
    desk: Desk, player_id: str, reserve_no: int | None
) -> None:
    """What is no reserve of the player is left alone."""
    held = desk.send(reserve("h1", 10, life_us=-1)).transaction.item_no
    command = ExpireReserve(player_id=player_id, reserve_no=reserve_no or held)

    assert desk.send(command) is False


def test_reserved_money_fits_when_it_comes_back(desk: Desk) -> None:
    """No credit pushes a balance so high that a release would leave 64 bits."""
    desk.send(reserve("h1", 10))
    desk.send(bet("b1", 1))
    fits = INT64_MAX - sum(figures(desk.wallet()))

    assert desk.send(win("w1", fits + 1)).reason == Reason.BALANCE_OUT_OF_RANGE
    assert isinstance(desk.send(win("w1", fits)), Receipt)
    assert isinstance(desk.send(release()), Receipt)


GUARDS: list[tuple[Reason, dict[str, object]]] = [
    (Reason.KEY_INVALID, {"key_id": "no-key"}),
    (Reason.PLAYER_NOT_FOUND, {"player_id": "zed"}),
    (Reason.CURRENCY_NOT_FOUND, {"currency_code": "XYZ"}),
    (Reason.AMOUNT_OUT_OF_RANGE, {"amount": -1}),
    (Reason.SCALE_MISMATCH, {"scale": -1}),
    (Reason.TRANSACTION_MISMATCH, {"transaction_id": "c0"}),
    (Reason.GAME_NOT_FOUND, {"game_id": "lost"}),
    (Reason.RESERVE_NOT_FOUND, {"reserve_transaction_id": "none"}),
    (Reason.RESERVE_NOT_FOUND, {"reserve_transaction_id": "refused"}),
    (Reason.RESERVE_RELEASED, {"reserve_transaction_id": "gone"}),
    (Reason.REFERENCE_MISMATCH, {"reserve_transaction_id": "b0"}),
    (Reason.REFERENCE_MISMATCH, {"reserve_transaction_id": "h0", "round_id": "r9"}),
    (Reason.REFERENCE_MISMATCH, {"game_id": "dice"}),
    (Reason.CURRENCY_MISMATCH, {"game_id": "slots", "currency_code": "USD"}),
    (Reason.RESERVE_EXPIRED, {"reserve_transaction_id": "due"}),
    (Reason.RESERVE_RELEASED, {"reserve_transaction_id": "over"}),
    (Reason.ROUND_CLOSED, {"reserve_transaction_id": "h0"}),
]


@pytest.mark.parametrize("index", range(len(GUARDS)))
def test_guards_of_a_capture_stand_in_order(desk: Desk, index: int) -> None:
    """Every refusal of a capture wins over those after it, and stores nothing."""
    desk.send(bet("b0", 1))
    desk.send(reserve("h0", 1))
    desk.send(capture("c0", 1, "h0"))
    desk.send(reserve("refused", 1_000))
    desk.send(release("x0", "gone"))
    desk.send(reserve("over", 1))
    desk.send(release("x1", "over"))
    expire(desk, desk.send(reserve("due", 1, life_us=-1)))
    desk.send(close_round())
    call = capture("c1", INT64_MAX, "h0", round_id="r1")
    for _, content in reversed(GUARDS[index:]):
        for name, value in {"round_id": "r1", **content}.items():
            setattr(call, name, value)
    before = render([desk.book.next_no, desk.wallet(), desk.round()])
    answer = desk.send(call)

    assert isinstance(answer, CageError)
    assert answer.reason == GUARDS[index][0]
    assert render([desk.book.next_no, desk.wallet(), desk.round()]) == before


RETRIES: list[tuple[str, dict[str, object]]] = [
    ("currency_code", {"currency_code": "USD"}),
    ("amount", {"amount": 2}),
    ("round_id", {"round_id": "r2"}),
    ("reserve_transaction_id", {"name": "h2"}),
    ("game_id", {"game_id": "dice"}),
]


@pytest.mark.parametrize("index", range(len(RETRIES)))
def test_retry_of_a_capture_is_compared(desk: Desk, index: int) -> None:
    """A capture that is sent again with other content names what differs."""
    desk.send(reserve("h1", 5))
    desk.send(reserve("h2", 5))
    desk.send(capture("c1", 1))
    changes: dict[str, Any] = {}
    for _, content in RETRIES[index:]:
        changes |= content
    answer = desk.send(capture("c1", **{"amount": 1, **changes}))

    assert desk.send(capture("c1", 1)).replayed
    assert answer.reason == Reason.TRANSACTION_MISMATCH
    assert answer.metadata["field"] == RETRIES[index][0]


def test_key_spaces(desk: Desk) -> None:
    """One id may name a reserve, a capture and a release; a bet takes a reserve's."""
    desk.send(reserve("same", 5))
    answers = [
        desk.send(capture("same", 2, "same")),
        desk.send(release("same", "same")),
    ]

    assert all(isinstance(each, Receipt) and not each.replayed for each in answers)
    assert desk.send(bet("same", 5)).reason == Reason.TRANSACTION_MISMATCH
