"""Compile the hot path's SQL once, from the one schema, to constant texts.

A batch is written with one multi-row statement per table and read with one
statement per pass. Each runs in a single step of SQLite, because every step
hands the interpreter lock over once: results come back as one JSON row, and rows go
in as the VALUES of a few fixed sizes. (Measured for 64 rows of three tables, CPU:
41 us a bet with VALUES, 88 us with ``json_each``; ``executemany`` takes 35 us alone
but ten times longer beside a busy event loop.) A few keys are looked up one by one
instead: what a single bet needs takes 50 us so, and 137 us in JSON; for 64 bets it is
42 and 22 us each.
"""

import functools
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from itertools import chain
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    FromClause,
    Table,
    and_,
    bindparam,
    column,
    func,
    select,
    values,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.sql.elements import ClauseElement

DIALECT = sqlite.dialect(paramstyle="qmark")
# Rows of one INSERT: exact up to 16, then in chunks. Keys of one SELECT: padded up.
INSERT_SIZES = (128, 96, 64, 48, 32, 24, *range(16, 0, -1))
SELECT_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
KEYS_MAX = SELECT_SIZES[-1]
# Keys of one kind that are looked up one by one.
SINGLE_MAX = 4
_SIZE_OF = [
    next(size for size in SELECT_SIZES if size >= count)
    for count in range(KEYS_MAX + 1)
]


def compile_text(statement: ClauseElement) -> str:
    """Compile a statement to SQLite text with positional parameters."""
    return str(statement.compile(dialect=DIALECT))


# A query of one JSON value, and its parameters.
Part = tuple[str, list[object]]


class Insert:
    """Write rows of one table with constant texts, replacing what may change.

    ``replaces`` names the columns that an existing row takes over, ``adds`` those that
    are added to an existing row's; none of either means that the row must be new.
    """

    def __init__(
        self, table: Table, replaces: Sequence[str] = (), adds: Sequence[str] = ()
    ) -> None:
        before, group, after = _insert_text(table, replaces, adds)
        self._texts = {
            size: before + ", ".join([group] * size) + after for size in INSERT_SIZES
        }

    def write(self, cursor: sqlite3.Cursor, rows: Sequence[Sequence[object]]) -> None:
        """Write rows, in as few statements as the sizes allow."""
        text = self._texts.get(len(rows))
        if text is not None:
            cursor.execute(text, list(chain.from_iterable(rows)))
            return
        start, count = 0, len(rows)
        for size in INSERT_SIZES:
            while count - start >= size:
                part = rows[start : start + size]
                cursor.execute(self._texts[size], list(chain.from_iterable(part)))
                start += size


def _insert_text(
    table: Table, replaces: Sequence[str], adds: Sequence[str]
) -> tuple[str, str, str]:
    """Return what stands before, in and after the VALUES of one row."""
    statement = insert(table).values({c.name: bindparam(c.name) for c in table.columns})
    if replaces or adds:
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={
                **{name: new[name] for name in replaces},
                **{name: table.c[name] + new[name] for name in adds},
            },
        )
    return _split(compile_text(statement), len(table.columns))


def _split(text: str, width: int) -> tuple[str, str, str]:
    group = "(" + ", ".join("?" * width) + ")"
    before, after = text.split(group)
    return before, group, after


class Select:
    """Read the rows of one table that have one of many keys, as JSON, in one step.

    ``key`` names the key columns after ``lane``. ``joined`` is a second table of the
    same lane and the column that leads to it; its columns follow the first's.
    """

    def __init__(
        self,
        table: Table,
        key: Sequence[str],
        *,
        joined: tuple[Table, str] | None = None,
    ) -> None:
        self._is_bare = len(key) == 1
        self._single_text = _single_text(table, key, joined)
        before, group, after = _select_text(table, key, joined)
        self._texts = {
            size: before + ", ".join([group] * size) + after for size in SELECT_SIZES
        }

    def part(self, lane: int, keys: Collection[Any]) -> Part:
        """Return the query of at most KEYS_MAX keys, bare ones for one column.

        Keys are padded to the next size with the last of them, which finds its row
        twice: harmless, because callers index rows by key.
        """
        wanted = [(key,) for key in keys] if self._is_bare else list(keys)
        size = _SIZE_OF[len(wanted)]
        wanted.extend(wanted[-1:] * (size - len(wanted)))
        return self._texts[size], [*chain.from_iterable(wanted), lane]

    def read(
        self, cursor: sqlite3.Cursor, lane: int, keys: Collection[Any]
    ) -> list[Sequence[Any]]:
        """Return the rows that have one of the keys."""
        found: list[Sequence[Any]] = []
        if len(keys) <= SINGLE_MAX:
            for key in keys:
                parts = (lane, key) if self._is_bare else (lane, *key)
                found.extend(cursor.execute(self._single_text, parts))
            return found
        wanted = list(keys)
        for start in range(0, len(wanted), KEYS_MAX):
            part = self.part(lane, wanted[start : start + KEYS_MAX])
            found.extend(read_parts(cursor, [part])[0])
        return found


