"""Map refusals to gRPC: one table from Reason to code, advice and words.

Every error carries one google.rpc.ErrorInfo, one ErrorDetail and, where waiting
helps, one RetryInfo. ``error_reason.proto`` documents code and advice of each
reason; a test compares it with this table. What is no CageError answers INTERNAL
without any text of the cause.
"""

import functools
from collections import defaultdict
from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from cage.core.errors import CageError, Reason
from cage.core.wallet import Balance
from cage.error.v1 import error_detail_pb2
from cage.rpc.convert import fill_balance
from cage.rpc.message import language_of, player_message

DOMAIN = "cage"
# The metadata key in which gRPC libraries look for a google.rpc.Status.
DETAILS_KEY = "grpc-status-details-bin"

_Code = grpc.StatusCode
_DISCARD = error_detail_pb2.ADVICE_DISCARD
_RETRY = error_detail_pb2.ADVICE_RETRY_SAME_ID
_STOP = error_detail_pb2.ADVICE_STOP_AND_REPORT


@dataclass(frozen=True, slots=True)
class Answer:
    """Say how one reason is answered.

    ``text`` is for engineers and may name variables of the reason's metadata; what
    players read is in ``message.py``. ``retry_ms`` is the delay of RetryInfo, 0 for
    none.
    """

    code: grpc.StatusCode
    advice: error_detail_pb2.Advice.ValueType
    text: str
    retry_ms: int = 0


