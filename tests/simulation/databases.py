"""Bring databases of PostgreSQL, and apply batches to them without awaiting."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.postgres import Shell, background, new_database

from cage.core.registry import Registry
from cage.storage.fold import Applied
from cage.storage.postgres.store import PostgresStore, open_postgres
from cage.storage.schema import metadata

# The file of an embedded database, or the address of one of PostgreSQL.
Database = Path | str
KINDS = ("sqlite", "postgres")


def connect(database: Database) -> Any:
    """Connect to a database from outside, past its writer."""
    if isinstance(database, str):
        return Shell(database)
    return sqlite3.connect(database)


def open_store_of(
    url: str, clock: Callable[[], int], *, lanes: int = 1, capacity: int = 4096
) -> PostgresStore:
    """Make the store of a database of PostgreSQL."""
    return open_postgres(
        url, capacity=capacity, lanes=lanes, clock_us=clock, observe=None, watch=None
    )


class Applier:
    """Apply batches to the one lane of a database, from a thread without a loop."""

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        self._run = background().run
        self.store = open_store_of(url, clock)
        self._run(self._start())
        self._lane = self.store.writer._lanes[0]
        self._connection = Shell(url)

    async def _start(self) -> None:
        await self.store.start(asyncio.get_running_loop())

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        return self.store.writer.registry

    def apply(self, commands: Sequence[object]) -> Applied:
        """Commit a batch."""
        return self._run(self._lane.apply(commands))

    def purge(self) -> None:
        """Forget old answers of requests."""
        self._run(self._lane.purge())

    def close(self) -> None:
        """Close every connection."""
        self._connection.close()
        self._run(self.store.drain())


@contextmanager
def open_applier(url: str, clock: Callable[[], int]) -> Iterator[Applier]:
    """Open a database for batches that the test applies."""
    applier = Applier(url, clock)
    try:
        yield applier
    finally:
        applier.close()


_restored: dict[str, str] = {}


def restored(name: str, prepare: Callable[[str], None]) -> str:
    """Return the database of a name as it was once prepared.

    It is made once a process, and the rows of its tables are put aside: to bring them
    back takes a tenth of the time of a new database.
    """
    if name not in _restored:
        url = new_database()
        prepare(url)
        with Shell(url) as shell:
            shell.script("CREATE SCHEMA kept")
            for table in metadata.sorted_tables:
                shell.script(f"CREATE TABLE kept.{table.name} AS TABLE {table.name}")
        shell.close()
        _restored[name] = url
        return url
    shell = Shell(_restored[name])
    shell.script(
        ";".join(
            f"DELETE FROM {name}; INSERT INTO {name} SELECT * FROM kept.{name}"  # noqa: S608
            for name in metadata.tables
        )
    )
    shell.close()
    return _restored[name]
