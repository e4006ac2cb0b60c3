"""Test how many operations a second one key may send."""

import pytest

from cage.core.errors import CageError, Reason
from cage.rpc.rate import Rate


class Clock:
    """Tell the time that the test sets."""

    now_s = 100.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_s


def refused(rate: Rate, key_id: str, *, is_bet: bool) -> Reason | None:
    """Take one operation and return why it was refused, if it was."""
    try:
        rate.take(key_id, is_bet=is_bet)
    except CageError as refusal:
        return refusal.reason
    return None


def test_bets_stop_first() -> None:
    """A key that used its second up is refused bets first, and other calls later."""
    rate = Rate(3, clock=Clock())
    bets = [refused(rate, "a", is_bet=True) for _ in range(4)]
    wins = [refused(rate, "a", is_bet=False) for _ in range(4)]

    assert bets == [None, None, None, Reason.OVERLOADED]
    assert wins == [None, None, None, Reason.OVERLOADED]
    assert refused(rate, "b", is_bet=True) is None


@pytest.mark.parametrize(("waited_s", "count"), [(0.5, 2), (1.0, 4), (60.0, 4)])
def test_operations_come_back_with_time(waited_s: float, count: int) -> None:
    """What was used comes back evenly, and never more than one second's worth."""
    clock = Clock()
    rate = Rate(4, clock=clock)
    for _ in range(4):
        rate.take("a", is_bet=True)
    clock.now_s += waited_s
    taken = [refused(rate, "a", is_bet=True) for _ in range(6)]

    assert taken == [None] * count + [Reason.OVERLOADED] * (6 - count)


def test_no_bound_takes_all() -> None:
    """A rate of 0 refuses nothing."""
    rate = Rate(0)

    assert not any(refused(rate, "a", is_bet=True) for _ in range(10_000))
