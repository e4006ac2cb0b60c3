"""Send one request and wait for its reply: the only place that touches grpc.

A pool holds the channels of a client. They are opened by the first call, inside the
running event loop, never at import and never before a fork.
"""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from cage.client._contract import STREAM_EXECUTE, Method, method_of, methods
from cage.client._retry import RetryPolicy, Waiting, with_retries
from cage.client._status import error_from_call
from cage.wallet.v1.wallet_service_pb2 import (
    StreamExecuteRequest,
    StreamExecuteResponse,
)

_Reply = TypeVar("_Reply", bound=Message)
StreamCall = grpc.aio.StreamStreamCall[StreamExecuteRequest, StreamExecuteResponse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Say how to trust the server and, for mutual TLS, how to be trusted."""

    # PEM certificates of the authorities to trust. None: those of grpc.
    root_certificates: bytes | None = None
    # PEM certificate chain of this client, for mutual TLS.
    client_certificate: bytes | None = None
    # PEM private key of this client, for mutual TLS. Secret.
    client_key: bytes | None = field(default=None, repr=False)
    # Name that the server's certificate must hold. None: the host of the address.
    server_name: str | None = None


class Pool:
    """Own the channels to one address and spread calls over them."""

    def __init__(self, address: str, *, tls: Tls | None, channels: int) -> None:
        if channels < 1:
            raise ValueError("channels must be at least 1")
        self.address = address
        self._tls = tls
        self._size = channels
        self._channels: list[grpc.aio.Channel] = []
        self._turns: dict[str, itertools.cycle[Any]] = {}
        self._closed = False

    async def close(self) -> None:
        """Close every channel; calls in flight are cancelled."""
        self._closed = True
        channels, self._channels = self._channels, []
        self._turns = {}
        for channel in channels:
            await channel.close()

    def multicallable(self, method: Method) -> Any:
        """Return the next channel's callable for an rpc."""
        if not self._channels:
            self._open()
        return next(self._turns[method.path])

    def _open(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")
        self._channels = [self._channel() for _ in range(self._size)]
        for method in methods():
            calls = [_multicallable(channel, method) for channel in self._channels]
            self._turns[method.path] = itertools.cycle(calls)

    def _channel(self) -> grpc.aio.Channel:
        options: list[tuple[str, Any]] = [
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 15_000),
            ("grpc.lb_policy_name", "round_robin"),
            # After one connection that failed, such as to a worker that just died,
            # gRPC waits 1 s by default, and five attempts of a call are over by then.
            ("grpc.initial_reconnect_backoff_ms", 100),
            # The receipts of 1,000 plays of 50 actions take more than the default of
            # 4 MiB, and a reply that cannot be taken says nothing of what moved.
            ("grpc.max_receive_message_length", 64 << 20),
        ]
        if self._size > 1:
            options.append(("grpc.use_local_subchannel_pool", 1))
        if self._tls is None:
            return grpc.aio.insecure_channel(self.address, options)
        if self._tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self._tls.server_name))
        credentials = grpc.ssl_channel_credentials(
            self._tls.root_certificates,
            self._tls.client_key,
            self._tls.client_certificate,
        )
        return grpc.aio.secure_channel(self.address, credentials, options)


def _multicallable(channel: grpc.aio.Channel, method: Method) -> Any:
    kind: Any = channel.unary_unary
    if method.is_stream:
        kind = channel.stream_stream
    elif method.is_feed:
        kind = channel.unary_stream
    return kind(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.reply.FromString,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Send requests in one caller's name, with its deadline and its retries."""

    # Where calls go.
    pool: Pool
    # API key of the caller. Secret.
    key: str = field(repr=False)
    # Deadline of one attempt, in seconds.
    timeout_s: float
    # When to try again.
    retry: RetryPolicy
    # Clock, sleep and chance of the retries.
    waiting: Waiting

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Name the caller as the contract asks for."""
        return (("authorization", f"Bearer {self.key}"),)

    async def call(self, request: Message, reply: type[_Reply]) -> _Reply:
        """Send a unary request until it is answered; raise CageError if refused."""
        method = method_of(request)
        if not method.is_unary or method.reply is not reply:
            raise TypeError(f"{method.name} does not answer {reply.__name__}")

        async def attempt(timeout_s: float) -> _Reply:
            call = self.pool.multicallable(method)
            try:
                answer: _Reply = await call(
                    request, timeout=timeout_s, metadata=self.metadata
                )
            except grpc.aio.AioRpcError as failure:
                raise error_from_call(failure, request) from failure
            return answer

        return await with_retries(
            attempt,
            policy=self.retry,
            timeout_s=self.timeout_s,
            waiting=self.waiting,
        )

    def open_stream(self, frames: AsyncIterator[StreamExecuteRequest]) -> StreamCall:
        """Open StreamExecute, fed by ``frames``; it has no deadline of its own."""
        stream: StreamCall = self.pool.multicallable(STREAM_EXECUTE)(
            frames, metadata=self.metadata
        )
        return stream

    def open_feed(self, request: Message) -> Any:
        """Ask for a feed; its call has no deadline, because it may have no end."""
        method = method_of(request)
        if not method.is_feed:
            raise TypeError(f"{method.name} is no feed")
        return self.pool.multicallable(method)(request, metadata=self.metadata)
