"""Run every lane of a PostgreSQL database in this process.

Other processes may do the same at the same time: the lane's head row, not the
process, owns the order.
"""

import asyncio
from collections.abc import Callable

from cage.app.lane import Settable
from cage.app.ports import BatchStats
from cage.core.errors import CageError, Reason
from cage.core.registry import Registry
from cage.storage.postgres.lane import LaneWriter


class PostgresWriter:
    """Commit commands in batches, lane by lane.

    ``capacity`` bounds what waits, over all lanes. ``set_down`` hears which lanes
    cannot be written; ``watch`` is told when that is none, or no longer none.
    """

    def __init__(
        self,
        url: str,
        *,
        capacity: int,
        clock_us: Callable[[], int],
        observe: Callable[[BatchStats], None] | None,
        watch: Callable[[bool], None] | None,
    ) -> None:
        self.url = url
        self.registry = Registry(version=0)
        self._capacity = capacity
        self._clock_us = clock_us
        self._observe = observe
        self._watch = watch
        self._down: set[int] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes: list[LaneWriter] = []

    @property
    def lanes(self) -> int:
        """Return the number of lanes of the database, once it is open."""
        return len(self._lanes)

    def open(self, lanes: int, registry: Registry) -> list[LaneWriter]:
        """Make the lanes, which the caller starts, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self.registry = registry
        self._lanes = [
            LaneWriter(
                self,
                number,
                capacity=max(1, self._capacity // lanes),
                clock_us=self._clock_us,
                observe=self._observe,
            )
            for number in range(lanes)
        ]
        return self._lanes

    def submit(
        self, lane: int, command: object, *, is_bet: bool, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Queue a command and return the future of its answer; see ``Lane.submit``."""
        if self._loop is None:
            raise CageError(Reason.SHUTTING_DOWN)
        future: asyncio.Future[object] = self._loop.create_future()
        self.submit_into(lane, command, future, is_bet=is_bet, timeout_s=timeout_s)
        return future

    def submit_into(
        self,
        lane: int,
        command: object,
        future: Settable,
        *,
        is_bet: bool,
        timeout_s: float | None,
    ) -> None:
        """Queue a command, whose answer goes into a future; see ``Lane.submit``."""
        if self._loop is None:
            raise CageError(Reason.SHUTTING_DOWN)
        self._lanes[lane].queue.submit(
            command, future, is_bet=is_bet, timeout_s=timeout_s
        )

    def queue_depth(self) -> int:
        """Return how many commands wait."""
        return sum(len(lane.queue) for lane in self._lanes)

    def take_registry(self, registry: Registry) -> None:
        """Go on with a registry that a batch was decided by, unless it is older."""
        if registry.version > self.registry.version:
            self.registry = registry

    def set_down(self, lane: int, *, is_down: bool) -> None:
        """Note whether a lane can be written."""
        before = bool(self._down)
        if is_down:
            self._down.add(lane)
        else:
            self._down.discard(lane)
        if self._watch is not None and before != bool(self._down):
            self._watch(not self._down)

    async def drain(self) -> None:
        """Refuse new commands, commit what waits, close the connections."""
        await asyncio.gather(*(lane.drain() for lane in self._lanes))
