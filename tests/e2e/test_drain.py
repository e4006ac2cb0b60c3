"""SIGTERM under load: what was taken is answered, the rest is refused by name."""

import asyncio
import time
from pathlib import Path
from random import Random

from tests.e2e.audit import (
    counted,
    find_present,
    judge_balances,
    left_in_doubt,
    resend,
)
from tests.e2e.load import connect_once, make_players, under_load
from tests.e2e.process import serving, verify
from tests.e2e.story import Teller


async def test_drain_answers_what_it_took(tmp_path: Path, seed: int) -> None:
    """SIGTERM under load ends with code 0, and no call in flight is left in doubt."""
    rng = Random(f"{seed}-drain")
    with serving(tmp_path) as server:
        player_ids = await make_players(server, 12)
        teller = Teller(rng, player_ids, "drain")
        async with under_load(server, teller, rng):
            await asyncio.sleep(rng.uniform(0.3, 1.0))
            signal_time = time.monotonic()
            code = await asyncio.to_thread(server.terminate)

    assert code == 0, server.tail()
    assert left_in_doubt(teller.stories, signal_time) == []
    assert verify(server.database).returncode == 0

    with serving(tmp_path) as server:
        async with connect_once(server) as client:
            present = await find_present(client, teller.stories)
            unanswered = [s for s, there in present.items() if there and not s.answers]

            assert [step.request for step in unanswered] == []

            await resend(client, teller.stories)
            await judge_balances(client, player_ids, counted(teller.stories))
