"""A server whose database is out of reach says so, and goes on when it is back."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs
from tests.contract.proxy import proxied
from tests.integration.carriers import CARRIERS, Send, assert_refused, sender
from tests.integration.deployment import Deployment, Player, running
from tests.postgres import Shell, new_database

from cage.client import DatabaseUnavailableError

pytestmark = pytest.mark.asyncio(loop_scope="session")


RECOVERY_MAX_S = 30


async def _until_it_passes(send: Send, player: Player, bet: Message) -> Any:
    """Send the same bet, as its advice says, until the database is back."""
    while isinstance(answer := await send(player, bet), DatabaseUnavailableError):  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    return answer


async def test_database_out_of_reach(tmp_path: Path) -> None:
    """Every carrier answers DATABASE_UNAVAILABLE; later the same bets pass."""
    url = await asyncio.to_thread(new_database)
    async with (
        proxied(url) as proxy,
        running(tmp_path, database=proxy.url) as deployment,
    ):
        player = await (await deployment.casino()).player()
        bets = {name: player.bet("1.00", name) for name in CARRIERS}
        sends = {name: sender(name) for name in CARRIERS}
        with capture_logs():
            proxy.is_open = False
            proxy.cut()
            refused = await asyncio.gather(
                *(sends[name](player, bets[name]) for name in CARRIERS)
            )
            proxy.is_open = True
        async with asyncio.timeout(RECOVERY_MAX_S):
            passed = [await _until_it_passes(sends[n], player, bets[n]) for n in sends]

    for answer in refused:
        assert_refused(answer, "DATABASE_UNAVAILABLE")
    assert [each.receipt.cash.amount for each in passed] == [-100] * len(CARRIERS)


async def _until_health_is(deployment: Deployment, name: str) -> None:
    """Ask for the health of the server until it is as told."""
    status = health_pb2.HealthCheckResponse.ServingStatus.Value(name)
    async with grpc.aio.insecure_channel(deployment.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        request = health_pb2.HealthCheckRequest()
        while (await stub.Check(request)).status != status:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_database_that_takes_no_writes(tmp_path: Path) -> None:
    """Read-only, bets are refused and health is NOT_SERVING; then the same bet passes.

    A failover leaves a server on the standby in this way.
    """
    url = await asyncio.to_thread(new_database)
    name = url.rpartition("/")[2]
    shell = await asyncio.to_thread(Shell, url)
    async with (
        proxied(url) as proxy,
        running(tmp_path, database=proxy.url) as deployment,
        asyncio.timeout(RECOVERY_MAX_S),
    ):
        player = await (await deployment.casino()).player()
        bet, send = player.bet("1.00", "once"), sender("call")
        with capture_logs():
            await asyncio.to_thread(
                shell.execute,
                f"ALTER DATABASE {name} SET default_transaction_read_only = on",
            )
            proxy.cut()
            refused = await send(player, bet)
            await _until_health_is(deployment, "NOT_SERVING")
            await asyncio.to_thread(
                shell.execute,
                f"ALTER DATABASE {name} RESET default_transaction_read_only",
            )
            await _until_health_is(deployment, "SERVING")
            passed = await _until_it_passes(send, player, bet)
    await asyncio.to_thread(shell.close)

    assert_refused(refused, "DATABASE_UNAVAILABLE")
    assert passed.receipt.cash.amount == -100
