"""Serve the contract from a script, for the tests of who integrates with Cage.

    async with FakeServer() as server:
        server.script(BetRequest, UnknownOutcomeError(code=StatusCode.UNAVAILABLE))
        server.always(BetRequest, BetResponse(receipt=...))
        async with server.connect() as client:
            ...
        assert len(server.requests(BetRequest)) == 2

It is a real gRPC server on a loopback port, so deadlines, retries and errors take the
way they take in production; it knows nothing of money. A bet is scripted once,
whether it comes as a call, as a frame of a stream or as an item of a batch.
"""

import asyncio
import inspect
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn, Self, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from cage.client._client import Client, connect
from cage.client._contract import Method, method_of, methods
from cage.client._errors import CageError, UnknownOutcomeError
from cage.client._loop import BACKGROUND
from cage.client._status import DETAILS_KEY, status_from_error
from cage.wallet.v1.wallet_service_pb2 import (
    BatchExecuteRequest,
    BatchExecuteResponse,
    Operation,
    OperationResult,
    StreamExecuteRequest,
    StreamExecuteResponse,
)

__all__ = ["FakeServer", "Outcome", "RecordedCall", "never"]

Outcome: TypeAlias = (
    Message
    | CageError
    | Callable[[Any], Message | Awaitable[Message]]
    | Sequence[Message | CageError]
)
"""A reply, an error, or a function of the request that returns or raises one.

For a feed (Subscribe and the exports) also a list: its messages in order, and then
the error that ends it, or its end. A feed that is answered by one message ends after
it, and one by ``never`` stays open.

An error travels as Cage would send it; UnknownOutcomeError, having no advice, as a
proxy or a broken connection would.
"""

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
_Request = TypeVar("_Request", bound=Message)


