"""Several workers on one PostgreSQL and one address are one server."""

import asyncio
import itertools
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.load import make_players
from tests.e2e.process import BIN, POLL_S, Caged, run, serving
from tests.e2e.story import FUNDS, GAMES, euro
from tests.postgres import new_database

from cage.client import Client, connect

SETTINGS = {"CAGE_WORKERS": "2", "CAGE_LANES": "3"}
CLIENTS_MAX = 64
BETS = 64


@pytest.fixture
def url() -> str:
    """Name an empty database."""
    return new_database()


@pytest.fixture
def server(tmp_path: Path, url: str) -> Iterator[Caged]:
    """Run a server of two workers, and judge its books at the end."""
    with serving(tmp_path, settings=SETTINGS, database=url) as running:
        yield running
    verified = run(BIN / "caged", "verify", url, cwd=tmp_path)

    assert verified.returncode == 0, verified.stdout + running.tail()


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


def connect_apart(server: Caged, key: str = "studio_key") -> Client:
    """Make a client with one connection that it shares with no other client."""
    client = connect(server.address, key=server.ready[key], channels=2)
    pool = client._caller.pool
    pool._open()
    for path, turn in pool._turns.items():
        pool._turns[path] = itertools.repeat(next(turn))
    return client


async def client_of_each(
    server: Caged, player_id: str, key: str = "studio_key"
) -> dict[str, Client]:
    """Connect until there is a client of each worker; the kernel draws which."""
    found: dict[str, Client] = {}
    for _ in range(CLIENTS_MAX):
        before = await asyncio.to_thread(counted, server, "cage_worker_calls_total")
        client = connect_apart(server, key)
        if key == "studio_key":
            await client.wallet.get_balance(player_id=player_id, currency_code="EUR")
        else:
            await client.players.get_player(player_id=player_id)
        after = await asyncio.to_thread(counted, server, "cage_worker_calls_total")
        (worker,) = [
            number for (number,), count in after.items() if count > before[number,]
        ]
        if worker in found:
            await client.close()
        found.setdefault(worker, client)
        if len(found) == 2:
            return found
    raise AssertionError(f"all clients found {sorted(found)}")


async def until_gone(server: Caged, pids: set[int]) -> None:
    """Wait until two workers listen, none of them one of these."""
    while True:
        up = await asyncio.to_thread(counted, server, "cage_worker_up")
        now = set(server.worker_pids())
        if len(now) == 2 and not now & pids and list(up.values()) == [1, 1]:
            return
        await asyncio.sleep(POLL_S)


async def test_one_bet_sent_to_both_workers_moves_money_once(server: Caged) -> None:
    """64 identical bets at once, over both workers, debit once and answer the same."""
    (player_id,) = await make_players(server, 1)
    clients = await client_of_each(server, player_id)
    replies = await asyncio.gather(
        *(
            list(clients.values())[number % 2].wallet.bet(
                player_id=player_id,
                game_id=GAMES[0],
                round_id="1",
                amount=euro(7),
                transaction_id="same",
            )
            for number in range(BETS)
        )
    )
    receipts = [reply.receipt for reply in replies]

    assert {receipt.current.cash for receipt in receipts} == {FUNDS - 7}
    assert len({receipt.ledger_id for receipt in receipts}) == 1
    assert sum(not receipt.replayed for receipt in receipts) == 1

    for client in clients.values():
        await client.close()


async def test_killed_worker_comes_back(server: Caged) -> None:
    """A worker killed under load is started again; retries lose and double nothing."""
    (player_id,) = await make_players(server, 1)
    clients = await client_of_each(server, player_id)
    victim = max(server.worker_pids())
    sent = 0
    is_over = asyncio.Event()

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

    async with asyncio.TaskGroup() as group:
        for worker, client in clients.items():
            for place in range(4):
                group.create_task(bet(client, f"{worker}-{place}"))
        await asyncio.sleep(0.3)
        os.kill(victim, signal.SIGKILL)
        await until_gone(server, {victim})
        is_over.set()
    balance = await clients["0"].wallet.get_balance(
        player_id=player_id, currency_code="EUR"
    )

    assert balance.balance.cash == FUNDS - sent
    assert counted(server, "cage_worker_restarts_total") == {(): 1}

    for client in clients.values():
        await client.close()
