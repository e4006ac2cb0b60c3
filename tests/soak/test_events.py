"""A long backlog of events is delivered whole, beside the bets of others."""

import asyncio
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.e2e.following import consuming, kept, wait_for
from tests.e2e.load import connect_once, make_players
from tests.e2e.process import serving, verify
from tests.soak.size import size
from tests.soak.test_million import place

PLAYERS = 50


@pytest.mark.soak
async def test_backlog_is_delivered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A consumer that comes late gets every event once, and so does one more, killed.

    It tells how many events a second were delivered, and bets beside them.
    """
    bets = size("EVENTS", 200_000)
    file, other = tmp_path / "consumer.db", tmp_path / "killed.db"
    with serving(tmp_path) as server:
        player_ids = await make_players(server, PLAYERS)
        spent: Counter[str] = Counter()
        async with connect_once(server) as client:
            await place(client, player_ids, range(bets), spent)
            with consuming(server, file) as consumer:
                took_s = await asyncio.to_thread(wait_for, file, bets, consumer)
            started = time.monotonic()
            more = asyncio.create_task(
                place(client, player_ids, range(bets, 2 * bets), spent)
            )
            while not more.done():
                with consuming(server, other):
                    await asyncio.wait([more], timeout=2)
            await more
            betting_s = time.monotonic() - started
            with consuming(server, other) as consumer:
                await asyncio.to_thread(wait_for, other, 2 * bets, consumer)

        assert server.terminate() == 0, server.tail()

    with capsys.disabled():
        sys.stdout.write(
            f"\n{bets / took_s:,.0f} events/s of backlog; {bets / betting_s:,.0f} "
            "bets/s beside a consumer that is killed every 2 s\n"
        )
    first, second = kept(file), kept(other)
    assert sum(map(len, first.values())) == bets
    assert sum(map(len, second.values())) == 2 * bets
    for player_id, names in first.items():
        assert second[player_id][: len(names)] == names
    assert verify(server.database, timeout_s=3_600).returncode == 0
