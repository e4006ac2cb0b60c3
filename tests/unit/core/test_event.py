"""Test what of the journal its readers see, and as what."""

import json

import pytest

from cage.core.book import Change
from cage.core.event import (
    HIDDEN_NOUNS,
    NOUN_TYPES,
    SHOWN,
    EventType,
    is_hidden,
    shown,
    type_of,
)
from cage.core.registry import Currency, Operator, index_registry
from cage.core.wallet import KeySpace, Kind, State, Transaction
from cage.storage.nouns import TABLES

REGISTRY = index_registry(
    version=1,
    operators=[
        Operator(operator_no=3, operator_id="acme", display_name="", enabled=True)
    ],
    brands=[],
    integrations=[],
    studios=[],
    games=[],
    currencies=[Currency(currency_no=1, currency_code="EUR", scale=2)],
    keys=[],
)


def transaction(state: State, key_space: KeySpace = KeySpace.MOVE) -> Transaction:
    """Build a row in a state."""
    return Transaction(
        0, 1, 1, 1, key_space, "id", Kind.BET, state, 1, 0, 1, 1, "r", 1, 0, 0, 0, 0,
        0, 1, 1, 0, 0, 0, 0, 0, 0, 1, None,
    )  # fmt: skip


def change(noun: str) -> Change:
    """Build a change of a noun."""
    return Change(0, 1, "key", noun, "id", "Do", "", "{}", 1)


@pytest.mark.parametrize("state", list(State))
def test_type_of_a_transaction(state: State) -> None:
    """Every state of a transaction has a type of its own name."""
    assert type_of(transaction(state)).name == f"TRANSACTION_{state.name}"


@pytest.mark.parametrize("noun", sorted({*NOUN_TYPES, "new"}))
def test_type_of_a_change(noun: str) -> None:
    """A change has the type of its noun; a new noun is one of the deployment's."""
    expected = NOUN_TYPES.get(noun, EventType.DEPLOYMENT_CHANGED)

    assert type_of(change(noun)) == expected


def test_every_noun_is_decided_on() -> None:
    """Whatever is journalled is either shown, by columns, or hidden on purpose."""
    assert set(SHOWN) == set(NOUN_TYPES)
    assert not set(SHOWN) & HIDDEN_NOUNS
    assert set(TABLES) <= set(SHOWN) | HIDDEN_NOUNS


@pytest.mark.parametrize(
    ("noun", "state", "expected"),
    [
        ("player", "", ""),
        ("unknown", '{"a":1}', ""),
        (
            "player",
            '{"brand_no":9,"currency_no":1,"display_name":"Ann","player_id":"p"}',
            {"brand_id": "", "currency_code": "EUR", "player_id": "p"},
        ),
        (
            "key",
            '{"digest":"d","key_id":"k","key_no":4,"operator_nos":[3]}',
            {"key_id": "k", "operator_ids": ["acme"]},
        ),
        (
            "key",
            '{"key_id":"k","operator_nos":null}',
            {"key_id": "k", "operator_ids": []},
        ),
        ("session", '{"session_no":5,"end_time_us":7}', {"end_time_us": 7}),
    ],
)
def test_shown(noun: str, state: str, expected: object) -> None:
    """What is shown has public ids, and no digest, person or internal number."""
    text = shown(noun, state, REGISTRY)

    assert (json.loads(text) if text else "") == expected


@pytest.mark.parametrize(
    ("state", "key_space", "hidden"),
    [
        (State.TOMBSTONE, KeySpace.MOVE, True),
        (State.TOMBSTONE, KeySpace.REVERSE, False),
        (State.POSTED, KeySpace.MOVE, False),
    ],
)
def test_placeholder_is_hidden(
    state: State, key_space: KeySpace, *, hidden: bool
) -> None:
    """Only the placeholder of an original that never came is hidden."""
    assert is_hidden(transaction(state, key_space)) == hidden
