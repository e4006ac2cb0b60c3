"""Commit the commands of one lane over one connection, and survive its loss.

A batch is BEGIN, one locking statement, one load per pass, one writing statement
and COMMIT. Whatever was lost on the way, the same batch runs again through the
normal path: its lock waits for an orphan of itself, its look-up then finds what that
committed. So a COMMIT whose answer was lost needs no path of its own.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Table

from cage.app.lane import Lane
from cage.app.ports import BatchStats
from cage.core.book import Book, Head
from cage.core.errors import CageError, Reason
from cage.core.needs import parts
from cage.core.player import Gate
from cage.core.registry import Registry
from cage.storage.effects import (
    REQUEST_LIFE_US,
    effects,
    has_effects,
)
from cage.storage.fold import Applied, fold
from cage.storage.lookup import Rows, Wanted, load, new_book, player_ids_of
from cage.storage.postgres.connection import Connection, Trouble, connect, judge
from cage.storage.postgres.statements import LOCK, REGISTRY, find, found_rows, write
from cage.storage.registry import TABLES, build_registry, registry_columns
from cage.storage.serve import serve

if TYPE_CHECKING:
    from cage.storage.postgres.writer import PostgresWriter

# How often a batch runs again that lost a race or got no lock, and the longest pause
# before the first time; it doubles.
AGAIN_MAX = 6
WAIT_MAX = 2
PAUSE_S = 0.01
# How long a batch whose connection broke waits for another one. Callers are then
# told that the outcome is unknown.
LOST_MAX_S = 5.0
BACKOFF_S = 0.05
BACKOFF_MAX_S = 2.0
PURGE_EVERY_S = 600.0
CLOSE_TIMEOUT_S = 2.0
# Changes nothing, but only where something could be changed.
_PROBE = "UPDATE lanes SET time_us = time_us WHERE lane = $1"
_PURGE = "DELETE FROM requests WHERE lane = $1 AND commit_time_us < $2"

_log = structlog.get_logger("cage.storage")


class UnavailableError(Exception):
    """Say that the database cannot be used now."""


class LaneWriter:
    """Own one lane in this process: its queue, its connection, its task."""

    def __init__(
        self,
        writer: "PostgresWriter",
        number: int,
        *,
        capacity: int,
        clock_us: Callable[[], int],
        observe: Callable[[BatchStats], None] | None,
    ) -> None:
        self.number = number
        self._writer = writer
        self._clock_us = clock_us
        self._observe = observe
        self._woken = asyncio.Event()
        self.queue = Lane(
            number, capacity=capacity, clock=time.monotonic, wake=self._woken.set
        )
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._mending: asyncio.Task[None] | None = None
        self._backoff_s = BACKOFF_S
        self._is_down = False
        self._task: asyncio.Task[None] | None = None
        # Lanes, and processes, do not purge at once.
        self._purge_time = time.monotonic() + random.uniform(1, PURGE_EVERY_S)  # noqa: S311

    # The life of a lane.

    def start(self, connection: Connection) -> None:
        """Take a first connection and commit what is queued from now on."""
        self._adopt(connection)
        self._task = asyncio.create_task(self._run(), name=f"lane-{self.number}")

    async def drain(self) -> None:
        """Refuse new commands, commit what waits, and end."""
        self.queue.is_open = False
        self._woken.set()
        if self._task is not None:
            await self._task
        if self._mending is not None:
            self._mending.cancel()
        if self._connection is not None:
            await _close(self._connection)

    async def _run(self) -> None:
        while True:
            batch, late = self.queue.take()
            if batch or late:
                await serve(self.queue, batch, late, self.apply, self._observe)
            elif not self.queue.is_open:
                return
            else:
                await self._rest()

    async def _rest(self) -> None:
        """Wait for work; forget old answers of requests now and then."""
        self._woken.clear()
        if len(self.queue) or not self.queue.is_open:
            return
        try:
            async with asyncio.timeout_at(
                asyncio.get_running_loop().time()
                + max(0.0, self._purge_time - time.monotonic())
            ):
                await self._woken.wait()
        except TimeoutError:
            await self.purge()

    async def purge(self) -> None:
        """Forget the answers of requests past their life.

        They are no part of the journal, and a wallet transaction is never forgotten.
        """
        self._purge_time = time.monotonic() + PURGE_EVERY_S
        if self._connection is None:
            return
        try:
            await self._connection.execute(
                _PURGE, self.number, self._clock_us() - REQUEST_LIFE_US
            )
        except Exception as error:  # noqa: BLE001 - the next one will do
            _log.warning("purge failed", lane=self.number, error=repr(error))
            if judge(error) == Trouble.LOST:
                self._lose(error)

    # One batch, and what may go wrong with it.

    async def apply(self, commands: Sequence[object]) -> Applied:
        """Commit a batch, in parts where it changes the registry."""
        total = Applied()
        for part in parts(commands):
            try:
                total.add(await self._apply(part))
            except UnavailableError:
                refused = CageError(Reason.DATABASE_UNAVAILABLE)
                total.add(Applied([refused] * len(part)))
        return total

    async def _apply(self, commands: Sequence[object]) -> Applied:
        """Commit commands at once; when one is to blame, one at a time, in order.

        The one that fails alone answers INTERNAL, and nothing of it stays. Raises
        UnavailableError when none of them can be committed now.
        """
        try:
            return await self._insist(commands)
        except UnavailableError:
            raise
        except Exception:  # noqa: BLE001 - whatever one does, the others must go on
            _log.exception("batch failed", lane=self.number, size=len(commands))
        if len(commands) == 1:
            return Applied([CageError(Reason.INTERNAL)], is_rerun=True)
        total = Applied(is_rerun=True)
        for command in commands:
            try:
                total.add(await self._apply([command]))
            except UnavailableError:
                total.outcomes.append(CageError(Reason.DATABASE_UNAVAILABLE))
        return total

    async def _insist(self, commands: Sequence[object]) -> Applied:
        """Commit a batch, again after races and broken connections.

        Raises UnavailableError, or what a command did wrong.
        """
        pause_s, waits = PAUSE_S, 0
        for attempt in range(AGAIN_MAX):
            connection = await self._usable()
            try:
                applied = await self._commit(connection, commands)
            except Exception as error:
                trouble = judge(error)
                waits += trouble == Trouble.WAITED
                is_last = attempt == AGAIN_MAX - 1 or waits == WAIT_MAX
                if trouble in {Trouble.LOST, Trouble.DOWN}:
                    self._lose(error)
                if trouble == Trouble.BAD or (trouble == Trouble.RACED and is_last):
                    raise
                _log.warning(
                    "batch did not commit",
                    lane=self.number,
                    size=len(commands),
                    trouble=trouble.name,
                    error=repr(error),
                )
                if trouble == Trouble.DOWN or is_last:
                    raise UnavailableError from error
            else:
                self._backoff_s = BACKOFF_S
                return applied
            await asyncio.sleep(random.uniform(0, pause_s))  # noqa: S311
            pause_s *= 2
        raise UnavailableError

    async def _commit(
        self, connection: Connection, commands: Sequence[object]
    ) -> Applied:
        """Run one transaction: lock, read, decide in order, write, COMMIT."""
        started = time.perf_counter()
        await connection.execute("BEGIN")
        try:
            book = await self._open_book(connection, commands)
            outcomes = fold(book, commands)
            written = has_effects(book)
            if written:
                await self._write(connection, book)
            ready = time.perf_counter()
            await connection.execute("COMMIT" if written else "ROLLBACK")
        except BaseException:
            if not connection.is_closed() and connection.is_in_transaction():
                await connection.execute("ROLLBACK")
            raise
        # Only now: nobody may see a registry that was not committed.
        self._writer.take_registry(book.registry)
        return Applied(outcomes, ready - started, time.perf_counter() - ready)

    async def _open_book(
        self, connection: Connection, commands: Sequence[object]
    ) -> Book:
        """Lock the lane and the players, and read what the commands need."""
        lane = self.number
        *columns, found = await connection.fetchrow(
            LOCK.text, lane, list(player_ids_of(commands))
        )
        head = Head(*columns)
        gates = [Gate(*row) for row in found_rows(found)]
        registry = self._writer.registry
        book = new_book(head, gates, registry, self._clock_us())
        passes = load(book, commands)
        wanted = next(passes, None)
        version, rows = await _find(connection, lane, wanted or [])
        if version != registry.version:
            # What the commands need follows from the registry: begin anew with it.
            registry = await read_registry(connection)
            book = new_book(head, gates, registry, book.now_us)
            passes = load(book, commands)
            wanted = next(passes, None)
            _, rows = await _find(connection, lane, wanted or [])
        while wanted is not None:
            try:
                wanted = passes.send(rows)
            except StopIteration:
                break
            _, rows = await _find(connection, lane, wanted)
        return book

    async def _write(self, connection: Connection, book: Book) -> None:
        """Write the effects of a batch with one statement."""
        written, head = effects(book)
        written.update(_registry_rows(book.registry_rows))
        text, arguments = write(
            self.number, book.head.sequence, written, head, len(book.registry_rows)
        )
        if await connection.fetchval(text, *arguments) is None:
            raise AssertionError("the head of the lane moved under its lock")

    # The connection.

    async def _usable(self) -> Connection:
        """Return the connection; wait for another one when it was just lost."""
        if self._connection is None and not self._is_down:
            try:
                async with asyncio.timeout(LOST_MAX_S):
                    await self._connected.wait()
            except TimeoutError:
                self._set_down(is_down=True)
        if self._connection is None:
            raise UnavailableError
        return self._connection

    def _adopt(self, connection: Connection) -> None:
        self._connection = connection
        self._connected.set()
        self._set_down(is_down=False)

    def _set_down(self, *, is_down: bool) -> None:
        """Refuse at once what comes, or take it again; say so to who watches."""
        if is_down != self._is_down:
            self._is_down = is_down
            self._writer.set_down(self.number, is_down=is_down)

    def _lose(self, error: BaseException) -> None:
        """Give the connection up and look for another one."""
        connection, self._connection = self._connection, None
        self._connected.clear()
        if connection is not None:
            connection.terminate()
        if judge(error) == Trouble.DOWN:
            self._set_down(is_down=True)
        if self._mending is None or self._mending.done():
            self._mending = asyncio.create_task(self._mend())

    async def _mend(self) -> None:
        """Connect again, waiting longer each time, until the lane can be written."""
        while True:
            try:
                self._adopt(await open_lane(self._writer.url, self.number))
            except Exception as error:  # noqa: BLE001 - whatever keeps us from it
                _log.warning("no connection", lane=self.number, error=repr(error))
            else:
                return
            await asyncio.sleep(self._backoff_s * random.uniform(0.5, 1))  # noqa: S311
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)


async def open_lane(url: str, number: int) -> Connection:
    """Connect to the database and make sure that the lane can be written."""
    connection = await connect(url, f"lane {number}")
    try:
        await connection.execute(_PROBE, number)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _close(connection: Connection) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await connection.close()
    except Exception:  # noqa: BLE001 - it is gone either way
        connection.terminate()


async def _find(
    connection: Connection, lane: int, wanted: Wanted
) -> tuple[int, list[Rows]]:
    """Return the version of the registry and the rows of each lookup."""
    text, arguments = find(lane, wanted)
    version, *found = await connection.fetchrow(text, *arguments)
    return version, [found_rows(value) for value in found]


async def read_registry(connection: Connection) -> Registry:
    """Read every registered thing at one instant."""
    version, *found = await connection.fetchrow(REGISTRY.text)
    rows = zip(TABLES, map(found_rows, found), strict=True)
    return build_registry(version, dict(rows))


def _registry_rows(rows: Sequence[object]) -> dict[Table, list[Sequence[Any]]]:
    """Return changed rows of the registry by table, the last of each key."""
    last: dict[Table, dict[object, Sequence[Any]]] = {}
    for row in rows:
        table, _ = TABLES[type(row)]
        columns = registry_columns(row)
        # The key of each of these tables is its first column.
        last.setdefault(table, {})[columns[0]] = columns
    return {table: list(found.values()) for table, found in last.items()}