ANSWERS = {
    Reason.INVALID_FIELD: Answer(_Code.INVALID_ARGUMENT, _STOP, "{field}: {problem}"),
    Reason.SCALE_MISMATCH: Answer(
        _Code.INVALID_ARGUMENT,
        _STOP,
        "{field}: scale {sent_scale} does not fit {currency_code}, which the ledger"
        " keeps at scale {ledger_scale}",
    ),
    Reason.AMOUNT_OUT_OF_RANGE: Answer(
        _Code.INVALID_ARGUMENT, _STOP, "{field}: {problem}"
    ),
    Reason.KEY_MISSING: Answer(
        _Code.UNAUTHENTICATED, _STOP, 'send metadata "authorization: Bearer KEY"'
    ),
    Reason.KEY_INVALID: Answer(
        _Code.UNAUTHENTICATED, _STOP, "the API key is unknown, revoked or expired"
    ),
    Reason.ROLE_NOT_ALLOWED: Answer(
        _Code.PERMISSION_DENIED, _STOP, "role {role} may not call {method}"
    ),
    Reason.PLAYER_NOT_FOUND: Answer(
        _Code.NOT_FOUND, _STOP, "no player {player_id} for this key"
    ),
    Reason.GAME_NOT_FOUND: Answer(_Code.NOT_FOUND, _STOP, "no game {game_id}"),
    Reason.CURRENCY_NOT_FOUND: Answer(
        _Code.NOT_FOUND, _STOP, "no currency {currency_code}"
    ),
    Reason.TRANSACTION_NOT_FOUND: Answer(
        _Code.NOT_FOUND, _STOP, "no transaction {transaction_id} for this key"
    ),
    Reason.ROUND_NOT_FOUND: Answer(_Code.NOT_FOUND, _STOP, "no round {round_id}"),
    Reason.OPERATOR_NOT_FOUND: Answer(
        _Code.NOT_FOUND, _STOP, "no operator {operator_id} for this key"
    ),
    Reason.BRAND_NOT_FOUND: Answer(
        _Code.NOT_FOUND, _STOP, "no brand {brand_id} for this key"
    ),
    Reason.INTEGRATION_NOT_FOUND: Answer(
        _Code.NOT_FOUND, _STOP, "no integration {integration_id}"
    ),
    Reason.STUDIO_NOT_FOUND: Answer(_Code.NOT_FOUND, _STOP, "no studio {studio_id}"),
    Reason.KEY_NOT_FOUND: Answer(_Code.NOT_FOUND, _STOP, "no API key {key_id}"),
    Reason.PAYMENT_NOT_FOUND: Answer(
        _Code.NOT_FOUND, _STOP, "no payment {payment_id} of this player"
    ),
    Reason.LAUNCH_TOKEN_INVALID: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the launch token is unknown to this key",
    ),
    Reason.LAUNCH_TOKEN_EXPIRED: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the launch token is past its life",
    ),
    Reason.SESSION_REQUIRED: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the integration's policy wants a session token on every bet",
    ),
    Reason.SESSION_NOT_FOUND: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the session token is unknown, or is of another player, game or currency",
    ),
    Reason.SESSION_EXPIRED: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the session is past its expiry",
    ),
    Reason.SESSION_ENDED: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the session was ended",
    ),
    Reason.CURRENCY_MISMATCH: Answer(
        _Code.FAILED_PRECONDITION, _DISCARD, "{sent} was sent where {expected} fits"
    ),
    Reason.INSUFFICIENT_FUNDS: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the playable balance does not cover the bet",
    ),
    Reason.PLAYER_BLOCKED: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the player's status is {status}",
    ),
    Reason.KYC_REQUIRED: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the player has to be verified first",
    ),
    Reason.GAME_UNAVAILABLE: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "game {game_id} is switched off by its {by}",
    ),
    Reason.MAINTENANCE: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "game {game_id} is in maintenance by its {by}",
    ),
    Reason.STAKE_LIMIT: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "a stake of more than {limit} is not allowed",
    ),
    Reason.LOSS_LIMIT: Answer(
        _Code.FAILED_PRECONDITION, _DISCARD, "the {period} loss limit is {limit}"
    ),
    Reason.WAGER_LIMIT: Answer(
        _Code.FAILED_PRECONDITION, _DISCARD, "the {period} wager limit is {limit}"
    ),
    Reason.DEPOSIT_LIMIT: Answer(
        _Code.FAILED_PRECONDITION, _DISCARD, "the {period} deposit limit is {limit}"
    ),
    Reason.SESSION_TIME_LIMIT: Answer(
        _Code.FAILED_PRECONDITION, _DISCARD, "the {period} time limit is {limit}"
    ),
    Reason.REALITY_CHECK_DUE: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the player has to confirm a reality check first",
    ),
    Reason.ROUND_CLOSED: Answer(
        _Code.FAILED_PRECONDITION, _DISCARD, "the round takes no more bets"
    ),
    Reason.BET_NOT_FOUND: Answer(
        _Code.FAILED_PRECONDITION, _STOP, "the player has no such bet to be won"
    ),
    Reason.REFERENCE_MISMATCH: Answer(
        _Code.FAILED_PRECONDITION,
        _STOP,
        "the referenced transaction differs in {field}",
    ),
    Reason.ALREADY_ROLLED_BACK: Answer(
        _Code.FAILED_PRECONDITION, _DISCARD, "the bet was rolled back"
    ),
    Reason.ALREADY_SETTLED: Answer(
        _Code.FAILED_PRECONDITION, _STOP, "the bet was settled"
    ),
    Reason.ROLLBACK_NOT_ALLOWED: Answer(
        _Code.FAILED_PRECONDITION, _STOP, "a transaction of this kind stays"
    ),
    Reason.FREE_ROUNDS_UNAVAILABLE: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the player has no free rounds of campaign {campaign_id}",
    ),
    Reason.TRANSACTION_MISMATCH: Answer(
        _Code.ALREADY_EXISTS,
        _STOP,
        "transaction {transaction_id} was sent before with another {field}",
    ),
    Reason.REQUEST_MISMATCH: Answer(
        _Code.ALREADY_EXISTS,
        _STOP,
        "request {request_id} was sent before with other content",
    ),
    Reason.ID_TAKEN: Answer(_Code.ALREADY_EXISTS, _STOP, "{noun} {id} exists"),
    Reason.PAYMENT_STATE: Answer(
        _Code.FAILED_PRECONDITION, _STOP, "the payment is {state}"
    ),
    Reason.BALANCE_OUT_OF_RANGE: Answer(
        _Code.FAILED_PRECONDITION, _STOP, "a balance would leave 64 bits"
    ),
    Reason.OVERLOADED: Answer(
        _Code.RESOURCE_EXHAUSTED, _RETRY, "too much waits already", retry_ms=100
    ),
    Reason.DEADLINE_TOO_SHORT: Answer(
        _Code.DEADLINE_EXCEEDED, _RETRY, "refused before it started: no time is left"
    ),
    Reason.SHUTTING_DOWN: Answer(
        _Code.UNAVAILABLE, _RETRY, "the server takes no new calls", retry_ms=1_000
    ),
    Reason.DATABASE_UNAVAILABLE: Answer(
        _Code.UNAVAILABLE, _RETRY, "the database cannot be used now", retry_ms=1_000
    ),
    Reason.PAGE_TOKEN_INVALID: Answer(
        _Code.INVALID_ARGUMENT,
        _STOP,
        "the page token is malformed or comes from a list with other filters",
    ),
    Reason.CURSOR_INVALID: Answer(
        _Code.INVALID_ARGUMENT,
        _STOP,
        "the cursor is malformed or names a place that this journal does not have",
    ),
    Reason.INTERNAL: Answer(
        _Code.INTERNAL, _RETRY, "the server failed; its log says why"
    ),
    Reason.LIMIT_NOT_FOUND: Answer(
        _Code.NOT_FOUND,
        _STOP,
        "no {origin} limit {kind} by {period} in {currency_code}, or none waits",
    ),
    Reason.LIMIT_CHANGE_NOT_DUE: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the looser limit waits until {due_time}",
    ),
    Reason.RESERVE_NOT_FOUND: Answer(
        _Code.FAILED_PRECONDITION, _STOP, "the player has no such reserve"
    ),
    Reason.RESERVE_EXCEEDED: Answer(
        _Code.FAILED_PRECONDITION, _STOP, "only {left} is left of the reserve"
    ),
    Reason.RESERVE_RELEASED: Answer(
        _Code.FAILED_PRECONDITION, _DISCARD, "the reserve was released"
    ),
    Reason.RESERVE_EXPIRED: Answer(
        _Code.FAILED_PRECONDITION,
        _DISCARD,
        "the reserve's life was over and it was released",
    ),
    Reason.REINSTATE_NOT_ALLOWED: Answer(
        _Code.FAILED_PRECONDITION, _STOP, "the rollback moved nothing"
    ),
}


