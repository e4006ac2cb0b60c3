"""Tell the workers of one server apart, and reach each of them."""

import asyncio
import itertools
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.process import BIN, POLL_S, Caged, run, serving
from tests.e2e.story import GAMES, euro
from tests.postgres import new_database

from cage.client import Client, RetryPolicy, connect

# Two workers: the kernel draws one for each connection.
SETTINGS = {"CAGE_WORKERS": "2", "CAGE_LANES": "3"}
CONNECTIONS_MAX = 64
CALLERS = 4
# Whoever does not know sends the same id until there is an answer.
PATIENT = RetryPolicy(attempts=100, total_timeout_s=30.0)


def counted(server: Caged, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric by the values of their labels."""
    address = server.ready["metrics_address"]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def connect_apart(server: Caged) -> Client:
    """Make a client with one connection that it shares with no other client."""
    client = connect(server.address, key=server.ready["operator_key"], channels=2)
    pool = client._caller.pool
    pool._open()
    for path, turn in pool._turns.items():
        pool._turns[path] = itertools.repeat(next(turn))
    return client


@asynccontextmanager
async def client_of_each(server: Caged) -> AsyncIterator[tuple[Client, Client]]:
    """Bring one client, with the operator's key, of each of two workers."""
    found: dict[str, Client] = {}
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS_MAX):
            before = await asyncio.to_thread(counted, server, "cage_worker_calls_total")
            client = await stack.enter_async_context(connect_apart(server))
            _ = [player async for player in client.players.list_players()]
            after = await asyncio.to_thread(counted, server, "cage_worker_calls_total")
            (worker,) = [
                number for (number,), count in after.items() if count > before[number,]
            ]
            found.setdefault(worker, client)
            if len(found) == 2:
                break

        assert len(found) == 2, f"{CONNECTIONS_MAX} connections found {sorted(found)}"

        yield found["0"], found["1"]


async def until_gone(server: Caged, pids: set[int]) -> None:
    """Wait until two workers listen, none of them one of these."""
    while True:
        up = await asyncio.to_thread(counted, server, "cage_worker_up")
        now = set(server.worker_pids())
        if len(now) == 2 and not now & pids and list(up.values()) == [1, 1]:
            return
        await asyncio.sleep(POLL_S)


@contextmanager
def two_workers(
    folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Caged]:
    """Run a server of two workers, and judge its books at the end."""
    url = new_database()
    with serving(
        folder, settings=SETTINGS | dict(settings or {}), database=url
    ) as running:
        yield running
    verified = run(BIN / "caged", "verify", url, cwd=folder)

    assert verified.returncode == 0, verified.stdout + running.tail()


async def cash_of(client: Client, player_id: str) -> int:
    """Return the cash of a player."""
    found = await client.wallet.get_balance(player_id=player_id, currency_code="EUR")
    return found.balance.cash


@asynccontextmanager
async def betting(server: Caged, player_id: str) -> AsyncIterator[None]:
    """Bet all the time at both workers; every call has to succeed, once."""
    is_over = asyncio.Event()
    sent = 0

    async def bet(client: Client, name: str) -> None:
        nonlocal sent
        number = 0
        while not is_over.is_set():
            number += 1
            await client.wallet.bet(
                player_id=player_id,
                game_id=GAMES[0],
                round_id=name,
                amount=euro(1),
                transaction_id=f"{name}-{number}",
            )
            sent += 1

    name = uuid.uuid4().hex
    async with client_of_each(server) as clients:
        before = await cash_of(clients[0], player_id)
        async with asyncio.TaskGroup() as group:
            for worker, client in enumerate(clients):
                studio = client.with_options(
                    key=server.ready["studio_key"], retry=PATIENT
                )
                for place in range(CALLERS):
                    group.create_task(bet(studio, f"{name}-{worker}-{place}"))
            await asyncio.sleep(0.3)
            yield
            is_over.set()
        after = await cash_of(clients[0], player_id)

    assert after == before - sent
