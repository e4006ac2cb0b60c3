"""Limits are judged strictest first, tightened at once and loosened later."""

from typing import Any

import pytest
from tests.simulation.calls import award, bet, play, rollback, win
from tests.simulation.deployment import NOW_US, OFFICE_KEY, Desk, set_status

from cage.core.counter import counts_in
from cage.core.errors import CageError, Reason
from cage.core.jurisdiction import LimitPeriod
from cage.core.limit import (
    ConfirmLimit,
    LimitAnswer,
    LimitCurrencyRule,
    LimitKind,
    LimitOrigin,
    LimitView,
    ListLimits,
    RemoveLimit,
    SetLimit,
)
from cage.core.player import PlayerStatus

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
DEPOSIT, LOSS = LimitKind.DEPOSIT, LimitKind.LOSS
WAGER, STAKE = LimitKind.WAGER, LimitKind.STAKE
PLAYER, OPERATOR = LimitOrigin.PLAYER, LimitOrigin.OPERATOR


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player ``ann`` has 1,000 in cash."""
    made = Desk()
    made.fund(cash=1_000)
    return made


def which(desk: Desk, kind: LimitKind, **changes: Any) -> dict[str, Any]:
    """Name a limit of ``ann`` by the day, or of each bet for a stake."""
    period = LimitPeriod.BET if kind == STAKE else LimitPeriod.DAY
    return {
        "key_id": OFFICE_KEY,
        "request_id": f"request {desk.book.next_no}",
        "player_id": "ann",
        "kind": kind,
        "period": period,
        "origin": PLAYER,
        "currency_code": "EUR",
        **changes,
    }


def see(desk: Desk) -> None:
    """Load every counter that a decision may ask for, as the storage does."""
    book = desk.book
    for gate in book.gates.values():
        for kind in LimitKind:
            for period in LimitPeriod:
                start_us, _ = book.jurisdiction(gate).window(period, book.now_us)
                for currency in book.registry.currencies_by_no:
                    key = (gate.player_no, kind, period, currency, start_us)
                    book.counters.setdefault(key, 0)


def set_limit(desk: Desk, kind: LimitKind, amount: int, **changes: Any) -> Any:
    """Set a limit."""
    see(desk)
    content = {"amount": amount, "scale": 2, "currency_rule": 0, **changes}
    return desk.send(SetLimit(**which(desk, kind, **content)))


def remove(desk: Desk, kind: LimitKind, **changes: Any) -> Any:
    """Remove a limit."""
    see(desk)
    return desk.send(RemoveLimit(**which(desk, kind, **changes)))


def confirm(desk: Desk, kind: LimitKind, **changes: Any) -> Any:
    """Confirm a looser limit."""
    see(desk)
    return desk.send(ConfirmLimit(**which(desk, kind, **changes)))


def shown(desk: Desk) -> list[LimitView]:
    """List the limits of ``ann``."""
    see(desk)
    answer = desk.send(ListLimits(key_id=OFFICE_KEY, player_id="ann"))

    assert isinstance(answer, LimitAnswer)

    return list(answer.views)


def used(desk: Desk) -> dict[str, int]:
    """Return what counts against each limit, by its kind."""
    return {LimitKind(view.limit.kind).name: view.used for view in shown(desk)}


def reason(answer: object) -> Reason | None:
    """Return why something was refused, None when it was not."""
    return answer.reason if isinstance(answer, CageError) else None


def wait(desk: Desk, time_us: int) -> None:
    """Let time pass."""
    desk.book.now_us += time_us
    see(desk)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (LOSS, Reason.LOSS_LIMIT),
        (WAGER, Reason.WAGER_LIMIT),
        (STAKE, Reason.STAKE_LIMIT),
    ],
)
def test_bet_up_to_a_limit(desk: Desk, kind: LimitKind, expected: Reason) -> None:
    """A bet up to a limit passes, one above is refused with what is left.

    Requirement D1; edge case E38.
    """
    set_limit(desk, kind, 100)
    refused = desk.send(bet("b1", 101))
    passed = desk.send(bet("b2", 100))

    assert reason(refused) == expected
    assert refused.balance.cash == 1_000
    assert refused.metadata["limit"] == "1.00"
    assert refused.metadata.get("remaining", "1.00") == "1.00"
    assert refused.metadata["origin"] == "PLAYER"
    assert reason(passed) is None


def test_refusal_is_stored(desk: Desk) -> None:
    """A refused bet keeps its refusal, with the balance of now, whatever changes."""
    set_limit(desk, LOSS, 10, origin=OPERATOR)
    desk.send(bet("b1", 11))
    remove(desk, LOSS, origin=OPERATOR)
    desk.send(bet("b2", 500))
    again = desk.send(bet("b1", 11))

    assert reason(again) == Reason.LOSS_LIMIT
    assert again.balance.cash == 500


def test_what_counts(desk: Desk) -> None:
    """Wins and awards lower the loss, below zero too, and never what was wagered.

    Edge case E47.
    """
    set_limit(desk, LOSS, 500)
    set_limit(desk, WAGER, 500)
    desk.send(bet("b1", 100))
    desk.send(win("w1", 30, bet_transaction_id="b1"))
    first = used(desk)
    desk.send(award("a1", 200))
    desk.send(award("a2", 9, informational=True))

    assert first == {"LOSS": 70, "WAGER": 100}
    assert used(desk) == {"LOSS": -130, "WAGER": 100}


@pytest.mark.parametrize("name", ["b1", "w1"])
def test_rollback_restores_the_windows_of_its_original(desk: Desk, name: str) -> None:
    """A rollback on the next day gives back to the day of its original."""
    desk.rule(win_rollback=2, settled_rollback=1)
    set_limit(desk, LOSS, 500)
    set_limit(desk, WAGER, 500)
    desk.send(bet("b1", 100))
    desk.send(win("w1", 30, bet_transaction_id="b1"))
    wait(desk, DAY_US)
    desk.send(bet("b2", 5))
    answer = desk.send(rollback("x1", name))

    assert reason(answer) is None
    assert used(desk) == {"LOSS": 5, "WAGER": 5}
    assert len(desk.book.counted) == 4
    sums = {"b1": {-30, 0, 5}, "w1": {100, 5}}[name]
    assert {each[0] for each in desk.book.counted.values()} == sums


def test_rollback_of_a_play(desk: Desk) -> None:
    """A rolled back play gives back what its bets and wins counted together."""
    set_limit(desk, LOSS, 500)
    set_limit(desk, WAGER, 500)
    desk.send(play(bet("b1", 100), win("w1", 30), bet("b2", 7)))
    counted = used(desk)
    desk.send(rollback("x1", "w1"))

    assert counted == {"LOSS": 77, "WAGER": 107}
    assert used(desk) == {"LOSS": 0, "WAGER": 0}


def test_rollback_after_the_limit_is_gone(desk: Desk) -> None:
    """A rollback gives back what its bet counted, also without any limit now."""
    set_limit(desk, WAGER, 500, origin=OPERATOR)
    desk.send(bet("b1", 100))
    remove(desk, WAGER, origin=OPERATOR)
    desk.send(rollback("x1", "b1"))
    set_limit(desk, WAGER, 500)

    assert used(desk) == {"WAGER": 0}


def test_refused_play_counts_nothing(desk: Desk) -> None:
    """A play whose second bet passes a limit leaves every counter as it was."""
    set_limit(desk, LOSS, 150)
    answer = desk.send(play(bet("b1", 100), bet("b2", 51)))
    moves = [moves for _, moves in desk.book.counted.values()]

    assert reason(answer) == Reason.LOSS_LIMIT
    assert answer.metadata["remaining"] == "0.50"
    assert answer.balance.cash == 1_000
    assert used(desk) == {"LOSS": 0}
    assert moves == [0]


def test_play_may_bet_what_it_won(desk: Desk) -> None:
    """Inside of a play a win makes room for the next bet's loss."""
    set_limit(desk, LOSS, 100)
    answer = desk.send(play(bet("b1", 100), win("w1", 60), bet("b2", 60)))

    assert reason(answer) is None
    assert used(desk) == {"LOSS": 100}


