"""Run what waits for the disk on a thread of its own, one thing after the other."""

import asyncio
import queue
import threading
from collections.abc import Callable

from cage.storage.stepper import Resume, Wait

# What is to be done, and who hears of its end or its error; None ends the thread.
_Work = tuple[Callable[[], object], Resume] | None


class DiskThread:
    """Do one thing at a time for an event loop, which goes on meanwhile.

    An executor of the standard library does the same at twice the cost: two futures
    for each, and their locks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], object]) -> Wait:
        """Wait until something is done; raise what it raised."""
        return Wait(lambda resume: self.put(work, resume))

    def put(self, work: Callable[[], object], resume: Resume) -> None:
        """Do something in its turn, and then resume on the loop."""
        self._waiting.put((work, resume))

    def close(self) -> None:
        """End the thread once everything is done."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (given := self._waiting.get()) is not None:
            work, resume = given
            error: Exception | None = None
            try:
                work()
            except Exception as exc:  # noqa: BLE001 - raised where it is awaited
                error = exc
            self._loop.call_soon_threadsafe(resume, error)
