"""Read the registry whole, and write single rows of it."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Table, select

from cage.core import registry as core
from cage.core.rules import Rules, rule_columns, rules_of
from cage.storage import schema
from cage.storage.statements import Insert, compile_text, names, row_getter

Builder = Callable[[Sequence[Any]], Any]


def _operator(row: Sequence[Any]) -> core.Operator:
    no, public_id, name, enabled, is_resting = row
    return core.Operator(
        operator_no=no,
        operator_id=public_id,
        display_name=name,
        enabled=bool(enabled),
        in_maintenance=bool(is_resting),
    )


def _brand(row: Sequence[Any]) -> core.Brand:
    no, public_id, operator_no, name, enabled, is_resting = row
    return core.Brand(
        brand_no=no,
        brand_id=public_id,
        operator_no=operator_no,
        display_name=name,
        enabled=bool(enabled),
        in_maintenance=bool(is_resting),
    )


def _integration(row: Sequence[Any]) -> core.Integration:
    no, public_id, name, enabled, rules, is_resting, *rounds = row
    action, after_s, template = rounds
    return core.Integration(
        integration_no=no,
        integration_id=public_id,
        display_name=name,
        enabled=bool(enabled),
        rules=rules_of(orjson.loads(rules)),
        in_maintenance=bool(is_resting),
        unfinished_round_action=core.UnfinishedRoundAction(action),
        unfinished_round_after_s=after_s,
        history_url_template=template,
    )


def _studio(row: Sequence[Any]) -> core.Studio:
    no, public_id, name, enabled, is_resting = row
    return core.Studio(
        studio_no=no,
        studio_id=public_id,
        display_name=name,
        enabled=bool(enabled),
        in_maintenance=bool(is_resting),
    )


def _game(row: Sequence[Any]) -> core.Game:
    no, public_id, studio_no, name, enabled, is_resting, vertical, template = row
    return core.Game(
        game_no=no,
        game_id=public_id,
        studio_no=studio_no,
        display_name=name,
        enabled=bool(enabled),
        in_maintenance=bool(is_resting),
        vertical=vertical,
        history_url_template=template,
    )


def _currency(row: Sequence[Any]) -> core.Currency:
    no, code, scale = row
    return core.Currency(currency_no=no, currency_code=code, scale=scale)


def _key(row: Sequence[Any]) -> core.ApiKey:
    no, public_id, digest, role, integration_no, granted, name, *times = row
    operator_nos = orjson.loads(granted)
    return core.ApiKey(
        key_no=no,
        key_id=public_id,
        digest=digest,
        role=core.Role(role),
        integration_no=integration_no,
        operator_nos=None if operator_nos is None else frozenset(operator_nos),
        display_name=name,
        create_time_us=times[0],
        expire_time_us=times[1],
        revoke_time_us=times[2],
    )


def registry_columns(row: Any) -> tuple[object, ...]:
    """Return a registry row as the tuple of its columns."""
    return tuple(_plain(value) for value in _GETTERS[type(row)](row))


def _plain(value: object) -> object:
    if isinstance(value, Rules):
        return orjson.dumps(rule_columns(value)).decode()
    if value is None or isinstance(value, frozenset):
        granted = None if value is None else sorted(value)
        return orjson.dumps(granted).decode()
    return int(value) if isinstance(value, int) else value


TABLES: dict[type, tuple[Table, Builder]] = {
    core.Operator: (schema.operators, _operator),
    core.Brand: (schema.brands, _brand),
    core.Integration: (schema.integrations, _integration),
    core.Studio: (schema.studios, _studio),
    core.Game: (schema.games, _game),
    core.Currency: (schema.currencies, _currency),
    core.ApiKey: (schema.api_keys, _key),
}
_GETTERS = {kind: row_getter(kind) for kind in TABLES}
_INSERTS = {kind: Insert(table, names(table)) for kind, (table, _) in TABLES.items()}
_SELECTS = {
    kind: compile_text(select(*table.columns).order_by(*table.primary_key.columns))
    for kind, (table, _) in TABLES.items()
}
_BUMP = "UPDATE deployment SET registry_version = registry_version + ?"


def read_registry(cursor: sqlite3.Cursor, version: int) -> core.Registry:
    """Read every registered thing; the caller holds the transaction."""
    return build_registry(
        version,
        {kind: cursor.execute(text).fetchall() for kind, text in _SELECTS.items()},
    )


def build_registry(
    version: int, rows: Mapping[type, Iterable[Sequence[Any]]]
) -> core.Registry:
    """Build the registry of a version from the rows of its tables."""
    found: dict[type, list[Any]] = {
        kind: [build(row) for row in rows[kind]] for kind, (_, build) in TABLES.items()
    }
    return core.index_registry(
        version=version,
        operators=found[core.Operator],
        brands=found[core.Brand],
        integrations=found[core.Integration],
        studios=found[core.Studio],
        games=found[core.Game],
        currencies=found[core.Currency],
        keys=found[core.ApiKey],
    )


def write_registry(cursor: sqlite3.Cursor, rows: Sequence[object]) -> None:
    """Write changed rows in order and move the version by their number."""
    for row in rows:
        _INSERTS[type(row)].write(cursor, [registry_columns(row)])
    cursor.execute(_BUMP, (len(rows),))
