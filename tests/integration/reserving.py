"""Build the requests of two-phase bets and adjustments of a player."""

from typing import Any

from cage.client import money, requests
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1 import wallet_service_pb2 as pb


class Reserving:
    """Say in few words what a player's studio sends; what is left out is what fits."""

    player_id: str
    currency: str

    def money(self, amount: str | Money) -> Money:
        """Build an amount in the currency of the account."""
        raise NotImplementedError

    def _call(self, round_id: str, more: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def adjust(
        self,
        delta: str | Money,
        *references: str,
        id_: str | None = None,
        round_id: str = "round",
        **more: Any,
    ) -> pb.AdjustRequest:
        """Build an adjustment of what was posted under some ids."""
        call = {
            "delta": self.money(delta)
            if isinstance(delta, Money)
            else money(self.currency, delta, signed=True),
            "transaction_id": id_,
            "references": references,
            **more,
        }
        return requests.adjust(**self._call(round_id, call))

    def reserve(
        self,
        amount: str | Money,
        id_: str | None = None,
        round_id: str = "round",
        **more: Any,
    ) -> pb.ReserveRequest:
        """Build a reserve."""
        call = {"amount": self.money(amount), "transaction_id": id_, **more}
        return requests.reserve(**self._call(round_id, call))

    def capture(
        self,
        amount: str | Money,
        reserve: str,
        id_: str | None = None,
        round_id: str = "round",
        **more: Any,
    ) -> pb.CaptureRequest:
        """Build a capture."""
        call = {
            "amount": self.money(amount),
            "transaction_id": id_,
            "reserve_transaction_id": reserve,
            **more,
        }
        return requests.capture(**self._call(round_id, call))

    def release(
        self, reserve: str, id_: str | None = None, **more: Any
    ) -> pb.ReleaseRequest:
        """Build a release."""
        return requests.release(
            player_id=self.player_id,
            reserve_transaction_id=reserve,
            transaction_id=id_,
            **more,
        )
