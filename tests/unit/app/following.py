"""Stand in for a journal of several lanes, and for what reads it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from tests.unit.app.test_wallet import GATE, REGISTRY, FakeReads, api_key, row

from cage.app.journal import (
    START,
    Heads,
    JournalItem,
    JournalRound,
    Place,
    Span,
    Wanted,
)
from cage.app.ports import Reads, Writer
from cage.app.reader import JournalReader
from cage.app.tail import Tail
from cage.core.book import Change
from cage.core.errors import CageError, Reason
from cage.core.registry import Registry, Role
from cage.core.round import Round
from cage.core.wallet import Transaction

LANES = 3
OPERATOR_KEY = api_key(Role.OPERATOR)
ADMIN_KEY = api_key(Role.ADMIN)


@dataclass(slots=True)
class Batch:
    """Hold one commit of a lane."""

    time_us: int
    items: list[Transaction | Change]


class FakeJournal:
    """Be the journal; a test commits to it."""

    def __init__(self) -> None:
        self.lanes: list[list[Batch]] = [[] for _ in range(LANES)]
        self.registry_version = 1
        self.failures = 0
        self.pages = 0
        self.wanted: list[Wanted] = []

    def commit(self, lane: int, *names: str, time_us: int = 1) -> None:
        """Commit bets of these ids to a lane."""
        batches = self.lanes[lane]
        first = 1 + sum(len(batch.items) for batch in batches)
        rows = [
            row(first + index, lane=lane, transaction_id=name, commit_time_us=time_us)
            for index, name in enumerate(names)
        ]
        batches.append(Batch(time_us, [*rows]))

    def commit_change(self, lane: int, change: Change) -> None:
        """Commit a change to a lane."""
        self.lanes[lane].append(Batch(1, [change]))

    async def heads(self) -> Heads:
        """Return the heads, or fail as often as is planned."""
        if self.failures:
            self.failures -= 1
            raise TimeoutError
        return Heads(
            sequences=[len(batches) for batches in self.lanes],
            registry_version=self.registry_version,
        )

    async def place_before(self, lane: int, time_us: int) -> Place:
        """Return the place after what was committed before a time."""
        early = [batch for batch in self.lanes[lane] if batch.time_us < time_us]
        return Place(len(early), len(early[-1].items), 7) if early else START

    async def journal(
        self,
        lane: int,
        place: Place,
        wanted: Wanted,
        *,
        limit: int,
        last_sequence: int | None = None,
    ) -> tuple[Span, Sequence[JournalItem]]:
        """Read a page of one batch at a time, whatever is wanted of it."""
        assert limit

        self.pages += 1
        self.wanted.append(wanted)
        batches = self.lanes[lane]
        last = len(batches) if last_sequence is None else last_sequence
        if place.sequence > len(batches):
            raise CageError(Reason.CURSOR_INVALID)
        sequence, taken = place.sequence, place.taken
        if not sequence or taken == len(batches[sequence - 1].items):
            sequence, taken = sequence + 1, 0
        if sequence > last:
            return self._span(place, is_last=True), ()
        items = batches[sequence - 1].items
        end = Place(sequence, len(items), 7)
        found = [
            JournalItem(Place(sequence, index + 1, 7), item, _gate(item, lane))
            for index, item in enumerate(items)
            if index >= taken and _is_wanted(item, wanted)
        ]
        return self._span(end, is_last=sequence == last), found

    async def journal_rounds(
        self, lane: int, place: Place, wanted: Wanted, **bounds: Any
    ) -> tuple[Span, Sequence[JournalRound]]:
        """Read a page: a round for each transaction."""
        span, items = await self.journal(lane, place, wanted, **bounds)
        gate = replace(GATE, lane=lane)
        return span, [
            JournalRound(
                item.place, Round(lane, 1, 1, item.row.transaction_id, 1), gate, 5
            )
            for item in items
            if isinstance(item.row, Transaction)
        ]

    def _span(self, place: Place, *, is_last: bool) -> Span:
        version = self.registry_version
        return Span(place=place, is_last=is_last, registry_version=version)


def _gate(item: Transaction | Change, lane: int) -> Any:
    return replace(GATE, lane=lane) if isinstance(item, Transaction) else None


def _is_wanted(item: Transaction | Change, wanted: Wanted) -> bool:
    if isinstance(item, Change):
        return wanted.nouns is None or item.noun in wanted.nouns
    return wanted.states is None or item.state in wanted.states


class FollowedWriter:
    """Answer what is submitted at once, and load the journal's registry."""

    lanes = LANES

    def __init__(self, journal: FakeJournal) -> None:
        self.registry: Registry = REGISTRY
        self.journal = journal
        self.submitted: list[tuple[int, Any]] = []
        self.refusal: Reason | None = None
        self.answer: Any = None

    def submit(
        self, lane: int, command: object, *, is_bet: bool, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Answer the registry, or what is planned."""
        assert not is_bet
        assert timeout_s

        if self.refusal is not None:
            raise CageError(self.refusal)
        self.submitted.append((lane, command))
        version = self.journal.registry_version
        self.registry = replace(self.registry, version=version)
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        future.set_result(self.registry if self.answer is None else self.answer)
        return future


@dataclass(slots=True)
class World:
    """Hold a journal and a reader of it; ``clock_s`` and ``now_us`` are its times."""

    journal: FakeJournal = field(default_factory=FakeJournal)
    clock_s: float = 0.0
    now_us: int = 1_000
    writer: FollowedWriter = field(init=False)
    tail: Tail = field(init=False)
    reader: JournalReader = field(init=False)

    def __post_init__(self) -> None:
        """Assemble what reads the journal."""
        self.writer = FollowedWriter(self.journal)
        writer = cast(Writer, self.writer)
        self.tail = Tail(writer=writer, reads=self.journal, poll_s=0.001)
        self.reader = JournalReader(
            writer=writer,
            reads=cast(Reads, FakeReads([])),
            journal=self.journal,
            tail=self.tail,
            clock=lambda: self.clock_s,
            now_us=lambda: self.now_us,
        )
