"""Read a PostgreSQL database at one instant, for whoever does not await."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import asyncpg

from cage.storage.errors import UnusableDatabaseError
from cage.storage.postgres.connection import CONNECT_TIMEOUT_S
from cage.storage.store import shown

_PREFETCH = 1_000

Result = TypeVar("Result")


class Snapshot:
    """Offer what a check of the books asks of a connection, on a loop of its own.

    Everything is read in one transaction that cannot write, so a running server is
    neither seen in motion nor disturbed. Texts have question marks for parameters,
    as those of the embedded database have. Raises UnusableDatabaseError.
    """

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._connection: Any = None
        try:
            self._wait(self._open(url))
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            self.close()
            raise UnusableDatabaseError(shown(url), str(error)) from error

    async def _open(self, url: str) -> None:
        self._connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
        await self._connection.execute(
            "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        )

    def execute(self, text: str, parameters: Sequence[object] = ()) -> "Found":
        """Run a query; its rows are fetched as they are asked for."""
        head, *rest = text.split("?")
        numbered = head + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))
        return Found(self, self._wait(self._cursor(numbered, parameters)))

    async def _cursor(self, text: str, parameters: Sequence[object]) -> Any:
        return await self._connection.cursor(text, *parameters)

    def cursor(self) -> "Snapshot":
        """Return what queries run on."""
        return self

    def fetch(self, cursor: Any, count: int) -> list[tuple[Any, ...]]:
        """Return the next rows of a query."""
        return [tuple(row) for row in self._wait(cursor.fetch(count))]

    def close(self) -> None:
        """End the transaction, the connection and the loop."""
        if self._connection is not None:
            self._wait(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class Found:
    """Hold the rows of a query, to be taken once."""

    def __init__(self, snapshot: Snapshot, cursor: Any) -> None:
        self._snapshot = snapshot
        self._cursor = cursor

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while rows := self._snapshot.fetch(self._cursor, _PREFETCH):
            yield from rows
            if len(rows) < _PREFETCH:
                return

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None."""
        return next(iter(self._snapshot.fetch(self._cursor, 1)), None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        return list(self)
