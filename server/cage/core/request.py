"""Answer every mutation that is no wallet call once, and its retries the same.

The one mechanism: a command carries ``key_id`` and ``request_id``; ``earlier_reply``
finds the first answer or refuses another content under the same id, ``keep_reply``
stores the answer in the command's own commit. Neither the fingerprint nor the reply
holds what the server drew, so a secret is never stored and a retry of its request
is answered without it.
"""

import hashlib
import json
from dataclasses import fields
from typing import Any, Protocol

from cage.core.book import Book, Request, canonical
from cage.core.errors import CageError, Reason
from cage.core.rules import Rules, rule_columns

# Marks a field of a command that the server draws or configures: it is no content.
DRAWN = {"drawn": True}


class Command(Protocol):
    """Name what every mutation that is no wallet call carries."""

    @property
    def key_id(self) -> str:
        """Return the key that calls: the actor."""
        ...

    @property
    def request_id(self) -> str:
        """Return the caller's id of the change."""
        ...


def fingerprint(command: Any) -> str:
    """Return the SHA-256 of what a command asks for, whoever retries it."""
    content = {
        field.name: getattr(command, field.name)
        for field in fields(command)
        if not field.metadata.get("drawn")
    }
    text = canonical([type(command).__name__, content])
    return hashlib.sha256(text.encode()).hexdigest()


def earlier_reply(book: Book, command: Command) -> Any | None:
    """Return the reply that was kept for a command, or None when it is new.

    Raises REQUEST_MISMATCH when its id was used for something else.
    """
    earlier = book.requests.get((command.key_id, command.request_id))
    if earlier is None:
        return None
    if earlier.fingerprint != fingerprint(command):
        raise CageError(Reason.REQUEST_MISMATCH, request_id=command.request_id)
    return json.loads(earlier.reply)


def keep_reply(book: Book, command: Command, reply: object) -> None:
    """Keep the reply to a command, which holds no secret, for its retries."""
    book.answer(
        Request(
            book.head.lane,
            command.key_id,
            command.request_id,
            fingerprint(command),
            canonical(reply),
            book.now_us,
        )
    )


def columns(row: Any) -> dict[str, Any]:
    """Return the stored columns of a row by name, as JSON can hold them."""
    return {field.name: _plain(getattr(row, field.name)) for field in fields(row)}


def journal(
    book: Book,
    command: Any,
    noun: str,
    noun_id: str,
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any],
) -> None:
    """Append the journalled change of a command; its name is the action."""
    book.change(
        command.key_id,
        noun,
        noun_id,
        type(command).__name__,
        before="" if before is None else canonical(before),
        after=canonical(after),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Rules):
        return rule_columns(value)
    return sorted(value) if isinstance(value, frozenset) else value
