"""Run the use cases of the cashier: deposits and their reads."""

from cage.app.ports import Reads, Writer
from cage.app.submit import read_registry, submit
from cage.core.deposit import owns
from cage.core.errors import CageError, Reason
from cage.core.ids import lane_of
from cage.core.payment import (
    AuthorizeDeposit,
    CancelDeposit,
    PaymentAnswer,
    TransferDeposit,
    payment_no_of,
)
from cage.core.registry import ApiKey


class CashierApp:
    """Offer the use cases of the cashier over a writer and reads."""

    def __init__(self, *, writer: Writer, reads: Reads) -> None:
        self._writer = writer
        self._reads = reads

    async def change(
        self,
        command: AuthorizeDeposit | TransferDeposit | CancelDeposit,
        *,
        timeout_s: float | None,
    ) -> PaymentAnswer:
        """Authorize, transfer or cancel a deposit."""
        lane = lane_of(command.player_id, self._writer.lanes)
        return await submit(
            self._writer, lane, command, PaymentAnswer, timeout_s=timeout_s
        )

    async def get(
        self, key: ApiKey, *, player_id: str, payment_id: str, timeout_s: float | None
    ) -> PaymentAnswer:
        """Read one payment of a player that the key sees.

        Raises PLAYER_NOT_FOUND or PAYMENT_NOT_FOUND.
        """
        found = await self._reads.player(player_id)
        if found is None:
            raise CageError(Reason.PLAYER_NOT_FOUND, player_id=player_id)
        gate = found.gate
        payment = await self._reads.payment(
            gate.lane, payment_no_of(payment_id, gate.lane)
        )
        # Read last, so that it knows everything that the rows refer to.
        registry = await read_registry(self._writer, key, timeout_s=timeout_s)
        if not key.sees(registry.brands_by_no[gate.brand_no].operator_no):
            raise CageError(Reason.PLAYER_NOT_FOUND, player_id=player_id)
        if payment is None or not owns(gate, payment, payment_id):
            raise CageError(Reason.PAYMENT_NOT_FOUND, payment_id=payment_id)
        return PaymentAnswer(
            player_id=player_id,
            payment=payment,
            currency=registry.currencies_by_no[payment.currency_no],
        )
