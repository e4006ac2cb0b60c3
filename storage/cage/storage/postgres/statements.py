"""Compile the hot path's SQL for PostgreSQL: constant texts, whatever the batch size.

Keys and rows go in as one array per column (``unnest``), and rows come back as JSON.
A text depends only on which lookups and which tables take part, so the driver's
cache of prepared statements holds them all.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import asyncpg, insert
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from cage.storage import schema
from cage.storage.effects import ADDED, REPLACED, NewHead
from cage.storage.lookup import Lookup, Rows, Wanted
from cage.storage.registry import TABLES

DIALECT: Any = asyncpg.dialect()  # type: ignore[no-untyped-call]

_LANE: ColumnElement[int] = bindparam("lane", type_=BigInteger)


@dataclass(frozen=True, slots=True)
class Statement:
    """Hold a text and the names of its parameters in their order."""

    text: str
    order: tuple[str, ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the parameters of a call."""
        return [values[name] for name in self.order]


def compile_statement(statement: ClauseElement) -> Statement:
    """Compile a statement to the text and the parameters that asyncpg takes."""
    compiled: Any = statement.compile(dialect=DIALECT)
    return Statement(str(compiled), tuple(compiled.positiontup or ()))


def _lock_statement() -> Statement:
    """Lock the head of a lane, then gates in the order of their players."""
    head = (
        select(schema.lanes)
        .where(schema.lanes.c.lane == _LANE)
        .with_for_update(key_share=True)
        .cte("head")
    )
    ids: Any = bindparam("player_ids", type_=ARRAY(Text))
    gates = (
        select(schema.gates)
        .join(head, schema.gates.c.lane == head.c.lane)
        .where(schema.gates.c.lane == _LANE, schema.gates.c.player_id == any_(ids))
        .order_by(schema.gates.c.player_id)
        .with_for_update(key_share=True, of=schema.gates)
        .cte("locked")
    )
    rows = select(_json(gates.c)).scalar_subquery()
    return compile_statement(select(*head.c, rows))


def _json(columns: Any) -> ColumnElement[str]:
    """Aggregate rows to a JSON array of arrays; no rows are NULL."""
    return cast(func.json_agg(func.json_build_array(*columns)), Text)


LOCK = _lock_statement()


@functools.lru_cache(maxsize=1_024)
def _find_statement(lookups: tuple[Lookup, ...]) -> Statement:
    """Read the registry's version and the rows of some lookups at one instant."""
    parts: list[Any] = [select(schema.deployment.c.registry_version).scalar_subquery()]
    parts += [
        _lookup_rows(lookup, place).scalar_subquery()
        for place, lookup in enumerate(lookups)
    ]
    return compile_statement(select(*parts))


def _lookup_rows(lookup: Lookup, place: int) -> Select[Any]:
    table = lookup.table
    wanted = _unnest(table, lookup.key, f"keys_{place}")
    found = _seek(table, {name: wanted.c[name] for name in lookup.key})
    if lookup.chain:
        return _chain_rows(
            lookup, select(found).select_from(wanted.join(found, true()))
        )
    source, shown = wanted.join(found, true()), list(found.c)
    if lookup.joined is not None:
        other, link = lookup.joined
        linked = _seek(other, {link: found.c[link]})
        source = source.join(linked, true())
        shown += linked.c
    return select(_json(shown)).select_from(source)


def _chain_rows(lookup: Lookup, ends: Select[Any]) -> Select[Any]:
    """Follow chains from the rows at their ends."""
    (key,) = lookup.key
    walk = ends.cte(f"walk_{lookup.chain}", recursive=True)
    found = _seek(lookup.table, {key: walk.c[lookup.chain]})
    walk = walk.union_all(select(found).select_from(walk.join(found, true())))
    return select(_json(walk.c))


def _seek(table: Table, key: Mapping[str, ColumnElement[Any]]) -> FromClause:
    """Find rows of the lane by a key of the row before, through the index.

    The OFFSET keeps the planner from joining in another way, which it would prefer as
    long as it takes the table for a small one: it knows little of a young table.
    """
    return (
        select(table)
        .where(table.c.lane == _LANE, *(table.c[name] == key[name] for name in key))
        .offset(literal_column("0"))
        .lateral()
    )


