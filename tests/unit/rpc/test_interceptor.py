"""Test what stands between a caller and every rpc."""

import asyncio
from typing import Any

import grpc
import pytest
import structlog
from tests.unit.rpc.fakes import (
    AbortedError,
    FakeContext,
    FakeWriter,
    api_key,
    build_registry,
    reason_of,
)

from cage.core.errors import CageError, Reason
from cage.core.registry import Registry, Role
from cage.rpc.interceptor import BET_SHARE, Call, Guard, GuardSettings, Sampler
from cage.rpc.meter import Meter
from cage.rpc.validation import checker_of
from cage.wallet.v1 import wallet_service_pb2 as pb

BET = "/cage.wallet.v1.WalletService/Bet"
WIN = "/cage.wallet.v1.WalletService/Win"
LIST = "/cage.wallet.v1.WalletService/ListTransactions"
STREAM = "/cage.wallet.v1.WalletService/StreamExecute"
PLAYERS = "/cage.player.v1.PlayerService/ListPlayers"
ADMIN = "/cage.admin.v1.AdminService/ListGames"


async def answer(request: Any, call: Call) -> Any:
    """Answer a request with itself."""
    del call
    return request


async def call_rpc(
    guard: Guard,
    name: str,
    context: FakeContext,
    *,
    run: Any = answer,
    check: Any = None,
) -> Any:
    """Call an rpc through the guard; return its answer, None when it was aborted."""
    handle = guard._guard_unary(name, run, check)
    try:
        return await handle("request", context)  # type: ignore[arg-type]
    except AbortedError:
        return None


def refused(context: FakeContext) -> str:
    """Return the reason that a call was refused for."""
    assert context.status is not None

    return reason_of(context.status)[0]


@pytest.fixture
def guard(writer: FakeWriter) -> Guard:
    """Return a guard that admits one bet, and two calls at most, at once."""
    settings = GuardSettings(in_flight_max=2, default_timeout_s=7)
    return Guard(writer, meter=Meter(), settings=settings)


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (FakeContext(), Reason.KEY_MISSING),
        (FakeContext(""), Reason.KEY_MISSING),
        (FakeContext("unknown"), Reason.KEY_INVALID),
        (FakeContext("secret-operator"), Reason.ROLE_NOT_ALLOWED),
    ],
)
async def test_key_comes_first(
    guard: Guard, context: FakeContext, reason: Reason
) -> None:
    """A call without a key that may call is refused before anything else is seen."""
    check = checker_of(pb.BetRequest.DESCRIPTOR)
    await call_rpc(guard, BET, context, check=check)

    assert refused(context) == reason
    assert guard._meter.methods[BET].outcomes == {reason: 1}
    assert guard._meter.in_flight == 0


async def test_scheme_is_bearer(guard: Guard) -> None:
    """Another scheme than Bearer is no key; the scheme's case does not matter."""
    basic, lower = FakeContext(), FakeContext()
    basic._metadata = (("authorization", "Basic secret-game"),)  # type: ignore[assignment]
    lower._metadata = (("authorization", "bearer secret-game"),)  # type: ignore[assignment]
    await call_rpc(guard, BET, basic)

    assert refused(basic) == Reason.KEY_MISSING
    assert await call_rpc(guard, BET, lower) == "request"


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        (BET, {Role.GAME}),
        (STREAM, {Role.GAME}),
        (LIST, set(Role)),
        (PLAYERS, {Role.OPERATOR, Role.ADMIN}),
        (ADMIN, {Role.ADMIN}),
    ],
)
async def test_roles(guard: Guard, name: str, roles: set[Role]) -> None:
    """Each service is for its roles, and the wallet's reads are for every one."""
    for role in Role:
        context = FakeContext(f"secret-{role.name.lower()}")
        result = await call_rpc(guard, name, context)

        assert (result == "request") == (role in roles)


def test_unknown_service_is_not_served(guard: Guard) -> None:
    """A service that nobody gave roles cannot be registered."""
    with pytest.raises(KeyError):
        guard._guard_unary("/cage.new.v1.NewService/Do", answer, None)


async def test_revoked_key_is_refused_at_once(
    guard: Guard, writer: FakeWriter, registry: Registry
) -> None:
    """A key that worked is refused as soon as the registry says that it is revoked."""
    assert await call_rpc(guard, BET, FakeContext("secret-game")) == "request"

    revoked = api_key(1, Role.GAME, revoke_time_us=5)
    writer.registry = build_registry([revoked], version=registry.version + 1)
    context = FakeContext("secret-game")
    await call_rpc(guard, BET, context)

    assert refused(context) == Reason.KEY_INVALID


async def test_form_is_judged_after_the_key(guard: Guard) -> None:
    """A request that is malformed, or is no message at all, is INVALID_FIELD."""
    context, unread = FakeContext("secret-game"), FakeContext("secret-game")
    handle = guard._guard_unary(BET, answer, checker_of(pb.BetRequest.DESCRIPTOR))
    with pytest.raises(AbortedError):
        await handle(pb.BetRequest(), context)  # type: ignore[arg-type]
    with pytest.raises(AbortedError):
        await handle(None, unread)  # type: ignore[arg-type]

    assert context.code is grpc.StatusCode.INVALID_ARGUMENT
    assert context.status is not None
    assert reason_of(context.status)[1]["field"] == "player_id"
    assert refused(unread) == Reason.INVALID_FIELD


