"""Decide API keys: who may call, as what, and for whose players.

Guards in order: the caller's key; the form; the request id; the id of the new key;
what it is granted to.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from cage.core.admin import (
    INTEGRATION,
    KEY,
    OPERATOR,
    find,
    judge_actor,
    judge_free,
    write_row,
)
from cage.core.book import Book
from cage.core.errors import invalid_field
from cage.core.registry import ApiKey, Role
from cage.core.request import columns, earlier_reply


@dataclass(slots=True, kw_only=True)
class CreateApiKey:
    """Create a key; the server draws its secret. Times are 0 for never."""

    key_id: str
    request_id: str
    new_key_id: str
    role: Role
    integration_id: str
    operator_ids: tuple[str, ...]
    display_name: str
    expire_time_us: int
    digest: str = field(default="", metadata={"drawn": True})


@dataclass(slots=True, kw_only=True)
class RevokeApiKey:
    """Revoke a key for good."""

    key_id: str
    request_id: str
    revoked_key_id: str


@dataclass(slots=True, kw_only=True)
class KeyAnswer:
    """Answer a CreateApiKey; the secret ``api_key`` is empty on a replay."""

    key: ApiKey
    api_key: str
    replayed: bool


def decide_create_api_key(book: Book, command: CreateApiKey) -> KeyAnswer:
    """Create a key; raise what ``CreateApiKeyRequest`` documents."""
    judge_actor(book, command.key_id)
    judge_form(command)
    reply = earlier_reply(book, command)
    if reply is not None:
        return KeyAnswer(key=key_of(reply), api_key="", replayed=True)
    if 0 < command.expire_time_us <= book.now_us:
        raise invalid_field("expire_time", "must be in the future")
    judge_free(book, KEY, command.new_key_id)
    integration_no = 0
    if command.integration_id:
        integration_no = find(
            book.registry, INTEGRATION, command.integration_id
        ).integration_no
    operators = [find(book.registry, OPERATOR, each) for each in command.operator_ids]
    is_admin = command.role == Role.ADMIN
    key = ApiKey(
        key_no=book.next_no,
        key_id=command.new_key_id,
        digest=command.digest,
        role=command.role,
        integration_no=integration_no,
        operator_nos=(
            None if is_admin else frozenset(each.operator_no for each in operators)
        ),
        display_name=command.display_name,
        create_time_us=book.now_us,
        expire_time_us=command.expire_time_us,
        revoke_time_us=0,
    )
    write_row(book, command, KEY, key, before=None)
    return KeyAnswer(key=key, api_key="", replayed=False)


def decide_revoke_api_key(book: Book, command: RevokeApiKey) -> ApiKey:
    """Revoke a key; one that is revoked already stays as it is."""
    judge_actor(book, command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return key_of(reply)
    key: ApiKey = find(book.registry, KEY, command.revoked_key_id)
    revoked = replace(key, revoke_time_us=key.revoke_time_us or book.now_us)
    write_row(book, command, KEY, revoked, before=columns(key))
    return revoked


def judge_form(command: CreateApiKey) -> None:
    """Let a key pass whose grants fit its role, or raise INVALID_FIELD."""
    is_game = command.role == Role.GAME
    if is_game and not command.integration_id:
        raise invalid_field("integration_id", "is required for role GAME")
    if not is_game and command.integration_id:
        raise invalid_field("integration_id", "must be empty unless the role is GAME")
    is_admin = command.role == Role.ADMIN
    if not is_admin and not command.operator_ids:
        raise invalid_field("operator_ids", "must name at least one operator")
    if is_admin and command.operator_ids:
        raise invalid_field("operator_ids", "must be empty for role ADMIN")


def key_of(stored: dict[str, Any]) -> ApiKey:
    """Rebuild a key from its stored columns."""
    operator_nos = stored["operator_nos"]
    granted = None if operator_nos is None else frozenset(operator_nos)
    return ApiKey(**{**stored, "role": Role(stored["role"]), "operator_nos": granted})