def read_parts(cursor: sqlite3.Cursor, parts: Sequence[Part]) -> list[Any]:
    """Run several queries as one statement; return the JSON value of each.

    One statement is two hand-overs of the interpreter lock, whatever it reads. A
    writer beside a busy event loop waits for the lock at each of them.
    """
    text = _one_text(tuple(text for text, _ in parts))
    flat = [*chain.from_iterable(parameters for _, parameters in parts)]
    row = cursor.execute(text, flat).fetchone()
    return [orjson.loads(value) for value in row]


def read_all(
    cursor: sqlite3.Cursor, lane: int, wanted: Sequence[tuple[Select, Collection[Any]]]
) -> list[Sequence[Sequence[Any]]]:
    """Return the rows of several kinds of keys, none of them without any.

    They are read in one statement, unless each kind has few or one has too many.
    """
    sizes = [len(keys) for _, keys in wanted]
    if sizes and SINGLE_MAX < max(sizes) <= KEYS_MAX:
        return read_parts(cursor, [select.part(lane, keys) for select, keys in wanted])
    return [select.read(cursor, lane, keys) for select, keys in wanted]


@functools.lru_cache(maxsize=1_024)
def _one_text(texts: tuple[str, ...]) -> str:
    """Return one statement whose columns are the values of several queries.

    Kept, because the driver finds its compiled statement by this very text.
    """
    return "SELECT " + ", ".join(f"({text})" for text in texts)


def _single_text(
    table: Table, key: Sequence[str], joined: tuple[Table, str] | None
) -> str:
    """Return the query of the rows that have one key, after the lane."""
    source, shown = _source(table, table, joined)
    statement = select(*shown).select_from(source)
    for name in ("lane", *key):
        statement = statement.where(table.c[name] == bindparam(name))
    return compile_text(statement).replace(" JOIN ", " CROSS JOIN ")


def _source(
    start: FromClause, table: Table, joined: tuple[Table, str] | None
) -> tuple[FromClause, list[Column[Any]]]:
    """Return what rows come from, a second table joined to it, and their columns."""
    if joined is None:
        return start, list(table.columns)
    other, link = joined
    on = and_(other.c.lane == table.c.lane, other.c[link] == table.c[link])
    return start.join(other, onclause=on), [*table.columns, *other.columns]


def _select_text(
    table: Table, key: Sequence[str], joined: tuple[Table, str] | None
) -> tuple[str, str, str]:
    """Return what stands before, in and after the VALUES of one key."""
    wanted = (
        values(*(column(name) for name in key), name="wanted")
        .data([tuple(bindparam(name) for name in key)])
        .cte("wanted")
    )
    on = and_(*(table.c[name] == wanted.c[name] for name in key))
    source, shown = _source(wanted.join(table, onclause=on), table, joined)
    statement = (
        select(func.json_group_array(func.json_array(*shown)))
        .select_from(source)
        .where(table.c.lane == bindparam("lane"))
    )
    # CROSS JOIN is SQLite's way to say that the keys are the outer loop, whatever
    # the planner thinks of an empty or an unanalysed table.
    text = compile_text(statement).replace(" JOIN ", " CROSS JOIN ")
    return _split(text, len(key))


RowGetter = Callable[[object], tuple[object, ...]]


def row_getter(kind: type) -> RowGetter:
    """Return what turns a row object into the tuple of its columns."""
    return attrgetter(*(field.name for field in fields(kind)))


def names(table: Table, *, but: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the column names of a table that are not in its primary key."""
    key = {c.name for c in table.primary_key.columns}
    return tuple(c.name for c in table.columns if c.name not in key | set(but))
