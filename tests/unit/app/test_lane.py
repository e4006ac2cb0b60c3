"""A lane hands out what waits, in order, and refuses what could not be served."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from cage.app.lane import BATCH_MAX, Lane, resolve
from cage.core.errors import CageError, Reason


class Desk:
    """Hold a lane with a clock that the test moves and a count of its wakes."""

    def __init__(self, capacity: int = 10) -> None:
        self.now = 100.0
        self.wakes = 0
        self.lane = Lane(3, capacity=capacity, clock=lambda: self.now, wake=self.wake)

    def wake(self) -> None:
        """Count a wake."""
        self.wakes += 1

    def submit(
        self, command: object, *, is_bet: bool = False, timeout_s: float | None = None
    ) -> "Future[object]":
        """Queue a command and return its future."""
        future: Future[object] = Future()
        self.lane.submit(command, future, is_bet=is_bet, timeout_s=timeout_s)
        return future

    def taken(self) -> tuple[list[object], list[object]]:
        """Take, and return the commands to start and those that are late."""
        batch, late = self.lane.take()
        return [each.command for each in batch], [each.command for each in late]


def refusal(call: Callable[[], object]) -> Reason:
    """Return the reason for which a call is refused."""
    with pytest.raises(CageError) as caught:
        call()
    return caught.value.reason


def test_commands_come_in_order() -> None:
    """What waits is handed out at once, in the order of its arrival."""
    desk = Desk()
    for command in "abc":
        desk.submit(command)

    assert len(desk.lane) == 3
    assert desk.taken() == (["a", "b", "c"], [])
    assert desk.taken() == ([], [])
    assert desk.lane.number == 3


def test_batches_are_bounded() -> None:
    """One batch holds at most BATCH_MAX commands; the rest is the next one."""
    desk = Desk(capacity=1000)
    for number in range(BATCH_MAX + 5):
        desk.submit(number)

    assert desk.taken() == (list(range(BATCH_MAX)), [])
    assert desk.taken() == (list(range(BATCH_MAX, BATCH_MAX + 5)), [])


def test_writer_is_woken_once() -> None:
    """Only a writer that found nothing is woken, and only once."""
    desk = Desk()
    desk.submit("a")

    assert desk.wakes == 0

    desk.taken()
    desk.submit("b")
    desk.submit("c")

    assert desk.wakes == 0

    desk.taken()
    desk.taken()
    desk.submit("d")
    desk.submit("e")

    assert desk.wakes == 1
    assert desk.taken() == (["d", "e"], [])


def test_bets_are_shed_first() -> None:
    """A queue that is nearly full takes no bet, but still what brings money back."""
    desk = Desk(capacity=10)
    for number in range(8):
        desk.submit(number, is_bet=True)

    assert refusal(lambda: desk.submit("bet", is_bet=True)) == Reason.OVERLOADED

    desk.submit("win")
    desk.submit("rollback")

    assert refusal(lambda: desk.submit("win")) == Reason.OVERLOADED
    assert len(desk.lane) == 10
    assert desk.taken() == ([*range(8), "win", "rollback"], [])

    desk.submit("bet", is_bet=True)


@pytest.mark.parametrize("timeout_s", [0, -1])
def test_no_time_left(timeout_s: float) -> None:
    """A call without time is refused at once and never queued."""
    desk = Desk()

    assert (
        refusal(lambda: desk.submit("a", timeout_s=timeout_s))
        == Reason.DEADLINE_TOO_SHORT
    )
    assert len(desk.lane) == 0


def test_late_commands_do_not_start() -> None:
    """What cannot start before its deadline is handed out as late."""
    desk = Desk()
    desk.submit("soon", timeout_s=1)
    desk.submit("never")
    desk.submit("later", timeout_s=2)
    desk.now += 1

    assert desk.taken() == (["never", "later"], ["soon"])


def test_only_late_commands() -> None:
    """A take that finds only late commands returns them without sleeping."""
    desk = Desk()
    desk.submit("a", timeout_s=1)
    desk.now += 5

    assert desk.taken() == ([], ["a"])

    desk.submit("b")

    assert desk.wakes == 0
    assert desk.taken() == (["b"], [])


def test_cancelled_commands_are_dropped() -> None:
    """A command whose caller has gone before it started never starts."""
    desk = Desk()
    first, second = desk.submit("a"), desk.submit("b")
    first.cancel()

    assert desk.taken() == (["b"], [])

    second.cancel()

    assert desk.taken() == ([], [])

    desk.submit("c")

    assert desk.wakes == 1


def test_closed_lane() -> None:
    """A closed lane refuses what comes and hands out what waits."""
    desk = Desk()
    desk.submit("a")
    desk.lane.is_open = False

    assert refusal(lambda: desk.submit("b")) == Reason.SHUTTING_DOWN
    assert desk.taken() == (["a"], [])


def test_pending_knows_its_times() -> None:
    """What is handed out says when it came and when it would be late."""
    desk = Desk()
    desk.submit("a", timeout_s=2)
    desk.submit("b")
    (first, second), _ = desk.lane.take()

    assert (first.enqueue_time, first.deadline) == (100.0, 102.0)
    assert (second.enqueue_time, second.deadline) == (100.0, float("inf"))


async def test_answers_reach_those_who_wait() -> None:
    """An answer is a result or an exception; a caller that has gone gets none."""
    loop = asyncio.get_running_loop()
    desk = Desk()
    futures: list[Any] = [loop.create_future() for _ in range(3)]
    for name, future in zip("abc", futures, strict=True):
        desk.lane.submit(name, future, is_bet=False, timeout_s=None)
    batch, _ = desk.lane.take()
    futures[1].cancel()
    outcomes = ["answer", "unheard", CageError(Reason.OVERLOADED)]
    resolve(list(zip(batch, outcomes, strict=True)))

    assert await futures[0] == "answer"
    assert futures[1].cancelled()
    assert isinstance(futures[2].exception(), CageError)


def test_no_wake_is_lost() -> None:
    """A writer on another thread gets everything, however the two interleave."""
    total, taken = 20_000, []
    bell = threading.Semaphore(0)
    lane = Lane(0, capacity=total, clock=lambda: 0.0, wake=bell.release)

    def write() -> None:
        while len(taken) < total:
            batch, _ = lane.take()
            taken.extend(pending.command for pending in batch)
            if not batch and len(taken) < total:
                assert bell.acquire(timeout=20), "the writer sleeps beside work"

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(total):
        lane.submit(number, Future(), is_bet=False, timeout_s=None)
    writer.join(30)

    assert taken == list(range(total))