async def test_bets_are_shed_first(guard: Guard) -> None:
    """Near the limit a bet is shed while a win still passes; at it everything is."""
    gate = asyncio.Event()

    async def wait(request: Any, call: Call) -> Any:
        del call
        await gate.wait()
        return request

    assert int(2 * BET_SHARE) == 1
    first = asyncio.create_task(
        call_rpc(guard, WIN, FakeContext("secret-game"), run=wait)
    )
    await asyncio.sleep(0)
    bet = FakeContext("secret-game")
    await call_rpc(guard, BET, bet)
    second = asyncio.create_task(
        call_rpc(guard, WIN, FakeContext("secret-game"), run=wait)
    )
    await asyncio.sleep(0)
    third = FakeContext("secret-game")
    await call_rpc(guard, WIN, third)
    gate.set()

    assert refused(bet) == Reason.OVERLOADED
    assert refused(third) == Reason.OVERLOADED
    assert [await first, await second] == ["request", "request"]


async def test_draining_refuses_new_calls(guard: Guard) -> None:
    """A server that drains refuses what is new with SHUTTING_DOWN."""
    guard.is_draining = True
    context = FakeContext("secret-game")
    await call_rpc(guard, BET, context)

    assert refused(context) == Reason.SHUTTING_DOWN
    assert context.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(("left_s", "timeout_s"), [(1.5, 1.5), (None, 7), (0.0, 0.0)])
async def test_deadline(guard: Guard, left_s: float | None, timeout_s: float) -> None:
    """A call has the time that its caller left it, else the server's default."""

    async def timeout_of(request: Any, call: Call) -> float:
        del request
        return call.timeout_s

    context = FakeContext("secret-game", time_remaining_s=left_s)

    assert await call_rpc(guard, BET, context, run=timeout_of) == timeout_s


async def test_failure_is_internal_and_says_nothing(guard: Guard) -> None:
    """An exception that is no refusal is logged and counted, and its text kept."""

    async def fail(request: Any, call: Call) -> Any:
        del request, call
        raise RuntimeError("secret detail")

    context = FakeContext("secret-game")
    with structlog.testing.capture_logs() as logs:
        await call_rpc(guard, BET, context, run=fail)

    assert refused(context) == Reason.INTERNAL
    assert context.status is not None
    assert "secret detail" not in str(context.status)
    assert guard._meter.failures == 1
    assert [entry["event"] for entry in logs] == ["call failed"]


async def test_cancelled_call_is_counted(guard: Guard) -> None:
    """A caller that goes away is counted, and the cancellation goes on."""

    async def wait(request: Any, call: Call) -> Any:
        del request, call
        await asyncio.Event().wait()

    task = asyncio.create_task(
        call_rpc(guard, BET, FakeContext("secret-game"), run=wait)
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert guard._meter.methods[BET].outcomes == {"CANCELLED": 1}
    assert guard._meter.in_flight == 0


async def test_stream_is_guarded_too(guard: Guard) -> None:
    """A stream wants a key, ends with the status of its refusal, and is counted."""

    async def refuse(call: Call) -> None:
        assert call.key.key_id == "game"
        assert guard._meter.streams == 1

        raise CageError(Reason.SHUTTING_DOWN)

    async def fail(call: Call) -> None:
        del call
        raise RuntimeError

    contexts = [FakeContext(), FakeContext("secret-game"), FakeContext("secret-game")]
    for context, run in zip(contexts, (refuse, refuse, fail), strict=True):
        with pytest.raises(AbortedError):
            await guard._guard_stream(STREAM, run)(None, context)  # type: ignore[arg-type]

    assert [refused(context) for context in contexts] == [
        Reason.KEY_MISSING,
        Reason.SHUTTING_DOWN,
        Reason.INTERNAL,
    ]
    assert guard._meter.streams == 0


async def test_log_holds_no_secret(writer: FakeWriter) -> None:
    """A logged call names method, key, outcome and time, and nothing of its content."""
    settings = GuardSettings(log_share=1, refusal_log_share=1)
    guard = Guard(writer, meter=Meter(), settings=settings)

    async def refuse(request: Any, call: Call) -> Any:
        del request, call
        raise CageError(Reason.PLAYER_NOT_FOUND, player_id="ann")

    with structlog.testing.capture_logs() as logs:
        await call_rpc(guard, BET, FakeContext("secret-game"))
        await call_rpc(guard, BET, FakeContext("secret-game"), run=refuse)

    assert [entry["outcome"] for entry in logs] == ["OK", "PLAYER_NOT_FOUND"]
    assert {entry["key_id"] for entry in logs} == {"game"}
    assert "secret" not in str(logs)
    assert "ann" not in str(logs)


@pytest.mark.parametrize(("share", "picked"), [(0, 0), (0.25, 25), (1, 100)])
def test_sampler_picks_an_even_share(share: float, picked: int) -> None:
    """A sampler picks its share of what passes."""
    sampler = Sampler(share)

    assert sum(sampler.picks() for _ in range(100)) == picked
