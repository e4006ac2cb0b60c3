"""Bring databases of older schemas to this one, with what is in them."""

import asyncio
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from tests.postgres import new_database
from tests.simulation.databases import KINDS, Database, connect, open_store_of
from tests.simulation.deployment import Clock, contents, prepare

from cage.storage import (
    DatabaseLockedError,
    SchemaError,
    UnusableDatabaseError,
    open_sqlite,
    verify,
)
from cage.storage.schema import SCHEMA_VERSION, metadata
from cage.storage.upgrade import MIGRATIONS, steps, upgrade

NEXT = '''
"""Add a table with an index, and a column that may be null."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    op.create_table("notes", sa.Column("lane", sa.BigInteger, primary_key=True))
    op.create_index("notes_lane", "notes", ["lane"])
    op.add_column("deployment", sa.Column("note", sa.Text))
    {more}
'''


@pytest.fixture
def next_folder(tmp_path: Path) -> Path:
    """Return the revisions of a version that is one ahead of this one."""
    return folder_with(tmp_path, "pass")


def folder_with(tmp_path: Path, more: str) -> Path:
    """Write the revisions of this version and one more that also does this."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, dirs_exist_ok=True)
    (folder / "versions" / "v0002_next.py").write_text(NEXT.format(more=more))
    return folder


@pytest.fixture
def own(kind: str, path: Path) -> Database:
    """Return a database of this test alone, with players and money in it."""
    if kind == "sqlite":
        return path
    url: str = new_database()
    prepare(url)
    return url


def rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Read every row of every table but the one that is changed."""
    connection = connect(database)
    found: dict[str, list[tuple[object, ...]]] = contents(connection)
    connection.close()
    found.pop("deployment")
    return found


def one(database: Database, text: str) -> Any:
    """Return the one value that a query finds."""
    connection = connect(database)
    found = connection.execute(text).fetchone()[0]
    connection.close()
    return found


def look(database: Database, see: Any) -> Any:
    """Return what a function sees on a connection of SQLAlchemy."""
    if not isinstance(database, str):
        engine = create_engine(f"sqlite:///{database}")
        with engine.connect() as connection:
            found = see(connection)
        engine.dispose()
        return found
    return asyncio.run(_look(database, see))


async def _look(url: str, see: Any) -> Any:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        found = await connection.run_sync(see)
    await engine.dispose()
    return found


def test_revisions_lead_to_this_version() -> None:
    """Each version has one revision, and the last one is that of the schema."""
    versions = [version for version, _ in steps()]

    assert versions == list(range(1, SCHEMA_VERSION + 1))


def differences(connection: Connection) -> list[Any]:
    """Return what alembic would change to come to the metadata."""
    return compare_metadata(MigrationContext.configure(connection), metadata)


def test_alembic_finds_no_difference(own: Database, next_folder: Path) -> None:
    """A database that was created has the tables that the metadata describes."""
    assert look(own, differences) == []

    asyncio.run(upgrade(str(own), folder=next_folder))

    assert {each[0] for each in look(own, differences)} == {
        "remove_table",
        "remove_index",
        "remove_column",
    }


def test_upgrade_keeps_what_is_there(own: Database, next_folder: Path) -> None:
    """An older database gets what it lacks, once, and its books stay right."""
    before = rows(own)
    first = asyncio.run(upgrade(str(own), folder=next_folder))
    again = asyncio.run(upgrade(str(own), folder=next_folder))

    assert (first, again) == (1, 2)
    assert rows(own) == before
    assert one(own, "SELECT schema_version FROM deployment") == 2
    assert look(own, lambda each: inspect(each).has_table("notes"))
    assert verify(str(own)) == []


def test_upgrade_that_fails_changes_nothing(own: Database, tmp_path: Path) -> None:
    """A revision that cannot be applied leaves no part of itself."""
    folder = folder_with(tmp_path, 'op.execute("SELECT * FROM nothing")')
    with pytest.raises(UnusableDatabaseError, match="nothing"):
        asyncio.run(upgrade(str(own), folder=folder))

    assert one(own, "SELECT schema_version FROM deployment") == 1
    assert not look(own, lambda each: inspect(each).has_table("notes"))
    assert asyncio.run(upgrade(str(own), folder=folder_with(tmp_path, "pass"))) == 1


@pytest.mark.parametrize(
    ("version", "remedy"), [(0, "caged migrate"), (99, "a newer caged")]
)
def test_other_schema_is_refused(own: Database, version: int, remedy: str) -> None:
    """A server refuses an older and a newer schema and says what to run."""
    connection = connect(own)
    connection.execute("UPDATE deployment SET schema_version = ?", (version,))
    if isinstance(connection, sqlite3.Connection):
        connection.commit()
    connection.close()
    with pytest.raises(SchemaError, match=remedy) as caught:
        asyncio.run(start(own))

    assert caught.value.found == version


async def start(database: Database) -> None:
    """Open a database as a server does."""
    if isinstance(database, str):
        await open_store_of(database, Clock()).start(asyncio.get_running_loop())
    else:
        open_sqlite(database)


def test_newer_schema_is_not_migrated(own: Database, next_folder: Path) -> None:
    """An older caged leaves a database that a newer one migrated as it is."""
    asyncio.run(upgrade(str(own), folder=next_folder))
    with pytest.raises(SchemaError, match="a newer caged"):
        asyncio.run(upgrade(str(own)))

    assert one(own, "SELECT schema_version FROM deployment") == 2


def test_file_in_use_is_not_migrated(path: Path) -> None:
    """A file that a process has open is refused, and names that process."""
    store = open_sqlite(path)
    with pytest.raises(DatabaseLockedError, match="held by process"):
        asyncio.run(upgrade(str(path)))
    asyncio.run(store.drain())


@pytest.mark.parametrize("kind", KINDS)
def test_empty_database_is_left_to_be_created(kind: str, tmp_path: Path) -> None:
    """Without a schema there is nothing to upgrade."""
    database = new_database() if kind == "postgres" else str(tmp_path / "new.db")

    assert asyncio.run(upgrade(database)) is None


def test_address_of_nothing_is_told() -> None:
    """A database that does not exist is refused in words."""
    url = make_url(new_database()).set(database="no_such")
    with pytest.raises(UnusableDatabaseError, match="no_such"):
        asyncio.run(upgrade(url.render_as_string(hide_password=False)))
