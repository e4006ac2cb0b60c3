"""Test what deposits decide."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cage.core.book import Book
from cage.core.decide import decide
from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX
from cage.core.payment import (
    AuthorizeDeposit,
    CancelDeposit,
    PaymentState,
    TransferDeposit,
    payment_no_of,
)
from cage.core.player import PlayerStatus
from cage.core.wallet import Account, KeySpace, Kind, Wallet

Refuse = Callable[..., CageError]


def authorize(**changed: Any) -> AuthorizeDeposit:
    """Return an authorization that passes."""
    fields: dict[str, Any] = {
        "key_id": "desk",
        "request_id": "r1",
        "player_id": "ann",
        "currency_code": "EUR",
        "amount": 50,
        "scale": 1,
        "payment_method": "card",
    }
    return AuthorizeDeposit(**{**fields, **changed})


def transfer(payment_id: str, **changed: Any) -> TransferDeposit:
    """Return a transfer that passes."""
    fields: dict[str, Any] = {
        "key_id": "desk",
        "player_id": "ann",
        "payment_id": payment_id,
        "currency_code": "EUR",
        "amount": 500,
        "scale": 2,
        "psp_reference": "psp 1",
    }
    return TransferDeposit(**{**fields, **changed})


def cancel(payment_id: str, **changed: Any) -> CancelDeposit:
    """Return a cancellation that passes."""
    fields: dict[str, Any] = {
        "key_id": "desk",
        "request_id": "r2",
        "player_id": "ann",
        "payment_id": payment_id,
        "reason": "gave up",
    }
    return CancelDeposit(**{**fields, **changed})


def write(**values: object) -> Callable[[Book, Any], None]:
    """Return a fault that changes fields of the command."""

    def fault(_: Book, command: Any) -> None:
        for name, value in values.items():
            setattr(command, name, value)

    return fault


def suspend(book: Book, _: Any) -> None:
    """Block the player."""
    book.gates["ann"].status = int(PlayerStatus.SUSPENDED)


def refused(book: Book, command: Any) -> CageError:
    """Decide a command that is refused."""
    with pytest.raises(CageError) as caught:
        decide(book, command)
    return caught.value


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (write(key_id="nobody", player_id="eve"), Reason.KEY_INVALID),
        (write(player_id="eve", currency_code="XYZ"), Reason.PLAYER_NOT_FOUND),
        (write(currency_code="XYZ", scale=9), Reason.CURRENCY_NOT_FOUND),
        (write(currency_code="USD", amount=1, scale=9), Reason.CURRENCY_MISMATCH),
        (write(amount=1, scale=9), Reason.SCALE_MISMATCH),
        (write(scale=-1), Reason.SCALE_MISMATCH),
        (write(amount=-1), Reason.AMOUNT_OUT_OF_RANGE),
        (write(amount=0), Reason.AMOUNT_OUT_OF_RANGE),
        (write(), Reason.PLAYER_BLOCKED),
    ],
)
def test_authorization_refuses_in_documented_order(
    book: Book, refuse: Refuse, fault: Callable[[Book, Any], None], reason: Reason
) -> None:
    """Each guard of AuthorizeDeposit wins over the block that comes last."""
    suspend(book, None)
    refuse(book, authorize(), [(reason, fault)], 0)


def test_authorization_wants_a_verified_player(book: Book) -> None:
    """Who waits for verification deposits nothing."""
    book.gates["ann"].status = int(PlayerStatus.PENDING_VERIFICATION)

    assert refused(book, authorize()).reason == Reason.KYC_REQUIRED


def test_authorization_moves_no_money(book: Book) -> None:
    """A payment waits, its id leads back to its row."""
    answer = decide(book, authorize())

    payment = book.payments[101]
    assert answer.payment == payment
    assert payment.amount == 500
    assert payment.state == PaymentState.AUTHORIZED
    assert payment_no_of(payment.payment_id, 0) == 101
    assert payment_no_of(payment.payment_id, 1) == 0
    assert payment_no_of("no id", 0) == 0
    assert book.changes[0].noun_id == payment.payment_id
    assert not book.transactions


def test_authorization_again_answers_the_first_payment(book: Book) -> None:
    """A retry makes no second payment, another content is refused."""
    first = decide(book, authorize())
    again = decide(book, authorize())

    assert again == first
    assert len(book.payments) == 1
    mismatch = refused(book, authorize(amount=51))
    assert mismatch.reason == Reason.REQUEST_MISMATCH


def test_transfer_credits_once(book: Book) -> None:
    """Money moves from the cashier to the player, and a retry moves none."""
    payment_id = decide(book, authorize()).payment.payment_id
    suspend(book, None)
    first = decide(book, transfer(payment_id, amount=700))
    again = decide(book, transfer(payment_id, amount=70, scale=1))

    assert (first.replayed, again.replayed) == (False, True)
    assert first.payment.state == PaymentState.SUCCESSFUL
    assert (first.payment.amount, first.balance.cash) == (700, 700)
    assert again.payment == first.payment
    assert again.balance.cash == 700
    (row,) = book.transactions
    assert (row.kind, row.key_space) == (Kind.DEPOSIT, KeySpace.PAYMENT)
    assert (row.transaction_id, row.integration_no) == (payment_id, 0)
    assert [(entry[2], entry[5]) for entry in book.entries] == [
        (Account.PLAYER_CASH, 700),
        (Account.CASHIER, -700),
    ]
    change = book.changes[-1]
    assert (change.action, change.noun_id) == ("TransferDeposit", payment_id)
    assert json.loads(change.after)["psp_reference"] == "psp 1"


@pytest.mark.parametrize("changed", [{"amount": 501}, {"psp_reference": "psp 2"}])
def test_transfer_with_other_content_is_refused(
    book: Book, changed: dict[str, Any]
) -> None:
    """A payment is transferred with one amount and one reference."""
    payment_id = decide(book, authorize()).payment.payment_id
    decide(book, transfer(payment_id))

    mismatch = refused(book, transfer(payment_id, **changed))

    assert mismatch.reason == Reason.REQUEST_MISMATCH
    assert mismatch.metadata == {"request_id": payment_id}
    assert len(book.transactions) == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"key_id": "nobody", "player_id": "eve"}, Reason.KEY_INVALID),
        ({"player_id": "eve", "payment_id": "none"}, Reason.PLAYER_NOT_FOUND),
        ({"payment_id": "none", "currency_code": "USD"}, Reason.PAYMENT_NOT_FOUND),
        ({"player_id": "bob", "currency_code": "USD"}, Reason.PAYMENT_NOT_FOUND),
        ({"currency_code": "USD", "amount": 0}, Reason.CURRENCY_MISMATCH),
        ({"currency_code": "XYZ", "amount": 0}, Reason.CURRENCY_MISMATCH),
        ({"amount": 1, "scale": 9}, Reason.SCALE_MISMATCH),
        ({"amount": 0}, Reason.AMOUNT_OUT_OF_RANGE),
        ({}, Reason.PAYMENT_STATE),
    ],
)
def test_transfer_refuses_in_documented_order(
    book: Book, changed: dict[str, Any], reason: Reason
) -> None:
    """Each guard of TransferDeposit wins over the state that comes last."""
    payment_id = decide(book, authorize()).payment.payment_id
    decide(book, cancel(payment_id))
    fields = {"payment_id": payment_id, **changed}

    refusal = refused(book, transfer(**fields))

    assert refusal.reason == reason
    assert not book.transactions


def test_transfer_takes_only_the_one_text_of_an_id(book: Book) -> None:
    """Another way to write the same UUID is another id."""
    payment_id = decide(book, authorize()).payment.payment_id

    refusal = refused(book, transfer(payment_id.replace("-", "")))

    assert refusal.reason == Reason.PAYMENT_NOT_FOUND


@pytest.mark.parametrize("beside", ["bonus", "reserved"])
def test_transfer_keeps_the_balance_inside_64_bits(book: Book, beside: str) -> None:
    """A deposit that would overflow moves nothing and stays authorized."""
    payment_id = decide(book, authorize()).payment.payment_id
    held: dict[str, int] = {"cash": INT64_MAX - 600, beside: 101}
    book.wallets[11, 1] = Wallet(0, 11, 1, version=1, **held)

    refusal = refused(book, transfer(payment_id))

    assert refusal.reason == Reason.BALANCE_OUT_OF_RANGE
    assert book.payments[101].state == PaymentState.AUTHORIZED


def test_cancel_gives_up_once(book: Book) -> None:
    """A retry gets the first answer, another request finds the state in its way."""
    payment_id = decide(book, authorize()).payment.payment_id
    first = decide(book, cancel(payment_id))

    assert first.payment.state == PaymentState.CANCELLED
    assert decide(book, cancel(payment_id)) == first
    assert json.loads(book.changes[-1].after)["reason"] == "gave up"
    mismatch = refused(book, cancel(payment_id, reason="other"))
    assert mismatch.reason == Reason.REQUEST_MISMATCH
    state = refused(book, cancel(payment_id, request_id="r3"))
    assert state.metadata == {"state": "CANCELLED"}


def test_cancel_after_the_transfer_is_refused(book: Book) -> None:
    """Money that has arrived is not given up."""
    payment_id = decide(book, authorize()).payment.payment_id
    decide(book, transfer(payment_id))

    state = refused(book, cancel(payment_id))

    assert (state.reason, state.metadata) == (
        Reason.PAYMENT_STATE,
        {"state": "SUCCESSFUL"},
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"key_id": "nobody", "player_id": "eve"}, Reason.KEY_INVALID),
        ({"player_id": "eve", "payment_id": "none"}, Reason.PLAYER_NOT_FOUND),
        ({"player_id": "bob"}, Reason.PAYMENT_NOT_FOUND),
    ],
)
def test_cancel_refuses_in_documented_order(
    book: Book, changed: dict[str, Any], reason: Reason
) -> None:
    """Only the player's own payment is found."""
    payment_id = decide(book, authorize()).payment.payment_id
    fields = {"payment_id": payment_id, **changed}

    assert refused(book, cancel(**fields)).reason == reason
