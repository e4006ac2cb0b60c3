"""Hold payments, money between a player and the world outside, and the commands.

``deposit.py`` decides the commands.
"""

from dataclasses import dataclass
from enum import IntEnum

from cage.core.ids import parse_public_id, public_id
from cage.core.registry import Currency
from cage.core.wallet import Balance


class PaymentState(IntEnum):
    """How far a payment is; numbers as in ``cage.cashier.v1.PaymentState``."""

    AUTHORIZED = 1
    SUCCESSFUL = 2
    CANCELLED = 3


@dataclass(slots=True)
class Payment:
    """Hold one deposit. ``amount`` is the transferred one once SUCCESSFUL.

    ``counted`` is what it counts against limits now, as JSON; empty for nothing.
    """

    lane: int
    payment_no: int
    player_no: int
    currency_no: int
    state: int
    amount: int
    payment_method: str
    psp_reference: str
    create_time_us: int
    update_time_us: int
    counted: str = ""

    @property
    def payment_id(self) -> str:
        """Return the public id, which leads back to the row."""
        return public_id(self.create_time_us, self.lane, self.payment_no)


@dataclass(slots=True, kw_only=True)
class AuthorizeDeposit:
    """Ask whether a player may deposit. ``scale`` is -1 when none was sent."""

    key_id: str
    request_id: str
    player_id: str
    currency_code: str
    amount: int
    scale: int
    payment_method: str


@dataclass(slots=True, kw_only=True)
class TransferDeposit:
    """Credit a deposit that was taken; the payment is its own idempotency key."""

    key_id: str
    player_id: str
    payment_id: str
    currency_code: str
    amount: int
    scale: int
    psp_reference: str


@dataclass(slots=True, kw_only=True)
class CancelDeposit:
    """Give an authorized deposit up. ``reason`` is for the audit."""

    key_id: str
    request_id: str
    player_id: str
    payment_id: str
    reason: str


@dataclass(slots=True, kw_only=True)
class PaymentAnswer:
    """Show a payment at one instant; the balance after a transfer only."""

    player_id: str
    payment: Payment
    currency: Currency
    balance: Balance | None = None
    replayed: bool = False


def payment_no_of(payment_id: str, lane: int) -> int:
    """Return the number in the id of a payment of a lane, 0 when it is of none."""
    place = parse_public_id(payment_id)
    return place[1] if place is not None and place[0] == lane else 0
