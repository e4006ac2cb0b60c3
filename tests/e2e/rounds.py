"""Kill a server again and again on one database, and hold it to its word each time."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.e2e.audit import (
    counted,
    find_present,
    judge_balances,
    judge_ledger,
    judge_rows,
    resend,
    verify_copy,
)
from tests.e2e.load import connect_once, make_players, under_load
from tests.e2e.process import Caged
from tests.e2e.story import Story, Teller

PLAYERS = 36
LOAD_MAX_S = 1.0
# Now and then it is killed again while it starts.
START_KILL_SHARE = 0.25
START_MAX_S = 2.0


class Ordeal:
    """Run rounds of load, kill, restart and audit over one database."""

    def __init__(self, folder: Path, rng: Random) -> None:
        self.folder = folder
        self.stories: list[Story] = []
        self._rng = rng
        self._player_ids: list[str] = []
        self._round = 0
        self.server = Caged(folder)

    async def begin(self) -> None:
        """Wait for the server and make its players."""
        await asyncio.to_thread(self.server.wait_ready)
        self._player_ids = await make_players(self.server, PLAYERS)

    async def round(self) -> None:
        """Kill the server under load; what comes back has to be what was promised."""
        self._round += 1
        teller = Teller(self._rng, self._player_ids, f"round{self._round}")
        async with under_load(self.server, teller, self._rng):
            await asyncio.sleep(self._rng.uniform(0.02, LOAD_MAX_S))
            self.server.kill()
        await asyncio.to_thread(verify_copy, self.server.database)
        await self._restart()
        await self._judge(teller.stories)
        self.stories += teller.stories

    async def _restart(self) -> None:
        """Start again on the file, sometimes after another kill on the way."""
        if self._rng.random() < START_KILL_SHARE:
            self.server = Caged(self.folder)
            await asyncio.sleep(self._rng.uniform(0, START_MAX_S))
            self.server.kill()
        self.server = Caged(self.folder)
        await asyncio.to_thread(self.server.wait_ready)

    async def _judge(self, new: list[Story]) -> None:
        everything = self.stories + new
        players = self._player_ids
        async with connect_once(self.server) as client:
            present = await find_present(client, new)
            there = [
                (player_id, step)
                for player_id, step in counted(everything)
                if present.get(step, True)
            ]
            await judge_balances(client, players, there)
            await resend(client, new)
            await judge_balances(client, players, counted(everything))
        await asyncio.to_thread(judge_rows, self.server.database)

    async def end(self) -> None:
        """Send everything of all rounds again, then read all of it."""
        players = self._player_ids
        async with connect_once(self.server) as client:
            await resend(client, self.stories)
            await judge_balances(client, players, counted(self.stories))
            await judge_ledger(client, players, self.stories)

        assert self.server.terminate() == 0, self.server.tail()


@contextmanager
def ordeal(folder: Path, rng: Random) -> Iterator[Ordeal]:
    """Make an ordeal, and leave no server behind."""
    made = Ordeal(folder, rng)
    try:
        yield made
    finally:
        if made.server.process.poll() is None:
            made.server.kill()