def test_zero_bet_passes(desk: Desk) -> None:
    """A bet of nothing passes a limit of nothing (E14)."""
    for kind in (LOSS, WAGER, STAKE):
        set_limit(desk, kind, 0)

    assert reason(desk.send(bet("b1", 0))) is None
    assert reason(desk.send(bet("b2", 1))) == Reason.STAKE_LIMIT


def test_strictest_wins(desk: Desk) -> None:
    """The tighter of two limits stops a bet, whoever set it, however long its period.

    Requirement D3.
    """
    set_limit(desk, LOSS, 50)
    set_limit(desk, LOSS, 40, origin=OPERATOR, period=LimitPeriod.MONTH)
    answer = desk.send(bet("b1", 45))

    assert reason(answer) == Reason.LOSS_LIMIT
    assert (answer.metadata["origin"], answer.metadata["period"]) == (
        "OPERATOR",
        "MONTH",
    )
    assert reason(desk.send(bet("b2", 40))) is None


def test_counting_begins_with_the_limit(desk: Desk) -> None:
    """What was staked before the first limit does not count."""
    desk.send(bet("b1", 100))
    set_limit(desk, WAGER, 100)

    assert used(desk) == {"WAGER": 0}


def test_window_ends(desk: Desk) -> None:
    """A new day counts from zero, and the week goes on."""
    set_limit(desk, WAGER, 100)
    set_limit(desk, WAGER, 150, period=LimitPeriod.WEEK)
    desk.send(bet("b1", 100))
    wait(desk, HOUR_US)
    views = shown(desk)

    assert [view.used for view in views] == [0, 100]
    assert views[0].start_us == NOW_US + 2_800_000_000
    assert reason(desk.send(bet("b2", 51))) == Reason.WAGER_LIMIT
    assert reason(desk.send(bet("b3", 50))) is None


