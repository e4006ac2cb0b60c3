"""Run the exports: everything of an integration or an operator in a range of time.

Batches of a lane are ordered by commit time, so a range of time is a range of items,
and an export reads it like the events are read. What was committed before it began is
in it: it passes through every lane first.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cage.app.journal import Place, Span, encode_cursor
from cage.app.reader import PROGRESS_S, JournalReader
from cage.app.round import RoundView
from cage.app.scope import Scope, integration_seen
from cage.app.submit import submit
from cage.app.wallet import TransactionView, row_bytes
from cage.core.admin import ReadRegistry
from cage.core.registry import ApiKey, Registry
from cage.core.wallet import Transaction

# Bounds of one frame, far below the 4 MiB that most gRPC clients take.
FRAME_ROWS = 125
FRAME_BYTES = 1 << 20

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportQuery:
    """Say what to export: times from one on and before another, None for unbounded.

    ``start_time_us`` counts only without a cursor.
    """

    integration_id: str = ""
    start_time_us: int | None = None
    end_time_us: int | None = None
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFrame(Generic[Row]):
    """Hold some rows and the cursor after them."""

    rows: Sequence[Row]
    cursor: str


@dataclass(frozen=True, slots=True)
class _Exported(Generic[Row]):
    """Hold one row with its place, and roughly its size in a frame."""

    place: Place
    row: Row
    size: int


Read = Callable[
    [int, Place, Scope, int], Awaitable[tuple[Span, Sequence[_Exported[Row]]]]
]


class ExportApp:
    """Offer the exports of the journal."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        return self._reader.registry

    def transactions(
        self, key: ApiKey, query: ExportQuery, *, timeout_s: float | None
    ) -> AsyncGenerator[ExportFrame[TransactionView], None]:
        """Yield the transactions of a range, lane by lane in the order of commits.

        Raises INTEGRATION_NOT_FOUND, CURSOR_INVALID, and KEY_INVALID once the key is
        revoked or expires.
        """
        return self._export(key, query, self._transactions, timeout_s)

    def rounds(
        self, key: ApiKey, query: ExportQuery, *, timeout_s: float | None
    ) -> AsyncGenerator[ExportFrame[RoundView], None]:
        """Yield the rounds whose last transaction so far is in a range.

        Raises INTEGRATION_NOT_FOUND, CURSOR_INVALID, and KEY_INVALID once the key is
        revoked or expires.
        """
        return self._export(key, query, self._rounds, timeout_s)

    async def _export(
        self,
        key: ApiKey,
        query: ExportQuery,
        read: "Read[Row]",
        timeout_s: float | None,
    ) -> AsyncGenerator[ExportFrame[Row], None]:
        """Yield frames of rows; the last one has the cursor of the end."""
        reader, clock = self._reader, self._reader.clock
        integration_no = integration_seen(self.registry, key, query.integration_id)
        lanes = range(reader.writer.lanes)
        scope = Scope(key=key, lanes=lanes, integration_no=integration_no)
        for lane in lanes:
            # Whatever has begun to commit has committed when this is answered.
            barrier = ReadRegistry(key_id=key.key_id)
            await submit(reader.writer, lane, barrier, Registry, timeout_s=timeout_s)
        places = await reader.places(query.cursor, query.start_time_us)
        ends = await self._ends(query.end_time_us)
        told_s = clock()
        for lane in lanes:
            is_last = False
            while not is_last:
                reader.judge_key(key)
                span, found = await read(lane, places[lane], scope, ends[lane])
                for rows in _frames(found):
                    places[lane] = rows[-1].place
                    told_s = clock()
                    yield _frame(rows, places)
                places[lane], is_last = span.place, span.is_last
                if not is_last and clock() - told_s >= PROGRESS_S:
                    told_s = clock()
                    yield _frame((), places)
        yield _frame((), places)

    async def _ends(self, end_time_us: int | None) -> Sequence[int]:
        """Return the last sequence to read of every lane."""
        journal = self._reader.journal
        heads = (await journal.heads()).sequences
        if end_time_us is None:
            return heads
        return [
            (await journal.place_before(lane, end_time_us)).sequence
            for lane in range(len(heads))
        ]

    async def _transactions(
        self, lane: int, place: Place, scope: Scope, last_sequence: int
    ) -> tuple[Span, Sequence[_Exported[TransactionView]]]:
        """Read a page of transactions."""
        span, items = await self._reader.items(lane, place, scope, last_sequence)
        return span, [
            _Exported(
                item.place,
                TransactionView(
                    gate=item.gate, row=item.row, reference_id=reference_id
                ),
                row_bytes(item.row),
            )
            for item, reference_id in items
            if item.gate is not None and isinstance(item.row, Transaction)
        ]

    async def _rounds(
        self, lane: int, place: Place, scope: Scope, last_sequence: int
    ) -> tuple[Span, Sequence[_Exported[RoundView]]]:
        """Read a page of rounds."""
        span, rounds = await self._reader.rounds(lane, place, scope, last_sequence)
        games = self.registry.games_by_no
        return span, [
            _Exported(
                found.place,
                RoundView(
                    gate=found.gate,
                    game=games[found.row.game_no],
                    round_=found.row,
                    integration_no=found.integration_no,
                ),
                1_024,
            )
            for found in rounds
        ]


def _frame(
    rows: "Sequence[_Exported[Row]]", places: Sequence[Place]
) -> ExportFrame[Row]:
    return ExportFrame(rows=[each.row for each in rows], cursor=encode_cursor(places))


def _frames(found: "Sequence[_Exported[Row]]") -> "list[list[_Exported[Row]]]":
    """Cut a page into frames."""
    frames: list[list[_Exported[Row]]] = []
    size = 0
    for each in found:
        if not frames or len(frames[-1]) == FRAME_ROWS or size > FRAME_BYTES:
            frames.append([])
            size = 0
        frames[-1].append(each)
        size += each.size
    return frames
