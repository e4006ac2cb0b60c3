"""A reserve counts against the limits of its player until it is released."""

from typing import Any

import pytest
from tests.simulation.calls import bet, capture, release, reserve, rollback, win
from tests.simulation.deployment import Desk
from tests.unit.core.test_limit import set_limit, shown

from cage.core.errors import Reason
from cage.core.limit import LimitKind
from cage.core.reservation import ExpireReserve
from cage.core.wallet import Receipt

REASONS = {
    LimitKind.STAKE: Reason.STAKE_LIMIT,
    LimitKind.WAGER: Reason.WAGER_LIMIT,
    LimitKind.LOSS: Reason.LOSS_LIMIT,
}


@pytest.fixture
def desk() -> Desk:
    """Return a deployment whose player ann has 100 cash and 50 bonus."""
    return Desk()


def used(desk: Desk) -> list[int]:
    """Return what counts against each limit of ann."""
    return [view.used for view in shown(desk)]


@pytest.mark.parametrize("kind", [LimitKind.WAGER, LimitKind.LOSS])
def test_reserve_is_judged_and_counted(desk: Desk, kind: LimitKind) -> None:
    """What is reserved may all be captured, so it counts as a bet does, at once."""
    set_limit(desk, kind, 40)
    desk.send(reserve("h1", 30))
    refused = desk.send(reserve("h2", 11))

    assert refused.reason == REASONS[kind]
    assert desk.send(bet("b1", 11)).reason == REASONS[kind]
    assert desk.send(bet("b2", 10)).transaction.cash == -10
    assert used(desk) == [40]


# What becomes of a reserve of 30, and what counts then.
ENDS: list[tuple[list[Any], int]] = [
    ([], 30),
    ([capture("c1", 30)], 30),
    ([capture("c1", 20)], 30),
    ([capture("c1", 20), release()], 20),
    ([release()], 0),
    ([release(), release("x2")], 0),
    ([rollback("x1", "h1")], 0),
    ([capture("c1", 5), capture("c2", 5), release()], 10),
]


@pytest.mark.parametrize("kind", [LimitKind.WAGER, LimitKind.LOSS])
@pytest.mark.parametrize(("calls", "counts"), ENDS)
def test_e47_release_restores_the_counters(
    desk: Desk, kind: LimitKind, calls: list[Any], counts: int
) -> None:
    """E47: what was captured counts, what went back does not, and once."""
    set_limit(desk, kind, 100)
    desk.send(reserve("h1", 30))
    answers = [desk.send(call) for call in calls]

    assert all(isinstance(answer, Receipt) for answer in answers)
    assert used(desk) == [counts]


def test_expiry_restores_the_counters(desk: Desk) -> None:
    """The end of a reserve's life gives the headroom back, in the reserve's window."""
    set_limit(desk, LimitKind.WAGER, 30)
    held = desk.send(reserve("h1", 30, life_us=-1)).transaction
    desk.send(capture("c1", 12))
    full = desk.send(bet("b1", 1))
    desk.send(ExpireReserve(player_id="ann", reserve_no=held.item_no))

    assert full.reason == Reason.WAGER_LIMIT
    assert used(desk) == [12]
    assert isinstance(desk.send(bet("b2", 18)), Receipt)


def test_reserve_without_limits_is_not_counted(desk: Desk) -> None:
    """A limit that was set after the reserve does not count it, nor its release."""
    desk.send(reserve("h1", 30))
    set_limit(desk, LimitKind.WAGER, 100)
    desk.send(release())

    assert used(desk) == [0]


def test_stake_limit_is_of_the_whole_reserve(desk: Desk) -> None:
    """A reserve is one bet, however it is captured."""
    set_limit(desk, LimitKind.STAKE, 20)

    assert desk.send(reserve("h1", 21)).reason == Reason.STAKE_LIMIT
    assert isinstance(desk.send(reserve("h2", 20)), Receipt)


def test_win_lowers_the_loss(desk: Desk) -> None:
    """The win of a reserve lowers what is lost, and leaves what is wagered."""
    set_limit(desk, LimitKind.LOSS, 50)
    set_limit(desk, LimitKind.WAGER, 50)
    desk.send(reserve("h1", 30))
    desk.send(capture("c1", 30))
    desk.send(win("w1", 45, bet_transaction_id="h1"))

    assert sorted(used(desk)) == [-15, 30]
