"""Call CashierService: money between a wallet and the world outside."""

from cage.cashier.v1.cashier_service_pb2 import (
    AuthorizeDepositRequest,
    AuthorizeDepositResponse,
    CancelDepositRequest,
    CancelDepositResponse,
    GetPaymentRequest,
    GetPaymentResponse,
    TransferDepositRequest,
    TransferDepositResponse,
)
from cage.client._channel import Caller
from cage.client._ids import new_id
from cage.type.v1.money_pb2 import Money


class Cashier:
    """Call CashierService with a key of role OPERATOR."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def authorize_deposit(
        self,
        *,
        player_id: str,
        amount: Money,
        payment_method: str,
        request_id: str | None = None,
    ) -> AuthorizeDepositResponse:
        """Ask whether a player may deposit, before the payment provider takes money.

        Raises PlayerNotFoundError, CurrencyNotFoundError, CurrencyMismatchError,
        ScaleMismatchError, AmountOutOfRangeError, PlayerBlockedError,
        KycRequiredError, RequestMismatchError.
        """
        request = AuthorizeDepositRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            amount=amount,
            payment_method=payment_method,
        )
        return await self._caller.call(request, AuthorizeDepositResponse)

    async def transfer_deposit(
        self, *, player_id: str, payment_id: str, amount: Money, psp_reference: str
    ) -> TransferDepositResponse:
        """Credit a deposit that the payment provider has taken.

        The payment is its own idempotency key. Repeat it until it is answered.

        Raises PlayerNotFoundError, PaymentNotFoundError, CurrencyMismatchError,
        ScaleMismatchError, AmountOutOfRangeError, PaymentStateError,
        RequestMismatchError, BalanceOutOfRangeError.
        """
        request = TransferDepositRequest(
            player_id=player_id,
            payment_id=payment_id,
            amount=amount,
            psp_reference=psp_reference,
        )
        return await self._caller.call(request, TransferDepositResponse)

    async def cancel_deposit(
        self,
        *,
        player_id: str,
        payment_id: str,
        reason: str,
        request_id: str | None = None,
    ) -> CancelDepositResponse:
        """Give an authorized deposit up; no money moves.

        ``reason`` is for the audit, 1 to 1,024 characters.

        Raises PlayerNotFoundError, PaymentNotFoundError, PaymentStateError,
        RequestMismatchError.
        """
        request = CancelDepositRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            payment_id=payment_id,
            reason=reason,
        )
        return await self._caller.call(request, CancelDepositResponse)

    async def get_payment(
        self, *, player_id: str, payment_id: str
    ) -> GetPaymentResponse:
        """Read one payment.

        Raises PlayerNotFoundError, PaymentNotFoundError.
        """
        request = GetPaymentRequest(player_id=player_id, payment_id=payment_id)
        return await self._caller.call(request, GetPaymentResponse)
