"""Read the journal in bounded pages, from a place on, for whoever follows it.

A page is a range of item numbers, found from the batch headers by their own key, so
no index is written for it: neither by player, by integration nor by time. Batches of
a lane are ordered by commit time, so a time is found by halving.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import orjson
from sqlalchemy import BigInteger, Select, case, func, literal, select
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
from cage.core.player import Gate
from cage.core.round import Round
from cage.core.wallet import KeySpace, State, Transaction
from cage.storage import schema

_TRANSACTION_WIDTH = len(schema.transactions.columns)
_ROUND_WIDTH = len(schema.rounds.columns)


class JournalQueries:
    """Answer what ``JournalReads`` asks, in the read transactions of a subclass."""

    def _transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        raise NotImplementedError

    async def heads(self) -> Heads:
        """Return the heads of all lanes."""
        async with self._transaction() as connection:
            rows = (await connection.execute(_HEADS)).all()
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
        async with self._transaction() as connection:
            reach = await _reach(connection, lane, place, limit, last_sequence)
            if not reach.item_count:
                return reach.span, ()
            found = (await connection.execute(_transactions(lane, reach, wanted))).all()
            changes: Sequence[Change] = ()
            gates: dict[int, Gate] = {}
            if wanted.nouns is None or wanted.nouns:
                changes, gates = await _changes(connection, lane, reach, wanted)
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
        async with self._transaction() as connection:
            reach = await _reach(connection, lane, place, limit, last_sequence)
            if not reach.item_count:
                return reach.span, ()
            found = (await connection.execute(_rounds(lane, reach, wanted))).all()
        rounds = []
        for row in found:
            round_ = Round(*row[:_ROUND_WIDTH])
            after = reach.place_after(round_.last_no)
            gate = Gate(*row[_ROUND_WIDTH:-1])
            rounds.append(JournalRound(after, round_, gate, row[-1]))
        return reach.span, rounds


_VERSION = select(schema.deployment.c.registry_version)
_HEADS = select(schema.lanes.c.sequence, _VERSION.scalar_subquery()).order_by(
    schema.lanes.c.lane
)


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


async def _reach(
    connection: AsyncConnection,
    lane: int,
    place: Place,
    limit: int,
    last_sequence: int | None,
) -> _Reach:
    """Find the items of a page; raise CURSOR_INVALID for a place that is none."""
    b = schema.batches
    if last_sequence is not None and place.sequence > last_sequence:
        return _nothing(place, 0)
    # Every batch has an item, so these cover the page, and one more than it. The
    # version comes with them, because each statement is a trip to another thread.
    statement = select(
        b.c.sequence, b.c.first_no, b.c.item_count, b.c.hash, _VERSION.scalar_subquery()
    ).where(b.c.lane == lane, b.c.sequence >= place.sequence)
    if last_sequence is not None:
        statement = statement.where(b.c.sequence <= last_sequence)
    statement = statement.order_by(b.c.sequence).limit(limit + 2)
    headers = (await connection.execute(statement)).all()
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


def _transactions(lane: int, reach: _Reach, wanted: Wanted) -> Select[Any]:
    """Select the wanted transactions of a page, each with its player's gate."""
    t, g = schema.transactions, schema.gates
    statement = (
        select(t, g)
        .join(g, (g.c.lane == t.c.lane) & (g.c.player_no == t.c.player_no))
        .where(
            t.c.lane == lane,
            t.c.item_no.between(reach.first_no, reach.last_no),
            # Placeholders of originals that were never seen are no events.
            (t.c.state != int(State.TOMBSTONE)) | (t.c.key_space != int(KeySpace.MOVE)),
        )
        .order_by(t.c.item_no)
    )
    if wanted.states is not None:
        statement = statement.where(t.c.state.in_(wanted.states))
    if wanted.kinds is not None:
        statement = statement.where(t.c.kind.in_(wanted.kinds))
    return _of_whom(statement, wanted)


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
        wanted = replace(wanted, integration_no=None)
    return _of_whom(statement, wanted)


def _of_whom(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    """Keep what is of the wanted brands, integration and player.

    The sums keep the planner on the range of items: by the index of the ids it would
    read all that a player ever did for each page.
    """
    t = schema.transactions
    if wanted.brand_nos is not None:
        statement = statement.where(schema.gates.c.brand_no.in_(wanted.brand_nos))
    if wanted.integration_no is not None:
        statement = statement.where(t.c.integration_no + 0 == wanted.integration_no)
    if wanted.player_nos is not None:
        statement = statement.where((t.c.player_no + 0).in_(wanted.player_nos))
    return statement


async def _changes(
    connection: AsyncConnection, lane: int, reach: _Reach, wanted: Wanted
) -> tuple[Sequence[Change], dict[int, Gate]]:
    """Read the wanted changes of a page, and the gates of their players by item."""
    c, g = schema.changes, schema.gates
    statement = select(c).where(
        c.c.lane == lane, c.c.item_no.between(reach.first_no, reach.last_no)
    )
    if wanted.nouns is not None:
        statement = statement.where(c.c.noun.in_(wanted.nouns))
    else:
        statement = statement.where(c.c.noun.not_in(sorted(HIDDEN_NOUNS)))
    rows = [Change(*row) for row in (await connection.execute(statement)).all()]
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
