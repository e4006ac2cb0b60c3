"""Build a book by hand: a small deployment with three players of two operators."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cage.core.book import Book, Head
from cage.core.decide import decide
from cage.core.errors import CageError, Reason
from cage.core.player import Gate, PlayerStatus, Profile
from cage.core.registry import (
    ApiKey,
    Brand,
    Currency,
    Game,
    Integration,
    Operator,
    Role,
    Studio,
    index_registry,
)
from cage.core.rules import BetSessionRule, Rules

NOW_US = 1_700_000_000_000_000

# A reason, and what brings it about in a book and a command.
Fault = tuple[Reason, Callable[[Book, Any], object]]


def _key(key_no: int, key_id: str, role: Role, operator_nos: Any) -> ApiKey:
    return ApiKey(
        key_no=key_no,
        key_id=key_id,
        digest=f"digest of {key_id}",
        role=role,
        integration_no=1 if role == Role.GAME else 0,
        operator_nos=operator_nos,
        display_name="",
        create_time_us=1,
        expire_time_us=0,
        revoke_time_us=0,
    )


def _player(book: Book, player_no: int, player_id: str, brand_no: int) -> None:
    book.gates[player_id] = Gate(
        lane=0,
        player_no=player_no,
        player_id=player_id,
        brand_no=brand_no,
        currency_no=1,
        status=int(PlayerStatus.ACTIVE),
        kyc_level=1,
        is_test=0,
    )
    book.profiles[player_no] = Profile(
        lane=0,
        player_no=player_no,
        display_name="Ann",
        country_code="DE",
        create_time_us=1,
        update_time_us=1,
    )


@pytest.fixture
def book() -> Book:
    """Return a book as the storage would load it for a batch.

    The keys ``desk``, ``game`` and ``root`` are of the three roles; ``desk`` and
    ``game`` see operator ``acme`` with the players ``ann`` and ``bob``, but not
    ``other`` with the player ``eve``.
    """
    acme = frozenset({1})
    registry = index_registry(
        version=7,
        operators=[
            Operator(operator_no=1, operator_id="acme", display_name="", enabled=True),
            Operator(operator_no=2, operator_id="other", display_name="", enabled=True),
        ],
        brands=[
            Brand(
                brand_no=no,
                brand_id=brand_id,
                operator_no=no,
                display_name="",
                enabled=True,
            )
            for no, brand_id in ((1, "vegas"), (2, "reno"))
        ],
        integrations=[
            Integration(
                integration_no=1,
                integration_id="hub",
                display_name="",
                enabled=True,
                rules=Rules(bet_needs_session=BetSessionRule.REQUIRED),
            )
        ],
        studios=[
            Studio(studio_no=1, studio_id="studio", display_name="", enabled=True)
        ],
        games=[
            Game(game_no=1, game_id="book", studio_no=1, display_name="", enabled=True)
        ],
        currencies=[
            Currency(currency_no=1, currency_code="EUR", scale=2),
            Currency(currency_no=2, currency_code="USD", scale=2),
        ],
        keys=[
            _key(1, "desk", Role.OPERATOR, acme),
            _key(2, "game", Role.GAME, acme),
            _key(3, "root", Role.ADMIN, None),
            _key(4, "elsewhere", Role.GAME, frozenset({2})),
        ],
    )
    head = Head(lane=0, sequence=4, item_no=100, hash="", time_us=NOW_US - 1)
    book = Book(head=head, now_us=NOW_US, registry=registry, next_no=101)
    _player(book, 11, "ann", 1)
    _player(book, 12, "bob", 1)
    _player(book, 13, "eve", 2)
    return book


@pytest.fixture
def refuse() -> Callable[[Book, Any, Sequence[Fault], int], CageError]:
    """Return a check that a fault wins over every fault after it.

    The command is decided with all of these faults at once; nothing of a refused
    command may be left in the book.
    """

    def check(
        book: Book, command: Any, faults: Sequence[Fault], index: int
    ) -> CageError:
        for _, fault in faults[index:]:
            fault(book, command)
        version = book.registry.version
        with pytest.raises(CageError) as caught:
            decide(book, command)

        assert caught.value.reason == faults[index][0]
        assert book.next_no == 101
        assert not book.changes
        assert not book.transactions
        assert not book.new_requests
        assert not book.dirty_rows
        assert not book.registry_rows
        assert book.registry.version == version
        return caught.value

    return check