def test_decrease_is_immediate(desk: Desk) -> None:
    """A tighter limit holds from its own commit and drops what waits (D2)."""
    set_limit(desk, LOSS, 100)
    set_limit(desk, LOSS, 200)
    (view,) = set_limit(desk, LOSS, 50).views

    assert (view.limit.amount, view.limit.pending_time_us) == (50, 0)
    assert reason(desk.send(bet("b1", 51))) == Reason.LOSS_LIMIT


def test_increase_waits_and_is_confirmed(desk: Desk) -> None:
    """A looser limit stands after the delay and a confirmation, not before.

    Requirement D2; T11: an increase waits out the delay under a moved clock.
    """
    set_limit(desk, LOSS, 100)
    (view,) = set_limit(desk, LOSS, 200).views
    due_us = desk.book.now_us + DAY_US
    early = confirm(desk, LOSS)
    wait(desk, DAY_US - 1)
    still_early = confirm(desk, LOSS)
    wait(desk, 1)
    unconfirmed = desk.send(bet("b1", 101))
    (confirmed,) = confirm(desk, LOSS).views

    assert (view.limit.amount, view.limit.pending_amount) == (100, 200)
    assert view.limit.pending_time_us == due_us
    assert reason(early) == reason(still_early) == Reason.LIMIT_CHANGE_NOT_DUE
    assert reason(unconfirmed) == Reason.LOSS_LIMIT
    assert (confirmed.limit.amount, confirmed.limit.pending_time_us) == (200, 0)
    assert reason(desk.send(bet("b2", 200))) is None


def test_increase_by_itself(desk: Desk) -> None:
    """Where no confirmation is asked for a looser limit stands when its time comes."""
    desk.book.gates["ann"].jurisdiction = "SE"
    set_limit(desk, LOSS, 100)
    set_limit(desk, LOSS, 200)
    wait(desk, 72 * HOUR_US - 1)
    early = desk.send(bet("b1", 101))
    wait(desk, 1)
    (view,) = shown(desk)

    assert reason(early) == Reason.LOSS_LIMIT
    assert view.limit.amount == 200
    assert reason(confirm(desk, LOSS)) == Reason.LIMIT_NOT_FOUND
    assert reason(desk.send(bet("b2", 200))) is None


def test_asking_again_does_not_begin_anew(desk: Desk) -> None:
    """The same wish keeps its delay, another amount begins its own."""
    set_limit(desk, LOSS, 100)
    (first,) = set_limit(desk, LOSS, 200).views
    wait(desk, HOUR_US)
    (again,) = set_limit(desk, LOSS, 200).views
    (other,) = set_limit(desk, LOSS, 150).views

    assert again.limit.pending_time_us == first.limit.pending_time_us
    assert other.limit.pending_time_us == first.limit.pending_time_us + HOUR_US


