"""Test what the administration of a deployment decides."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cage.core import admin
from cage.core.book import Book
from cage.core.decide import decide
from cage.core.errors import CageError, Reason
from cage.core.key import CreateApiKey, RevokeApiKey
from cage.core.registry import ApiKey, Role

Refuse = Callable[..., CageError]

CREATES: list[Any] = [
    admin.CreateOperator(
        key_id="root",
        request_id="r1",
        operator_id="new",
        display_name="New",
        enabled=True,
    ),
    admin.CreateBrand(
        key_id="root",
        request_id="r1",
        brand_id="new",
        operator_id="acme",
        display_name="New",
        enabled=False,
    ),
    admin.CreateIntegration(
        key_id="root",
        request_id="r1",
        integration_id="new",
        display_name="New",
        enabled=True,
    ),
    admin.CreateStudio(
        key_id="root",
        request_id="r1",
        studio_id="new",
        display_name="New",
        enabled=True,
    ),
    admin.CreateGame(
        key_id="root",
        request_id="r1",
        game_id="new",
        studio_id="studio",
        display_name="New",
        enabled=True,
    ),
    admin.CreateCurrency(key_id="root", request_id="r1", currency_code="BTC", scale=8),
]
UPDATES: list[Any] = [
    admin.UpdateOperator(
        key_id="root",
        request_id="r1",
        operator_id="acme",
        display_name="Now",
        enabled=False,
    ),
    admin.UpdateBrand(
        key_id="root",
        request_id="r1",
        brand_id="vegas",
        operator_id="",
        display_name="Now",
        enabled=False,
    ),
    admin.UpdateIntegration(
        key_id="root",
        request_id="r1",
        integration_id="hub",
        display_name="Now",
        enabled=False,
    ),
    admin.UpdateStudio(
        key_id="root",
        request_id="r1",
        studio_id="studio",
        display_name="Now",
        enabled=False,
    ),
    admin.UpdateGame(
        key_id="root",
        request_id="r1",
        game_id="book",
        studio_id="studio",
        display_name="Now",
        enabled=False,
    ),
]


def name(command: object) -> str:
    """Name a case by its command."""
    return type(command).__name__


def create_key(**changed: Any) -> CreateApiKey:
    """Return the creation of a GAME key that passes."""
    fields: dict[str, Any] = {
        "key_id": "root",
        "request_id": "r1",
        "new_key_id": "new",
        "role": Role.GAME,
        "integration_id": "hub",
        "operator_ids": ("acme", "other", "acme"),
        "display_name": "New",
        "expire_time_us": 0,
        "digest": "digest of new",
    }
    return CreateApiKey(**{**fields, **changed})


def write(**values: object) -> Callable[[Book, Any], None]:
    """Return a fault that changes fields of the command."""

    def fault(_: Book, command: Any) -> None:
        for field, value in values.items():
            setattr(command, field, value)

    return fault


def noun_of(command: object) -> admin.Noun:
    """Return the noun that a command is about."""
    return {**admin.CREATED, **admin.UPDATED}[type(command)]


@pytest.mark.parametrize("command", CREATES, ids=name)
def test_create_adds_a_row_and_a_version(book: Book, command: Any) -> None:
    """A new row is numbered by its change and found by id and by number."""
    noun = noun_of(command)
    row = decide(book, replace(command))

    row_id = getattr(command, noun.id_name)
    assert getattr(book.registry, noun.rows)[row_id] is row
    assert getattr(book.registry, f"{noun.rows}_by_no")[101] is row
    assert book.registry.version == 8
    assert book.registry_rows == [row]
    change = book.changes[0]
    assert (change.item_no, change.noun, change.noun_id) == (101, noun.name, row_id)
    assert (change.before, change.action) == ("", name(command))
    assert json.loads(change.after)[noun.no_name] == 101


@pytest.mark.parametrize("command", UPDATES, ids=name)
def test_update_replaces_what_can_change(book: Book, command: Any) -> None:
    """Name and switches change; id, number and parent stay."""
    noun = noun_of(command)
    row_id = getattr(command, noun.id_name)
    before = getattr(book.registry, noun.rows)[row_id]
    row = decide(book, replace(command))

    assert (row.display_name, row.enabled) == ("Now", False)
    assert getattr(row, noun.no_name) == getattr(before, noun.no_name)
    if noun.parent is not None:
        no_name = noun.parent.no_name
        assert getattr(row, no_name) == getattr(before, no_name)
    assert getattr(book.registry, noun.rows)[row_id] is row
    assert json.loads(book.changes[0].before)["enabled"]
    assert not json.loads(book.changes[0].after)["enabled"]


@pytest.mark.parametrize("command", [*CREATES, *UPDATES, create_key()], ids=name)
def test_a_retry_gets_the_first_answer(book: Book, command: Any) -> None:
    """The same request changes nothing; another content is refused."""
    first = decide(book, replace(command))
    again = decide(book, replace(command))

    if isinstance(command, CreateApiKey):
        assert (again.key, again.replayed) == (first.key, True)
    else:
        assert again == first
    assert book.registry.version == 8
    changed = (
        {"scale": 3}
        if isinstance(command, admin.CreateCurrency)
        else {"display_name": "Other"}
    )
    with pytest.raises(CageError) as caught:
        decide(book, replace(command, **changed))

    assert caught.value.reason == Reason.REQUEST_MISMATCH


@pytest.mark.parametrize("command", CREATES, ids=name)
def test_an_id_is_taken_once(book: Book, command: Any) -> None:
    """The id of something that exists is refused, before what it belongs to."""
    noun = noun_of(command)
    decide(book, replace(command))
    taken = replace(command, request_id="r2")
    if noun.parent is not None:
        setattr(taken, noun.parent.id_name, "none")
    with pytest.raises(CageError) as caught:
        decide(book, taken)

    assert caught.value.reason == Reason.ID_TAKEN
    row_id = getattr(command, noun.id_name)
    assert caught.value.metadata == {"noun": noun.name, "id": row_id}


@pytest.mark.parametrize("command", UPDATES, ids=name)
def test_what_is_updated_exists(book: Book, command: Any) -> None:
    """An unknown id answers the reason of its noun and names the id."""
    noun = noun_of(command)
    unknown = replace(command, **{noun.id_name: "none"})
    with pytest.raises(CageError) as caught:
        decide(book, unknown)

    assert caught.value.reason == noun.not_found
    assert caught.value.metadata == {noun.id_name: "none"}
    assert not book.changes


@pytest.mark.parametrize(
    ("command", "field", "reason"),
    [
        (CREATES[1], "operator_id", Reason.OPERATOR_NOT_FOUND),
        (CREATES[4], "studio_id", Reason.STUDIO_NOT_FOUND),
        (UPDATES[1], "operator_id", Reason.INVALID_FIELD),
        (UPDATES[4], "studio_id", Reason.INVALID_FIELD),
    ],
)
def test_a_parent_exists_and_never_changes(
    book: Book, command: Any, field: str, reason: Reason
) -> None:
    """A row is created under a parent that exists and stays with it."""
    with pytest.raises(CageError) as caught:
        decide(book, replace(command, **{field: "none"}))

    assert caught.value.reason == reason
    assert not book.changes


def test_a_key_is_stored_by_its_digest(book: Book) -> None:
    """A key is found by id and digest; what is kept has no secret."""
    answer = decide(book, create_key())

    key = answer.key
    assert (answer.api_key, answer.replayed) == ("", False)
    assert book.registry.keys["new"] is key
    assert book.registry.keys_by_digest["digest of new"] is key
    assert key.operator_nos == frozenset({1, 2})
    assert (key.integration_no, key.key_no, key.create_time_us) == (
        1,
        101,
        book.now_us,
    )


def test_an_admin_key_sees_every_operator(book: Book) -> None:
    """Role ADMIN is granted to no operator by name."""
    command = create_key(role=Role.ADMIN, integration_id="", operator_ids=())

    key = decide(book, command).key

    assert key.operator_nos is None
    assert decide(book, create_key(
        role=Role.ADMIN, integration_id="", operator_ids=()
    )).key == key  # fmt: skip


KEY_FAULTS = [
    (Reason.KEY_INVALID, write(key_id="nobody")),
    (Reason.INVALID_FIELD, write(role=Role.ADMIN)),
    (Reason.ID_TAKEN, write(new_key_id="desk")),
    (Reason.INTEGRATION_NOT_FOUND, write(integration_id="none")),
    (Reason.OPERATOR_NOT_FOUND, write(operator_ids=("acme", "none"))),
]


@pytest.mark.parametrize("index", range(len(KEY_FAULTS)))
def test_key_creation_refuses_in_documented_order(
    book: Book, refuse: Refuse, index: int
) -> None:
    """An earlier guard of CreateApiKey wins over all later ones."""
    refuse(book, create_key(), KEY_FAULTS, index)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"integration_id": ""}, "integration_id"),
        ({"role": Role.OPERATOR}, "integration_id"),
        ({"operator_ids": ()}, "operator_ids"),
        ({"role": Role.ADMIN, "integration_id": ""}, "operator_ids"),
        ({"expire_time_us": 1}, "expire_time"),
    ],
)
def test_the_grants_of_a_key_fit_its_role(
    book: Book, changed: dict[str, Any], field: str
) -> None:
    """GAME has an integration, ADMIN no operators, and a life ends in the future."""
    with pytest.raises(CageError) as caught:
        decide(book, create_key(**changed))

    assert caught.value.reason == Reason.INVALID_FIELD
    assert caught.value.metadata["field"] == field


def test_a_key_is_revoked_for_good(book: Book) -> None:
    """A revoked key stops at once; revoking it again keeps the first time."""
    command = RevokeApiKey(key_id="root", request_id="r1", revoked_key_id="desk")
    key = decide(book, command)
    now_us = book.now_us
    book.now_us += 5

    assert key.revoke_time_us == now_us
    with pytest.raises(CageError) as caught:
        book.caller("desk")
    assert caught.value.reason == Reason.KEY_INVALID
    assert decide(book, replace(command)) == key
    again = decide(book, replace(command, request_id="r2"))
    assert again.revoke_time_us == now_us
    assert isinstance(again, ApiKey)


def test_an_unknown_key_is_not_found(book: Book) -> None:
    """What is revoked exists, and the caller's own key is valid."""
    command = RevokeApiKey(key_id="root", request_id="r1", revoked_key_id="none")
    for changed, reason in (
        ({}, Reason.KEY_NOT_FOUND),
        ({"key_id": "none"}, Reason.KEY_INVALID),
    ):
        with pytest.raises(CageError) as caught:
            decide(book, replace(command, **changed))
        assert caught.value.reason == reason


def test_the_machine_itself_needs_no_key(book: Book) -> None:
    """The first key of a deployment is made by ``caged``, and the audit says so."""
    decide(book, create_key(key_id=admin.LOCAL_ACTOR))

    assert book.changes[0].actor == admin.LOCAL_ACTOR


def test_the_registry_is_read_in_order(book: Book) -> None:
    """A reader sees what the commands before it in the batch have changed."""
    decide(book, replace(CREATES[0]))

    registry = decide(book, admin.ReadRegistry(key_id="root"))

    assert "new" in registry.operators
    with pytest.raises(CageError):
        decide(book, admin.ReadRegistry(key_id="nobody"))