def to_status(error: CageError) -> status_pb2.Status:
    """Return what a refusal says, with all of its details. Not to be changed.

    Refusals without variables are built once: overload must be cheap to answer.
    """
    if error.metadata or error.balance is not None or error.transaction_id:
        return _build_status(error)
    return _plain_status(error.reason, language_of(error.language_code))


def to_trailers(error: CageError) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing metadata in which clients find the status of a refusal."""
    return ((DETAILS_KEY, to_status(error).SerializeToString()),)


@functools.cache
def _plain_status(reason: Reason, language: str) -> status_pb2.Status:
    plain = CageError(reason)
    plain.language_code = language
    return _build_status(plain)


def _build_status(error: CageError) -> status_pb2.Status:
    answer = ANSWERS[error.reason]
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=error.reason.value, domain=DOMAIN, metadata=error.metadata
        ),
        _error_detail(answer, error),
    ]
    if answer.retry_ms:
        delay = duration_pb2.Duration(
            seconds=answer.retry_ms // 1_000, nanos=answer.retry_ms % 1_000 * 1_000_000
        )
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(
        code=answer.code.value[0],
        # A variable that is missing must not turn a refusal into a failure.
        message=answer.text.format_map(defaultdict(lambda: "?", error.metadata)),
        details=[_pack(detail) for detail in details],
    )


def _error_detail(answer: Answer, error: CageError) -> error_detail_pb2.ErrorDetail:
    detail = error_detail_pb2.ErrorDetail(
        advice=answer.advice,
        player_message=player_message(
            error.reason.value, error.metadata, error.language_code
        ),
        transaction_id=error.transaction_id,
    )
    if isinstance(error.balance, Balance):
        fill_balance(detail.balance, error.balance)
    return detail


def _pack(message: Message) -> any_pb2.Any:
    return any_pb2.Any(
        type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name}",
        value=message.SerializeToString(),
    )
