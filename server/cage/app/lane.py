"""Queue commands for the one writer of each lane.

A command waits in its lane's queue with a deadline and a future; the writer takes
one and whatever else waits, commits them as one batch and resolves the futures
after the commit. Nothing here waits to fill a batch. A caller that goes away
cancels only its own future: what has started always commits.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from cage.core.errors import CageError, Reason

BATCH_MAX = 256
# From this share of the queue on, bets are shed; what brings money back still waits.
BET_SHARE = 0.8


class Settable(Protocol):
    """Take the answer of a command; an asyncio future does, and so do lighter ones.

    A caller that has gone says so by ``cancelled``.
    """

    def cancelled(self) -> bool:
        """Say whether nobody waits any more."""
        ...

    def done(self) -> bool:
        """Say whether it is answered or nobody waits any more."""
        ...

    def set_result(self, result: Any, /) -> None:
        """Take what a command came to."""
        ...

    def set_exception(self, exception: Any, /) -> None:
        """Take what refuses a command."""
        ...


@dataclass(slots=True)
class Pending:
    """Hold one command that waits for its commit. Times are monotonic seconds."""

    command: object
    future: Settable
    deadline: float
    enqueue_time: float


class Lane:
    """Bound what waits for one lane and hand it out in batches.

    Callers live on the event loop, the writer may be a thread: ``submit`` and
    ``resolve`` run on the loop, ``take`` anywhere. ``wake`` is called on the loop
    when work arrives for a writer that sleeps.
    """

    def __init__(
        self,
        number: int,
        *,
        capacity: int,
        clock: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self.number = number
        self._capacity = capacity
        self._bet_capacity = int(capacity * BET_SHARE)
        self._clock = clock
        self._wake = wake
        self._queue: deque[Pending] = deque()
        self._is_idle = False
        self.is_open = True

    def __len__(self) -> int:
        return len(self._queue)

    def submit(
        self,
        command: object,
        future: Settable,
        *,
        is_bet: bool,
        timeout_s: float | None,
    ) -> None:
        """Queue a command, whose answer goes into a future.

        Raises SHUTTING_DOWN when the lane is closed, OVERLOADED when it is full
        (bets earlier than the rest), DEADLINE_TOO_SHORT when no time is left.
        """
        if not self.is_open:
            raise CageError(Reason.SHUTTING_DOWN)
        depth = len(self._queue)
        if depth >= (self._bet_capacity if is_bet else self._capacity):
            raise CageError(Reason.OVERLOADED)
        now = self._clock()
        if timeout_s is None:
            deadline = math.inf
        elif timeout_s <= 0:
            raise CageError(Reason.DEADLINE_TOO_SHORT)
        else:
            deadline = now + timeout_s
        self._queue.append(Pending(command, future, deadline, now))
        if self._is_idle:
            self._is_idle = False
            self._wake()

    def take(self) -> tuple[list[Pending], list[Pending]]:
        """Return up to BATCH_MAX commands to start, and those that came too late.

        Commands whose caller has gone are dropped. Two empty lists mean that the
        writer has to wait for ``wake``.
        """
        batch: list[Pending] = []
        late: list[Pending] = []
        now = self._clock()
        queue = self._queue
        while len(batch) < BATCH_MAX:
            try:
                pending = queue.popleft()
            except IndexError:
                # Say that we sleep before looking once more: whoever appends after
                # this look sees it and wakes us.
                if batch or late:
                    break
                self._is_idle = True
                if not queue:
                    break
                self._is_idle = False
                continue
            if pending.future.cancelled():
                continue
            (batch if now < pending.deadline else late).append(pending)
        return batch, late


def resolve(pairs: list[tuple[Pending, object]]) -> None:
    """Answer callers after the commit: a result, or the CageError that refuses."""
    for pending, outcome in pairs:
        future = pending.future
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
