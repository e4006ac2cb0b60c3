"""Open a fresh deployment for each test, and verify its books in the end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
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
    return fresh_database(tmp_path)


@pytest.fixture
def writer(path: Path) -> Iterator[SqliteWriter]:
    """Open a writer whose batches are applied by the test; verify in the end."""
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
