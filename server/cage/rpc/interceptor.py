"""Guard every rpc: one fused wrapper, bound to its method when it is registered.

In this order: key, role, drain, rate, in-flight limit, form of the request; then the
rpc itself; then errors to status, counts, and a sampled log line. A chain of gRPC
interceptors would cost more than ten microseconds a link, so there is none: the
handler that gRPC calls is the wrapper.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, cast

import grpc
import structlog
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from cage.core.errors import CageError, Reason, invalid_field
from cage.core.registry import ApiKey, Registry, Role
from cage.core.secret import digest_of
from cage.rpc.meter import CANCELLED, OK, Meter, MethodMeter
from cage.rpc.rate import Rate, holds_bet
from cage.rpc.status import ANSWERS, to_status, to_trailers
from cage.rpc.validation import Check, checker_of

# From this share of the in-flight limit on, bets are shed; what brings money back
# still passes.
BET_SHARE = 0.8
# Bounds the headers that are kept; one key can be written in several ways.
_KEYS_MAX = 10_000

_GAME = frozenset({Role.GAME})
_OPERATOR = frozenset({Role.OPERATOR, Role.ADMIN})
_ADMIN = frozenset({Role.ADMIN})
_EVERY = frozenset(Role)
# Who may call what: by method, else by service. What is in neither is not served.
_METHOD_ROLES = {
    f"/cage.wallet.v1.WalletService/{name}": _EVERY
    for name in (
        "GetBalance",
        "GetTransaction",
        "GetRound",
        "ListTransactions",
        "ListUnfinishedRounds",
        "ExportTransactions",
        "ExportRounds",
        "WatchBalance",
    )
}
_SERVICE_ROLES = {
    "cage.wallet.v1.WalletService": _GAME,
    "cage.player.v1.PlayerService": _OPERATOR,
    "cage.player.v1.SessionService": _OPERATOR,
    "cage.player.v1.KycService": _OPERATOR,
    "cage.player.v1.ResponsibleGamingService": _OPERATOR,
    "cage.cashier.v1.CashierService": _OPERATOR,
    "cage.admin.v1.AdminService": _ADMIN,
    "cage.event.v1.EventService": _EVERY,
}
# Says of a request of these whether it is of those that are shed first.
_BETS: Mapping[str, Callable[[Any], bool]] = {
    "/cage.wallet.v1.WalletService/Bet": lambda _: True,
    "/cage.wallet.v1.WalletService/Reserve": lambda _: True,
    "/cage.wallet.v1.WalletService/Play": holds_bet,
}
_BATCH = "/cage.wallet.v1.WalletService/BatchExecute"

_log = structlog.get_logger("cage.rpc")

Context = grpc.aio.ServicerContext[Any, Any]


class RegistryHolder(Protocol):
    """Hold the registry of this moment; the writer does."""

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        ...


@dataclass(slots=True)
class Call:
    """Hold what an rpc knows of its call besides the request.

    ``timeout_s`` is the time left by the caller's deadline, or the server's default.
    """

    key: ApiKey
    timeout_s: float
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """Set the limits of calls and the sampling of their log, as shares of 1."""

    in_flight_max: int = 4_096
    rate_max_per_s: int = 0
    default_timeout_s: float = 10.0
    log_share: float = 0.01
    refusal_log_share: float = 0.1


class Sampler:
    """Pick an even share of what passes, without drawing random numbers."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._sum = 0.0

    def picks(self) -> bool:
        """Say whether this one is picked."""
        self._sum += self._share
        if self._sum < 1:
            return False
        self._sum -= 1
        return True


