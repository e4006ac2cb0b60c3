"""Keep one StreamExecute open and match its replies to their operations.

The stream is opened by the first operation and opened again when it broke: an
operation that was waiting then has an unknown outcome and is sent again under its own
id, like any other call (see ``_retry``). A refused operation raises its own error and
leaves the stream alone.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message

from cage.client._channel import Caller, StreamCall
from cage.client._contract import operation_of
from cage.client._errors import CageError, UnknownOutcomeError
from cage.client._operations import Operations
from cage.client._retry import with_retries
from cage.client._status import error_from_call, error_from_status
from cage.wallet.v1.wallet_service_pb2 import (
    Operation,
    OperationResult,
    StreamExecuteRequest,
)

_Reply = TypeVar("_Reply", bound=Message)


class _Connection:
    """Own one opened stream until it ends."""

    def __init__(self, caller: Caller) -> None:
        self._frames: asyncio.Queue[StreamExecuteRequest | None] = asyncio.Queue()
        self._waiting: dict[str, asyncio.Future[OperationResult]] = {}
        self._ids = itertools.count(1)
        self._failure: CageError | None = None
        call = caller.open_stream(self._outgoing())
        self._reader = asyncio.create_task(self._read(call))

    @property
    def is_open(self) -> bool:
        return self._failure is None

    async def execute(self, operation: Operation, timeout_s: float) -> OperationResult:
        frame = StreamExecuteRequest(
            correlation_id=str(next(self._ids)), operation=operation
        )
        frame.timeout.FromNanoseconds(max(1, round(timeout_s * 1e9)))
        answer: asyncio.Future[OperationResult]
        answer = asyncio.get_running_loop().create_future()
        self._waiting[frame.correlation_id] = answer
        self._frames.put_nowait(frame)
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as late:
            raise UnknownOutcomeError(
                f"no reply within {timeout_s:g} s",
                code=grpc.StatusCode.DEADLINE_EXCEEDED,
            ) from late
        finally:
            self._waiting.pop(frame.correlation_id, None)

    async def close(self) -> None:
        """Send nothing more, and wait until the server ended its side."""
        self._frames.put_nowait(None)
        await asyncio.wait({self._reader})

    async def abort(self) -> None:
        """End the stream at once; what waits has an unknown outcome."""
        self._reader.cancel()
        await asyncio.wait({self._reader})

    async def _outgoing(self) -> AsyncIterator[StreamExecuteRequest]:
        while (frame := await self._frames.get()) is not None:
            yield frame

    async def _read(self, call: StreamCall) -> None:
        failure: CageError = UnknownOutcomeError(
            "the stream ended", code=grpc.StatusCode.UNAVAILABLE
        )
        try:
            async for reply in call:
                answer = self._waiting.pop(reply.correlation_id, None)
                if answer is not None and not answer.done():
                    answer.set_result(reply.result)
        except grpc.aio.AioRpcError as broken:
            failure = error_from_call(broken)
        finally:
            self._failure = failure
            call.cancel()
            # A call that ended by itself is not cancelled, and grpc would wait for
            # its next frame for ever.
            self._frames.put_nowait(None)
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_for_one(failure))


def _for_one(failure: CageError) -> CageError:
    """Copy the failure of a stream for one of those who wait for it.

    Each gets an exception of its own, because a traceback belongs to one of them.
    """
    if isinstance(failure, UnknownOutcomeError):
        return UnknownOutcomeError(failure.message, code=failure.code)
    return type(failure)(
        failure.message,
        code=failure.code,
        reason=failure.reason,
        advice=failure.advice,
        metadata=failure.metadata,
        player_message=failure.player_message,
        retry_delay_s=failure.retry_delay_s,
    )


class Stream(Operations):
    """Send single operations over one stream: the fastest way to send single ones.

    Use it as ``async with client.wallet.stream() as stream: await stream.bet(...)``
    and await many at once with tasks. Operations of one player are applied in the
    order in which they were sent; a retry of one comes after those sent since, so
    await an operation before you send what depends on it.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._connection: _Connection | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Enter; the first operation opens the stream."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the stream: in order after success, at once after an exception."""
        self._closed = True
        if self._connection is None:
            return
        if kind is not None:
            await self._connection.abort()
            return
        try:
            async with asyncio.timeout(self._caller.timeout_s):
                await self._connection.close()
        except TimeoutError:
            await self._connection.abort()

    async def _execute(self, request: Message, reply: type[_Reply]) -> _Reply:
        operation = operation_of(request)

        async def attempt(timeout_s: float) -> _Reply:
            try:
                result = await self._connected().execute(operation, timeout_s)
            except CageError as error:
                error.request = request
                raise
            answer = answer_of(result, request)
            if isinstance(answer, CageError):
                raise answer
            if not isinstance(answer, reply):
                raise TypeError(f"the server answered {type(answer).__name__}")
            return answer

        return await with_retries(
            attempt,
            policy=self._caller.retry,
            timeout_s=self._caller.timeout_s,
            waiting=self._caller.waiting,
        )

    def _connected(self) -> _Connection:
        if self._closed:
            raise RuntimeError("the stream is closed")
        if self._connection is None or not self._connection.is_open:
            self._connection = _Connection(self._caller)
        return self._connection


def answer_of(result: OperationResult, request: Message) -> Message | CageError:
    """Unpack the result of an item: the reply, or the error to be raised."""
    field = result.WhichOneof("result")
    if field is None:
        return UnknownOutcomeError("an empty result", request=request)
    if field == "error":
        return error_from_status(result.error, request)
    answer: Message = getattr(result, field)
    return answer
