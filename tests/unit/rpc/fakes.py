"""Stand in for what surrounds the rpc layer: registry, writer, gRPC context."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from cage.app.lane import Settable
from cage.core.registry import (
    ApiKey,
    Brand,
    Currency,
    Game,
    Integration,
    Operator,
    Registry,
    Role,
    Studio,
    index_registry,
)
from cage.core.secret import digest_of
from cage.core.wallet import Balance, KeySpace, Kind, Receipt, State, Transaction
from cage.rpc.status import DETAILS_KEY

EUR = Currency(currency_no=1, currency_code="EUR", scale=2)
BTC = Currency(currency_no=2, currency_code="BTC", scale=8)


def api_key(key_no: int, role: Role, *, revoke_time_us: int = 0) -> ApiKey:
    """Build the key of a role; its id is the role, its secret ``secret-ROLE``."""
    name = role.name.lower()
    return ApiKey(
        key_no=key_no,
        key_id=name,
        digest=digest_of(f"secret-{name}"),
        role=role,
        integration_no=1 if role == Role.GAME else 0,
        operator_nos=None if role == Role.ADMIN else frozenset({1}),
        display_name="",
        create_time_us=1,
        expire_time_us=0,
        revoke_time_us=revoke_time_us,
    )


def build_registry(keys: Sequence[ApiKey], *, version: int = 1) -> Registry:
    """Build a registry of one of each, with the given keys."""
    operator = Operator(
        operator_no=1, operator_id="acme", display_name="", enabled=True
    )
    brand = Brand(
        brand_no=1, brand_id="vegas", operator_no=1, display_name="", enabled=True
    )
    integration = Integration(
        integration_no=1,
        integration_id="hub",
        display_name="",
        enabled=True,
    )
    studio = Studio(studio_no=1, studio_id="studio", display_name="", enabled=True)
    game = Game(game_no=1, game_id="slots", studio_no=1, display_name="", enabled=True)
    return index_registry(
        version=version,
        operators=[operator],
        brands=[brand],
        integrations=[integration],
        studios=[studio],
        games=[game],
        currencies=[EUR, BTC],
        keys=list(keys),
    )


class FakeWriter:
    """Keep what is submitted, and let the test answer it."""

    lanes = 1

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.submitted: list[Any] = []
        self.futures: list[Settable] = []
        self.timeouts_s: list[float | None] = []
        self.refusal: Exception | None = None

    def submit(
        self, lane: int, command: object, *, is_bet: bool, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Keep a command and return the future of its answer."""
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.submit_into(lane, command, future, is_bet=is_bet, timeout_s=timeout_s)
        return future

    def submit_into(
        self,
        lane: int,
        command: object,
        future: Settable,
        *,
        is_bet: bool,
        timeout_s: float | None,
    ) -> None:
        """Keep a command and the future of its answer."""
        assert lane == 0

        if self.refusal is not None:
            raise self.refusal
        self.submitted.append((command, is_bet))
        self.futures.append(future)
        self.timeouts_s.append(timeout_s)


class AbortedError(Exception):
    """Leave a call as the abort of a gRPC context does."""


class FakeContext:
    """Play the part of a gRPC context: metadata, deadline, frames, abort."""

    def __init__(
        self, secret: str | None = None, *, time_remaining_s: float | None = None
    ) -> None:
        self._metadata = (("user-agent", "test"),)
        if secret is not None:
            self._metadata += (("authorization", f"Bearer {secret}"),)
        self._time_remaining_s = time_remaining_s
        self.frames: asyncio.Queue[Any] = asyncio.Queue()
        self.written: list[Any] = []
        self.status: status_pb2.Status | None = None
        self.code: grpc.StatusCode | None = None

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what the caller sent beside the request."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Return the time left, None without a deadline."""
        return self._time_remaining_s

    async def read(self) -> Any:
        """Return the next frame."""
        return await self.frames.get()

    async def write(self, message: Any) -> None:
        """Keep a reply."""
        self.written.append(message)

    async def abort(
        self, code: grpc.StatusCode, details: str, trailers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Keep the status and leave the call."""
        self.code = code
        self.status = status_pb2.Status.FromString(dict(trailers)[DETAILS_KEY])

        assert details == self.status.message

        raise AbortedError


def reason_of(status: status_pb2.Status) -> tuple[str, dict[str, str]]:
    """Return reason and variables of a status."""
    info = error_details_pb2.ErrorInfo()

    assert status.details[0].Unpack(info)

    return info.reason, dict(info.metadata)


def receipt(transaction_id: str, *, replayed: bool = False) -> Receipt:
    """Build the receipt of a bet of 1 EUR cent that left 99."""
    row = Transaction(
        0, 1, 1, 1, KeySpace.MOVE, transaction_id, Kind.BET, State.POSTED, 1, 0, 1, 1,
        "r1", 1, -1, 0, 99, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1_000_000, None,
    )  # fmt: skip
    return Receipt(row, Balance(EUR, 99, 0, 0, 1, 1_000_000), replayed)
