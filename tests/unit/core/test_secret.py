"""Test how secrets are written and what is stored of them."""

import hashlib

import pytest

from cage.core.secret import (
    KEY_PREFIX,
    SECRET_BYTES,
    digest_of,
    launch_text,
    player_of_launch,
    secret_text,
)

PLAYER_ID = "0192f3c0-7a1e-7c55-8d0e-0c6a5d2b9f10"


def test_a_secret_is_printable_and_says_what_it_is() -> None:
    """256 bits become 43 characters behind their prefix."""
    text = secret_text(KEY_PREFIX, b"\xff" * SECRET_BYTES)

    assert text.startswith("cage_")
    assert len(text) == len("cage_") + 43
    assert text.isascii()
    assert text.isprintable()


def test_a_digest_covers_the_whole_text() -> None:
    """The prefix is part of what is hashed."""
    expected = hashlib.sha256(b"cage_x").hexdigest()

    assert digest_of("cage_x") == expected


def test_a_launch_token_names_its_player() -> None:
    """The token fits its field and leads to the lane of its player."""
    token = launch_text(PLAYER_ID, b"\xfb" * SECRET_BYTES)

    assert len(token) <= 128
    assert player_of_launch(token) == PLAYER_ID


@pytest.mark.parametrize(
    "text", ["", "l", "l.", "l..x", "l.a", "l.a.b.c", "s.a.b", "cage_x"]
)
def test_another_text_is_no_launch_token(text: str) -> None:
    """Nothing is looked up for a text of another shape."""
    assert player_of_launch(text) is None
