"""Decide deposits: authorize, then transfer or cancel.

A transfer brings in money that has been taken already, so neither the player's
status nor a lost answer may stop it: the payment is its own idempotency key.
"""

from dataclasses import replace

from cage.core.book import Book
from cage.core.counter import (
    count_deposit,
    judge_deposit_limits,
    recount_deposit,
)
from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX, to_ledger
from cage.core.payment import (
    AuthorizeDeposit,
    CancelDeposit,
    Payment,
    PaymentAnswer,
    PaymentState,
    TransferDeposit,
    payment_no_of,
)
from cage.core.player import Gate
from cage.core.registry import Currency
from cage.core.request import columns, earlier_reply, journal, keep_reply
from cage.core.wallet import Account, KeySpace, Kind, State


def decide_authorize_deposit(book: Book, command: AuthorizeDeposit) -> PaymentAnswer:
    """Agree to a deposit; raise what ``AuthorizeDepositRequest`` documents."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return answer(book, command.player_id, Payment(**reply["payment"]))
    gate = book.player(key, command.player_id)
    currency = book.currency(command.currency_code)
    wallet = book.wallet(gate, currency.currency_no)
    book.judge_currency(gate, wallet)
    amount = deposit_amount(command, currency)
    book.judge_status(gate)
    judge_deposit_limits(book, gate, wallet, amount)
    payment = Payment(
        lane=gate.lane,
        payment_no=book.next_no,
        player_no=gate.player_no,
        currency_no=currency.currency_no,
        state=int(PaymentState.AUTHORIZED),
        amount=amount,
        payment_method=command.payment_method,
        psp_reference="",
        create_time_us=book.now_us,
        update_time_us=book.now_us,
        counted=count_deposit(book, gate, currency.currency_no, amount),
    )
    book.payments[payment.payment_no] = payment
    write_payment(book, command, payment, before=None)
    keep_reply(book, command, {"payment": columns(payment)})
    return answer(book, command.player_id, payment)


def decide_transfer_deposit(book: Book, command: TransferDeposit) -> PaymentAnswer:
    """Credit a deposit once; raise what ``TransferDepositRequest`` documents."""
    key = book.caller(command.key_id)
    gate = book.player(key, command.player_id)
    payment = find_payment(book, gate, command.payment_id)
    currency = book.registry.currencies_by_no[payment.currency_no]
    if command.currency_code != currency.currency_code:
        raise CageError(
            Reason.CURRENCY_MISMATCH,
            expected=currency.currency_code,
            sent=command.currency_code,
        )
    amount = deposit_amount(command, currency)
    if payment.state == PaymentState.SUCCESSFUL:
        if (payment.amount, payment.psp_reference) != (amount, command.psp_reference):
            raise CageError(Reason.REQUEST_MISMATCH, request_id=command.payment_id)
        return credited(book, gate, payment, replayed=True)
    judge_authorized(payment)
    wallet = book.wallet(gate, currency.currency_no)
    whole = wallet.cash + wallet.bonus + wallet.reserved
    if max(wallet.cash, whole) + amount > INT64_MAX:
        raise CageError(Reason.BALANCE_OUT_OF_RANGE)
    book.record(
        gate,
        wallet,
        integration_no=0,
        key_space=KeySpace.PAYMENT,
        transaction_id=command.payment_id,
        kind=Kind.DEPOSIT,
        state=State.POSTED,
        amount=amount,
        cash=amount,
        house=Account.CASHIER,
    )
    before = columns(payment)
    payment.counted = recount_deposit(book, payment, amount)
    payment.state = int(PaymentState.SUCCESSFUL)
    payment.amount = amount
    payment.psp_reference = command.psp_reference
    payment.update_time_us = book.now_us
    write_payment(book, command, payment, before=before)
    return credited(book, gate, payment, replayed=False)


def decide_cancel_deposit(book: Book, command: CancelDeposit) -> PaymentAnswer:
    """Give a deposit up; raise what ``CancelDepositRequest`` documents."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return answer(book, command.player_id, Payment(**reply["payment"]))
    gate = book.player(key, command.player_id)
    payment = find_payment(book, gate, command.payment_id)
    judge_authorized(payment)
    before = columns(payment)
    payment.counted = recount_deposit(book, payment, 0)
    payment.state = int(PaymentState.CANCELLED)
    payment.update_time_us = book.now_us
    write_payment(book, command, payment, before=before, reason=command.reason)
    keep_reply(book, command, {"payment": columns(payment)})
    return answer(book, command.player_id, payment)


def deposit_amount(
    command: AuthorizeDeposit | TransferDeposit, currency: Currency
) -> int:
    """Return the amount at the ledger scale, which has to be more than 0."""
    amount = to_ledger(
        command.amount,
        command.scale,
        currency.scale,
        field="amount",
        currency_code=currency.currency_code,
    )
    if not amount:
        raise CageError(
            Reason.AMOUNT_OUT_OF_RANGE, field="amount", problem="must be more than 0"
        )
    return amount


def find_payment(book: Book, gate: Gate, payment_id: str) -> Payment:
    """Return a payment of a player, or raise PAYMENT_NOT_FOUND."""
    payment = book.payments.get(payment_no_of(payment_id, gate.lane))
    if payment is None or not owns(gate, payment, payment_id):
        raise CageError(Reason.PAYMENT_NOT_FOUND, payment_id=payment_id)
    return payment


def owns(gate: Gate, payment: Payment, payment_id: str) -> bool:
    """Say whether a payment is the player's and the id is the one way to write it."""
    return payment.player_no == gate.player_no and payment.payment_id == payment_id


def judge_authorized(payment: Payment) -> None:
    """Let a payment pass that waits for its outcome, or raise PAYMENT_STATE."""
    if payment.state != PaymentState.AUTHORIZED:
        state = PaymentState(payment.state).name
        raise CageError(Reason.PAYMENT_STATE, state=state)


def write_payment(
    book: Book,
    command: AuthorizeDeposit | TransferDeposit | CancelDeposit,
    payment: Payment,
    *,
    before: dict[str, object] | None,
    **told: object,
) -> None:
    """Write a payment's row and journal the change, with what is told beside it."""
    after = {**told, **columns(payment)}
    journal(book, command, "payment", payment.payment_id, before=before, after=after)
    book.touch(payment, (payment.lane, payment.payment_no))


def answer(book: Book, player_id: str, payment: Payment) -> PaymentAnswer:
    """Show a payment as it is now."""
    return PaymentAnswer(
        player_id=player_id,
        payment=replace(payment),
        currency=book.registry.currencies_by_no[payment.currency_no],
    )


def credited(
    book: Book, gate: Gate, payment: Payment, *, replayed: bool
) -> PaymentAnswer:
    """Show a transferred payment with the balance now."""
    shown = answer(book, gate.player_id, payment)
    shown.balance = book.balance(book.wallet(gate, payment.currency_no))
    shown.replayed = replayed
    return shown
