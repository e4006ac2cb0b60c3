"""Send requests and read refusals as they are on the wire, without the client.

Every refusal that is read here is held to its form and to what error_reason.proto
documents for its reason.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from cage.client import Method, methods
from cage.error.v1.error_detail_pb2 import Advice, ErrorDetail
from cage.type.v1.balance_pb2 import Balance
from cage.wallet.v1 import wallet_service_pb2 as pb

PROTO = Path("protos/cage/error/v1/error_reason.proto")
TIMEOUT_S = 20.0
METHODS = {method.request: method for method in methods()}
STREAM = METHODS[pb.StreamExecuteRequest]
FIELDS: dict[Any, str] = {
    field.message_type: field.name for field in pb.Operation.DESCRIPTOR.fields
}
CARRIERS = ("call", "stream", "batch")
# Where waiting helps, and where the balance explains.
WITH_DELAY = {"OVERLOADED", "SHUTTING_DOWN", "DATABASE_UNAVAILABLE"}
WITH_BALANCE = {
    "INSUFFICIENT_FUNDS",
    "ROUND_CLOSED",
    "LOSS_LIMIT",
    "WAGER_LIMIT",
    "STAKE_LIMIT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """Hold what the contract says about one reason."""

    code: str
    advice: str
    metadata: set[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Hold one refusal, whose form was judged."""

    reason: str
    metadata: dict[str, str]
    message: str
    player_message: str
    balance: Balance | None
    retry_s: float | None


@cache
def documented() -> dict[str, Documented]:
    """Read code, advice and metadata of each reason from the contract's comments."""
    text = (Path(__file__).parents[2] / PROTO).read_text()
    text = re.sub(r"\n *// ?", "\n", text)
    found = re.findall(
        r"Code: (\w+)\. Advice: (\w+)\.\nMetadata: (.+?)\.\n\nExample:.+?"
        r"ERROR_REASON_(\w+) = \d+;",
        text,
        re.DOTALL,
    )
    return {
        reason: Documented(
            code=code,
            advice=f"ADVICE_{advice}",
            metadata=set(re.findall(r"(?:^|; )(\w+)\s\(", metadata.replace("\n", " "))),
        )
        for code, advice, metadata, reason in found
    }


def read_refusal(status: status_pb2.Status) -> Refusal:
    """Read one refusal and hold it to its form."""
    info, detail = error_details_pb2.ErrorInfo(), ErrorDetail()
    wait = error_details_pb2.RetryInfo()
    kinds = [unpack(packed, info, detail, wait) for packed in status.details]
    said = documented()[info.reason]
    delay = wait.retry_delay.ToMilliseconds() / 1_000 if wait in kinds else None
    balance = detail.balance if detail.HasField("balance") else None

    assert kinds[:2] == [info, detail], status
    assert kinds[2:] == ([wait] if info.reason in WITH_DELAY else []), status
    assert info.domain == "cage"
    assert status.code == grpc.StatusCode[said.code].value[0], status
    assert Advice.Name(detail.advice) == said.advice, status
    assert set(info.metadata) == said.metadata, status
    assert status.message
    assert (balance is not None) == (info.reason in WITH_BALANCE)
    assert delay is None or delay > 0

    return Refusal(
        reason=info.reason,
        metadata=dict(info.metadata),
        message=status.message,
        player_message=detail.player_message,
        balance=balance,
        retry_s=delay,
    )


def unpack(packed: Packed, *kinds: Message) -> Message:
    """Unpack a detail into the kind that it is of."""
    for kind in kinds:
        if packed.Unpack(kind):
            return kind
    raise AssertionError(f"an unknown detail: {packed.type_url}")


def read_failure(failure: grpc.aio.AioRpcError) -> Refusal:
    """Read the refusal in the trailers of a failed call."""
    details: list[Any] = [
        value
        for name, value in failure.trailing_metadata() or ()
        if name == "grpc-status-details-bin"
    ]

    assert len(details) == 1, failure

    status = status_pb2.Status.FromString(details[0])

    assert status.code == failure.code().value[0]
    assert status.message == failure.details()

    return read_refusal(status)


