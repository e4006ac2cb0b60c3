"""Test what registration, status and verification decide."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cage.core.book import Book
from cage.core.decide import decide
from cage.core.errors import CageError, Reason
from cage.core.kyc import RecordVerification, VerificationMethod
from cage.core.player import (
    GetPlayer,
    PlayerStatus,
    RegisterPlayer,
    SetPlayerStatus,
)
from cage.core.wallet import Wallet

Refuse = Callable[..., CageError]


def register(**changed: Any) -> RegisterPlayer:
    """Return a registration that passes."""
    fields: dict[str, Any] = {
        "key_id": "desk",
        "request_id": "r1",
        "brand_id": "vegas",
        "display_name": "Zoe",
        "country_code": "DE",
        "jurisdiction": "MT",
        "language_code": "en",
        "currency_code": "EUR",
        "is_test": False,
        "player_id": "zoe",
    }
    return RegisterPlayer(**{**fields, **changed})


def set_status(**changed: Any) -> SetPlayerStatus:
    """Return a change of status that passes."""
    fields: dict[str, Any] = {
        "key_id": "desk",
        "request_id": "r1",
        "player_id": "ann",
        "status": PlayerStatus.SUSPENDED,
        "reason": "asked to",
    }
    return SetPlayerStatus(**{**fields, **changed})


def verify(**changed: Any) -> RecordVerification:
    """Return a verification that passes."""
    fields: dict[str, Any] = {
        "key_id": "desk",
        "request_id": "r1",
        "player_id": "ann",
        "method": VerificationMethod.DOCUMENT,
        "reference": "case 7",
        "level": 2,
    }
    return RecordVerification(**{**fields, **changed})


REGISTER_FAULTS = [
    (Reason.KEY_INVALID, lambda _, command: setattr(command, "key_id", "nobody")),
    (Reason.BRAND_NOT_FOUND, lambda _, command: setattr(command, "brand_id", "reno")),
    (
        Reason.CURRENCY_NOT_FOUND,
        lambda _, command: setattr(command, "currency_code", "XYZ"),
    ),
]
PLAYER_FAULTS = [
    (Reason.KEY_INVALID, lambda _, command: setattr(command, "key_id", "nobody")),
    (Reason.PLAYER_NOT_FOUND, lambda _, command: setattr(command, "player_id", "eve")),
]


@pytest.mark.parametrize("index", range(len(REGISTER_FAULTS)))
def test_registration_refuses_in_documented_order(
    book: Book, refuse: Refuse, index: int
) -> None:
    """An earlier guard of RegisterPlayer wins over all later ones."""
    refuse(book, register(), REGISTER_FAULTS, index)


@pytest.mark.parametrize("make", [set_status, verify])
@pytest.mark.parametrize("index", range(len(PLAYER_FAULTS)))
def test_player_changes_refuse_in_documented_order(
    book: Book, refuse: Refuse, make: Callable[[], Any], index: int
) -> None:
    """A player of another operator is not found."""
    refuse(book, make(), PLAYER_FAULTS, index)


def test_unknown_brand_is_not_found(book: Book) -> None:
    """A brand that does not exist is named in the refusal."""
    with pytest.raises(CageError) as caught:
        decide(book, register(brand_id="nowhere"))

    assert caught.value.reason == Reason.BRAND_NOT_FOUND
    assert caught.value.metadata == {"brand_id": "nowhere"}


def test_registration_stores_a_player_who_waits_for_verification(book: Book) -> None:
    """A new player is PENDING_VERIFICATION, numbered by its change and journalled."""
    player = decide(book, register(is_test=True))

    gate, profile = book.gates["zoe"], book.profiles[101]
    assert player.gate == gate
    assert player.gate is not gate
    assert gate.player_no == book.changes[0].item_no == 101
    assert gate.status == PlayerStatus.PENDING_VERIFICATION
    assert (gate.kyc_level, gate.is_test, gate.currency_no) == (0, 1, 1)
    assert profile.display_name == "Zoe"
    assert list(book.dirty_rows.values()) == [gate, profile]
    change = book.changes[0]
    assert (change.noun, change.noun_id, change.action) == (
        "player",
        "zoe",
        "RegisterPlayer",
    )
    assert change.before == ""
    after = json.loads(change.after)
    assert after["player_no"] == 101
    assert after["country_code"] == "DE"


def test_registration_again_answers_the_first_player(book: Book) -> None:
    """A retry gets the first player, although the server drew another id."""
    first = decide(book, register())
    again = decide(book, register(player_id="drawn again"))

    assert again == first
    assert "drawn again" not in book.gates
    assert len(book.changes) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (register(), register(country_code="FR")),
        (set_status(), set_status(status=PlayerStatus.CLOSED)),
        (set_status(), set_status(reason="other")),
        (verify(), verify(level=3)),
        (register(), set_status()),
    ],
)
def test_other_content_under_a_request_id_is_refused(
    book: Book, first: Any, second: Any
) -> None:
    """A request id answers one content only, and nothing changes."""
    decide(book, first)

    with pytest.raises(CageError) as caught:
        decide(book, second)

    assert caught.value.reason == Reason.REQUEST_MISMATCH
    assert caught.value.metadata == {"request_id": "r1"}
    assert len(book.changes) == 1


@pytest.mark.parametrize("status", list(PlayerStatus))
def test_any_status_is_set_with_its_reason(book: Book, status: PlayerStatus) -> None:
    """The gate has the status at once, the audit says why."""
    player = decide(book, set_status(status=status))

    assert player.gate.status == book.gates["ann"].status == status
    assert player.profile.update_time_us == book.now_us
    change = book.changes[0]
    assert json.loads(change.before)["status"] == PlayerStatus.ACTIVE
    assert json.loads(change.after)["status"] == status
    assert json.loads(change.after)["reason"] == "asked to"


def test_status_again_answers_as_of_the_first_time(book: Book) -> None:
    """A retry changes nothing and shows the player as the first call left it."""
    first = decide(book, set_status())
    decide(book, set_status(request_id="r2", status=PlayerStatus.ACTIVE))
    again = decide(book, set_status())

    assert again == first
    assert book.gates["ann"].status == PlayerStatus.ACTIVE


@pytest.mark.parametrize(
    ("status", "level", "sent", "status_after", "level_after"),
    [
        (PlayerStatus.PENDING_VERIFICATION, 0, 1, PlayerStatus.ACTIVE, 1),
        (PlayerStatus.ACTIVE, 1, 3, PlayerStatus.ACTIVE, 3),
        (PlayerStatus.ACTIVE, 3, 1, PlayerStatus.ACTIVE, 3),
        (PlayerStatus.SUSPENDED, 0, 2, PlayerStatus.SUSPENDED, 2),
    ],
)
def test_verification_activates_and_never_lowers(
    book: Book, status: int, level: int, sent: int, status_after: int, level_after: int
) -> None:
    """Only a waiting player is activated; the level is the highest reached."""
    gate = book.gates["ann"]
    gate.status, gate.kyc_level = int(status), level

    player = decide(book, verify(level=sent))

    assert (player.gate.status, player.gate.kyc_level) == (status_after, level_after)
    after = json.loads(book.changes[0].after)
    assert (after["method"], after["reference"]) == ("DOCUMENT", "case 7")


def test_verification_again_answers_the_first_time(book: Book) -> None:
    """A retry changes nothing."""
    first = decide(book, verify())
    again = decide(book, verify())

    assert again == first
    assert len(book.changes) == 1


def test_a_player_is_shown_with_the_wallets_that_moved(book: Book) -> None:
    """Balances are ordered by currency; a wallet that never moved is left out."""
    book.wallets[11, 2] = Wallet(0, 11, 2, cash=5, version=1)
    book.wallets[11, 1] = Wallet(0, 11, 1, cash=-3, bonus=7, version=2)
    book.wallets[12, 1] = Wallet(0, 12, 1, cash=9, version=1)

    player = decide(book, GetPlayer(key_id="desk", player_id="ann"))

    shown = [(each.currency.currency_code, each.playable) for each in player.balances]
    assert shown == [("EUR", 7), ("USD", 5)]
    assert not book.changes


def test_a_wallet_that_never_moved_is_not_shown(book: Book) -> None:
    """A player without money has no balances."""
    book.wallets[11, 1] = Wallet(0, 11, 1)

    assert decide(book, GetPlayer(key_id="root", player_id="ann")).balances == []
