"""Hold reservations, money set aside for a bet, and the commands about them.

``reserve.py`` decides the commands. A release is the rollback of a reserve, so its
command is a ``Rollback`` that ``releases``.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from cage.core.wallet import BetKind, Transaction


class ReservationState(IntEnum):
    """How far a reservation is; only what is OPEN expires."""

    OPEN = 1
    CAPTURED = 2
    RELEASED = 3
    EXPIRED = 4


@dataclass(slots=True)
class Reservation:
    """Hold what became of the money of one reserve.

    ``reserve_no`` is the item number of the Reserve, ``release_no`` that of what gave
    the rest back, 0 before. Captured and released are at most the amount, in units of
    the ledger scale. ``capture_count`` counts captures of zero too.
    """

    lane: int
    reserve_no: int
    player_no: int
    currency_no: int
    amount: int
    captured: int
    released: int
    capture_count: int
    state: int
    release_no: int
    expire_time_us: int

    @property
    def left(self) -> int:
        """Return what may still be captured, or goes back."""
        return self.amount - self.captured - self.released


@dataclass(slots=True, kw_only=True)
class Reserve:
    """Set a stake aside. ``life_us`` is 0 when the rules say how long.

    It is judged as a bet is, so it has what a judge of bets asks for.
    """

    key_id: str
    player_id: str
    game_id: str
    round_id: str
    transaction_id: str
    currency_code: str
    amount: int
    scale: int
    session_digest: str = ""
    life_us: int = 0
    extra: dict[str, object] | None = None

    kind: ClassVar[BetKind] = BetKind.STAKE
    campaign_id: ClassVar[str] = ""
    round_closed: ClassVar[bool] = False


@dataclass(slots=True, kw_only=True)
class Capture:
    """Take a part of a reserve as the stake of its round."""

    key_id: str
    player_id: str
    game_id: str
    round_id: str
    transaction_id: str
    reserve_transaction_id: str
    currency_code: str
    amount: int
    scale: int
    round_closed: bool = False
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class ExpireReserve:
    """Give the rest of a reserve back once its life is over. Nobody calls it."""

    player_id: str
    reserve_no: int


def split_captured(reserve: Transaction, total: int) -> tuple[int, int]:
    """Split what was captured in all, cash and bonus, as its reserve was split.

    Bonus is rounded down and cash takes the rest. Both grow with ``total``, and the
    whole amount gives the split of the reserve itself.
    """
    bonus = total * -reserve.bonus // reserve.amount if reserve.amount else 0
    return total - bonus, bonus
