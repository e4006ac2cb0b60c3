"""Test what the storage is asked to read for commands about players."""

from dataclasses import fields
from typing import Any

import pytest

from cage.core.admin import CreateOperator
from cage.core.book import Book
from cage.core.ids import public_id
from cage.core.key import RevokeApiKey
from cage.core.kyc import RecordVerification, VerificationMethod
from cage.core.needs import Needs, first_needs, more_needs
from cage.core.payment import AuthorizeDeposit, CancelDeposit, TransferDeposit
from cage.core.player import GetPlayer, PlayerStatus, RegisterPlayer, SetPlayerStatus
from cage.core.session import (
    Authenticate,
    CreateLaunchToken,
    EndSession,
    LaunchToken,
)

PAYMENT_ID = public_id(1_700_000_000_000_000, 0, 77)
REQUEST = {("desk", "r1")}


def command(kind: type, **fields: Any) -> Any:
    """Build a command of the player ``ann`` with one request id."""
    return kind(key_id="desk", request_id="r1", **fields)


def read(needs: Needs) -> dict[str, Any]:
    """Return the keys that a pass wants, without what it does not want."""
    names = [field.name for field in fields(needs) if field.name != "commands"]
    return {name: keys for name in names if (keys := getattr(needs, name))}


CASES: list[tuple[Any, dict[str, Any]]] = [
    (
        command(
            RegisterPlayer,
            brand_id="vegas",
            display_name="",
            country_code="DE",
            jurisdiction="MT",
            language_code="en",
            currency_code="EUR",
            is_test=False,
            player_id="new",
        ),
        {"requests": REQUEST},
    ),
    (
        command(
            SetPlayerStatus,
            player_id="ann",
            status=PlayerStatus.CLOSED,
            reason="over",
        ),
        {"requests": REQUEST, "profiles": {11}},
    ),
    (
        command(
            RecordVerification,
            player_id="ann",
            method=VerificationMethod.OTHER,
            reference="x",
            level=1,
        ),
        {"requests": REQUEST, "profiles": {11}},
    ),
    (
        GetPlayer(key_id="desk", player_id="ann"),
        {"profiles": {11}, "all_wallets": {11}},
    ),
    (
        command(
            CreateLaunchToken, player_id="ann", game_id="book", currency_code="USD"
        ),
        {"requests": REQUEST, "wallets": {(11, 2)}},
    ),
    (
        Authenticate(
            key_id="game",
            player_id="ann",
            launch_digest="launch 1",
            session_digest="session 1",
            rotate=False,
            life_us=1,
        ),
        {"launches": {"launch 1"}, "profiles": {11}},
    ),
    (
        command(EndSession, player_id="ann"),
        {"requests": REQUEST, "open_sessions": {11}},
    ),
    (
        command(
            AuthorizeDeposit,
            player_id="ann",
            currency_code="EUR",
            amount=1,
            scale=2,
            payment_method="card",
        ),
        {"requests": REQUEST, "wallets": {(11, 1)}},
    ),
    (
        TransferDeposit(
            key_id="desk",
            player_id="ann",
            payment_id=PAYMENT_ID,
            currency_code="EUR",
            amount=1,
            scale=2,
            psp_reference="psp",
        ),
        {"payments": {77}, "wallets": {(11, 1)}},
    ),
    (
        command(CancelDeposit, player_id="ann", payment_id=PAYMENT_ID, reason="x"),
        {"requests": REQUEST, "payments": {77}},
    ),
    (
        command(CreateOperator, operator_id="new", display_name="", enabled=True),
        {"requests": REQUEST},
    ),
    (command(RevokeApiKey, revoked_key_id="desk"), {"requests": REQUEST}),
]


@pytest.mark.parametrize(
    ("asked", "needs"), CASES, ids=[type(case[0]).__name__ for case in CASES]
)
def test_a_command_reads_what_it_names(
    book: Book, asked: Any, needs: dict[str, Any]
) -> None:
    """The first pass reads exactly this, and there is no second one."""
    assert read(first_needs(book, [asked])) == needs
    assert more_needs(book, [asked]) is None


def test_nothing_is_read_of_a_player_who_is_not_there(book: Book) -> None:
    """Only requests, launch tokens and payments are read without a gate."""
    book.gates.clear()
    asked = first_needs(book, [case[0] for case in CASES])

    assert read(asked) == {
        "requests": REQUEST,
        "launches": {"launch 1"},
        "payments": {77},
    }


def test_a_payment_of_another_lane_is_not_read(book: Book) -> None:
    """An id that is none of this lane's names no row of it."""
    elsewhere = public_id(1_700_000_000_000_000, 5, 77)
    asked = command(CancelDeposit, player_id="ann", payment_id=elsewhere, reason="x")

    assert not first_needs(book, [asked]).payments


def test_an_exchange_reads_the_wallet_of_its_launch(book: Book) -> None:
    """The currency is known once the launch token was read."""
    asked = CASES[5][0]
    book.launches["launch 1"] = LaunchToken(0, "launch 1", 50, 11, 1, 2, 9, 0)

    more = more_needs(book, [asked])

    assert more is not None
    assert more.wallets == {(11, 2)}
