"""Name every way in which a call fails.

The second level is what to do about it, the third is why. A server newer than
this client may send a reason without a class: that is a plain CageError, and its
``advice`` says what to do.

    CageError
    +-- UnknownOutcomeError       no detail: it may or may not have happened
    +-- InvalidRequestError       STOP_AND_REPORT
    |   +-- InvalidFieldError
    |   +-- ScaleMismatchError
    |   +-- AmountOutOfRangeError
    |   +-- PageTokenInvalidError
    |   +-- CursorInvalidError
    +-- CredentialError           STOP_AND_REPORT
    |   +-- KeyMissingError
    |   +-- KeyInvalidError
    |   +-- RoleNotAllowedError
    +-- NotFoundError             STOP_AND_REPORT
    |   +-- PlayerNotFoundError
    |   +-- GameNotFoundError
    |   +-- CurrencyNotFoundError
    |   +-- TransactionNotFoundError
    |   +-- RoundNotFoundError
    |   +-- OperatorNotFoundError
    |   +-- BrandNotFoundError
    |   +-- IntegrationNotFoundError
    |   +-- StudioNotFoundError
    |   +-- KeyNotFoundError
    |   +-- PaymentNotFoundError
    |   +-- LimitNotFoundError
    +-- RefusedError              DISCARD
    |   +-- LaunchTokenInvalidError
    |   +-- LaunchTokenExpiredError
    |   +-- SessionRequiredError
    |   +-- SessionNotFoundError
    |   +-- SessionExpiredError
    |   +-- SessionEndedError
    |   +-- CurrencyMismatchError
    |   +-- InsufficientFundsError
    |   +-- PlayerBlockedError
    |   +-- KycRequiredError
    |   +-- GameUnavailableError
    |   +-- MaintenanceError
    |   +-- StakeLimitError
    |   +-- LossLimitError
    |   +-- WagerLimitError
    |   +-- DepositLimitError
    |   +-- SessionTimeLimitError
    |   +-- RealityCheckDueError
    |   +-- LimitChangeNotDueError
    |   +-- RoundClosedError
    |   +-- AlreadyRolledBackError
    |   +-- FreeRoundsUnavailableError
    |   +-- ReserveReleasedError
    |   +-- ReserveExpiredError
    +-- ConflictError             STOP_AND_REPORT
    |   +-- BetNotFoundError
    |   +-- ReferenceMismatchError
    |   +-- AlreadySettledError
    |   +-- RollbackNotAllowedError
    |   +-- ReinstateNotAllowedError
    |   +-- TransactionMismatchError
    |   +-- RequestMismatchError
    |   +-- IdTakenError
    |   +-- PaymentStateError
    |   +-- BalanceOutOfRangeError
    |   +-- ReserveNotFoundError
    |   +-- ReserveExceededError
    +-- TryAgainError             RETRY_SAME_ID
        +-- OverloadedError
        +-- DeadlineTooShortError
        +-- ShuttingDownError
        +-- DatabaseUnavailableError
        +-- InternalError
"""

from collections.abc import Mapping

import grpc
from google.protobuf.message import Message

from cage.error.v1.error_detail_pb2 import (
    ADVICE_DISCARD,
    ADVICE_RETRY_SAME_ID,
    ADVICE_STOP_AND_REPORT,
    ADVICE_UNSPECIFIED,
    Advice,
)
from cage.type.v1.balance_pb2 import Balance


