"""Test page tokens: opaque, bound to their list, never trusted."""

import base64
import json

import pytest

from cage.app.page import cut, decode, encode, limit_of
from cage.core.errors import CageError, Reason


def forge(value: object) -> str:
    """Write any JSON value as a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def parts(position: object) -> list[object]:
    """Return the parts of a token of the list ``games``, with another position."""
    token = encode("games", ["a"], [1])
    text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    return [*json.loads(text)[:2], position]


def test_a_token_leads_back_to_its_place() -> None:
    """What was encoded is decoded, and a first page begins at the start."""
    token = encode("games", ["a", "b"], [7, 0, 9])

    assert decode("games", ["a", "b"], token, 3) == [7, 0, 9]
    assert decode("games", ["a", "b"], "", 3) == [0, 0, 0]


@pytest.mark.parametrize(
    "token",
    [
        encode("brands", ["a"], [1]),
        encode("games", ["b"], [1]),
        encode("games", ["a"], [1, 2]),
        encode("games", ["a"], []),
        "no token",
        "\u00e9",
        "A",
        forge(7),
        forge({}),
        forge([]),
        forge(parts("1")),
        forge(parts(True)),
        forge(parts(-1)),
        forge(parts(2**63)),
        forge(parts([1])),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    ],
)
def test_a_token_of_anything_else_is_invalid(token: str) -> None:
    """Another list, other filters and garbage answer PAGE_TOKEN_INVALID."""
    with pytest.raises(CageError) as caught:
        decode("games", ["a"], token, 1)

    assert caught.value.reason == Reason.PAGE_TOKEN_INVALID


@pytest.mark.parametrize(("page_size", "limit"), [(0, 100), (1, 1), (1_000, 1_000)])
def test_no_page_size_means_the_default(page_size: int, limit: int) -> None:
    """0 asks for 100 items."""
    assert limit_of(page_size) == limit


@pytest.mark.parametrize(
    ("found", "items", "position"),
    [
        ([], [], None),
        ([1, 2], [1, 2], None),
        ([1, 2, 3], [1, 2], [2]),
    ],
)
def test_only_what_has_a_next_page_has_a_token(
    found: list[int], items: list[int], position: list[int] | None
) -> None:
    """One item more than the limit says that there is another page."""
    page = cut("games", [], found, 2, lambda item: [item])

    assert page.items == items
    if position is None:
        assert page.next_page_token == ""
    else:
        assert decode("games", [], page.next_page_token, 1) == position
