"""Run the use case of events: follow the journal from a cursor on.

A subscription reads bounded pages on the read pool and hands out frames as its
consumer takes them. It holds one page at most, so a slow consumer costs nothing but
its own progress, and no lane ever waits for it.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from cage.app.journal import CursorWriter, JournalItem, Place, encode_cursor
from cage.app.reader import PROGRESS_S, JournalReader
from cage.app.scope import (
    Scope,
    integration_seen,
    nouns_of,
    player_seen,
    states_of,
)
from cage.app.wallet import row_bytes
from cage.core.book import Change
from cage.core.event import PLAYER_NOUNS, EventType, type_of
from cage.core.player import Gate
from cage.core.registry import ApiKey, Registry
from cage.core.wallet import Transaction

# Bounds of one frame, far below the 4 MiB that most gRPC clients take.
FRAME_EVENTS = 125
FRAME_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Say where a subscription starts and what it wants; empty lets all pass.

    ``start_time_us`` is None without one, and counts only without a cursor.
    """

    cursor: str = ""
    start_time_us: int | None = None
    player_id: str = ""
    integration_id: str = ""
    types: Sequence[int] = ()
    kinds: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Show one event to its reader; ``reference_id`` as in ``TransactionView``."""

    lane: int
    place: Place
    cursor: str
    type: EventType
    row: Transaction | Change
    gate: Gate | None
    reference_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFrame:
    """Hold some events and the cursor after them."""

    events: Sequence[EventView]
    cursor: str


class EventApp:
    """Offer the journal as events."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        return self._reader.registry

    async def subscribe(
        self, key: ApiKey, query: Query
    ) -> AsyncGenerator[EventFrame, None]:
        """Yield frames without end, the first at once and without events.

        Raises CURSOR_INVALID, PLAYER_NOT_FOUND, INTEGRATION_NOT_FOUND, and
        KEY_INVALID once the key is revoked or expires.
        """
        reader, tail, clock = self._reader, self._reader.tail, self._reader.clock
        scope = await self._scope(key, query)
        places = await reader.places(query.cursor, query.start_time_us)
        caught = [-1] * len(places)
        told, told_s = encode_cursor(places), clock()
        yield EventFrame(events=(), cursor=told)
        async with tail.following():
            while True:
                heads = tail.heads
                behind = [lane for lane in scope.lanes if heads[lane] > caught[lane]]
                for lane in behind:
                    reader.judge_key(key)
                    before = list(places)
                    span, found = await reader.items(lane, places[lane], scope)
                    items = [pair for pair in found if _is_seen(pair[0], scope)]
                    for frame in self._frames(lane, before, span.place, items):
                        told, told_s = frame.cursor, clock()
                        yield frame
                    places[lane] = span.place
                    if span.is_last:
                        caught[lane] = span.place.sequence
                reader.judge_key(key)
                if clock() - told_s >= PROGRESS_S:
                    cursor = encode_cursor(places)
                    told_s = clock()
                    if cursor != told:
                        told = cursor
                        yield EventFrame(events=(), cursor=told)
                if not behind:
                    await tail.moved(heads, PROGRESS_S)

    async def _scope(self, key: ApiKey, query: Query) -> Scope:
        """Find what a query wants and its key sees."""
        integration_no = integration_seen(self.registry, key, query.integration_id)
        nouns = nouns_of(key.role, query.types) if integration_no is None else ()
        lanes: Sequence[int] = range(self._reader.writer.lanes)
        player_no = None
        if query.player_id:
            gate = await player_seen(
                self._reader.reads, self.registry, key, query.player_id
            )
            lanes, player_no = (gate.lane,), gate.player_no
            nouns = [noun for noun in PLAYER_NOUNS if nouns is None or noun in nouns]
        return Scope(
            key=key,
            lanes=lanes,
            player_no=player_no,
            integration_no=integration_no,
            states=states_of(query.types),
            kinds=query.kinds or None,
            nouns=nouns,
        )

    def _frames(
        self,
        lane: int,
        places: Sequence[Place],
        end: Place,
        items: Sequence[tuple[JournalItem, str]],
    ) -> Iterator[EventFrame]:
        """Cut a page into frames; the last one has the cursor of the page's end."""
        cursors = CursorWriter(places, lane)
        events: list[EventView] = []
        size = 0
        for item, reference_id in items:
            cursor = cursors.write(item.place)
            events.append(
                EventView(
                    lane=lane,
                    place=item.place,
                    cursor=cursor,
                    type=type_of(item.row),
                    row=item.row,
                    gate=item.gate,
                    reference_id=reference_id,
                )
            )
            size += _size(item.row)
            if len(events) == FRAME_EVENTS or size > FRAME_BYTES:
                yield EventFrame(events=events, cursor=cursor)
                events, size = [], 0
        if events:
            yield EventFrame(events=events, cursor=cursors.write(end))


def _is_seen(item: JournalItem, scope: Scope) -> bool:
    """Say whether an item is for the caller; changes of no player are judged here."""
    if item.gate is not None or not isinstance(item.row, Change):
        return True
    return scope.sees(item.row)


def _size(row: Transaction | Change) -> int:
    """Say roughly how much of a frame an item takes; never less than it does."""
    if isinstance(row, Change):
        return 1_024 + 4 * (len(row.before) + len(row.after))
    return row_bytes(row)
