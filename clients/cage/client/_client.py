"""Connect to Cage and hold one attribute for each service."""

import dataclasses
from types import TracebackType
from typing import Self

from google.protobuf.message import Message

from cage.client._admin import Admin
from cage.client._cashier import Cashier
from cage.client._channel import Caller, Pool, Tls
from cage.client._contract import method_of
from cage.client._events import Events
from cage.client._kyc import Kyc
from cage.client._players import Players
from cage.client._responsible_gaming import ResponsibleGaming
from cage.client._retry import RetryPolicy, Waiting
from cage.client._sessions import Sessions
from cage.client._wallet import Wallet


class Client:
    """Call Cage; made by ``connect``.

    Methods are safe to run at the same time in one event loop. A client belongs to
    the loop of its first call, and is not fork-safe: connect after a fork, not before.
    """

    def __init__(self, caller: Caller, *, owns_pool: bool = True) -> None:
        self._caller = caller
        self._owns_pool = owns_pool
        self.wallet = Wallet(caller)
        self.players = Players(caller)
        self.sessions = Sessions(caller)
        self.kyc = Kyc(caller)
        self.responsible_gaming = ResponsibleGaming(caller)
        self.cashier = Cashier(caller)
        self.admin = Admin(caller)
        self.events = Events(caller)

    def with_options(
        self,
        *,
        key: str | None = None,
        timeout_s: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> "Client":
        """Return a client with other options over the same channels.

        It lives as long as the one that was connected: closing it does nothing.
        """
        caller = dataclasses.replace(
            self._caller,
            key=self._caller.key if key is None else key,
            timeout_s=self._caller.timeout_s if timeout_s is None else timeout_s,
            retry=self._caller.retry if retry is None else retry,
        )
        return Client(caller, owns_pool=False)

    async def call(self, request: Message) -> Message:
        """Send any unary request of the contract as it is, with retries.

        Set its transaction_id or request_id first. Raises CageError when it is
        refused, KeyError when it is no request, TypeError when it opens a stream.
        """
        return await self._caller.call(request, method_of(request).reply)

    async def close(self) -> None:
        """Close the channels; calls in flight are cancelled."""
        if self._owns_pool:
            await self._caller.pool.close()

    async def __aenter__(self) -> Self:
        """Enter; the first call opens the channels."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        await self.close()


def connect(
    address: str,
    *,
    key: str,
    tls: Tls | None = None,
    timeout_s: float = 2.0,
    retry: RetryPolicy | None = None,
    channels: int = 1,
    waiting: Waiting | None = None,
) -> Client:
    """Make a client for ``async with``; nothing is opened before its first call.

    ``address`` is "host:port" or any target of gRPC ("dns:///cage.internal:7440").
    ``key`` is the API key. ``tls`` None sends it in clear text, which is for loopback
    and trusted networks only. ``timeout_s`` is the deadline of one attempt, in
    seconds; ``retry`` bounds all of them together. ``channels`` above 1 opens that
    many connections, which spread over the workers of a server. ``waiting`` gives
    tests the clock.

    Raises ValueError for a timeout or a number of channels that is not positive.
    """
    if timeout_s <= 0:
        raise ValueError("timeout_s must be above 0")
    return Client(
        Caller(
            pool=Pool(address, tls=tls, channels=channels),
            key=key,
            timeout_s=timeout_s,
            retry=retry or RetryPolicy(),
            waiting=waiting or Waiting(),
        )
    )
