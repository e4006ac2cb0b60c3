"""Bring an old database to the schema of this version, revision by revision.

A revision is a file of ``migrations/versions`` whose id is the number of the version
that it leads to. The version is the one in ``deployment``, which each revision moves
in its own transaction: an upgrade that stops half-way goes on where it stopped.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from cage.storage import schema
from cage.storage.errors import SchemaError, UnusableDatabaseError
from cage.storage.file import connect_writer
from cage.storage.lock import FileLock
from cage.storage.store import SQLITE, is_postgres, shown

MIGRATIONS = Path(__file__).parent / "migrations"
# A revision that cannot have its lock gives up: what waits behind it is bets.
LOCK_TIMEOUT_MS = 3_000
# Processes that upgrade at once take turns; the number is drawn.
_UPGRADE = 3_318_274_905_561_287

Step = tuple[int, Callable[[], None]]


def steps(folder: Path = MIGRATIONS) -> list[Step]:
    """Return version and change of each revision, the oldest first."""
    script = ScriptDirectory(str(folder), version_locations=[str(folder / "versions")])
    found = reversed(list(script.walk_revisions()))
    return [(int(each.revision), each.module.upgrade) for each in found]


async def upgrade(database: str, *, folder: Path = MIGRATIONS) -> int | None:
    """Apply the revisions that a database lacks; return the version that it had.

    None is that of a database without a schema, which is left as it is: to open it
    creates the tables. Raises SchemaError for a version that the revisions do not
    know, DatabaseLockedError or UnusableDatabaseError.
    """
    wanted = steps(folder)
    try:
        if is_postgres(database):
            return await _upgrade_postgres(database, wanted)
        return _upgrade_sqlite(Path(database.removeprefix(SQLITE)), wanted)
    except DBAPIError as error:
        raise UnusableDatabaseError(shown(database), str(error.orig)) from error
    except (sqlite3.DatabaseError, OSError, ModuleNotFoundError) as error:
        raise UnusableDatabaseError(shown(database), str(error)) from error


def _upgrade_sqlite(path: Path, wanted: list[Step]) -> int | None:
    """Upgrade a file while no other process has it."""
    lock = FileLock(path)
    try:
        engine = create_engine(
            "sqlite://", creator=lambda: connect_writer(path), poolclass=StaticPool
        )
        # The driver begins nothing by itself on a connection of this kind.
        event.listen(
            engine, "begin", lambda each: each.exec_driver_sql("BEGIN IMMEDIATE")
        )
        first: int | None = None
        try:
            for number, step in enumerate(wanted):
                with engine.begin() as connection:
                    found = _apply(connection, str(path), step, wanted[-1][0])
                first = found if number == 0 else first
        finally:
            engine.dispose()
        return first
    finally:
        lock.release()


async def _upgrade_postgres(url: str, wanted: list[Step]) -> int | None:
    """Upgrade a database while others may use it."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    first: int | None = None
    try:
        for number, step in enumerate(wanted):
            async with engine.begin() as connection:
                await connection.execute(
                    text(f"SELECT pg_advisory_xact_lock({_UPGRADE})")
                )
                await connection.execute(
                    text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                )
                found = await connection.run_sync(
                    _apply, shown(url), step, wanted[-1][0]
                )
            first = found if number == 0 else first
    finally:
        await engine.dispose()
    return first


def _apply(connection: Connection, name: str, step: Step, known: int) -> int | None:
    """Apply one revision unless the database has it; return the version before."""
    if not inspect(connection).has_table("deployment"):
        return None
    stored = schema.deployment.c.schema_version
    found: int = connection.scalars(
        schema.deployment.select().with_only_columns(stored)
    ).one()
    if found > known:
        raise SchemaError(name, found, known)
    version, change = step
    if found < version:
        with Operations.context(MigrationContext.configure(connection)):
            change()
        connection.execute(schema.deployment.update().values(schema_version=version))
    return found
