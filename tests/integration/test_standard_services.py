"""Health and reflection answer as every gRPC tool expects."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.integration.deployment import Deployment, Player

from cage.client import methods

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUF = Path(sys.executable).parent / "buf"
SERVICES = sorted({method.service for method in methods()})
REFLECTIONS = ("grpc-v1", "grpc-v1alpha")


async def buf(*arguments: str) -> tuple[int, str, str]:
    """Run buf without the protos of this repository."""
    process = await asyncio.create_subprocess_exec(
        BUF,
        *arguments,
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("service", ["", *SERVICES])
async def test_health(deployment: Deployment, service: str) -> None:
    """Every service, and the server as a whole, is serving; no key is needed."""
    async with grpc.aio.insecure_channel(deployment.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        request = health_pb2.HealthCheckRequest(service=service)
        reply = await stub.Check(request)
        watched = await anext(aiter(stub.Watch(request)))

    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    assert watched.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_of_an_unknown_service(deployment: Deployment) -> None:
    """A service that is not served is not found."""
    async with grpc.aio.insecure_channel(deployment.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))

    assert failure.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", REFLECTIONS)
async def test_reflection_lists_services(deployment: Deployment, version: str) -> None:
    """A tool without the protos finds every rpc."""
    code, out, err = await buf(
        "curl",
        *("--protocol", "grpc", "--http2-prior-knowledge", "--list-methods"),
        *("--reflect-protocol", version),
        f"http://{deployment.address}",
    )

    assert code == 0, err
    assert {f"{method.service}/{method.name}" for method in methods()} <= set(
        out.split()
    )


@pytest.mark.parametrize("version", REFLECTIONS)
async def test_reflection_serves_a_call(player: Player, version: str) -> None:
    """A tool without the protos places a bet."""
    address, casino = player.casino.deployment.address, player.casino
    bet = {
        "playerId": player.player_id,
        "gameId": casino.game_id,
        "roundId": "round",
        "transactionId": "bet-1",
        "amount": {"currencyCode": "EUR", "amount": "250", "scale": 2},
    }
    code, out, err = await buf(
        "curl",
        *("--protocol", "grpc", "--http2-prior-knowledge"),
        *("--reflect-protocol", version),
        *("--header", f"authorization: Bearer {casino.studio_key}"),
        *("--data", json.dumps(bet)),
        f"http://{address}/cage.wallet.v1.WalletService/Bet",
    )

    assert code == 0, err
    assert json.loads(out)["receipt"]["cash"]["amount"] == "-250"
    assert await player.cash() == 9_750
