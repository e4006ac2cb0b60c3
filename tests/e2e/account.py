"""Open accounts as an operator does, and remember what was answered."""

from dataclasses import dataclass, field

from tests.e2e.story import euro

from cage.client import Client
from cage.player.v1.kyc_service_pb2 import VerificationMethod


@dataclass(slots=True, kw_only=True)
class Account:
    """Hold one account: what is asked for under fixed ids, and the answers so far."""

    name: str
    deposit: int
    answers: dict[str, str] = field(default_factory=dict)
    cash: int = 0

    async def open(self, operator: Client) -> None:
        """Register, verify and fund the player; a repetition has to answer the same."""
        registered = await operator.players.register_player(
            brand_id="demo-casino",
            country_code="MT",
            jurisdiction="MT",
            currency_code="EUR",
            display_name=self.name,
            request_id=f"{self.name}-register",
        )
        player_id = self._answered("player", registered.player.player_id)
        await operator.kyc.record_verification(
            player_id=player_id,
            method=VerificationMethod.VERIFICATION_METHOD_DOCUMENT,
            reference=self.name,
            level=1,
            request_id=f"{self.name}-verify",
        )
        authorized = await operator.cashier.authorize_deposit(
            player_id=player_id,
            amount=euro(self.deposit),
            payment_method="card",
            request_id=f"{self.name}-deposit",
        )
        payment_id = self._answered("payment", authorized.payment.payment_id)
        transferred = await operator.cashier.transfer_deposit(
            player_id=player_id,
            payment_id=payment_id,
            amount=euro(self.deposit),
            psp_reference=self.name,
        )
        self._answered("transfer", str(transferred.payment.update_time))
        self.cash = transferred.balance.cash

    def _answered(self, name: str, answer: str) -> str:
        """Keep the first answer; hold every later one against it."""
        first = self.answers.setdefault(name, answer)

        assert answer == first, f"{self.name}: {name}"

        return first
