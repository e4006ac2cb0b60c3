"""Open a fresh deployment for each test, and verify its books in the end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.simulation.databases import KINDS, Database
from tests.simulation.deployment import (
    Clock,
    fresh_database,
    open_writer,
)

from cage.storage import (
    SqliteStore,
    open_sqlite,
    verify,
)
from cage.storage.sqlite import SqliteWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the file of a fresh deployment."""
    file: Path = fresh_database(tmp_path)
    return file


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Say which database to use."""
    name: str = request.param
    return name


@pytest.fixture
def database(tmp_path: Path, kind: str) -> Database:
    """Return a fresh deployment, in each kind of database."""
    fresh: Database = fresh_database(tmp_path, kind=kind)
    return fresh


@pytest.fixture
def writer(database: Database) -> Iterator[Any]:
    """Open a writer whose batches are applied by the test; verify in the end."""
    with open_writer(database, Clock()) as opened:
        yield opened

    assert verify(database) == []


@pytest.fixture
def file_writer(path: Path) -> Iterator[SqliteWriter]:
    """Open the writer of an embedded database; verify in the end."""
    with open_writer(path, Clock()) as opened:
        yield opened

    assert verify(path) == []


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    """Run a store with a queue of ten; verify in the end."""
    opened = open_sqlite(path, capacity=10, clock_us=Clock())
    await opened.start(asyncio.get_running_loop())
    yield opened
    await opened.drain()

    assert verify(path) == []
