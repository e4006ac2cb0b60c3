"""Several workers on one PostgreSQL and one address live and die as one server."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.e2e.audit import left_in_doubt
from tests.e2e.load import make_players, under_load
from tests.e2e.process import BIN, POLL_S, Caged, run
from tests.e2e.story import GAMES, Teller, euro
from tests.e2e.workers import (
    betting,
    cash_of,
    client_of_each,
    counted,
    two_workers,
    until_gone,
)
from tests.postgres import new_database

BETS = 64
RESTARTS = "cage_worker_restarts_total"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caged]:
    """Run the server of the tests that leave it running."""
    with two_workers(tmp_path_factory.mktemp("workers")) as running:
        yield running


async def test_one_bet_sent_to_both_workers_moves_money_once(server: Caged) -> None:
    """64 identical bets at once, over both workers, debit once and answer the same."""
    (player_id,) = await make_players(server, 1)
    async with client_of_each(server) as clients:
        before = await cash_of(clients[0], player_id)
        studios = [c.with_options(key=server.ready["studio_key"]) for c in clients]
        replies = await asyncio.gather(
            *(
                studios[number % 2].wallet.bet(
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

    assert {receipt.current.cash for receipt in receipts} == {before - 7}
    assert len({receipt.ledger_id for receipt in receipts}) == 1
    assert sum(not receipt.replayed for receipt in receipts) == 1


async def test_killed_worker_comes_back(server: Caged) -> None:
    """A worker killed under load is started again; retries lose and double nothing."""
    (player_id,) = await make_players(server, 1)
    victim = max(server.worker_pids())
    before = counted(server, RESTARTS)[()]
    async with betting(server, player_id):
        os.kill(victim, signal.SIGKILL)
        await until_gone(server, {victim})
    calls = counted(server, "cage_calls_total")

    assert counted(server, RESTARTS) == {(): before + 1}
    # What the dead one had counted is still in the sum.
    assert sum(calls.values()) > sum(
        counted(server, "cage_worker_calls_total").values()
    )


async def test_renewal_fails_no_call(server: Caged) -> None:
    """SIGHUP replaces every worker under load, and no caller who retries notices."""
    (player_id,) = await make_players(server, 1)
    old = set(server.worker_pids())
    before = counted(server, RESTARTS)[()]
    async with betting(server, player_id):
        server.process.send_signal(signal.SIGHUP)
        await until_gone(server, old)

    assert counted(server, RESTARTS) == {(): before + 2}
    assert "workers renewed" in server.log.read_text()


def living(pids: list[int]) -> list[int]:
    """Return those processes that are still there."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def test_drain_answers_what_it_took(tmp_path: Path, seed: int) -> None:
    """SIGTERM under load ends with code 0, and no call in flight is left in doubt."""
    rng = Random(f"{seed}-drain-workers")
    with two_workers(tmp_path) as server:
        teller = Teller(rng, await make_players(server, 12), "drain")
        workers = server.worker_pids()
        async with under_load(server, teller, rng):
            await asyncio.sleep(rng.uniform(0.3, 1.0))
            signal_time = time.monotonic()
            code = await asyncio.to_thread(server.terminate)

    assert code == 0, server.tail()
    assert left_in_doubt(teller.stories, signal_time) == []
    assert living(workers) == []


def test_workers_do_not_outlive_their_supervisor(tmp_path: Path) -> None:
    """A supervisor that is killed leaves no worker behind: they drain by themselves."""
    with two_workers(tmp_path) as server:
        workers = server.worker_pids()
        server.kill()
        while living(workers):
            time.sleep(POLL_S)


@pytest.mark.parametrize(
    ("database", "told"),
    [
        ("cage.db", "an embedded database is served by one process"),
        ("postgresql://cage:hidden@127.0.0.1:1/cage", "worker 0 ended as it started"),
    ],
)
def test_workers_that_cannot_start(tmp_path: Path, database: str, told: str) -> None:
    """What several workers cannot serve is told in a line, with exit code 2."""
    failed = run(
        *(BIN / "caged", "serve", "--workers", "2", "--database", database),
        *("--listen", "127.0.0.1:0", "--metrics-listen", ""),
        cwd=tmp_path,
    )

    assert failed.returncode == 2, failed.stderr
    assert told in failed.stderr
    assert "hidden" not in failed.stderr
    assert "Traceback" not in failed.stderr


def test_port_of_another_server(server: Caged, tmp_path: Path) -> None:
    """Workers share their address with each other, never with another server."""
    failed = run(
        *(BIN / "caged", "serve", "--workers", "2", "--database", new_database()),
        *("--listen", server.address, "--metrics-listen", ""),
        cwd=tmp_path,
    )

    assert failed.returncode == 2, failed.stderr
    assert f"cannot listen on {server.address}" in failed.stderr
