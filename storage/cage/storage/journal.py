"""Read the journal in bounded pages, from a place on, for whoever follows it.

A page is a range of item numbers, found from the batch headers by their own key, so
no index is written for it: neither by player, by integration nor by time. Batches of
a lane are ordered by commit time, so a time is found by halving.
"""

import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from cage.app.journal import (
    START,
    Heads,
    JournalItem,
    JournalRound,
    Place,
    Span,
    Wanted,
    mark_of,
)
from cage.core.book import Change
from cage.core.errors import CageError, Reason
from cage.core.event import HIDDEN_NOUNS, PLAYER_NOUNS
from cage.core.money import INT64_MAX
from cage.core.player import Gate
from cage.core.round import Round
from cage.core.wallet import MOVE_SPACES, State, Transaction
from cage.storage import schema

_TRANSACTION_WIDTH = len(schema.transactions.columns)
_ROUND_WIDTH = len(schema.rounds.columns)


class JournalQueries:
    """Answer what ``JournalReads`` asks, in the read transactions of a subclass."""

    def _transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        raise NotImplementedError

    async def _fetch(
        self, statement: Select[Any], parameters: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """Read all rows of a statement that is one of a few objects, used for ever.

        What the journal holds never changes, so its pages want no transaction.
        """
        async with self._transaction() as connection:
            rows: Sequence[Sequence[Any]]
            rows = (await connection.execute(statement, parameters)).all()
            return rows

    async def heads(self) -> Heads:
        """Return the heads of all lanes."""
        rows = await self._fetch(_HEADS, {})
        return Heads(
            sequences=[row[0] for row in rows], registry_version=int(rows[0][1])
        )

    async def place_before(self, lane: int, time_us: int) -> Place:
        """Return the place after everything committed before a time."""
        async with self._transaction() as connection:
            row = (await connection.execute(_halving(lane, time_us))).one_or_none()
        return START if row is None else Place(row[0], row[1], mark_of(row[2]))

    async def journal(
        self,
        lane: int,
        place: Place,
        wanted: Wanted,
        *,
        limit: int,
        last_sequence: int | None = None,
    ) -> tuple[Span, Sequence[JournalItem]]:
        """Read a page of items."""
        reach = await self._reach(lane, place, limit, last_sequence)
        if not reach.item_count:
            return reach.span, ()
        bounds = {
            "lane": lane, "first_no": reach.first_no, "last_no": reach.last_no
        }  # fmt: skip
        found: Sequence[Sequence[Any]] = ()
        if wanted.states is None or wanted.states:
            statement, parameters = _transactions(wanted)
            found = await self._fetch(statement, {**bounds, **parameters})
        changes: Sequence[Change] = ()
        gates: dict[int, Gate] = {}
        if wanted.nouns is None or wanted.nouns:
            rows = await self._fetch(_CHANGES, bounds)
            changes = [Change(*row) for row in rows if _is_noun(row, wanted)]
            if any(row.noun in PLAYER_NOUNS for row in changes):
                async with self._transaction() as connection:
                    changes, gates = await _of_players(
                        connection, lane, changes, wanted
                    )
        items = [
            JournalItem(
                reach.place_after(row[1]),
                Transaction(*row[:_TRANSACTION_WIDTH]),
                Gate(*row[_TRANSACTION_WIDTH:]),
            )
            for row in found
        ]
        items += [
            JournalItem(reach.place_after(row.item_no), row, gates.get(row.item_no))
            for row in changes
        ]
        if changes:
            items.sort(key=lambda item: item.row.item_no)
        return reach.span, items

    async def journal_rounds(
        self,
        lane: int,
        place: Place,
        wanted: Wanted,
        *,
        limit: int,
        last_sequence: int | None = None,
    ) -> tuple[Span, Sequence[JournalRound]]:
        """Read a page of the rounds whose last transaction is in it."""
        reach = await self._reach(lane, place, limit, last_sequence)
        if not reach.item_count:
            return reach.span, ()
        async with self._transaction() as connection:
            found = (await connection.execute(_rounds(lane, reach, wanted))).all()
        rounds = []
        for row in found:
            round_ = Round(*row[:_ROUND_WIDTH])
            after = reach.place_after(round_.last_no)
            gate = Gate(*row[_ROUND_WIDTH:-1])
            rounds.append(JournalRound(after, round_, gate, row[-1]))
        return reach.span, rounds

    async def _reach(
        self, lane: int, place: Place, limit: int, last_sequence: int | None
    ) -> "_Reach":
        """Find the items of a page; raise CURSOR_INVALID for a place that is none."""
        if last_sequence is not None and place.sequence > last_sequence:
            return _nothing(place, 0)
        # Every batch has an item, so these cover the page, and one more than it.
        headers = await self._fetch(
            _HEADERS,
            {
                "lane": lane,
                "sequence": place.sequence,
                "last_sequence": INT64_MAX if last_sequence is None else last_sequence,
                "count": limit + 2,
            },
        )
        _judge(place, headers)
        if not headers:
            return _nothing(place, 0)
        version = headers[0][4]
        first_no = headers[0][1] + place.taken
        newest_no = headers[-1][1] + headers[-1][2] - 1
        item_count = min(newest_no - first_no + 1, limit)
        if not item_count:
            return _nothing(place, version)
        reach = _Reach(headers, first_no, item_count, _nothing(place, version).span)
        reach.span = Span(
            place=reach.place_after(reach.last_no),
            is_last=reach.last_no == newest_no and len(headers) < limit + 2,
            registry_version=version,
        )
        return reach


_VERSION = select(schema.deployment.c.registry_version)
_HEADS = select(schema.lanes.c.sequence, _VERSION.scalar_subquery()).order_by(
    schema.lanes.c.lane
)
# The registry's version comes with the headers, because each statement is a trip to
# another thread.
_HEADERS = (
    select(
        schema.batches.c.sequence,
        schema.batches.c.first_no,
        schema.batches.c.item_count,
        schema.batches.c.hash,
        _VERSION.scalar_subquery(),
    )
    .where(
        schema.batches.c.lane == bindparam("lane"),
        schema.batches.c.sequence >= bindparam("sequence"),
        schema.batches.c.sequence <= bindparam("last_sequence"),
    )
    .order_by(schema.batches.c.sequence)
    .limit(bindparam("count"))
)
_CHANGES = (
    select(schema.changes)
    .where(
        schema.changes.c.lane == bindparam("lane"),
        schema.changes.c.item_no >= bindparam("first_no"),
        schema.changes.c.item_no <= bindparam("last_no"),
    )
    .order_by(schema.changes.c.item_no)
)
_NOUN = list(schema.changes.columns.keys()).index("noun")


@dataclass(slots=True)
class _Reach:
    """Hold the items of a page: from ``first_no`` on, in the order of ``headers``.

    A header is sequence, first_no, item_count and hash of a batch, and the version of
    the registry.
    """

    headers: Sequence[Sequence[Any]]
    first_no: int
    item_count: int
    span: Span
    index: int = 0
    mark: int = -1

    @property
    def last_no(self) -> int:
        """Return the last item's number."""
        return self.first_no + self.item_count - 1

    def place_after(self, item_no: int) -> Place:
        """Return the place right after an item; faster when asked in order."""
        headers, index = self.headers, self.index
        if item_no < headers[index][1]:
            index = 0
        while item_no >= headers[index][1] + headers[index][2]:
            index += 1
        sequence, first_no, _, digest, _ = headers[index]
        if index != self.index or self.mark < 0:
            self.index, self.mark = index, mark_of(digest)
        return Place(sequence, item_no - first_no + 1, self.mark)


def _halving(lane: int, time_us: int) -> Select[Any]:
    """Select the last header of a lane from before a time, if there is one.

    What is looked for is one of low .. high, or the one before; each step looks at
    the middle.
    """
    b = schema.batches
    newest = select(func.coalesce(func.max(b.c.sequence), 0)).where(b.c.lane == lane)
    step = select(
        literal(1, BigInteger).label("low"), newest.scalar_subquery().label("high")
    ).cte("step", recursive=True)
    middle = (step.c.low + step.c.high) // 2
    is_early = b.c.commit_time_us < time_us
    step = step.union_all(
        select(
            case((is_early, middle + 1), else_=step.c.low),
            case((is_early, step.c.high), else_=middle - 1),
        )
        .select_from(step)
        .join(b, (b.c.lane == lane) & (b.c.sequence == middle))
        .where(step.c.low <= step.c.high)
    )
    found = select(step.c.high).where(step.c.low > step.c.high).scalar_subquery()
    return select(b.c.sequence, b.c.item_count, b.c.hash).where(
        b.c.lane == lane, b.c.sequence == found
    )


def _nothing(place: Place, version: int) -> _Reach:
    """Return the page of a reader who has everything."""
    span = Span(place=place, is_last=True, registry_version=version)
    return _Reach((), 0, 0, span)


def _judge(place: Place, headers: Sequence[Sequence[Any]]) -> None:
    """Let a place pass that the lane has, or raise CURSOR_INVALID."""
    if place == START:
        return
    if headers and place.sequence:
        sequence, _, item_count, digest, _ = headers[0]
        found = (sequence, mark_of(digest))
        if found == (place.sequence, place.mark) and 0 < place.taken <= item_count:
            return
    raise CageError(Reason.CURSOR_INVALID)


def _transactions(wanted: Wanted) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement of the wanted transactions of a page, and its filters."""
    lists = {
        "brand": wanted.brand_nos,
        "player": wanted.player_nos,
        "state": wanted.states,
        "kind": wanted.kinds,
    }
    parameters = {
        f"wanted_{name}_{index}": value
        for name, values in lists.items()
        for index, value in enumerate(values or ())
    }
    if wanted.integration_no is not None:
        parameters["wanted_integration"] = wanted.integration_no
    counts = tuple(None if each is None else len(each) for each in lists.values())
    return _shaped(wanted.integration_no is not None, *counts), parameters


@functools.lru_cache(maxsize=256)
def _shaped(
    has_integration: bool,
    brands: int | None,
    players: int | None,
    states: int | None,
    kinds: int | None,
) -> Select[Any]:
    """Return the one statement that filters by lists of these lengths.

    The sums keep the planner on the range of items: by the index of the ids it would
    read all that a player ever did for each page.
    """
    t, g = schema.transactions, schema.gates
    statement = (
        select(t, g)
        .join(g, (g.c.lane == t.c.lane) & (g.c.player_no == t.c.player_no))
        .where(
            t.c.lane == bindparam("lane"),
            t.c.item_no >= bindparam("first_no"),
            t.c.item_no <= bindparam("last_no"),
            # Placeholders of originals that were never seen are no events.
            (t.c.state != int(State.TOMBSTONE))
            | and_(
                *(t.c.key_space != space for space in sorted(map(int, MOVE_SPACES)))
            ),
        )
        .order_by(t.c.item_no)
    )
    for name, column, count in (
        ("brand", g.c.brand_no, brands),
        ("player", t.c.player_no + 0, players),
        ("state", t.c.state, states),
        ("kind", t.c.kind, kinds),
    ):
        if count is not None:
            places: list[BindParameter[int]]
            places = [bindparam(f"wanted_{name}_{index}") for index in range(count)]
            statement = statement.where(column.in_(places) if places else false())
    if has_integration:
        own = t.c.integration_no + 0 == bindparam("wanted_integration")
        statement = statement.where(own)
    return statement


def _rounds(lane: int, reach: _Reach, wanted: Wanted) -> Select[Any]:
    """Select the rounds whose last transaction is in a page.

    They are of the integration of their first one.
    """
    t, g, r = schema.transactions, schema.gates, schema.rounds
    first = schema.transactions.alias("first")
    statement = (
        select(r, g, first.c.integration_no)
        .select_from(t)
        .join(
            r,
            (r.c.lane == t.c.lane)
            & (r.c.player_no == t.c.player_no)
            & (r.c.game_no == t.c.game_no)
            & (r.c.round_id == t.c.round_id)
            & (r.c.last_no == t.c.item_no),
        )
        .join(g, (g.c.lane == t.c.lane) & (g.c.player_no == t.c.player_no))
        .join(first, (first.c.lane == r.c.lane) & (first.c.item_no == r.c.open_no))
        .where(
            t.c.lane == lane,
            t.c.item_no.between(reach.first_no, reach.last_no),
            t.c.round_id != "",
        )
        .order_by(t.c.item_no)
    )
    if wanted.integration_no is not None:
        of_whom = first.c.integration_no == wanted.integration_no
        statement = statement.where(of_whom)
    return _of_whom(statement, wanted)


def _of_whom(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    """Keep what is of the wanted brands."""
    if wanted.brand_nos is None:
        return statement
    return statement.where(schema.gates.c.brand_no.in_(wanted.brand_nos))


def _is_noun(row: Sequence[Any], wanted: Wanted) -> bool:
    """Say whether a change is of a wanted noun, one that is anybody's business."""
    noun = row[_NOUN]
    return noun not in HIDDEN_NOUNS if wanted.nouns is None else noun in wanted.nouns


async def _of_players(
    connection: AsyncConnection, lane: int, rows: Sequence[Change], wanted: Wanted
) -> tuple[Sequence[Change], dict[int, Gate]]:
    """Keep the changes of wanted players; return the gates of these by item."""
    g = schema.gates
    numbers = {
        row.item_no: int(orjson.loads(row.after)["player_no"])
        for row in rows
        if row.noun in PLAYER_NOUNS
    }
    if not numbers:
        return rows, {}
    of_players = select(g).where(
        g.c.lane == lane, g.c.player_no.in_(sorted(set(numbers.values())))
    )
    found = [Gate(*row) for row in (await connection.execute(of_players)).all()]
    by_no = {gate.player_no: gate for gate in found if _is_wanted(gate, wanted)}
    gates = {item: by_no[no] for item, no in numbers.items() if no in by_no}
    kept = [row for row in rows if row.item_no not in numbers or row.item_no in gates]
    return kept, gates


def _is_wanted(gate: Gate, wanted: Wanted) -> bool:
    """Say whether a player is one of the wanted, and of the wanted brands."""
    brands, players = wanted.brand_nos, wanted.player_nos
    if brands is not None and gate.brand_no not in brands:
        return False
    return players is None or gate.player_no in players
