"""Serve ``cage.cashier.v1.CashierService``."""

from cage.app.cashier import CashierApp
from cage.cashier.v1 import cashier_pb2, cashier_service_pb2
from cage.core.payment import (
    AuthorizeDeposit,
    CancelDeposit,
    PaymentAnswer,
    TransferDeposit,
)
from cage.rpc.convert import fill_balance, fill_time, to_money
from cage.rpc.interceptor import Call
from cage.type.v1 import money_pb2


class CashierServicer:
    """Answer the rpcs of the cashier; the guard has judged key, role and form."""

    def __init__(self, app: CashierApp) -> None:
        self._app = app

    async def AuthorizeDeposit(
        self, request: cashier_service_pb2.AuthorizeDepositRequest, call: Call
    ) -> cashier_service_pb2.AuthorizeDepositResponse:
        """Ask whether a player may deposit."""
        command = AuthorizeDeposit(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            currency_code=request.amount.currency_code,
            amount=request.amount.amount,
            scale=scale_of(request.amount),
            payment_method=request.payment_method,
        )
        answer = await self._app.change(command, timeout_s=call.timeout_s)
        return cashier_service_pb2.AuthorizeDepositResponse(payment=to_payment(answer))

    async def TransferDeposit(
        self, request: cashier_service_pb2.TransferDepositRequest, call: Call
    ) -> cashier_service_pb2.TransferDepositResponse:
        """Credit a deposit that was taken."""
        command = TransferDeposit(
            key_id=call.key.key_id,
            player_id=request.player_id,
            payment_id=request.payment_id,
            currency_code=request.amount.currency_code,
            amount=request.amount.amount,
            scale=scale_of(request.amount),
            psp_reference=request.psp_reference,
        )
        answer = await self._app.change(command, timeout_s=call.timeout_s)
        return to_transfer(answer)

    async def CancelDeposit(
        self, request: cashier_service_pb2.CancelDepositRequest, call: Call
    ) -> cashier_service_pb2.CancelDepositResponse:
        """Give an authorized deposit up."""
        command = CancelDeposit(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            payment_id=request.payment_id,
            reason=request.reason,
        )
        answer = await self._app.change(command, timeout_s=call.timeout_s)
        return cashier_service_pb2.CancelDepositResponse(payment=to_payment(answer))

    async def GetPayment(
        self, request: cashier_service_pb2.GetPaymentRequest, call: Call
    ) -> cashier_service_pb2.GetPaymentResponse:
        """Read one payment."""
        answer = await self._app.get(
            call.key,
            player_id=request.player_id,
            payment_id=request.payment_id,
            timeout_s=call.timeout_s,
        )
        return cashier_service_pb2.GetPaymentResponse(payment=to_payment(answer))


def scale_of(money: money_pb2.Money) -> int:
    """Return the scale that was sent, -1 for none."""
    return money.scale if money.HasField("scale") else -1


def to_transfer(
    answer: PaymentAnswer,
) -> cashier_service_pb2.TransferDepositResponse:
    """Return a transferred payment with the balance now."""
    message = cashier_service_pb2.TransferDepositResponse(
        payment=to_payment(answer), replayed=answer.replayed
    )
    if answer.balance is not None:
        fill_balance(message.balance, answer.balance)
    return message


def to_payment(answer: PaymentAnswer) -> cashier_pb2.Payment:
    """Return a payment as the contract shows one."""
    payment = answer.payment
    message = cashier_pb2.Payment(
        payment_id=payment.payment_id,
        player_id=answer.player_id,
        kind=cashier_pb2.PAYMENT_KIND_DEPOSIT,
        state=cashier_pb2.PaymentState.ValueType(payment.state),
        amount=to_money(payment.amount, answer.currency),
        payment_method=payment.payment_method,
        psp_reference=payment.psp_reference,
    )
    fill_time(message.create_time, payment.create_time_us)
    fill_time(message.update_time, payment.update_time_us)
    return message
