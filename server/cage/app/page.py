"""Cut lists into pages and bind their tokens to the filters they began with.

A token holds the kind of list, a digest of its filters and the place after which
the next page begins. It is opaque and not secret: a forged one only names another
place of a list that its caller may read anyway.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX

DEFAULT_SIZE = 100

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Hold one page and the token of the next, empty on the last page."""

    items: Sequence[Item]
    next_page_token: str


def encode(kind: str, filters: Sequence[str], position: Sequence[int]) -> str:
    """Write the token of the page after a position."""
    text = json.dumps([kind, _digest(filters), *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(kind: str, filters: Sequence[str], token: str, length: int) -> list[int]:
    """Read the position from a token; zeros for the empty token of a first page.

    ``length`` is the number of integers of a position. Raises PAGE_TOKEN_INVALID for
    a token that is malformed or was made for another list or other filters.
    """
    if not token:
        return [0] * length
    try:
        padded = token.encode() + b"=" * (-len(token) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as exc:
        raise CageError(Reason.PAGE_TOKEN_INVALID) from exc
    if not isinstance(parts, list) or parts[:2] != [kind, _digest(filters)]:
        raise CageError(Reason.PAGE_TOKEN_INVALID)
    position = parts[2:]
    if len(position) != length or not all(_is_place(place) for place in position):
        raise CageError(Reason.PAGE_TOKEN_INVALID)
    return position


def limit_of(page_size: int) -> int:
    """Return how many items a page holds; 0 asks for the default."""
    return page_size or DEFAULT_SIZE


def cut(
    kind: str,
    filters: Sequence[str],
    found: Sequence[Item],
    limit: int,
    place: Callable[[Item], Sequence[int]],
) -> Page[Item]:
    """Make a page of what was found when one item more than the limit was asked for."""
    items = found[:limit]
    token = encode(kind, filters, place(items[-1])) if len(found) > limit else ""
    return Page(items=items, next_page_token=token)


def _digest(filters: Sequence[str]) -> str:
    text = json.dumps(list(filters), separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_place(value: object) -> bool:
    return type(value) is int and 0 <= value <= INT64_MAX