def _unnest(table: Table, names: Sequence[str], prefix: str) -> FromClause:
    """Turn one array parameter per column into rows."""
    types: list[TypeEngine[Any]] = [_plain(table.c[each].type) for each in names]
    arrays = [
        bindparam(f"{prefix}_{each}", type_=ARRAY(type_))
        for each, type_ in zip(names, types, strict=True)
    ]
    columns = [column(each, type_) for each, type_ in zip(names, types, strict=True)]
    return func.unnest(*arrays).table_valued(*columns).render_derived()


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type of a parameter, which has no collation of its own."""
    return Text() if isinstance(type_, Text) else BigInteger()


def find(lane: int, wanted: Wanted) -> tuple[str, list[Any]]:
    """Return the statement that finds what a pass wants, and its parameters."""
    statement = _find_statement(tuple(lookup for lookup, _ in wanted))
    values: dict[str, Any] = {"lane": lane}
    for place, (lookup, keys) in enumerate(wanted):
        names = [f"keys_{place}_{name}" for name in lookup.key]
        values.update(zip(names, _columns(keys, len(names)), strict=True))
    return statement.text, statement.arguments(values)


def _columns(rows: Collection[Any], width: int) -> list[Sequence[Any]]:
    """Turn rows, or bare keys of one column, into columns."""
    return [list(rows)] if width == 1 else list(zip(*rows, strict=True))


def found_rows(value: str | None) -> Rows:
    """Read the rows of one lookup."""
    rows: Rows = [] if value is None else orjson.loads(value)
    return rows


def _registry_statement() -> Statement:
    """Read the registry whole, and its version, at one instant."""
    parts: list[Any] = [select(schema.deployment.c.registry_version).scalar_subquery()]
    parts += [
        select(_json(table.columns)).scalar_subquery() for table, _ in TABLES.values()
    ]
    return compile_statement(select(*parts))


REGISTRY = _registry_statement()


@functools.lru_cache(maxsize=1_024)
def _write_statement(tables: tuple[Table, ...], *, moves_head: bool) -> Statement:
    """Write rows of some tables, and where there is news the head, in one go."""
    written = [_insert(table).cte(f"new_{table.name}") for table in tables]
    if any("lane" not in table.columns for table in tables):
        deployment = schema.deployment
        moved = deployment.c.registry_version + bindparam("changes", type_=BigInteger)
        version = update(deployment).values(registry_version=moved)
        written.append(version.cte("new_version"))
    if not moves_head:
        return compile_statement(select(_LANE).add_cte(*written))
    lanes = schema.lanes
    names = ("sequence", "item_no", "hash", "time_us")
    new = {
        name: bindparam(f"head_{name}", type_=_plain(lanes.c[name].type))
        for name in names
    }
    moved_head = (
        update(lanes)
        .values(new)
        .where(
            lanes.c.lane == _LANE,
            lanes.c.sequence == bindparam("old_sequence", type_=BigInteger),
        )
        .returning(lanes.c.lane)
    )
    return compile_statement(moved_head.add_cte(*written))


def _insert(table: Table) -> Insert:
    names = [each.name for each in table.columns]
    rows = _unnest(table, names, f"rows_{table.name}")
    statement = insert(table).from_select(names, select(*rows.c))
    replaced, added = REPLACED.get(table, ()), ADDED.get(table, ())
    if not replaced and not added:
        return statement
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={
            **{name: statement.excluded[name] for name in replaced},
            **{name: table.c[name] + statement.excluded[name] for name in added},
        },
    )


def write(
    lane: int,
    sequence: int,
    written: Mapping[Table, Sequence[Sequence[object]]],
    head: NewHead | None,
    changes: int,
) -> tuple[str, list[Any]]:
    """Return the one writing statement of a batch, and its parameters.

    ``sequence`` is that of the head that was locked; ``changes`` counts the changes
    of the registry. The statement returns the lane, or nothing when the head was
    another.
    """
    statement = _write_statement(tuple(written), moves_head=head is not None)
    values: dict[str, Any] = {
        "lane": lane,
        "old_sequence": sequence,
        "changes": changes,
    }
    if head is not None:
        values.update(
            head_sequence=head.sequence,
            head_item_no=head.item_no,
            head_hash=head.hash,
            head_time_us=head.time_us,
        )
    for table, rows in written.items():
        for each, cells in zip(table.columns, zip(*rows, strict=True), strict=True):
            values[f"rows_{table.name}_{each.name}"] = cells
    return statement.text, statement.arguments(values)
