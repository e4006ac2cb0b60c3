"""Many kills of workers: what one shows in the suite, at any odd moment."""

import asyncio
import os
import signal
from pathlib import Path
from random import Random

import pytest
from tests.e2e.load import make_players
from tests.e2e.workers import betting, two_workers, until_gone
from tests.soak.size import size


@pytest.mark.soak
async def test_many_kills_of_workers_lose_and_double_nothing(
    tmp_path: Path, seed: int
) -> None:
    """Workers killed and renewed all the time cost callers who retry no call."""
    rng = Random(f"{seed}-soak-workers")
    with two_workers(tmp_path) as server:
        (player_id,) = await make_players(server, 1)
        for _ in range(size("WORKER_KILLS", 100)):
            async with betting(server, player_id):
                await asyncio.sleep(rng.uniform(0.0, 0.5))
                if rng.random() < 0.2:
                    old = set(server.worker_pids())
                    server.process.send_signal(signal.SIGHUP)
                else:
                    old = {rng.choice(server.worker_pids())}
                    os.kill(*old, signal.SIGKILL)
                await until_gone(server, old)
