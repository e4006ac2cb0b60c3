"""Say what of the journal is an event, of which type, and what its readers may see.

A transaction is an event as it stands. A change is shown by the columns that are
listed here for its noun, because what is journalled also holds digests, personal
data and internal numbers; a noun that is not listed shows no state at all.
"""

import json
from enum import IntEnum
from typing import Any

from cage.core.book import Change, canonical
from cage.core.registry import Registry
from cage.core.wallet import MOVE_SPACES, State, Transaction


class EventType(IntEnum):
    """What kind of event an item is; numbers as in ``cage.event.v1.EventType``."""

    TRANSACTION_POSTED = 1
    TRANSACTION_REFUSED = 2
    TRANSACTION_TOMBSTONE = 3
    TRANSACTION_ALIAS = 4
    PLAYER_CHANGED = 5
    SESSION_CHANGED = 6
    PAYMENT_CHANGED = 7
    OPERATOR_CHANGED = 8
    DEPLOYMENT_CHANGED = 9


STATE_TYPES: dict[int, EventType] = {
    State.POSTED: EventType.TRANSACTION_POSTED,
    State.REFUSED: EventType.TRANSACTION_REFUSED,
    State.TOMBSTONE: EventType.TRANSACTION_TOMBSTONE,
    State.ALIAS: EventType.TRANSACTION_ALIAS,
}
NOUN_TYPES = {
    "player": EventType.PLAYER_CHANGED,
    "session": EventType.SESSION_CHANGED,
    "payment": EventType.PAYMENT_CHANGED,
    "operator": EventType.OPERATOR_CHANGED,
    "brand": EventType.OPERATOR_CHANGED,
    "integration": EventType.DEPLOYMENT_CHANGED,
    "studio": EventType.DEPLOYMENT_CHANGED,
    "game": EventType.DEPLOYMENT_CHANGED,
    "currency": EventType.DEPLOYMENT_CHANGED,
    "key": EventType.DEPLOYMENT_CHANGED,
}
# Nouns of the journal that are nobody's business: what binds a secret to its session,
# and answers of requests that changed nothing.
HIDDEN_NOUNS = frozenset({"session_token", "launch_token", "request"})
# Nouns whose changes are of one player.
PLAYER_NOUNS = ("player", "session", "payment")
# Nouns whose changes are of one operator.
OPERATOR_NOUNS = ("operator", "brand")

_COMMON = ("display_name", "enabled", "in_maintenance")
# What of a noun's columns is shown, under the names of the columns. ``*_no`` of this
# list are shown as the public id.
SHOWN: dict[str, tuple[str, ...]] = {
    "player": (
        "player_id", "brand_no", "currency_no", "status", "blocks", "kyc_level",
        "is_test", "jurisdiction",
    ),
    "session": (
        "game_no", "currency_no", "integration_no", "create_time_us",
        "expire_time_us", "end_time_us",
    ),
    "payment": (
        "currency_no", "state", "amount", "payment_method", "create_time_us",
        "update_time_us",
    ),
    "operator": ("operator_id", *_COMMON),
    "brand": ("brand_id", "operator_no", *_COMMON),
    "integration": (
        "integration_id", *_COMMON, "rules",
        "unfinished_round_action", "unfinished_round_after_s", "history_url_template",
    ),
    "studio": ("studio_id", *_COMMON),
    "game": (
        "game_id", "studio_no", "vertical", *_COMMON, "history_url_template",
    ),
    "currency": ("currency_code", "scale"),
    "key": (
        "key_id", "role", "integration_no", "operator_nos", "display_name",
        "create_time_us", "expire_time_us", "revoke_time_us",
    ),
}  # fmt: skip
# The look-up and the public id behind each number.
_IDS = {
    "operator_no": ("operators_by_no", "operator_id"),
    "brand_no": ("brands_by_no", "brand_id"),
    "integration_no": ("integrations_by_no", "integration_id"),
    "studio_no": ("studios_by_no", "studio_id"),
    "game_no": ("games_by_no", "game_id"),
    "currency_no": ("currencies_by_no", "currency_code"),
}


def type_of(row: Transaction | Change) -> EventType:
    """Return the type of an item that is an event."""
    if isinstance(row, Change):
        return NOUN_TYPES.get(row.noun, EventType.DEPLOYMENT_CHANGED)
    return STATE_TYPES[row.state]


def is_hidden(row: Transaction) -> bool:
    """Say whether a row only keeps the id of an original that was never seen."""
    return row.state == State.TOMBSTONE and row.key_space in MOVE_SPACES


def shown(noun: str, state: str, registry: Registry) -> str:
    """Return of a noun's journalled state what readers of events may see."""
    if not state or noun not in SHOWN:
        return ""
    columns: dict[str, Any] = json.loads(state)
    return canonical(
        dict(
            _public(name, columns[name], registry)
            for name in SHOWN[noun]
            if name in columns
        )
    )


def _public(name: str, value: Any, registry: Registry) -> tuple[str, Any]:
    """Return a column as it is shown: a number of Cage's as the id behind it."""
    if name == "operator_nos":
        operators = registry.operators_by_no
        granted = [operators[number].operator_id for number in value or ()]
        return "operator_ids", sorted(granted)
    if name not in _IDS:
        return name, value
    rows, id_name = _IDS[name]
    row = getattr(registry, rows).get(value)
    return id_name, "" if row is None else getattr(row, id_name)
