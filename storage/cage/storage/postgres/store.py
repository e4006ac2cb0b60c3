"""Open a PostgreSQL database: writer and reads."""

import asyncio
from collections.abc import Callable

import structlog

from cage.app.ports import BatchStats
from cage.core.admin import LOCAL_ACTOR, ReadRegistry
from cage.storage.errors import UnusableDatabaseError
from cage.storage.postgres.connection import (
    Trouble,
    check_durability,
    connect,
    judge,
)
from cage.storage.postgres.create import create_schema
from cage.storage.postgres.lane import open_lane, read_registry
from cage.storage.postgres.reads import PostgresReads
from cage.storage.postgres.writer import PostgresWriter
from cage.storage.store import shown

# How often a process looks whether another one has changed the registry.
REGISTRY_POLL_S = 0.2
LOAD_MAX_S = 5.0

_log = structlog.get_logger("cage.storage")


class PostgresStore:
    """Own everything about one open database: lanes, readers.

    ``lanes`` is how many lanes a new database gets; an old one keeps its own.
    """

    def __init__(
        self,
        url: str,
        *,
        lanes: int,
        clock_us: Callable[[], int],
        writer: PostgresWriter,
        reads: PostgresReads,
    ) -> None:
        self.url = url
        self._lanes = lanes
        self._clock_us = clock_us
        self.writer = writer
        self.reads = reads
        self._following: asyncio.Task[None] | None = None

    async def start(self, _loop: asyncio.AbstractEventLoop) -> None:
        """Connect, create what a new database lacks, and start the lanes.

        Raises UnusableDatabaseError, SchemaError or DurabilityError.
        """
        try:
            await self._start()
        except Exception as error:
            if judge(error) == Trouble.BAD and not hasattr(error, "sqlstate"):
                raise
            raise UnusableDatabaseError(shown(self.url), str(error)) from error

    async def _start(self) -> None:
        connection = await connect(self.url, "start")
        try:
            await check_durability(connection, self.url)
            count = await create_schema(
                connection, self.url, lanes=self._lanes, time_us=self._clock_us()
            )
            registry = await read_registry(connection)
        finally:
            await connection.close()
        self.reads.lanes = count
        opened = await asyncio.gather(
            *(open_lane(self.url, number) for number in range(count))
        )
        lanes = self.writer.open(count, registry)
        for lane, connection in zip(lanes, opened, strict=True):
            lane.start(connection)

        self._following = asyncio.create_task(self._follow_registry())

    async def _follow_registry(self) -> None:
        """Load the registry when another process has changed it.

        Every batch does so by itself; but a call is judged by its key before it
        becomes part of one, and the key may be new.
        """
        while True:
            await asyncio.sleep(REGISTRY_POLL_S)
            try:
                version = (await self.reads.heads()).registry_version
                if version > self.writer.registry.version:
                    await self.writer.submit(
                        0,
                        ReadRegistry(key_id=LOCAL_ACTOR),
                        is_bet=False,
                        timeout_s=LOAD_MAX_S,
                    )
            except Exception as error:  # noqa: BLE001 - the next look will do
                _log.warning("registry not read", error=repr(error))

    async def drain(self) -> None:
        """Commit what waits, close readers and writer."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self.writer.drain()
        await self.reads.close()


def open_postgres(
    url: str,
    *,
    capacity: int,
    lanes: int,
    clock_us: Callable[[], int],
    observe: Callable[[BatchStats], None] | None,
    watch: Callable[[bool], None] | None,
) -> PostgresStore:
    """Make the store of a database, which connects when it is started."""
    writer = PostgresWriter(
        url, capacity=capacity, clock_us=clock_us, observe=observe, watch=watch
    )
    return PostgresStore(
        url, lanes=lanes, clock_us=clock_us, writer=writer, reads=PostgresReads(url)
    )