def operation_of(request: Message) -> pb.Operation:
    """Wrap a request as an operation."""
    named: dict[str, Any] = {FIELDS[request.DESCRIPTOR]: request}
    return pb.Operation(**named)


def read_result(result: pb.OperationResult) -> Any:
    """Return the response of an operation, or its refusal."""
    name = str(result.WhichOneof("result"))
    return read_refusal(result.error) if name == "error" else getattr(result, name)


def bearer(key: str | None) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call with a key, or without one."""
    return () if key is None else (("authorization", f"Bearer {key}"),)


class Wire:
    """Call over one channel, in the three ways that an operation can travel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    async def raw(
        self,
        method: Method,
        data: bytes,
        metadata: Sequence[tuple[str, str | bytes]],
        timeout_s: float | None = TIMEOUT_S,
    ) -> Any:
        """Send bytes to a unary rpc; return the reply or the refusal."""
        send: Any = self.channel.unary_unary(method.path, None, method.reply.FromString)
        call = send(data, metadata=tuple(metadata), timeout=timeout_s)
        try:
            return await call
        except grpc.aio.AioRpcError as failure:
            return read_failure(failure)

    async def call(self, request: Message, key: str | None) -> Any:
        """Send a request to its rpc; return the reply or the refusal."""
        method = METHODS[type(request)]
        return await self.raw(method, request.SerializeToString(), bearer(key))

    async def feed(self, request: Message, key: str | None) -> AsyncIterator[Any]:
        """Yield the messages of a server stream, and at last its refusal, if any."""
        method = METHODS[type(request)]
        opened: Any = self.channel.unary_stream(
            method.path, None, method.reply.FromString
        )
        call = opened(
            request.SerializeToString(), metadata=bearer(key), timeout=TIMEOUT_S
        )
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as failure:
            yield read_failure(failure)
        finally:
            call.cancel()

    async def batch(self, *requests: Message, key: str | None) -> Any:
        """Send operations as a batch; return their answers, or its refusal."""
        operations = [operation_of(request) for request in requests]
        reply = await self.call(pb.BatchExecuteRequest(operations=operations), key)
        if isinstance(reply, Refusal):
            return reply
        return [read_result(result) for result in reply.results]

    @asynccontextmanager
    async def stream(self, key: str | None) -> AsyncIterator["WireStream"]:
        """Open a stream of frames as they are."""
        opened: Any = self.channel.stream_stream(
            STREAM.path, None, STREAM.reply.FromString
        )
        call = opened(metadata=bearer(key), timeout=TIMEOUT_S)
        try:
            yield WireStream(call)
        finally:
            call.cancel()

    async def send(self, carrier: str, request: Message, key: str | None) -> Any:
        """Send one operation in one of the three ways."""
        if carrier == "call":
            return await self.call(request, key)
        if carrier == "batch":
            answer = await self.batch(request, key=key)
            return answer if isinstance(answer, Refusal) else answer[0]
        async with self.stream(key) as stream:
            await stream.write("1", request)
            return await stream.read()


class WireStream:
    """Write and read the frames of one stream."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.names: list[str] = []

    async def write(
        self, name: str, request: Message, timeout_ns: int | None = None
    ) -> None:
        """Send a frame."""
        frame = pb.StreamExecuteRequest(
            correlation_id=name, operation=operation_of(request)
        )
        if timeout_ns is not None:
            frame.timeout.FromNanoseconds(timeout_ns)
        # A stream that has ended says so to who reads.
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self.call.write(frame.SerializeToString())

    async def read(self) -> Any:
        """Return the next answer, the refusal that ended the stream, or None."""
        try:
            reply = await self.call.read()
        except grpc.aio.AioRpcError as failure:
            return read_failure(failure)
        if reply is grpc.aio.EOF:
            return None
        self.names.append(reply.correlation_id)
        return read_result(reply.result)

    async def rest(self) -> list[Any]:
        """Say that no more comes; return all answers until the stream ends."""
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self.call.done_writing()
        answers = []
        while (answer := await self.read()) is not None:
            answers.append(answer)
            if len(self.names) < len(answers):
                break
        return answers


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Wire]:
    """Open a channel of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        yield Wire(channel)
