"""Sweep expired reserves for as long as the server runs."""

import asyncio

import structlog

from cage.app.reserve import ReserveSweeper
from cage.server.metrics import ReserveCounts

_log = structlog.get_logger("cage.server")


class SweepLoop:
    """Sweep, count and wait, until it is stopped; a failure only costs its turn."""

    def __init__(self, sweeper: ReserveSweeper, *, every_s: float) -> None:
        self.sweeper = sweeper
        self.counts = ReserveCounts()
        self._every_s = every_s
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with the first sweep."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let the sweep that runs come to its end, and begin no other."""
        self._stopped.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                swept = await self.sweeper.sweep()
            except Exception:  # noqa: BLE001 - the edge: the next turn may work again
                self.counts.failed += 1
                _log.exception("sweep of reserves failed")
            else:
                self.counts.expired += swept.expired
                self.counts.failed += swept.failed
            try:
                await asyncio.wait_for(self._stopped.wait(), self._every_s)
            except TimeoutError:
                continue