class Guard:
    """Wrap the methods of servicers and build the handlers that gRPC calls.

    A servicer's method takes (request, call), one of a bidirectional stream (call)
    alone. It answers the response, or writes all of them, or raises CageError.
    """

    def __init__(
        self,
        holder: RegistryHolder,
        *,
        meter: Meter,
        settings: GuardSettings = GuardSettings(),
    ) -> None:
        self._holder = holder
        self._meter = meter
        self._settings = settings
        self._ok_sampler = Sampler(settings.log_share)
        self._refusal_sampler = Sampler(settings.refusal_log_share)
        self.rate = Rate(settings.rate_max_per_s)
        self._keys: dict[str, ApiKey] = {}
        self._keys_registry: Registry | None = None
        self.is_draining = False

    def register(
        self, server: grpc.aio.Server, file: FileDescriptor, servicer: object
    ) -> str:
        """Serve the one service of a file; return its full name.

        Rpcs named in the servicer's ``JUDGED`` check the form of their requests
        themselves, while they convert them.
        """
        (service,) = file.services_by_name.values()
        judged: frozenset[str] = getattr(servicer, "JUDGED", frozenset())
        handlers = {
            method.name: self._method_handler(
                method, getattr(servicer, method.name), method.name not in judged
            )
            for method in service.methods
        }
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service.full_name, handlers),)
        )
        return service.full_name

    def _method_handler(
        self, method: MethodDescriptor, run: Callable[..., Any], has_check: bool
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        name = f"/{method.containing_service.full_name}/{method.name}"
        parse = _tolerant(GetMessageClass(method.input_type).FromString)
        write = GetMessageClass(method.output_type).SerializeToString
        if method.client_streaming and method.server_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._guard_stream(name, run), parse, write
            )
        check = checker_of(method.input_type) if has_check else None
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._guard_stream(name, run, check), parse, write
            )
        if method.client_streaming:
            raise AssertionError(f"{name} streams one way, which is not guarded yet")
        return grpc.unary_unary_rpc_method_handler(
            self._guard_unary(name, run, check), parse, write
        )

    def _guard_unary(
        self,
        name: str,
        run: Callable[[Any, Call], Awaitable[Any]],
        check: Check | None,
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        meter, counts = self._meter, self._meter.methods[name]
        roles = _roles_of(name)
        holds = _BETS.get(name)
        limit = self._settings.in_flight_max
        bet_limit = int(limit * BET_SHARE)
        # The operations of a batch count one by one.
        take = _take_nothing if name == _BATCH else self.rate.take

        async def handle(request: Any, context: Context) -> Any:
            started = time.perf_counter()
            key: ApiKey | None = None
            meter.in_flight += 1
            try:
                key = self._authorize(name, roles, context)
                is_bet = holds is not None and holds(request)
                take(key.key_id, is_bet=is_bet)
                is_full = meter.in_flight > (bet_limit if is_bet else limit)
                _admit(request, check, is_full=is_full)
                call = Call(key, self._timeout_s(context), context)
                response = await run(request, call)
            except CageError as error:
                refusal = error
            except (asyncio.CancelledError, grpc.aio.BaseError):
                counts.count(CANCELLED, time.perf_counter() - started)
                raise
            except Exception:  # noqa: BLE001 - the edge: nothing may leak to gRPC
                refusal = self.fail(name)
            else:
                self._end(name, key, counts, started, None)
                return response
            finally:
                meter.in_flight -= 1
            self._end(name, key, counts, started, refusal)
            await _abort(context, refusal)
            return None

        return handle

    def _guard_stream(
        self,
        name: str,
        run: Callable[..., Awaitable[None]],
        check: Check | None = None,
    ) -> Callable[[Any, Context], Awaitable[None]]:
        """Guard a stream of both sides, or with ``check`` one of the server alone."""
        meter, counts = self._meter, self._meter.methods[name]
        roles = _roles_of(name)

        async def handle(request: Any, context: Context) -> None:
            started = time.perf_counter()
            key: ApiKey | None = None
            refusal: CageError | None = None
            meter.streams += 1
            try:
                key = self._authorize(name, roles, context)
                call = Call(key, self._settings.default_timeout_s, context)
                if check is None:
                    await run(call)
                else:
                    self.rate.take(key.key_id, is_bet=False)
                    _admit(request, check, is_full=False)
                    await run(request, call)
            except CageError as error:
                refusal = error
            except (asyncio.CancelledError, grpc.aio.BaseError):
                counts.count(CANCELLED, time.perf_counter() - started)
                raise
            except Exception:  # noqa: BLE001 - the edge: nothing may leak to gRPC
                refusal = self.fail(name)
            finally:
                meter.streams -= 1
            self._end(name, key, counts, started, refusal)
            if refusal is not None:
                await _abort(context, refusal)

        return handle

    def fail(self, name: str) -> CageError:
        """Log and count the exception being handled; return what its caller hears."""
        self._meter.failures += 1
        _log.exception("call failed", method=name)
        return CageError(Reason.INTERNAL)

    def _authorize(self, name: str, roles: frozenset[Role], context: Context) -> ApiKey:
        """Return the caller's key, or raise what stands in its way."""
        key = self._find_key(_header_of(context))
        if not key.is_valid(time.time_ns() // 1_000):
            raise CageError(Reason.KEY_INVALID)
        if key.role not in roles:
            raise CageError(
                Reason.ROLE_NOT_ALLOWED, role=Role(key.role).name, method=name
            )
        if self.is_draining:
            raise CageError(Reason.SHUTTING_DOWN)
        return key

    def _find_key(self, header: str) -> ApiKey:
        """Return the key of an authorization header, or KEY_MISSING or KEY_INVALID.

        Headers that led to a key are kept until the registry changes.
        """
        registry = self._holder.registry
        if registry is not self._keys_registry or len(self._keys) >= _KEYS_MAX:
            self._keys_registry, self._keys = registry, {}
        key = self._keys.get(header)
        if key is not None:
            return key
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise CageError(Reason.KEY_MISSING)
        key = registry.keys_by_digest.get(digest_of(secret))
        if key is None:
            raise CageError(Reason.KEY_INVALID)
        self._keys[header] = key
        return key

    def _timeout_s(self, context: Context) -> float:
        # None without a deadline, whatever the stubs say.
        left_s: float | None = cast("Any", context).time_remaining()
        return self._settings.default_timeout_s if left_s is None else left_s

    def _end(
        self,
        name: str,
        key: ApiKey | None,
        counts: MethodMeter,
        started: float,
        refusal: CageError | None,
    ) -> None:
        """Count a call that ended, and log a sample."""
        elapsed_s = time.perf_counter() - started
        outcome = OK if refusal is None else refusal.reason.value
        counts.count(outcome, elapsed_s)
        sampler = self._ok_sampler if refusal is None else self._refusal_sampler
        if sampler.picks():
            _log.info(
                "call",
                method=name,
                key_id="" if key is None else key.key_id,
                outcome=outcome,
                duration_ms=round(elapsed_s * 1_000, 3),
                **_loggable(refusal),
            )


# Variables of a refusal that name no person and hold no text of the caller's.
_LOGGABLE = ("field", "role", "by", "status", "state", "noun")
_NOTHING: Mapping[str, str] = MappingProxyType({})


def _take_nothing(_: str, *, is_bet: bool) -> None:
    """Count no operation."""


def _loggable(refusal: CageError | None) -> Mapping[str, str]:
    if refusal is None:
        return _NOTHING
    told = refusal.metadata
    return {name: told[name] for name in _LOGGABLE if name in told}


def _roles_of(name: str) -> frozenset[Role]:
    service = name.split("/")[1]
    return _METHOD_ROLES.get(name) or _SERVICE_ROLES[service]


def _tolerant(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return a parser that answers None for bytes that are no message.

    gRPC would answer UNKNOWN with the text of the exception.
    """

    def parse_or_none(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            return None

    return parse_or_none


def _header_of(context: Context) -> str:
    """Return the authorization header of a call, empty without one."""
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str):
            return value
    return ""


def _admit(request: Any, check: Check | None, *, is_full: bool) -> None:
    """Let a request in, or raise OVERLOADED or INVALID_FIELD."""
    if is_full:
        raise CageError(Reason.OVERLOADED)
    if request is None:
        raise invalid_field("request", "cannot be parsed")
    if check is not None:
        check(request)


async def _abort(context: Context, refusal: CageError) -> None:
    """End a call with the status of its refusal."""
    await context.abort(
        ANSWERS[refusal.reason].code, to_status(refusal).message, to_trailers(refusal)
    )
