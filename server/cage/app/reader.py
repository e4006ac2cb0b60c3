"""Read the journal for whoever follows or exports it, in bounded pages.

All readers of a process share a few places on the read pool, so that they cannot take
it from the queries of calls.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from cage.app.journal import (
    START,
    JournalItem,
    JournalReads,
    JournalRound,
    Place,
    Span,
    Wanted,
    decode_cursor,
)
from cage.app.ports import Reads, Writer
from cage.app.reference import reference_ids
from cage.app.scope import Scope
from cage.app.tail import Tail
from cage.core.errors import CageError, Reason
from cage.core.registry import ApiKey, Registry
from cage.core.wallet import Transaction

# Items that one page covers, wanted or not: some 10 ms of the loop's time.
PAGE_ITEMS = 500
# How often a reader who gets nothing hears how far its cursor has come, in seconds,
# and how long a key that was revoked goes on at most.
PROGRESS_S = 1.0
# Pages that are read at once, of all that the read pool could.
READERS_MAX = 2
# A turn of the loop that takes longer than this, in seconds, is busy with calls; a
# reader then waits so many times as long, up to a bound, before its next page.
_BUSY_S = 0.001
_WAIT_TIMES = 10
_WAIT_MAX_S = 0.1

Found = TypeVar("Found")


class JournalReader:
    """Read pages of what is in a scope, by the registry of the page's own time."""

    def __init__(
        self,
        *,
        writer: Writer,
        reads: Reads,
        journal: JournalReads,
        tail: Tail,
        clock: Callable[[], float],
        now_us: Callable[[], int],
    ) -> None:
        self.writer = writer
        self.reads = reads
        self.journal = journal
        self.tail = tail
        self.clock = clock
        self._now_us = now_us
        self._readers = asyncio.Semaphore(READERS_MAX)

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        return self.writer.registry

    async def places(self, cursor: str, start_time_us: int | None) -> list[Place]:
        """Return where to begin in every lane; raise CURSOR_INVALID."""
        lanes = self.writer.lanes
        if cursor:
            return decode_cursor(cursor, lanes)
        if start_time_us is None:
            return [START] * lanes
        return [
            await self.journal.place_before(lane, start_time_us)
            for lane in range(lanes)
        ]

    def judge_key(self, key: ApiKey) -> None:
        """Let a key pass that still works, or raise KEY_INVALID."""
        current = self.registry.keys.get(key.key_id, key)
        if not current.is_valid(self._now_us()):
            raise CageError(Reason.KEY_INVALID)

    async def items(
        self, lane: int, place: Place, scope: Scope, last_sequence: int | None = None
    ) -> tuple[Span, list[tuple[JournalItem, str]]]:
        """Read a page of items, each with the id that it refers to.

        The id is that of ``TransactionView``, and empty for a change.
        """

        async def read(wanted: Wanted) -> tuple[Span, Sequence[JournalItem]]:
            return await self.journal.journal(
                lane, place, wanted, limit=PAGE_ITEMS, last_sequence=last_sequence
            )

        async with self._readers:
            span, items = await self._read(scope, read)
            rows = [item.row for item in items if isinstance(item.row, Transaction)]
            ids = iter(await reference_ids(self.reads, lane, rows))
        return span, [
            (item, next(ids) if isinstance(item.row, Transaction) else "")
            for item in items
        ]

    async def rounds(
        self, lane: int, place: Place, scope: Scope, last_sequence: int | None = None
    ) -> tuple[Span, Sequence[JournalRound]]:
        """Read a page of the rounds whose last transaction is in it."""

        async def read(wanted: Wanted) -> tuple[Span, Sequence[JournalRound]]:
            return await self.journal.journal_rounds(
                lane, place, wanted, limit=PAGE_ITEMS, last_sequence=last_sequence
            )

        async with self._readers:
            return await self._read(scope, read)

    async def _read(
        self,
        scope: Scope,
        read: Callable[[Wanted], Awaitable[tuple[Span, Found]]],
    ) -> tuple[Span, Found]:
        """Read a page, and read it again when it is from a newer registry.

        What a key sees, and how it is told, depends on the registry.
        """
        await self._give_way()
        while True:
            registry = self.registry
            span, found = await read(scope.wanted(registry))
            if span.registry_version <= registry.version:
                return span, found
            await self.tail.load_registry()

    async def _give_way(self) -> None:
        """Let calls go first: wait longer, the longer the loop is busy with them."""
        before_s = self.clock()
        await asyncio.sleep(0)
        turn_s = self.clock() - before_s
        if turn_s > _BUSY_S:
            await asyncio.sleep(min(turn_s * _WAIT_TIMES, _WAIT_MAX_S))
