"""PostgreSQL crashes under load and comes back; callers only ever repeat themselves."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.e2e.load import connect_once, make_players
from tests.e2e.process import BIN, run, serving
from tests.e2e.story import CURRENCY, FUNDS, GAMES, euro
from tests.postgres import Cluster, make_database, new_cluster

from cage.client import (
    Client,
    DatabaseUnavailableError,
    OverloadedError,
    UnknownOutcomeError,
)

PLAYERS = 12
RESTARTS = 5
# Answers after which a caller sends the same once more.
PASSING = (DatabaseUnavailableError, OverloadedError, UnknownOutcomeError)
REPEAT_S = 0.05
REPEATS_MAX = 2_000


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Run a PostgreSQL that the test may crash."""
    made = new_cluster()
    yield made
    made.remove()


async def bet_until_answered(client: Client, player_id: str, name: str) -> None:
    """Send a bet under one id until it is answered.

    Most are answered the first time: the lane waits for its database and runs what was
    lost again.
    """
    for _ in range(REPEATS_MAX):
        try:
            await client.wallet.bet(
                player_id=player_id,
                game_id=GAMES[0],
                round_id=name,
                transaction_id=name,
                amount=euro(1),
            )
        except PASSING:
            await asyncio.sleep(REPEAT_S)
        else:
            return
    raise AssertionError(f"{name} was never answered")


async def test_crashes_lose_and_double_nothing(
    tmp_path: Path, cluster: Cluster, seed: int
) -> None:
    """Five crashes under load: each bet that callers repeat moves money once."""
    rng = Random(f"{seed}-restart")
    url = make_database(cluster.url)
    bets: Counter[str] = Counter()
    over, answered = asyncio.Event(), asyncio.Event()

    with serving(tmp_path, settings={"CAGE_LANES": "3"}, database=url) as server:
        player_ids = await make_players(server, PLAYERS)
        async with connect_once(server) as client:

            async def play(player_id: str) -> None:
                while not over.is_set():
                    name = f"b{bets[player_id]}"
                    await bet_until_answered(client, player_id, name)
                    bets[player_id] += 1
                    answered.set()

            async with asyncio.TaskGroup() as group:
                for player_id in player_ids:
                    group.create_task(play(player_id))
                for _ in range(RESTARTS):
                    before = bets.total()
                    while bets.total() < before + PLAYERS:
                        answered.clear()
                        await answered.wait()
                    await asyncio.sleep(rng.uniform(0.0, 0.3))
                    await asyncio.to_thread(cluster.stop, signal.SIGQUIT)
                    await asyncio.to_thread(cluster.start)
                over.set()
            for player_id in player_ids:
                reply = await client.wallet.get_balance(
                    player_id=player_id, currency_code=CURRENCY
                )

                assert reply.balance.cash == FUNDS - bets[player_id]

        assert server.terminate() == 0, server.tail()

    checked = run(BIN / "caged", "verify", url, cwd=tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr
