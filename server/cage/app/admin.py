"""Run the use cases of whoever runs the deployment: its parts, keys and audit."""

from collections.abc import Callable
from typing import TypeVar

from cage.app.page import Page, cut, decode, encode, limit_of
from cage.app.ports import Reads, Writer
from cage.app.submit import REGISTRY_LANE, read_registry, submit
from cage.core import admin as core
from cage.core import book
from cage.core.errors import invalid_field
from cage.core.key import CreateApiKey, KeyAnswer, RevokeApiKey
from cage.core.registry import ApiKey, Registry
from cage.core.rules import IdScopeRule
from cage.core.secret import KEY_PREFIX, SECRET_BYTES, digest_of, secret_text

# Names the list of the audit in its page tokens; the others go by their noun.
_AUDIT = "audit"

Registered = TypeVar("Registered")


class AdminApp:
    """Offer the use cases of the registry and the audit over a writer and reads.

    ``random_bytes`` draws the secrets of keys, which leave this class only in the
    answer that creates them.
    """

    def __init__(
        self, *, writer: Writer, reads: Reads, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._writer = writer
        self._reads = reads
        self._random_bytes = random_bytes

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        return self._writer.registry

    async def change(
        self,
        command: core.Change | RevokeApiKey,
        kind: type[Registered],
        *,
        timeout_s: float | None,
    ) -> Registered:
        """Create, update or revoke a row of a kind and return it.

        Raises INVALID_FIELD for ids that shall be unique in an integration on a
        database with several lanes, of which none sees all players.
        """
        rules = getattr(command, "rules", {})
        is_shared = rules.get("id_scope") == IdScopeRule.INTEGRATION
        if is_shared and self._writer.lanes > 1:
            raise invalid_field("rules.id_scope", "needs a database with one lane")
        return await submit(
            self._writer, REGISTRY_LANE, command, kind, timeout_s=timeout_s
        )

    async def create_key(
        self, command: CreateApiKey, *, timeout_s: float | None
    ) -> KeyAnswer:
        """Create an API key, whose secret is shown in this answer only."""
        secret = secret_text(KEY_PREFIX, self._random_bytes(SECRET_BYTES))
        command.digest = digest_of(secret)
        answer = await submit(
            self._writer, REGISTRY_LANE, command, KeyAnswer, timeout_s=timeout_s
        )
        if not answer.replayed:
            answer.api_key = secret
        return answer

    async def list_rows(
        self,
        key: ApiKey,
        kind: type[Registered],
        *,
        parent_id: str = "",
        page_size: int,
        page_token: str,
        timeout_s: float | None,
    ) -> Page[Registered]:
        """Read one page of a kind of rows in the order of their creation.

        ``parent_id`` keeps the rows of one operator or studio. Raises the absence
        of the parent, or PAGE_TOKEN_INVALID.
        """
        noun = core.NOUNS[kind]
        filters = [parent_id]
        (after_no,) = decode(noun.rows, filters, page_token, 1)
        registry = await read_registry(self._writer, key, timeout_s=timeout_s)
        rows: list[Registered] = sorted(
            getattr(registry, noun.rows).values(), key=lambda row: number(noun, row)
        )
        if noun.parent is not None and parent_id:
            parent_no = number(noun.parent, core.find(registry, noun.parent, parent_id))
            no_name = noun.parent.no_name
            rows = [row for row in rows if getattr(row, no_name) == parent_no]
        return cut(
            noun.rows,
            filters,
            [row for row in rows if number(noun, row) > after_no],
            limit_of(page_size),
            lambda row: [number(noun, row)],
        )

    async def list_audit(
        self, *, noun: str, noun_id: str, page_size: int, page_token: str
    ) -> Page[book.Change]:
        """Read one page of the journalled changes in the order of their commits."""
        filters = [noun, noun_id]
        seen = decode(_AUDIT, filters, page_token, self._writer.lanes)
        limit = limit_of(page_size)
        found = await self._reads.changes(noun, noun_id, after=seen, limit=limit + 1)
        entries = found[:limit]
        for entry in entries:
            seen[entry.lane] = entry.item_no
        token = encode(_AUDIT, filters, seen) if len(found) > limit else ""
        return Page(items=entries, next_page_token=token)


def number(noun: core.Noun, row: object) -> int:
    """Return the number of a row, which grows with every row that is created."""
    row_no: int = getattr(row, noun.no_name)
    return row_no
