"""Open whichever database a deployment names."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import make_url

from cage.app.journal import JournalReads
from cage.app.ports import BatchStats, Reads, Writer
from cage.app.round import RoundReads
from cage.storage.errors import UnusableDatabaseError
from cage.storage.sqlite import now_us, open_sqlite

POSTGRES = ("postgresql://", "postgres://")
SQLITE = "sqlite:///"
LANES = 8


class StoreWriter(Writer, Protocol):
    """Commit commands, and say how many wait."""

    def queue_depth(self) -> int:
        """Return how many commands wait."""
        ...


class StoreReads(Reads, JournalReads, RoundReads, Protocol):
    """Answer queries, and read the journal from a place on."""


class Store(Protocol):
    """Own everything about one open database."""

    @property
    def writer(self) -> StoreWriter:
        """Return what commits commands, once the store is started."""
        ...

    @property
    def reads(self) -> StoreReads:
        """Return what answers queries."""
        ...

    async def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take commands from now on."""
        ...

    async def drain(self) -> None:
        """Commit what waits and close."""
        ...


def is_postgres(database: str) -> bool:
    """Say whether a database is an address of PostgreSQL rather than a file."""
    return database.startswith(POSTGRES)


def shown(database: str) -> str:
    """Return the name of a database as people may see it: without a password."""
    if not is_postgres(database):
        return database
    return make_url(database).render_as_string(hide_password=True)


def open_store(
    database: str,
    *,
    capacity: int = 4096,
    lanes: int = LANES,
    wal_bytes: int = 0,
    clock_us: Callable[[], int] = now_us,
    observe: Callable[[BatchStats], None] | None = None,
    watch: Callable[[bool], None] | None = None,
) -> Store:
    """Make the store of a path, of "sqlite:///" and a path, or of "postgresql://".

    ``capacity`` bounds what waits. ``lanes`` is how many lanes a new PostgreSQL
    database gets; ``wal_bytes`` is for the embedded one (see ``extend_wal``).
    ``watch`` is told whether the database can be used, whenever that changes. Raises
    what is named in ``cage.storage.errors``; PostgreSQL does so when it is started.
    """
    if not is_postgres(database):
        return open_sqlite(
            database.removeprefix(SQLITE),
            capacity=capacity,
            wal_bytes=wal_bytes,
            clock_us=clock_us,
            observe=observe,
        )
    try:
        # Needs the extra [postgres], which the embedded database does without.
        from cage.storage.postgres.store import open_postgres  # noqa: PLC0415
    except ModuleNotFoundError as error:
        problem = f"{error.name} is missing: install cage-wallet[server,postgres]"
        raise UnusableDatabaseError("PostgreSQL", problem) from error
    return open_postgres(
        database,
        capacity=capacity,
        lanes=lanes,
        clock_us=clock_us,
        observe=observe,
        watch=watch,
    )
