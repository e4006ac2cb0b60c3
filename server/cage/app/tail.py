"""Know where the journal ends, for everybody in this process who follows it.

One task reads the heads of all lanes: at once when this process has committed, and
every few milliseconds for what others commit. It runs while somebody follows, reads
one small row per lane, and wakes the followers when a head has moved. When the
registry has moved elsewhere it lets the writer load it, so that a key that was revoked
by another process ends its streams here.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from cage.app.journal import JournalReads
from cage.app.ports import Writer
from cage.app.submit import REGISTRY_LANE
from cage.core.admin import LOCAL_ACTOR, ReadRegistry
from cage.core.errors import CageError

# A journal that grows all the time is looked at so often at most, for each who follows:
# what a follower reads at once then is many batches, and all of them together take a
# bounded part of what the loop can do. After a quiet time a commit is seen at once.
GAP_S = 0.02
GAP_MAX_S = 0.5
# How long the writer may take to load a registry.
_LOAD_S = 5.0

_log = structlog.get_logger("cage.app")


class Tail:
    """Watch the heads of the lanes while somebody follows them."""

    def __init__(self, *, writer: Writer, reads: JournalReads, poll_s: float) -> None:
        self._writer = writer
        self._reads = reads
        self._poll_s = poll_s
        self._heads: Sequence[int] = [0] * writer.lanes
        self._followers = 0
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._moved = asyncio.Event()

    @property
    def heads(self) -> Sequence[int]:
        """Return the newest sequence of every lane, as of the last look."""
        return self._heads

    def wake(self) -> None:
        """Look at once: this process has committed. Runs on the loop."""
        self._woken.set()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Keep the heads up to date while the context is open, from a first look on."""
        self._followers += 1
        try:
            if self._task is None:
                self._task = asyncio.create_task(self._run())
            await self.look()
            yield
        finally:
            self._followers -= 1
            if not self._followers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def moved(self, seen: Sequence[int], timeout_s: float) -> None:
        """Wait until a head is not what was seen of it, or for a time in seconds."""
        moved = self._moved
        if list(seen) != list(self._heads):
            return
        try:
            async with asyncio.timeout(timeout_s):
                await moved.wait()
        except TimeoutError:
            return

    async def look(self) -> None:
        """Read the heads and wake whoever waits for them to move."""
        found = await self._reads.heads()
        if list(found.sequences) != list(self._heads):
            self._heads = found.sequences
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
        if found.registry_version > self._writer.registry.version:
            try:
                await self.load_registry()
            except CageError as error:
                _log.warning("registry not loaded", error=str(error))

    async def load_registry(self) -> None:
        """Let the writer load the registry, which it does before it decides.

        Raises OVERLOADED, DEADLINE_TOO_SHORT or SHUTTING_DOWN.
        """
        read = ReadRegistry(key_id=LOCAL_ACTOR)
        await self._writer.submit(REGISTRY_LANE, read, is_bet=False, timeout_s=_LOAD_S)

    async def _run(self) -> None:
        """Look when woken and every now and then, but not too often."""
        while True:
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - a read that fails must not end the watch
                _log.exception("heads of the lanes cannot be read")
                await asyncio.sleep(self._poll_s)
            await asyncio.sleep(min(GAP_S * self._followers, GAP_MAX_S))
