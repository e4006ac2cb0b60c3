"""Turn what the wire says about a failure into a typed error, and back.

An error of Cage carries google.rpc.Status with one ErrorInfo, one ErrorDetail and
perhaps a RetryInfo: unary calls and whole streams in the trailing metadata
``grpc-status-details-bin``, items of a stream or a batch in their result. Whatever
has no ErrorDetail does not come from Cage, and its outcome is unknown.
"""

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from cage.client import _errors, _limit_errors, _reserve_errors
from cage.client._errors import CageError, UnknownOutcomeError
from cage.error.v1.error_detail_pb2 import ADVICE_UNSPECIFIED, ErrorDetail

DETAILS_KEY = "grpc-status-details-bin"
_DOMAIN = "cage"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _leaves() -> dict[str, type[CageError]]:
    found = vars(_errors) | vars(_limit_errors) | vars(_reserve_errors)
    classes = [value for value in found.values() if isinstance(value, type)]
    return {c.reason: c for c in classes if issubclass(c, CageError) and c.reason}


ERRORS_BY_REASON = _leaves()
"""The class of each business reason, by the name of the reason."""


def error_from_call(
    failure: grpc.aio.AioRpcError, request: Message | None = None
) -> CageError:
    """Build the typed error of a failed call or stream."""
    for key, value in failure.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                break
            return error_from_status(status, request, code=failure.code())
    return UnknownOutcomeError(
        failure.details() or "", code=failure.code(), request=request
    )


def error_from_status(
    status: status_pb2.Status,
    request: Message | None = None,
    *,
    code: grpc.StatusCode | None = None,
) -> CageError:
    """Build the typed error of one item, or of a call that failed with ``code``."""
    info, detail = error_details_pb2.ErrorInfo(), ErrorDetail()
    wait, retry_delay_s = error_details_pb2.RetryInfo(), None
    for packed in status.details:
        if packed.Unpack(wait):
            retry_delay_s = wait.retry_delay.seconds + wait.retry_delay.nanos / 1e9
        elif not packed.Unpack(detail):
            packed.Unpack(info)
    code = code or _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    if detail.advice == ADVICE_UNSPECIFIED:
        return UnknownOutcomeError(
            status.message, code=code, retry_delay_s=retry_delay_s, request=request
        )
    reason = info.reason if info.domain == _DOMAIN else ""
    return ERRORS_BY_REASON.get(reason, CageError)(
        status.message,
        code=code,
        reason=reason,
        advice=detail.advice,
        metadata=dict(info.metadata),
        player_message=detail.player_message,
        balance=detail.balance if detail.HasField("balance") else None,
        transaction_id=detail.transaction_id,
        retry_delay_s=retry_delay_s,
        request=request,
    )


def status_from_error(error: CageError) -> status_pb2.Status:
    """Encode an error as the server does; one of unknown outcome has no detail."""
    code = code_pb2.Code.Value(error.code.name)
    status = status_pb2.Status(code=code, message=error.message)
    if error.advice != ADVICE_UNSPECIFIED:
        status.details.add().Pack(
            error_details_pb2.ErrorInfo(
                reason=error.reason, domain=_DOMAIN, metadata=error.metadata
            )
        )
        status.details.add().Pack(
            ErrorDetail(
                advice=error.advice,
                player_message=error.player_message,
                balance=error.balance,
                transaction_id=error.transaction_id,
            )
        )
    if error.retry_delay_s is not None:
        wait = error_details_pb2.RetryInfo()
        wait.retry_delay.FromMilliseconds(round(error.retry_delay_s * 1000))
        status.details.add().Pack(wait)
    return status
