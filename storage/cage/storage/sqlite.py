"""Open an embedded database and run its one writer.

SQLite has one lane and one writing connection. That connection also checkpoints
(releases before 3.51.3 can corrupt a WAL that several connections checkpoint), when
nothing waits or when the WAL has grown. Readers are ``query_only``.
"""

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TypeVar, cast

import structlog
from sqlalchemy import bindparam, delete

from cage.app.lane import BATCH_MAX, Lane, Settable
from cage.app.ports import BatchStats
from cage.core.book import Book
from cage.core.errors import CageError, Reason
from cage.core.needs import parts
from cage.core.registry import Registry
from cage.storage import schema
from cage.storage.batch import lock_lane, open_book, write_book
from cage.storage.disk import DiskThread
from cage.storage.effects import REQUEST_LIFE_US, has_effects
from cage.storage.errors import UnusableDatabaseError
from cage.storage.file import (
    connect_writer,
    create_schema,
    extend_wal,
    set_patience,
)
from cage.storage.fold import Applied, fold
from cage.storage.hot import HotRows
from cage.storage.lock import FileLock
from cage.storage.reads import SqliteReads
from cage.storage.registry import read_registry
from cage.storage.serve import serve
from cage.storage.statements import compile_text
from cage.storage.stepper import Resume, Stepper, Wait

# Pages after which the WAL is moved into the database: about 240 MiB, and less when
# nothing waits. Moving it keeps commits waiting for 20 ms and 0.8 ms for each 1,000
# pages, most of it the fsync, so that it has to be rare. An idle server must not spin.
WAL_PAGES_MAX = 60_000
WAL_PAGES_IDLE = 256
# What a batch writes, about: the ends of its tables, and of each item the pages of
# its id, its wallet and its round.
PAGES_PER_BATCH = 8
PAGES_PER_ITEM = 3
IDLE_S = 0.2
# While calls come one at a time and the disk answers within this time, the loop itself
# commits: a thread that has to wake, and to wake the loop, costs 0.1 ms of a bet.
QUICK_COMMIT_S = 0.002
# How long a batch waits for another process to end its transaction.
BUSY_TIMEOUT_MS = 5_000
PURGE_EVERY_S = 600.0
# Turns of the loop that bring nothing, before a batch starts: so many for each
# command of the batch before, up to a limit. Where one caller waits there is none.
TURNS_PER_COMMAND = 2
QUIET_TURNS_MAX = 16
# It starts without them once as many wait as did lately: whoever was answered is back.
# The most that waited is forgotten by this factor with each batch.
PEAK_KEPT = 0.99
# And the turns after which it starts whatever they bring.
TURNS_MAX = 512

_Result = TypeVar("_Result")

_log = structlog.get_logger("cage.storage")


def now_us() -> int:
    """Return the wall clock in microseconds since 1970."""
    return time.time_ns() // 1000


_PURGE = compile_text(
    delete(schema.requests).where(
        schema.requests.c.lane == bindparam("lane"),
        schema.requests.c.commit_time_us < bindparam("time_us"),
    )
)


def run_at_once(steps: Coroutine[None, None, _Result]) -> _Result:
    """Run a coroutine that never waits."""
    try:
        steps.send(None)
    except StopIteration as done:
        return cast("_Result", done.value)
    raise AssertionError("it waited")