def test_removal_waits(desk: Desk) -> None:
    """The player's limit goes after the delay, the operator's at once."""
    set_limit(desk, LOSS, 100)
    set_limit(desk, WAGER, 90, origin=OPERATOR)
    (waiting,) = remove(desk, LOSS).views
    gone = remove(desk, WAGER, origin=OPERATOR)
    early = desk.send(bet("b1", 101))
    wait(desk, DAY_US)
    removed = confirm(desk, LOSS)

    assert waiting.limit.amount == 100
    assert list(gone.views) == list(removed.views) == []
    assert reason(early) == Reason.LOSS_LIMIT
    assert desk.book.gates["ann"].limits == ""
    assert reason(desk.send(bet("b2", 500))) is None


def test_operator_loosens_at_once(desk: Desk) -> None:
    """An operator's limit follows the operator."""
    set_limit(desk, LOSS, 100, origin=OPERATOR)
    (view,) = set_limit(desk, LOSS, 200, origin=OPERATOR).views

    assert (view.limit.amount, view.limit.pending_time_us) == (200, 0)


@pytest.mark.parametrize("kind", [LOSS, WAGER])
def test_limit_that_is_not_there(desk: Desk, kind: LimitKind) -> None:
    """Nothing is removed or confirmed that was never set, or of which nothing waits."""
    set_limit(desk, LOSS, 100, period=LimitPeriod.WEEK)
    refused = [remove(desk, kind), confirm(desk, kind)]
    refused.append(confirm(desk, LOSS, period=LimitPeriod.WEEK))

    assert {reason(each) for each in refused} == {Reason.LIMIT_NOT_FOUND}


def test_other_currency(desk: Desk) -> None:
    """Money that cannot count is refused, or passes where the limit says so."""
    desk.wallet("ann", "USD").cash = 100
    desk.wallet("ann", "USD").version = 1
    set_limit(desk, LOSS, 500, currency_rule=int(LimitCurrencyRule.IGNORE_OTHER))
    ignored = desk.send(bet("b1", 10, currency_code="USD", round_id="r2"))
    set_limit(desk, LOSS, 500, currency_rule=int(LimitCurrencyRule.REFUSE_OTHER))
    refused = desk.send(bet("b2", 10, currency_code="USD", round_id="r2"))
    looser = set_limit(
        desk, LOSS, 400, currency_rule=int(LimitCurrencyRule.IGNORE_OTHER)
    )

    assert reason(ignored) is None
    assert used(desk) == {"LOSS": 0}
    assert reason(refused) == Reason.LOSS_LIMIT
    assert refused.metadata["remaining"] == "0.00"
    assert reason(looser) == Reason.INVALID_FIELD


def test_limits_survive_the_status(desk: Desk) -> None:
    """A status resets no limit and no counter (requirement D7)."""
    set_limit(desk, LOSS, 100)
    desk.send(bet("b1", 60))
    for status in (PlayerStatus.CLOSED, PlayerStatus.SUSPENDED, PlayerStatus.ACTIVE):
        desk.send(set_status(f"to {status}", "ann", status))

    assert used(desk) == {"LOSS": 60}
    assert reason(desk.send(bet("b2", 41))) == Reason.LOSS_LIMIT


def test_row_says_what_it_counted(desk: Desk) -> None:
    """A row keeps its windows beside what the caller sent, and only if it has any."""
    plain = desk.send(bet("b0", 1))
    set_limit(desk, LOSS, 100)
    set_limit(desk, LOSS, 90, origin=OPERATOR)
    counted = desk.send(bet("b1", 1, extra={"details": "x"}))
    ((kind, period, _, delta),) = counts_in(counted.transaction.extra)

    assert plain.transaction.extra is None
    assert '"details":"x"' in counted.transaction.extra
    assert (kind, period, delta) == (LOSS, LimitPeriod.DAY, 1)


def test_counter_that_nobody_loaded(desk: Desk) -> None:
    """A bet is never let through by a counter that was not read."""
    set_limit(desk, LOSS, 100)
    desk.book.counters.clear()

    with pytest.raises(KeyError):
        desk.send(bet("b1", 1))
