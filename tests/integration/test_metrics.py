"""The metrics page counts calls, refusals, replays, batches and what waits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.deployment import Player, running
from tests.integration.plugs import plugged, until, waiting
from tests.integration.wire import connected

from cage.client import requests

pytestmark = pytest.mark.asyncio(loop_scope="session")

Samples: TypeAlias = dict[tuple[str, frozenset[tuple[str, str]]], float]
WALLET = "/cage.wallet.v1.WalletService"


@pytest_asyncio.fixture(loop_scope="session")
async def counted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Player]:
    """Bring a player of a server that nobody else calls."""
    async with running(tmp_path_factory.mktemp("counted")) as deployment:
        yield await (await deployment.casino()).player()


async def get(player: Player, path: str = "/metrics", method: str = "GET") -> str:
    """Ask the HTTP server of the metrics; return the whole answer."""
    host, _, port = player.casino.deployment.server.metrics_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def read(player: Player) -> Samples:
    """Read every sample of the page."""
    _, _, body = (await get(player)).partition("\r\n\r\n")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """Return one sample, 0 where nothing was counted yet."""
    return samples.get((name, frozenset(labels.items())), 0)


BET = f"{WALLET}/Bet"
READ = f"{WALLET}/GetBalance"
BATCH = f"{WALLET}/BatchExecute"
POOR = "INSUFFICIENT_FUNDS"
COUNTS: list[tuple[str, dict[str, str], int]] = [
    ("cage_operations_total", {"operation": "bet"}, 3),
    ("cage_operations_total", {"operation": "win"}, 1),
    ("cage_operations_total", {"operation": "get_balance"}, 3),
    ("cage_replays_total", {"operation": "bet"}, 2),
    ("cage_refusals_total", {"operation": "bet", "reason": POOR}, 3),
    ("cage_refusals_total", {"operation": "bet", "reason": "INVALID_FIELD"}, 1),
    ("cage_calls_total", {"method": BET, "outcome": "OK"}, 1),
    ("cage_calls_total", {"method": BET, "outcome": POOR}, 1),
    ("cage_calls_total", {"method": BATCH, "outcome": "OK"}, 3),
    ("cage_calls_total", {"method": READ, "outcome": "KEY_MISSING"}, 1),
    ("cage_call_seconds_count", {"method": BET}, 3),
    ("cage_failures_total", {}, 0),
]


async def test_operations(counted: Player) -> None:
    """Operations count alike on every way, by reason when they are refused."""
    studio, key = counted.casino.studio, counted.casino.studio_key
    bet, poor = counted.bet("1.00", "bet"), counted.bet("1000.00", "poor")
    async with connected(counted.casino.deployment.address) as wire:
        for carrier in ("call", "stream", "batch"):
            for request in (bet, poor, counted.read()):
                await wire.send(carrier, request, key)
        await wire.call(counted.bet("1.00", "x" * 200), key)
        await wire.call(counted.read(), None)
    await studio.call(counted.win("2.00"))
    samples = await read(counted)

    for name, labels, expected in COUNTS:
        assert value(samples, name, **labels) == expected, (name, labels)


async def test_batches(counted: Player) -> None:
    """What is committed together counts as one batch, with its times."""
    before = await read(counted)
    bets = [counted.bet("0.01") for _ in range(20)]
    wallet = counted.casino.studio.wallet
    async with plugged(counted):
        batch = asyncio.create_task(wallet.batch_execute(bets))
        await until(lambda: waiting(counted.casino.deployment) == 20)
        during = await read(counted)
    await batch
    after = await read(counted)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert value(during, "cage_queue_depth") == 20
    assert value(after, "cage_queue_depth") == 0
    assert grown("cage_batch_size_count") == 2
    assert grown("cage_batch_size_sum") == 21
    assert grown("cage_batch_size_bucket", le="1") == 1
    for name in ("cage_commit_seconds", "cage_batch_run_seconds"):
        assert grown(f"{name}_count") == 2
        assert grown(f"{name}_sum") > 0
    assert grown("cage_batch_wait_seconds_sum") > 0
    assert grown("cage_batch_reruns_total") == 0


async def test_gauges(counted: Player) -> None:
    """Calls in flight and open streams are gauges that fall again."""
    deployment, key = counted.casino.deployment, counted.casino.studio_key
    async with connected(deployment.address) as wire, wire.stream(key) as stream:
        await stream.write("1", counted.bet("1.00"))
        await stream.read()
        async with plugged(counted):
            during = await read(counted)
    await until(lambda: not deployment.server._guard._meter.streams)
    after = await read(counted)
    levels = [
        (value(at, "cage_streams_open"), value(at, "cage_calls_in_flight"))
        for at in (during, after)
    ]

    assert levels == [(1, 1), (0, 0)]


async def test_page_is_plain_http(counted: Player) -> None:
    """Only GET /metrics is served, with the type that Prometheus wants."""
    page = await get(counted)
    missing = await get(counted, "/")
    posted = await get(counted, method="POST")

    assert page.startswith("HTTP/1.1 200 OK\r\n")
    assert "Content-Type: text/plain" in page
    assert "process_cpu_seconds_total" in page
    assert missing.startswith("HTTP/1.1 404 ")
    assert posted.startswith("HTTP/1.1 404 ")


async def test_page_names_nobody(counted: Player) -> None:
    """No id of a player, key or transaction is a label."""
    await counted.casino.studio.call(counted.bet("1.00", "bet-of-somebody"))
    await counted.casino.studio.call(
        requests.get_balance(player_id=counted.player_id, currency_code="EUR")
    )
    page = await get(counted)
    names: list[Any] = [counted.player_id, "bet-of-somebody", counted.casino.game_id]

    assert not [name for name in names if name in page]
