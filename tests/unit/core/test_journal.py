"""The journal's encoding is plain JSON, so anybody can recompute a chain."""

import hashlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cage.core.journal import ENCODING_VERSION, GENESIS_HASH, batch_hash

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CELL = st.one_of(INT64, TEXT, st.none())
ROWS = st.lists(st.lists(CELL, max_size=6).map(tuple), max_size=4)

ARGUMENTS: dict[str, Any] = {
    "lane": 0,
    "sequence": 1,
    "first_no": 1,
    "item_count": 2,
    "commit_time_us": 1_700_000_000_000_000,
    "transactions": [(0, 1, "b1", None)],
    "entries": [(0, 1, 10, -5)],
    "changes": [(0, 2, 'caf\u00e9 "\n\u2028\U0001f3b0')],
}


def plain_hash(previous_hash: str, **parts: Any) -> str:
    """Hash a batch as the module's text says, with the standard library alone."""
    value = [ENCODING_VERSION, *parts.values()]
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous_hash}\n{text}".encode()).hexdigest()


@given(ROWS)
def test_text_is_that_of_json(rows: list[tuple[object, ...]]) -> None:
    """The fast encoder writes what json.dumps writes without spaces."""
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)

    assert orjson.dumps(rows).decode() == text


def test_control_characters_are_written_alike() -> None:
    """Both encoders escape the same characters in the same way."""
    text = "".join(map(chr, [*range(0x100), 0x2028, 0x2029, 0xFEFF, 0x1F3B0]))

    assert orjson.dumps(text).decode() == json.dumps(text, ensure_ascii=False)


@given(transactions=ROWS, entries=ROWS, changes=ROWS)
def test_hash_is_of_the_documented_text(
    transactions: Any, entries: Any, changes: Any
) -> None:
    """A hash is the SHA-256 of the hash before, a line feed and the JSON text."""
    rows = {"transactions": transactions, "entries": entries, "changes": changes}
    parts = {**ARGUMENTS, **rows}

    assert batch_hash(GENESIS_HASH, **parts) == plain_hash(GENESIS_HASH, **parts)


def test_hash_never_changes() -> None:
    """The hash of a batch is the same in every release."""
    assert batch_hash(GENESIS_HASH, **ARGUMENTS) == (
        "ce571a3e841a9788f2a5cd8f4781303a15edbcc21d90a63b329bb978566116ad"
    )


@pytest.mark.parametrize("name", [*ARGUMENTS, "previous_hash"])
def test_hash_is_of_everything(name: str) -> None:
    """Every part of a batch, and the hash before it, changes the hash."""
    other: dict[str, Any] = {"previous_hash": GENESIS_HASH, **ARGUMENTS}
    value = other[name]
    other[name] = "1" * 64 if name == "previous_hash" else value * 2 or 7

    assert batch_hash(**other) != batch_hash(GENESIS_HASH, **ARGUMENTS)