class CageError(Exception):
    """Report a failed call: why, what to do, and what the player may be told.

    ``code`` is the gRPC status; ``reason`` the name of an ErrorReason without its
    prefix, empty when there is none; ``metadata`` the variables that
    ``error_reason.proto`` documents for the reason; ``advice`` the one thing to do
    next; ``player_message`` a sentence for the player, often empty; ``balance`` the
    current balance where the refusal concerns money, else None; ``transaction_id``
    which of several transactions of one call was refused, often empty;
    ``retry_delay_s`` the server's wish in seconds, else None; ``request`` what was
    sent, with the id that a rollback has to name, None where it is not known.

    ``code``, ``reason`` and ``advice`` of a class are what the contract documents;
    an instance from the wire holds what the server sent.
    """

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    reason: str = ""
    advice: "Advice.ValueType" = ADVICE_UNSPECIFIED

    def __init__(
        self,
        message: str = "",
        *,
        code: grpc.StatusCode | None = None,
        reason: str | None = None,
        advice: "Advice.ValueType | None" = None,
        metadata: Mapping[str, str] | None = None,
        player_message: str = "",
        balance: Balance | None = None,
        transaction_id: str = "",
        retry_delay_s: float | None = None,
        request: Message | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.code if code is None else code
        self.reason = self.reason if reason is None else reason
        self.advice = self.advice if advice is None else advice
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.player_message = player_message
        self.balance = balance
        self.transaction_id = transaction_id
        self.retry_delay_s = retry_delay_s
        self.request = request

    def __str__(self) -> str:
        """Write reason, message and variables in one line."""
        variables = ", ".join(f"{key}={self.metadata[key]}" for key in self.metadata)
        text = f"{self.reason or self.code.name}: {self.message}"
        return f"{text} ({variables})" if variables else text


class UnknownOutcomeError(CageError):
    """Say that nobody knows whether the call took effect.

    The deadline passed, the connection broke, or something that is not Cage
    answered, and the retries are used up. Send the same id again; if a bet stays
    unanswered, roll it back; a win is repeated for ever.
    """

    code = grpc.StatusCode.UNKNOWN


class InvalidRequestError(CageError):
    """Report a request that no retry can mend; nothing is stored."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    advice = ADVICE_STOP_AND_REPORT


class InvalidFieldError(InvalidRequestError):
    """Say which ``field`` is missing or malformed, and the ``problem``."""

    reason = "INVALID_FIELD"


class ScaleMismatchError(InvalidRequestError):
    """Say that an amount cannot be written at the ``ledger_scale``."""

    reason = "SCALE_MISMATCH"


class AmountOutOfRangeError(InvalidRequestError):
    """Say that an amount is negative or leaves 64 bits."""

    reason = "AMOUNT_OUT_OF_RANGE"


class PageTokenInvalidError(InvalidRequestError):
    """Say that a page token is malformed or of another list."""

    reason = "PAGE_TOKEN_INVALID"


class CursorInvalidError(InvalidRequestError):
    """Say that a cursor is malformed or names a place that the journal has not."""

    reason = "CURSOR_INVALID"


class CredentialError(CageError):
    """Report the caller's own API key; it never concerns the player."""

    code = grpc.StatusCode.UNAUTHENTICATED
    advice = ADVICE_STOP_AND_REPORT


class KeyMissingError(CredentialError):
    """Say that the call carried no API key."""

    reason = "KEY_MISSING"


class KeyInvalidError(CredentialError):
    """Say that the API key is unknown, revoked or expired."""

    reason = "KEY_INVALID"


class RoleNotAllowedError(CredentialError):
    """Say that the ``role`` of the key may not call the ``method``."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = "ROLE_NOT_ALLOWED"


class NotFoundError(CageError):
    """Report an id that does not exist for this key."""

    code = grpc.StatusCode.NOT_FOUND
    advice = ADVICE_STOP_AND_REPORT


class PlayerNotFoundError(NotFoundError):
    """Say that no player of a granted operator has the id in ``player_id``."""

    reason = "PLAYER_NOT_FOUND"


class GameNotFoundError(NotFoundError):
    """Say that no game has the id in ``game_id``."""

    reason = "GAME_NOT_FOUND"


class CurrencyNotFoundError(NotFoundError):
    """Say that no currency of the deployment has the id in ``currency_code``."""

    reason = "CURRENCY_NOT_FOUND"


class TransactionNotFoundError(NotFoundError):
    """Say that no transaction has the id in ``transaction_id``."""

    reason = "TRANSACTION_NOT_FOUND"


class RoundNotFoundError(NotFoundError):
    """Say that no round of the player in the game has the id in ``round_id``."""

    reason = "ROUND_NOT_FOUND"


class OperatorNotFoundError(NotFoundError):
    """Say that no granted operator has the id in ``operator_id``."""

    reason = "OPERATOR_NOT_FOUND"


class BrandNotFoundError(NotFoundError):
    """Say that no brand of a granted operator has the id in ``brand_id``."""

    reason = "BRAND_NOT_FOUND"


class IntegrationNotFoundError(NotFoundError):
    """Say that no integration has the id in ``integration_id``."""

    reason = "INTEGRATION_NOT_FOUND"


class StudioNotFoundError(NotFoundError):
    """Say that no studio has the id in ``studio_id``."""

    reason = "STUDIO_NOT_FOUND"


class KeyNotFoundError(NotFoundError):
    """Say that no API key has the id in ``key_id``."""

    reason = "KEY_NOT_FOUND"


class PaymentNotFoundError(NotFoundError):
    """Say that no payment of the player has the id in ``payment_id``."""

    reason = "PAYMENT_NOT_FOUND"


class RefusedError(CageError):
    """Refuse a call by the rules of the game; drop it and tell the player."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    advice = ADVICE_DISCARD


class LaunchTokenInvalidError(RefusedError):
    """Say that the launch token is unknown."""

    reason = "LAUNCH_TOKEN_INVALID"


class LaunchTokenExpiredError(RefusedError):
    """Say that the game has to be opened again."""

    reason = "LAUNCH_TOKEN_EXPIRED"


class SessionRequiredError(RefusedError):
    """Say that the policy wants a session token on every bet."""

    reason = "SESSION_REQUIRED"


class SessionNotFoundError(RefusedError):
    """Say that the session token is unknown or of someone else."""

    reason = "SESSION_NOT_FOUND"


class SessionExpiredError(RefusedError):
    """Say that the session is past its expiry."""

    reason = "SESSION_EXPIRED"


class SessionEndedError(RefusedError):
    """Say that the session was ended."""

    reason = "SESSION_ENDED"


class CurrencyMismatchError(RefusedError):
    """Say that ``sent`` is not the ``expected`` currency."""

    reason = "CURRENCY_MISMATCH"


class InsufficientFundsError(RefusedError):
    """Say that ``balance`` does not cover the bet."""

    reason = "INSUFFICIENT_FUNDS"


class PlayerBlockedError(RefusedError):
    """Say that the ``status`` of the player does not allow it."""

    reason = "PLAYER_BLOCKED"


class KycRequiredError(RefusedError):
    """Say that the player has to be verified first."""

    reason = "KYC_REQUIRED"


class GameUnavailableError(RefusedError):
    """Say that a kill switch is off, and ``by`` whom."""

    reason = "GAME_UNAVAILABLE"


class MaintenanceError(RefusedError):
    """Say that something is in maintenance for now, and ``by`` whom."""

    reason = "MAINTENANCE"


class RoundClosedError(RefusedError):
    """Say that the round takes no more bets."""

    reason = "ROUND_CLOSED"


class AlreadyRolledBackError(RefusedError):
    """Say that the bet was rolled back, perhaps before it came."""

    reason = "ALREADY_ROLLED_BACK"


class FreeRoundsUnavailableError(RefusedError):
    """Say that the campaign is unknown, used up or over."""

    reason = "FREE_ROUNDS_UNAVAILABLE"


class ConflictError(CageError):
    """Report a call that contradicts what is already in the books."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    advice = ADVICE_STOP_AND_REPORT


class BetNotFoundError(ConflictError):
    """Say that a win names a bet or round without a bet."""

    reason = "BET_NOT_FOUND"


class ReferenceMismatchError(ConflictError):
    """Say in which ``field`` the referenced transaction differs."""

    reason = "REFERENCE_MISMATCH"


class AlreadySettledError(ConflictError):
    """Say that the bet to be rolled back is settled."""

    reason = "ALREADY_SETTLED"


class RollbackNotAllowedError(ConflictError):
    """Say that the original is of a kind that is not rolled back."""

    reason = "ROLLBACK_NOT_ALLOWED"


class ReinstateNotAllowedError(ConflictError):
    """Say that the rollback moved nothing that could be reinstated."""

    reason = "REINSTATE_NOT_ALLOWED"


class TransactionMismatchError(ConflictError):
    """Say in which ``field`` a used transaction id differs."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = "TRANSACTION_MISMATCH"


class RequestMismatchError(ConflictError):
    """Say that a request id was used for something else."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = "REQUEST_MISMATCH"


class IdTakenError(ConflictError):
    """Say that the ``id`` chosen for a new ``noun`` is in use."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = "ID_TAKEN"


class PaymentStateError(ConflictError):
    """Say that the ``state`` of the payment does not allow the call."""

    reason = "PAYMENT_STATE"


class BalanceOutOfRangeError(ConflictError):
    """Say that a balance would leave 64 bits."""

    reason = "BALANCE_OUT_OF_RANGE"


class TryAgainError(CageError):
    """Ask for the same call again; raised once the retries are used up."""

    code = grpc.StatusCode.UNAVAILABLE
    advice = ADVICE_RETRY_SAME_ID


class OverloadedError(TryAgainError):
    """Say that the server sheds load; this attempt was not started."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"


class DeadlineTooShortError(TryAgainError):
    """Say that the deadline left no time to start."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_TOO_SHORT"


class ShuttingDownError(TryAgainError):
    """Say that the server drains; this attempt was not started."""

    reason = "SHUTTING_DOWN"


class DatabaseUnavailableError(TryAgainError):
    """Say that the database cannot be used; the outcome may be unknown."""

    reason = "DATABASE_UNAVAILABLE"


class InternalError(TryAgainError):
    """Say that the server failed; the outcome may be unknown."""

    code = grpc.StatusCode.INTERNAL
    reason = "INTERNAL"
