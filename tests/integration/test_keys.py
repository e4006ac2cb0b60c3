"""Keys say who calls: what is missing, wrong, revoked, expired or not allowed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from tests.integration.books import digest
from tests.integration.deployment import Casino, Player
from tests.integration.wire import CARRIERS, METHODS, STREAM, Refusal, Wire, connected

from cage.admin.v1.admin_pb2 import Role
from cage.client import Method, methods
from cage.wallet.v1 import wallet_service_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNARY = [method for method in methods() if method.is_unary]
READS = {
    "GetBalance",
    "GetTransaction",
    "GetRound",
    "ListTransactions",
    "ListUnfinishedRounds",
}
LIFE_S = 1.5


def allowed(method: Method) -> set[str]:
    """Say which roles may call an rpc, by the comments of the contract."""
    service = method.service.rpartition(".")[2]
    if service == "AdminService":
        return {"ADMIN"}
    if service == "WalletService":
        return {"GAME", "OPERATOR", "ADMIN"} if method.name in READS else {"GAME"}
    return {"OPERATOR", "ADMIN"}


def keys(casino: Casino) -> dict[str, str]:
    """Return one key of each role."""
    return {
        "GAME": casino.studio_key,
        "OPERATOR": casino.operator_key,
        "ADMIN": casino.deployment.admin_key,
    }


async def assert_nothing_moves(
    player: Player, carrier: str, key: str | None, reason: str
) -> None:
    """Hold a bet with a key to be refused without a trace."""
    path = player.casino.deployment.path
    before = digest(path)
    async with connected(player.casino.deployment.address) as wire:
        if carrier == "stream":
            # Writing to a stream that was refused already hides why, in grpc.
            async with wire.stream(key) as stream:
                answer = await stream.read()
        else:
            answer = await wire.send(carrier, player.bet("1.00"), key)

    assert isinstance(answer, Refusal), answer
    assert answer.reason == reason
    assert digest(path) == before


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_key_missing(player: Player, carrier: str) -> None:
    """A call without a key answers KEY_MISSING."""
    await assert_nothing_moves(player, carrier, None, "KEY_MISSING")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_key_unknown(player: Player, carrier: str) -> None:
    """A key that nobody made answers KEY_INVALID."""
    await assert_nothing_moves(player, carrier, "cage_unknown", "KEY_INVALID")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_key_revoked(player: Player, carrier: str) -> None:
    """A revoked key answers KEY_INVALID at once."""
    casino = player.casino
    key_id, key = await casino.deployment.key(
        Role.ROLE_GAME,
        integration_id=casino.integration_id,
        operator_ids=[casino.operator_id],
    )
    await casino.deployment.client(key).call(player.bet("1.00"))
    await casino.deployment.admin.admin.revoke_api_key(key_id=key_id)

    await assert_nothing_moves(player, carrier, key, "KEY_INVALID")


async def test_key_expired(player: Player) -> None:
    """A key past its life answers KEY_INVALID, and ends a stream that is open."""
    casino = player.casino
    expire_time = datetime.now(UTC) + timedelta(seconds=LIFE_S)
    _, key = await casino.deployment.key(
        Role.ROLE_GAME,
        integration_id=casino.integration_id,
        operator_ids=[casino.operator_id],
        expire_time=expire_time,
    )
    async with connected(casino.deployment.address) as wire, wire.stream(key) as open_:
        await open_.write("1", player.bet("1.00"))
        posted = await open_.read()
        await asyncio.sleep((expire_time - datetime.now(UTC)).total_seconds() + 0.01)
        await open_.write("2", player.bet("1.00"))
        ended = await open_.read()

    assert posted.receipt.cash.amount == -100
    assert ended.reason == "KEY_INVALID"
    for carrier in CARRIERS:
        await assert_nothing_moves(player, carrier, key, "KEY_INVALID")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Bearer {}", ""),
        ("bearer {}", ""),
        ("BEARER {}", ""),
        ("{}", "KEY_MISSING"),
        ("Basic {}", "KEY_MISSING"),
        ("Bearer ", "KEY_MISSING"),
        ("", "KEY_MISSING"),
        ("Bearer {}x", "KEY_INVALID"),
        ("Bearer {} {}", "KEY_INVALID"),
    ],
)
async def test_form_of_the_key(player: Player, value: str, reason: str) -> None:
    """Only "Bearer KEY" is a key, in whatever case the scheme is written."""
    key = player.casino.studio_key
    metadata = (("authorization", value.format(key, key)),)
    request = player.bet("1.00").SerializeToString()
    async with connected(player.casino.deployment.address) as wire:
        answer = await wire.raw(METHODS[pb.BetRequest], request, metadata)

    assert (answer.reason if isinstance(answer, Refusal) else "") == reason


async def call_empty(wire: Wire, method: Method, key: str | None) -> Any:
    """Send an empty request: it is refused for its form when the role may call."""
    metadata = () if key is None else (("authorization", f"Bearer {key}"),)
    return await wire.raw(method, b"", metadata)


@pytest.mark.parametrize("method", UNARY, ids=lambda method: method.name)
async def test_roles(casino: Casino, method: Method) -> None:
    """Every rpc is for its roles only, and the role is judged before the form."""
    async with connected(casino.deployment.address) as wire:
        missing = await call_empty(wire, method, None)
        answers = {
            role: await call_empty(wire, method, key)
            for role, key in keys(casino).items()
        }

    assert missing.reason == "KEY_MISSING"
    for role, answer in answers.items():
        refused = isinstance(answer, Refusal) and answer.reason == "ROLE_NOT_ALLOWED"

        assert refused == (role not in allowed(method)), answer
        if refused:
            assert answer.metadata == {"role": role, "method": method.path}


async def test_roles_of_a_stream(casino: Casino) -> None:
    """A stream is for studios only."""
    answers: dict[str, Any] = {}
    async with connected(casino.deployment.address) as wire:
        for role, key in keys(casino).items():
            async with wire.stream(key) as stream:
                is_game = role == "GAME"
                answers[role] = await (stream.rest() if is_game else stream.read())

    assert answers.pop("GAME") == []
    for role, answer in answers.items():
        assert answer.reason == "ROLE_NOT_ALLOWED"
        assert answer.metadata == {"role": role, "method": STREAM.path}


async def test_key_is_judged_before_the_method_exists(casino: Casino) -> None:
    """An rpc that nobody serves answers UNIMPLEMENTED, as gRPC does."""
    async with grpc.aio.insecure_channel(casino.deployment.address) as channel:
        call: Any = channel.unary_unary("/cage.wallet.v1.WalletService/Steal")
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(b"")

    assert failure.value.code() == grpc.StatusCode.UNIMPLEMENTED
