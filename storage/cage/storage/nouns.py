"""Hold every stored noun against the last change that was journalled of it.

A change carries the columns of its noun's rows, so the newest one of each noun is
what the tables have to say: nothing more, nothing less.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Table, select

from cage.storage import schema
from cage.storage.finding import Books, BrokenError, expect
from cage.storage.statements import compile_text

# The tables that hold the columns of each noun; the first keys have the same names.
TABLES: dict[str, tuple[Table, ...]] = {
    "player": (schema.gates, schema.players),
    "session": (schema.sessions,),
    "session_token": (schema.session_tokens,),
    "launch_token": (schema.launch_tokens,),
    "payment": (schema.payments,),
    "operator": (schema.operators,),
    "brand": (schema.brands,),
    "integration": (schema.integrations,),
    "studio": (schema.studios,),
    "game": (schema.games,),
    "currency": (schema.currencies,),
    "key": (schema.api_keys,),
}
# Columns that hold JSON in the table and a value in the change.
_JSON_COLUMNS = frozenset({"operator_nos", "rules"})

Key = tuple[object, ...]


def check_nouns(
    connection: Books, lane: int, last: Mapping[tuple[str, str], str]
) -> None:
    """Raise BrokenError at the first row that its journal does not explain.

    ``last`` holds the newest ``after`` of each (noun, noun_id) of the lane. Nouns of
    the deployment, whose tables have no lane, are journalled in lane 0.
    """
    journalled: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for (noun, noun_id), after in last.items():
        journalled.setdefault(noun, []).append((noun_id, orjson.loads(after)))
    for noun, tables in TABLES.items():
        for table in tables:
            if "lane" in table.columns or lane == 0:
                _check_table(connection, lane, noun, table, journalled.get(noun, []))


def _check_table(
    connection: Books,
    lane: int,
    noun: str,
    table: Table,
    journalled: list[tuple[str, dict[str, Any]]],
) -> None:
    key_names = [column.name for column in table.primary_key.columns]
    expected = {
        tuple(after[name] for name in key_names): (noun_id, after)
        for noun_id, after in journalled
    }
    for row in _rows(connection, lane, table):
        key: Key = tuple(row[name] for name in key_names)
        found = expected.pop(key, None)
        place = f"{noun} {'/'.join(map(str, key))}"
        if found is None:
            raise BrokenError("missing change", place, "a journalled change", "none")
        noun_id, after = found
        wanted = {name: after[name] for name in row}
        expect(f"wrong {noun}", f"{noun} {noun_id}", wanted, row)
    for noun_id, _ in expected.values():
        raise BrokenError(f"missing {noun}", f"{noun} {noun_id}", "a row", "none")


def _rows(connection: Books, lane: int, table: Table) -> list[dict[str, Any]]:
    """Return the rows of a table as the columns of a change."""
    statement = compile_text(
        select(*table.columns).order_by(*table.primary_key.columns)
    )
    names = [column.name for column in table.columns]
    found = []
    for row in connection.execute(statement):
        stored = dict(zip(names, row, strict=True))
        for name in _JSON_COLUMNS.intersection(names):
            stored[name] = orjson.loads(stored[name])
        if stored.get("lane", lane) == lane:
            found.append(stored)
    return found