async def never(_request: Message) -> Message:
    """Be an outcome that never comes; the call ends by its deadline."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """Keep one request that reached the fake server."""

    # Name of the rpc that carried it: "Bet", "StreamExecute", "BatchExecute".
    rpc: str
    # The request; for an item of a stream or a batch that of the item.
    request: Message
    # Metadata of the call.
    metadata: dict[str, str | bytes]
    # Seconds that the caller gave it; None without a deadline.
    timeout_s: float | None


class FakeServer:
    """Answer every rpc by script and record what came.

    Use it with ``async with``, or with ``with`` beside ``cage.client.sync``.
    """

    def __init__(self) -> None:
        self.calls: list[RecordedCall] = []
        self._once: defaultdict[type[Message], deque[Outcome]] = defaultdict(deque)
        self._always: dict[type[Message], Outcome] = {}
        self._server: grpc.aio.Server | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """Name the loopback address, "127.0.0.1:PORT", once it is started."""
        return f"127.0.0.1:{self._port}"

    def script(self, request: type[Message], *outcomes: Outcome) -> None:
        """Answer the next requests of a type with one outcome each, in order.

        For StreamExecuteRequest an error ends the stream at its next frame, for
        BatchExecuteRequest it fails the whole call.
        """
        self._once[request].extend(outcomes)

    def always(self, request: type[Message], outcome: Outcome) -> None:
        """Answer requests of a type with ``outcome`` when no script is left."""
        self._always[request] = outcome

    def requests(self, kind: type[_Request]) -> list[_Request]:
        """Return the recorded requests of a type, in order of arrival."""
        found = (call.request for call in self.calls)
        return [request for request in found if isinstance(request, kind)]

    def connect(self, **options: Any) -> Client:
        """Connect to this server; ``options`` are those of ``cage.client.connect``."""
        return connect(self.address, **{"key": "test-key", **options})

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handlers: dict[str, dict[str, Any]] = defaultdict(dict)
        for method in methods():
            handlers[method.service][method.name] = self._handler(method)
        for service, of_service in handlers.items():
            generic = grpc.method_handlers_generic_handler(service, of_service)
            self._server.add_generic_rpc_handlers((generic,))
        self._port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()

    async def stop(self) -> None:
        """Stop at once; calls in flight break."""
        if self._server is not None:
            await self._server.stop(None)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    def __enter__(self) -> Self:
        """Start on the loop that ``cage.client.sync`` uses."""
        BACKGROUND.acquire()
        BACKGROUND.run(self.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        BACKGROUND.run(self.stop())
        BACKGROUND.release()

    def _handler(self, method: Method) -> Any:
        kind: Any = grpc.unary_unary_rpc_method_handler
        serve: Any = self._unary
        if method.is_stream:
            kind, serve = grpc.stream_stream_rpc_method_handler, self._stream
        elif method.is_feed:
            kind, serve = grpc.unary_stream_rpc_method_handler, self._feed
        elif method.request is BatchExecuteRequest:
            serve = self._batch
        return kind(
            serve,
            request_deserializer=method.request.FromString,
            response_serializer=method.reply.SerializeToString,
        )

    async def _unary(self, request: Message, context: _Context) -> Message:
        self._record(method_of(request).name, request, context)
        outcome = await self._outcome(request)
        if isinstance(outcome, CageError):
            await _abort(context, outcome)
        reply: Message = outcome
        return reply

    async def _feed(
        self, request: Message, context: _Context
    ) -> AsyncIterator[Message]:
        self._record(method_of(request).name, request, context)
        outcome = await self._outcome(request)
        for each in outcome if isinstance(outcome, Sequence) else [outcome]:
            if isinstance(each, CageError):
                await _abort(context, each)
            else:
                yield each

    async def _batch(
        self, request: BatchExecuteRequest, context: _Context
    ) -> BatchExecuteResponse:
        if self._once[BatchExecuteRequest]:
            failure = self._once[BatchExecuteRequest].popleft()
            assert isinstance(failure, CageError), "script errors for a batch"  # noqa: S101
            await _abort(context, failure)
        results = [
            await self._result("BatchExecute", operation, context)
            for operation in request.operations
        ]
        return BatchExecuteResponse(results=results)

    async def _stream(
        self, frames: AsyncIterator[StreamExecuteRequest], context: _Context
    ) -> AsyncIterator[StreamExecuteResponse]:
        replies: asyncio.Queue[StreamExecuteResponse | CageError | None]
        replies = asyncio.Queue()
        reader = asyncio.create_task(self._read(frames, replies, context))
        try:
            while (reply := await replies.get()) is not None:
                if isinstance(reply, CageError):
                    await _abort(context, reply)
                else:
                    yield reply
            await reader
        finally:
            reader.cancel()

    async def _read(
        self,
        frames: AsyncIterator[StreamExecuteRequest],
        replies: "asyncio.Queue[StreamExecuteResponse | CageError | None]",
        context: _Context,
    ) -> None:
        async def answer(frame: StreamExecuteRequest) -> None:
            result = await self._result("StreamExecute", frame.operation, context)
            reply = StreamExecuteResponse(
                correlation_id=frame.correlation_id, result=result
            )
            replies.put_nowait(reply)

        try:
            async with asyncio.TaskGroup() as group:
                async for frame in frames:
                    if self._once[StreamExecuteRequest]:
                        failure = self._once[StreamExecuteRequest].popleft()
                        assert isinstance(failure, CageError), "script errors"  # noqa: S101
                        replies.put_nowait(failure)
                        await asyncio.Event().wait()
                    group.create_task(answer(frame))
        finally:
            replies.put_nowait(None)

    async def _result(
        self, rpc: str, operation: Operation, context: _Context
    ) -> OperationResult:
        field = operation.WhichOneof("operation")
        if field is None:
            raise ValueError("an operation without a request")
        request: Message = getattr(operation, field)
        self._record(rpc, request, context)
        outcome = await self._outcome(request)
        result = OperationResult()
        if isinstance(outcome, CageError):
            result.error.CopyFrom(status_from_error(outcome))
        else:
            getattr(result, field).CopyFrom(outcome)
        return result

    def _record(self, rpc: str, request: Message, context: _Context) -> None:
        metadata = context.invocation_metadata() or ()
        self.calls.append(
            RecordedCall(
                rpc=rpc,
                request=request,
                metadata=dict(metadata),
                timeout_s=context.time_remaining(),
            )
        )

    async def _outcome(self, request: Message) -> Any:
        kind = type(request)
        outcome: Outcome | None = self._always.get(kind)
        if self._once[kind]:
            outcome = self._once[kind].popleft()
        if outcome is None:
            return UnknownOutcomeError(
                f"nothing is scripted for {kind.__name__}",
                code=grpc.StatusCode.UNIMPLEMENTED,
            )
        if isinstance(outcome, Message | CageError | Sequence):
            return outcome
        try:
            answer = outcome(request)
            return await answer if inspect.isawaitable(answer) else answer
        except CageError as error:
            return error


async def _abort(context: _Context, error: CageError) -> NoReturn:
    details = ((DETAILS_KEY, status_from_error(error).SerializeToString()),)
    await context.abort(error.code, error.message, trailing_metadata=details)
    raise AssertionError("abort raises")
