"""A million bets: memory and write-ahead log stay as they are, the sums are right."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from tests.e2e.load import connect_once, make_players
from tests.e2e.process import Caged, serving, verify
from tests.e2e.story import CURRENCY, FUNDS, GAMES, euro
from tests.soak.size import PAGE_CACHE_BYTES, size

from cage.client import CageError, Client, requests

PLAYERS = 200
BATCH = 500
CALLERS = 4
PARTS = 10
GROWTH_MAX = 1.05
WAL_MAX_BYTES = 256 << 20


@pytest.mark.soak
async def test_million_bets_take_no_memory(tmp_path: Path) -> None:
    """A million bets leave nothing in memory but the page cache of SQLite."""
    bets = size("BETS", 1_000_000)
    with serving(tmp_path) as server:
        player_ids = await make_players(server, PLAYERS)
        spent: Counter[str] = Counter()
        memory = []
        async with connect_once(server) as client:
            for part in range(PARTS):
                numbers = range(part * bets // PARTS, (part + 1) * bets // PARTS)
                await place(client, player_ids, numbers, spent)
                memory.append(server.memory_bytes())

                assert wal_bytes(server) <= WAL_MAX_BYTES

            for player_id in player_ids:
                reply = await client.wallet.get_balance(
                    player_id=player_id, currency_code=CURRENCY
                )

                assert reply.balance.cash == FUNDS - spent[player_id]

        assert server.terminate() == 0, server.tail()

    assert memory[-1] <= (memory[0] + PAGE_CACHE_BYTES) * GROWTH_MAX, memory
    assert verify(server.database, timeout_s=3_600).returncode == 0


async def place(
    client: Client, player_ids: list[str], numbers: range, spent: Counter[str]
) -> None:
    """Place numbered bets in batches, several at a time, and sum up what they cost."""
    starts = iter(range(numbers.start, numbers.stop, BATCH))

    async def call() -> None:
        for start in starts:
            items = []
            for number in range(start, min(start + BATCH, numbers.stop)):
                player_id = player_ids[number % len(player_ids)]
                spent[player_id] += 1 + number % 7
                items.append(
                    requests.bet(
                        player_id=player_id,
                        game_id=GAMES[number % len(GAMES)],
                        round_id=f"round-{number}",
                        amount=euro(1 + number % 7),
                    )
                )
            for answer in await client.wallet.batch_execute(items):
                assert not isinstance(answer, CageError), answer

    await asyncio.gather(*(call() for _ in range(CALLERS)))


def wal_bytes(server: Caged) -> int:
    """Return the size of the write-ahead log."""
    return server.database.with_name("cage.db-wal").stat().st_size
