"""Consumer and server are killed at any point; no event is missed or doubled."""

import asyncio
from pathlib import Path
from random import Random

from tests.e2e.following import consuming, kept, wait_for
from tests.e2e.load import connect_once, make_players
from tests.e2e.process import Caged, serving, verify
from tests.e2e.story import GAMES, euro

from cage.client import requests

PLAYERS = 4
BATCH = 50
ROUNDS = 3
KILLS = 3


async def bet(server: Caged, player_ids: list[str], part: int) -> None:
    """Send one part of the bets, in batches of all players."""
    async with connect_once(server) as client:
        for start in range(0, BATCH * 2, BATCH):
            await client.wallet.batch_execute(
                requests.bet(
                    player_id=player_id,
                    game_id=GAMES[0],
                    round_id=f"{part}-{number}",
                    transaction_id=f"{part}-{number}",
                    amount=euro(1),
                )
                for number in range(start, start + BATCH)
                for player_id in player_ids
            )


async def test_killed_consumers_see_everything_once(tmp_path: Path, seed: int) -> None:
    """Kill -9 of consumers, and of the server, costs no event and doubles none."""
    rng = Random(f"{seed}-events")
    file = tmp_path / "consumer.db"
    player_ids: list[str] = []
    for part in range(ROUNDS):
        with serving(tmp_path) as server:
            if not player_ids:
                player_ids = await make_players(server, PLAYERS)
            betting = asyncio.create_task(bet(server, player_ids, part))
            for _ in range(KILLS):
                with consuming(server, file):
                    await asyncio.sleep(rng.uniform(0.0, 0.6))
            await betting
            if part == ROUNDS - 1:
                with consuming(server, file) as last:
                    await asyncio.to_thread(
                        wait_for, file, PLAYERS * ROUNDS * 2 * BATCH, last
                    )
                    # Nothing comes after the end.
                    await asyncio.sleep(0.2)
            server.kill()

    names = [f"{part}-{n}" for part in range(ROUNDS) for n in range(2 * BATCH)]
    assert kept(file) == dict.fromkeys(player_ids, names)
    assert verify(tmp_path / "cage.db").returncode == 0
