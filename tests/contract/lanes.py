"""Run stores of several lanes over one database of PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.postgres import new_database
from tests.simulation.databases import open_store_of
from tests.simulation.deployment import Clock, founding, funding

from cage.app.wallet import WalletApp
from cage.core.ids import lane_of
from cage.core.wallet import Award
from cage.storage.postgres.store import PostgresStore

LANES = 4


@asynccontextmanager
async def running(
    url: str, *, lanes: int = LANES, capacity: int = 4096
) -> AsyncIterator[PostgresStore]:
    """Run a store over a database, as one process would."""
    store = open_store_of(url, Clock(), lanes=lanes, capacity=capacity)
    await store.start(asyncio.get_running_loop())
    try:
        yield store
    finally:
        await store.drain()


async def found(store: PostgresStore) -> None:
    """Found the deployment of the simulation, each player in the player's lane."""
    for command in founding():
        await send(store, command)
    for grant in funding():
        if type(grant) is Award:
            await send(store, grant)


async def send(store: PostgresStore, command: Any) -> Any:
    """Hand a command to its lane and return the answer."""
    lane = 0
    player_id = getattr(command, "player_id", "")
    if player_id:
        lane = lane_of(player_id, store.writer.lanes)
    return await store.writer.submit(lane, command, is_bet=False, timeout_s=None)


def app_of(store: PostgresStore) -> WalletApp:
    """Return the use cases of the wallet over a store."""
    return WalletApp(writer=store.writer, reads=store.reads)


async def founded() -> str:
    """Return a new database of several lanes with the deployment in it."""
    url = await asyncio.to_thread(new_database)
    async with running(url) as store:
        await found(store)
    return url
