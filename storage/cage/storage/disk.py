"""Run what waits for the disk on a thread of its own, one thing after the other."""

import asyncio
import queue
import threading
from collections.abc import Callable

# What is to be done, and the future that hears of it; None ends the thread.
_Work = tuple[Callable[[], object], "asyncio.Future[None]"] | None


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

    def run(self, work: Callable[[], object]) -> "asyncio.Future[None]":
        """Do something in its turn; the future hears of the end, or of the error."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.put((work, future))
        return future

    def close(self) -> None:
        """End the thread once everything is done."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (given := self._waiting.get()) is not None:
            work, future = given
            error: Exception | None = None
            try:
                work()
            except Exception as exc:  # noqa: BLE001 - raised where it is awaited
                error = exc
            self._loop.call_soon_threadsafe(_settle, future, error)


def _settle(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
