"""Read what a batch needs under its lane's lock, and write what it decided.

Everything runs on one cursor inside one transaction that the writer opened. See
``lookup.py`` and ``effects.py`` for what is read and written, and ``statements.py``
for the form of the SQL.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import bindparam, func, select, update

from cage.core.book import Book, Head
from cage.core.player import Gate
from cage.core.registry import Registry
from cage.storage import schema
from cage.storage.effects import ADDED, REPLACED, effects
from cage.storage.hot import HotRows
from cage.storage.lookup import (
    CHAINS,
    GATES,
    LOOKUPS,
    Rows,
    Wanted,
    load,
    new_book,
    player_ids_of,
)
from cage.storage.registry import write_registry
from cage.storage.statements import Insert, Select, compile_text, read_all

_HEAD = compile_text(
    select(
        *schema.lanes.columns,
        select(schema.deployment.c.registry_version).scalar_subquery(),
    ).where(schema.lanes.c.lane == bindparam("lane"))
)
_MOVE_HEAD = compile_text(
    update(schema.lanes)
    .values(
        sequence=bindparam("new_sequence"),
        item_no=bindparam("new_item_no"),
        hash=bindparam("new_hash"),
        time_us=bindparam("new_time_us"),
    )
    .where(schema.lanes.c.lane == bindparam("lane"))
)


def _chain_text() -> str:
    """Return the text that walks one round's chain from its last transaction."""
    t = schema.transactions
    walk = (
        select(t.c.item_no, t.c.round_previous_no)
        .where(t.c.lane == bindparam("lane"), t.c.item_no == bindparam("last_no"))
        .cte("walk", recursive=True)
    )
    walk = walk.union_all(
        select(t.c.item_no, t.c.round_previous_no).where(
            t.c.lane == bindparam("lane_again"),
            t.c.item_no == walk.c.round_previous_no,
        )
    )
    rows = func.json_group_array(func.json_array(*t.columns))
    return compile_text(
        select(rows)
        .select_from(walk.join(t, t.c.item_no == walk.c.item_no))
        .where(t.c.lane == bindparam("lane_last"))
    ).replace(" JOIN ", " CROSS JOIN ")


_CHAIN = _chain_text()
_SELECTS = {
    lookup: Select(lookup.table, lookup.key, joined=lookup.joined)
    for lookup in LOOKUPS
    if lookup is not CHAINS
}
_INSERTS = {
    table: Insert(table, REPLACED.get(table, ()), ADDED.get(table, ()))
    for table in schema.metadata.sorted_tables
}


def lock_lane(
    cursor: sqlite3.Cursor, lane: int, commands: Sequence[object], hot: HotRows
) -> tuple[Head, int, list[Gate]]:
    """Return the head of a lane, the version of the registry and the players' gates."""
    *columns, version = cursor.execute(_HEAD, (lane,)).fetchone()
    head = Head(*columns)
    hot.check(head)
    gates, others = hot.gates_of(player_ids_of(commands))
    if others:
        rows = _SELECTS[GATES].read(cursor, lane, others)
        gates.extend(Gate(*row) for row in rows)
    return head, version, gates


def open_book(
    cursor: sqlite3.Cursor,
    head: Head,
    gates: Sequence[Gate],
    registry: Registry,
    now_us: int,
    commands: Sequence[object],
    hot: HotRows,
) -> Book:
    """Build the book of a locked batch: pass after pass what is needed."""
    book = new_book(head, gates, registry, now_us)
    hot.lend(book, commands)
    passes = load(book, commands)
    wanted = next(passes, None)
    while wanted is not None:
        found = _find(cursor, head.lane, wanted)
        try:
            wanted = passes.send(found)
        except StopIteration:
            break
    return book


def _find(cursor: sqlite3.Cursor, lane: int, wanted: Wanted) -> list[Rows]:
    """Return the rows of each lookup."""
    chains = {place: keys for place, (look, keys) in enumerate(wanted) if look.chain}
    found = read_all(
        cursor,
        lane,
        [(_SELECTS[look], keys) for look, keys in wanted if not look.chain],
    )
    for place, last_nos in chains.items():
        rows: list[Any] = []
        for last_no in last_nos:
            text = cursor.execute(_CHAIN, (lane, last_no, lane, lane)).fetchone()[0]
            rows.extend(orjson.loads(text))
        found.insert(place, rows)
    return found


def write_book(cursor: sqlite3.Cursor, book: Book) -> str:
    """Write the effects of a batch; return the hash of the head that it leaves."""
    written, head = effects(book)
    for table, rows in written.items():
        _INSERTS[table].write(cursor, rows)
    if book.registry_rows:
        write_registry(cursor, book.registry_rows)
    if head is not None:
        moved = (head.sequence, head.item_no, head.hash, head.time_us, book.head.lane)
        cursor.execute(_MOVE_HEAD, moved)
    return book.head.hash if head is None else head.hash