class SqliteWriter:
    """Commit the commands of the one lane in batches.

    A batch is read, decided and written on the loop's thread, in pages that SQLite
    has in memory; what waits for the disk, the COMMIT and the checkpoint, runs on a
    thread of its own. Only while one caller is alone the loop commits as well.
    """

    lanes = 1

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        capacity: int,
        clock_us: Callable[[], int],
        observe: Callable[[BatchStats], None] | None,
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._clock_us = clock_us
        self._observe = observe
        lane = Lane(
            0,
            capacity=capacity,
            clock=time.monotonic,
            wake=self._wake,
        )
        self._lane = lane
        self._lanes = [lane]
        self._hot = HotRows()
        self._wal_pages = 0
        # Of the last batch, and of the largest one lately.
        self._last_size = 1
        self._peak_size = 1.0
        # How long the last COMMIT took.
        self._commit_s = math.inf
        # Whether what could wait was done since.
        self._is_rested = True
        self._purge_time = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: Stepper | None = None
        # How the writer goes on when it waits for work.
        self._sleeper: Resume | None = None
        self._disk: DiskThread | None = None
        version = self._cursor.execute("SELECT registry_version FROM deployment")
        self.registry: Registry = read_registry(
            connection.cursor(), version.fetchone()[0]
        )

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to serve the lane on a loop."""
        self._loop = loop
        self._disk = DiskThread(loop)
        self._serving = Stepper(loop, self._serve_lane(loop))

    def submit(
        self, lane: int, command: object, *, is_bet: bool, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Queue a command and return the future of its answer; see ``Lane.submit``."""
        if self._loop is None:
            raise CageError(Reason.SHUTTING_DOWN)
        future: asyncio.Future[object] = self._loop.create_future()
        self.submit_into(lane, command, future, is_bet=is_bet, timeout_s=timeout_s)
        return future

    def submit_into(
        self,
        lane: int,
        command: object,
        future: Settable,
        *,
        is_bet: bool,
        timeout_s: float | None,
    ) -> None:
        """Queue a command, whose answer goes into a future; see ``Lane.submit``."""
        if self._loop is None:
            raise CageError(Reason.SHUTTING_DOWN)
        self._lanes[lane].submit(command, future, is_bet=is_bet, timeout_s=timeout_s)

    def queue_depth(self) -> int:
        """Return how many commands wait."""
        return len(self._lane)

    async def drain(self) -> None:
        """Refuse new commands, commit what waits, and end."""
        self._lane.is_open = False
        self._wake()
        if self._serving is not None and self._disk is not None:
            await self._serving.ended
            self._disk.close()
            self._serving = None

    def _wake(self) -> None:
        if self._loop is not None and self._sleeper is not None:
            self._loop.call_soon(self._sleeper)
            self._sleeper = None

    async def _serve_lane(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take what waits, commit it, answer; checkpoint when nothing waits."""
        while True:
            batch, late = self._lane.take()
            if batch or late:
                if batch:
                    self._is_rested = False
                    self._last_size = len(batch)
                    self._peak_size = max(len(batch), self._peak_size * PEAK_KEPT)
                await serve(self._lane, batch, late, self._apply, self._observe)
                await self._checkpoint(WAL_PAGES_MAX)
                await self._gather(loop)
            elif not self._lane.is_open:
                return
            else:
                await self._sleep(loop)
                await self._gather(loop)

    @property
    def _is_lone(self) -> bool:
        """Say whether calls came one at a time in several hundred batches."""
        return self._peak_size < 2

    async def _sleep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for work; once none has come for a while do what could wait."""
        timer = None if self._is_rested else loop.call_later(IDLE_S, self._wake)
        await Wait(self._fall_asleep)
        if timer is not None:
            timer.cancel()
        if len(self._lane) == 0 and self._lane.is_open:
            await self._rest()

    def _fall_asleep(self, resume: Resume) -> None:
        self._sleeper = resume

    async def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the loop run what is ready, for as long as that brings new commands.

        They then share the batch and its fsync instead of waiting for the one after.
        What is on its way through gRPC leaves a turn or two empty before it arrives,
        so a lane that was busy is patient; nothing waits for a timer.
        """
        if self._is_lone:
            return
        depth = len(self._lane)
        enough = min(self._peak_size, BATCH_MAX)
        patience = min(self._last_size * TURNS_PER_COMMAND, QUIET_TURNS_MAX)
        quiet = 0
        for _ in range(TURNS_MAX):
            await Wait(loop.call_soon)
            grown = len(self._lane)
            quiet = 0 if grown > depth else quiet + 1
            if quiet > patience or grown >= enough:
                return
            depth = grown

    def apply(self, commands: Sequence[object]) -> Applied:
        """Commit a batch at once, on the caller's thread, of a writer not started."""
        if self._disk is not None:
            raise AssertionError("a started writer commits what is submitted")
        return run_at_once(self._apply(commands))

    async def _apply(self, commands: Sequence[object]) -> Applied:
        """Commit a batch, in parts where it changes the registry."""
        first, *rest = parts(commands)
        total = await self._apply_part(first)
        for part in rest:
            total.add(await self._apply_part(part))
        return total

    async def _apply_part(self, commands: Sequence[object]) -> Applied:
        """Commit commands at once; when that fails, one at a time, in order.

        The one that fails alone answers INTERNAL, and nothing of it stays.
        """
        try:
            return await self._commit(commands)
        except Exception:  # noqa: BLE001 - whatever one does, the others must go on
            _log.exception("batch failed, running it one by one", size=len(commands))
        total = Applied(is_rerun=True)
        for command in commands:
            try:
                total.add(await self._commit([command]))
            except Exception:  # noqa: BLE001 - this command alone is refused
                _log.exception("command failed", command=type(command).__name__)
                total.outcomes.append(CageError(Reason.INTERNAL))
        return total

    async def _commit(self, commands: Sequence[object]) -> Applied:
        """Run one transaction: read, decide in order, write, COMMIT."""
        started = time.perf_counter()
        await self._begin()
        try:
            book, outcomes, head_hash = self._run(commands)
            ready = time.perf_counter()
            if has_effects(book):
                await self._end()
                self._commit_s = time.perf_counter() - ready
                self._hot.keep(book, head_hash)
            else:
                self._roll_back()
        except BaseException:
            self._hot.clear()
            self._roll_back()
            raise
        # Only now: nobody may see a registry that was not committed.
        self.registry = book.registry
        return Applied(outcomes, ready - started, time.perf_counter() - ready)

    async def _begin(self) -> None:
        """Begin a transaction; wait beside the loop while another process has one."""
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            await self._on_disk(self._begin_in_time)

    def _begin_in_time(self) -> None:
        set_patience(self._connection, BUSY_TIMEOUT_MS)
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        finally:
            set_patience(self._connection, 0)

    def _run(self, commands: Sequence[object]) -> tuple[Book, list[object], str]:
        """Read, decide in order and write; return the hash of the new head too."""
        cursor, hot = self._cursor, self._hot
        head, version, gates = lock_lane(cursor, 0, commands, hot)
        if version != self.registry.version:
            self.registry = read_registry(cursor, version)
        now_us = self._clock_us()
        book = open_book(cursor, head, gates, self.registry, now_us, commands, hot)
        outcomes = fold(book, commands)
        head_hash = head.hash
        if has_effects(book):
            head_hash = write_book(cursor, book)
            items = book.next_no - head.item_no
            self._wal_pages += PAGES_PER_BATCH + PAGES_PER_ITEM * items
        return book, outcomes, head_hash

    async def _end(self) -> None:
        """COMMIT beside the loop, or on it when it has nothing else to do."""
        if self._is_lone and self._commit_s < QUICK_COMMIT_S:
            self._write_through()
        else:
            await self._on_disk(self._write_through)

    def _write_through(self) -> None:
        self._cursor.execute("COMMIT")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")

    async def _on_disk(self, work: Callable[[], object]) -> None:
        """Run what waits for the disk on the thread for it, once there is one."""
        if self._disk is None:
            work()
        else:
            await self._disk.run(work)

    async def _rest(self) -> None:
        """Do what can wait until nothing else waits."""
        self._is_rested = True
        await self._on_disk(self._purge)
        await self._checkpoint(WAL_PAGES_IDLE)

    def _purge(self) -> None:
        """Forget the answers of requests past their life, every now and then.

        They are no part of the journal, and a wallet transaction is never forgotten.
        """
        now = time.monotonic()
        if now < self._purge_time:
            return
        self._purge_time = now + PURGE_EVERY_S
        try:
            self._cursor.execute(_PURGE, (0, self._clock_us() - REQUEST_LIFE_US))
        except sqlite3.Error:
            _log.exception("purge of old requests failed")

    async def _checkpoint(self, threshold: int) -> None:
        """Move the WAL into the database once so many pages were written to it.

        A reader may keep part of it; the next try waits for as many pages again.
        """
        if self._wal_pages < threshold:
            return
        try:
            await self._on_disk(self._move_wal)
        except sqlite3.Error:
            _log.exception("checkpoint failed, the WAL grows")
        self._wal_pages = 0

    def _move_wal(self) -> None:
        self._cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Move the whole WAL into the database and close the connection."""
        set_patience(self._connection, BUSY_TIMEOUT_MS)
        self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()


class SqliteStore:
    """Own everything about one open database: lock, writer, readers."""

    def __init__(
        self, path: Path, lock: FileLock, writer: SqliteWriter, reads: SqliteReads
    ) -> None:
        self.path = path
        self._lock = lock
        self.writer = writer
        self.reads = reads

    async def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the writer."""
        self.writer.start(loop)

    async def drain(self) -> None:
        """Commit what waits, close readers and writer, give the file up."""
        await self.writer.drain()
        await self.reads.close()
        await asyncio.to_thread(self.writer.close)
        self._lock.release()


def open_sqlite(
    path: str | Path,
    *,
    capacity: int = 4096,
    wal_bytes: int = 0,
    clock_us: Callable[[], int] = now_us,
    observe: Callable[[BatchStats], None] | None = None,
) -> SqliteStore:
    """Open, and when new create, a database file for this process alone.

    ``capacity`` bounds what waits for the writer. ``wal_bytes`` is how much of the
    WAL is made in advance (see ``extend_wal``). Raises DatabaseLockedError,
    UnusableDatabaseError, SchemaError or DurabilityError.
    """
    file = Path(path)
    try:
        lock = FileLock(file)
    except OSError as exc:
        raise UnusableDatabaseError(str(file), str(exc)) from exc
    try:
        connection = connect_writer(file)
        create_schema(connection, file, clock_us())
        if wal_bytes:
            extend_wal(file, wal_bytes)
        writer = SqliteWriter(
            connection, capacity=capacity, clock_us=clock_us, observe=observe
        )
    except sqlite3.DatabaseError as exc:
        lock.release()
        raise UnusableDatabaseError(str(file), str(exc)) from exc
    except BaseException:
        lock.release()
        raise
    return SqliteStore(file, lock, writer, SqliteReads(file))
