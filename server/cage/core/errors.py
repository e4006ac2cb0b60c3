"""Name every way in which a call is refused.

The root is CageError. A refusal is data: a reason, the variables of that reason
and, for money, the balance that led to it. ``rpc/status.py`` maps reasons to
gRPC codes and advice in one table; ``error_reason.proto`` documents them.
"""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Every value of ``cage.error.v1.ErrorReason``, without its prefix."""

    INVALID_FIELD = "INVALID_FIELD"
    SCALE_MISMATCH = "SCALE_MISMATCH"
    AMOUNT_OUT_OF_RANGE = "AMOUNT_OUT_OF_RANGE"
    KEY_MISSING = "KEY_MISSING"
    KEY_INVALID = "KEY_INVALID"
    ROLE_NOT_ALLOWED = "ROLE_NOT_ALLOWED"
    PLAYER_NOT_FOUND = "PLAYER_NOT_FOUND"
    GAME_NOT_FOUND = "GAME_NOT_FOUND"
    CURRENCY_NOT_FOUND = "CURRENCY_NOT_FOUND"
    TRANSACTION_NOT_FOUND = "TRANSACTION_NOT_FOUND"
    ROUND_NOT_FOUND = "ROUND_NOT_FOUND"
    OPERATOR_NOT_FOUND = "OPERATOR_NOT_FOUND"
    BRAND_NOT_FOUND = "BRAND_NOT_FOUND"
    INTEGRATION_NOT_FOUND = "INTEGRATION_NOT_FOUND"
    STUDIO_NOT_FOUND = "STUDIO_NOT_FOUND"
    KEY_NOT_FOUND = "KEY_NOT_FOUND"
    PAYMENT_NOT_FOUND = "PAYMENT_NOT_FOUND"
    LAUNCH_TOKEN_INVALID = "LAUNCH_TOKEN_INVALID"
    LAUNCH_TOKEN_EXPIRED = "LAUNCH_TOKEN_EXPIRED"
    SESSION_REQUIRED = "SESSION_REQUIRED"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    SESSION_EXPIRED = "SESSION_EXPIRED"
    SESSION_ENDED = "SESSION_ENDED"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    PLAYER_BLOCKED = "PLAYER_BLOCKED"
    KYC_REQUIRED = "KYC_REQUIRED"
    GAME_UNAVAILABLE = "GAME_UNAVAILABLE"
    ROUND_CLOSED = "ROUND_CLOSED"
    BET_NOT_FOUND = "BET_NOT_FOUND"
    REFERENCE_MISMATCH = "REFERENCE_MISMATCH"
    ALREADY_ROLLED_BACK = "ALREADY_ROLLED_BACK"
    ALREADY_SETTLED = "ALREADY_SETTLED"
    ROLLBACK_NOT_ALLOWED = "ROLLBACK_NOT_ALLOWED"
    FREE_ROUNDS_UNAVAILABLE = "FREE_ROUNDS_UNAVAILABLE"
    TRANSACTION_MISMATCH = "TRANSACTION_MISMATCH"
    REQUEST_MISMATCH = "REQUEST_MISMATCH"
    ID_TAKEN = "ID_TAKEN"
    PAYMENT_STATE = "PAYMENT_STATE"
    BALANCE_OUT_OF_RANGE = "BALANCE_OUT_OF_RANGE"
    OVERLOADED = "OVERLOADED"
    DEADLINE_TOO_SHORT = "DEADLINE_TOO_SHORT"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    CURSOR_INVALID = "CURSOR_INVALID"
    INTERNAL = "INTERNAL"
    MAINTENANCE = "MAINTENANCE"
    STAKE_LIMIT = "STAKE_LIMIT"
    LOSS_LIMIT = "LOSS_LIMIT"
    WAGER_LIMIT = "WAGER_LIMIT"
    DEPOSIT_LIMIT = "DEPOSIT_LIMIT"
    SESSION_TIME_LIMIT = "SESSION_TIME_LIMIT"
    REALITY_CHECK_DUE = "REALITY_CHECK_DUE"
    LIMIT_NOT_FOUND = "LIMIT_NOT_FOUND"
    LIMIT_CHANGE_NOT_DUE = "LIMIT_CHANGE_NOT_DUE"
    RESERVE_NOT_FOUND = "RESERVE_NOT_FOUND"
    RESERVE_EXCEEDED = "RESERVE_EXCEEDED"
    RESERVE_RELEASED = "RESERVE_RELEASED"
    RESERVE_EXPIRED = "RESERVE_EXPIRED"
    REINSTATE_NOT_ALLOWED = "REINSTATE_NOT_ALLOWED"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"


# The refusals that carry the balance, a retry of a refused bet too.
MONEY_REASONS = frozenset(
    {
        Reason.INSUFFICIENT_FUNDS,
        Reason.ROUND_CLOSED,
        Reason.STAKE_LIMIT,
        Reason.LOSS_LIMIT,
        Reason.WAGER_LIMIT,
    }
)


class CageError(Exception):
    """Refuse a call: the reason, its variables and, for money, the balance.

    ``metadata`` holds the variables that ``error_reason.proto`` names for the
    reason. ``balance`` is a ``core.wallet.Balance`` or None. ``language_code`` is the
    player's, once it is known who was refused. ``transaction_id`` says which of several
    transactions of one call was refused; empty where there was one.
    """

    def __init__(
        self, reason: Reason, /, *, balance: object = None, **metadata: str
    ) -> None:
        super().__init__(reason, metadata)
        self.reason = reason
        self.metadata: Mapping[str, str] = metadata
        self.balance = balance
        self.language_code = ""
        self.transaction_id = ""

    def __str__(self) -> str:
        pairs = " ".join(f"{key}={value}" for key, value in self.metadata.items())
        return f"{self.reason} {pairs}".rstrip()


def invalid_field(field: str, problem: str) -> CageError:
    """Refuse a field that is missing, malformed or out of its range."""
    return CageError(Reason.INVALID_FIELD, field=field, problem=problem)
