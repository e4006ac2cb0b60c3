"""Open an embedded database and run its one writer.

SQLite has one lane and one writing connection, on a thread of its own. That
connection also checkpoints (releases before 3.51.3 can corrupt a WAL that several
connections checkpoint), when nothing waits or when the WAL has grown. Readers are
``query_only``.
"""

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from sqlalchemy import bindparam, delete
from sqlalchemy.schema import CreateIndex, CreateTable

from cage.app.lane import Lane, Pending, Settable, resolve
from cage.app.ports import BatchStats
from cage.core.book import Book
from cage.core.errors import CageError, Reason
from cage.core.journal import GENESIS_HASH
from cage.core.needs import parts
from cage.core.registry import Registry
from cage.storage import schema
from cage.storage.batch import lock_lane, open_book, write_book
from cage.storage.effects import REQUEST_LIFE_US, has_effects
from cage.storage.errors import (
    DurabilityError,
    SchemaError,
    UnusableDatabaseError,
)
from cage.storage.fold import Applied, fold
from cage.storage.lock import FileLock
from cage.storage.reads import SqliteReads
from cage.storage.registry import read_registry
from cage.storage.statements import DIALECT, compile_text

# Pages after which the WAL is moved into the database: about 64 MiB, and less when
# nothing waits. An idle server must not spin.
WAL_PAGES_MAX = 16_384
WAL_PAGES_IDLE = 256
# A WAL that was moved is written over from its start, which costs a third less per
# commit than growing a file; only what a long reader made it grow is given back.
WAL_BYTES_KEPT = 256 << 20
# What a batch writes, about: the ends of its tables, and of each item the pages of
# its id, its wallet and its round.
PAGES_PER_BATCH = 8
PAGES_PER_ITEM = 3
IDLE_S = 0.2
PURGE_EVERY_S = 600.0
STATEMENTS_CACHED = 512
# From so many commands on a batch is decided on the loop's thread.
FOLD_ON_LOOP_MIN = 8

_log = structlog.get_logger("cage.storage")


def now_us() -> int:
    """Return the wall clock in microseconds since 1970."""
    return time.time_ns() // 1000


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the writing connection and read back what durability rests on."""
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED,
    )
    for pragma, value, wanted in (
        ("journal_mode", "WAL", "wal"),
        ("synchronous", "FULL", 2),
        ("wal_autocheckpoint", "0", 0),
        ("journal_size_limit", str(WAL_BYTES_KEPT), WAL_BYTES_KEPT),
        ("cache_size", "-262144", -262144),
        ("temp_store", "MEMORY", 2),
        ("foreign_keys", "ON", 1),
        ("busy_timeout", "5000", 5000),
    ):
        connection.execute(f"PRAGMA {pragma}={value}").fetchall()
        found = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        if found != wanted:
            raise DurabilityError(pragma, wanted, found)
    return connection


def create_schema(connection: sqlite3.Connection, path: Path, time_us: int) -> None:
    """Create every table of a new database, or check the version of an old one."""
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    known = "SELECT count(*) FROM sqlite_master WHERE name = 'deployment'"
    if not cursor.execute(known).fetchone()[0]:
        for table in schema.metadata.sorted_tables:
            cursor.execute(str(CreateTable(table).compile(dialect=DIALECT)))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                cursor.execute(str(CreateIndex(index).compile(dialect=DIALECT)))
        cursor.execute(
            "INSERT INTO deployment VALUES (1, ?, 1, 0, ?)",
            (schema.SCHEMA_VERSION, time_us),
        )
        cursor.execute("INSERT INTO lanes VALUES (0, 0, 0, ?, 0)", (GENESIS_HASH,))
    cursor.execute("COMMIT")
    found = cursor.execute("SELECT schema_version FROM deployment").fetchone()[0]
    if found != schema.SCHEMA_VERSION:
        raise SchemaError(str(path), found, schema.SCHEMA_VERSION)


_PURGE = compile_text(
    delete(schema.requests).where(
        schema.requests.c.lane == bindparam("lane"),
        schema.requests.c.commit_time_us < bindparam("time_us"),
    )
)


class SqliteWriter:
    """Commit the commands of the one lane in batches, on a thread of its own."""

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
        self._wakes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._folds: queue.SimpleQueue[list[object] | Exception] = queue.SimpleQueue()
        lane = Lane(
            0,
            capacity=capacity,
            clock=time.monotonic,
            wake=self._wake,
        )
        self._lane = lane
        self._lanes = [lane]
        self._wal_pages = 0
        self._purge_time = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        version = self._cursor.execute("SELECT registry_version FROM deployment")
        self.registry: Registry = read_registry(
            connection.cursor(), version.fetchone()[0]
        )

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the writer's thread; answers arrive on the loop."""
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="lane-0", daemon=True)
        self._thread.start()

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

    def _wake(self) -> None:
        """Wake the thread once the loop has run what is ready now.

        Whatever else is about to be submitted in this turn of the loop then shares
        the batch, and its fsync, instead of waiting for the one after.
        """
        if self._loop is not None:
            self._loop.call_soon(self._wakes.put, True)

    def queue_depth(self) -> int:
        """Return how many commands wait."""
        return len(self._lane)

    async def drain(self) -> None:
        """Refuse new commands, commit what waits, and end the thread."""
        self._lane.is_open = False
        if self._thread is not None:
            self._wakes.put(False)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _run(self) -> None:
        """Take what waits, commit it, answer; checkpoint when nothing waits."""
        is_open = True
        while True:
            batch, late = self._lane.take()
            if batch or late:
                self._serve(batch, late)
                self._checkpoint(WAL_PAGES_MAX)
            elif not is_open:
                return
            else:
                try:
                    is_open = self._wakes.get(timeout=IDLE_S)
                except queue.Empty:
                    self._rest()
                    is_open = self._wakes.get()

    def _serve(self, batch: list[Pending], late: list[Pending]) -> None:
        """Commit one batch and send its answers to the loop."""
        started = time.monotonic()
        pairs: list[tuple[Pending, object]] = [
            (pending, CageError(Reason.DEADLINE_TOO_SHORT)) for pending in late
        ]
        stats = None
        if batch:
            commands = [pending.command for pending in batch]
            applied = self.apply(commands)
            pairs.extend(zip(batch, applied.outcomes, strict=True))
            stats = BatchStats(
                lane=0,
                size=len(batch),
                queue_depth=len(self._lane),
                wait_s=started - min(pending.enqueue_time for pending in batch),
                run_s=applied.run_s,
                commit_s=applied.commit_s,
                is_rerun=applied.is_rerun,
            )
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._answer, pairs, stats)

    def _answer(
        self, pairs: list[tuple[Pending, object]], stats: BatchStats | None
    ) -> None:
        resolve(pairs)
        if stats is not None and self._observe is not None:
            self._observe(stats)

    def apply(self, commands: Sequence[object]) -> Applied:
        """Commit a batch, in parts where it changes the registry.

        Runs on the writer's thread, or on the caller's while that is not started.
        """
        first, *rest = parts(commands)
        total = self._apply(first)
        for part in rest:
            total.add(self._apply(part))
        return total

    def _apply(self, commands: Sequence[object]) -> Applied:
        """Commit commands at once; when that fails, one at a time, in order.

        The one that fails alone answers INTERNAL, and nothing of it stays.
        """
        try:
            return self._commit(commands)
        except Exception:  # noqa: BLE001 - whatever one does, the others must go on
            _log.exception("batch failed, running it one by one", size=len(commands))
        total = Applied(is_rerun=True)
        for command in commands:
            try:
                total.add(self._commit([command]))
            except Exception:  # noqa: BLE001 - this command alone is refused
                _log.exception("command failed", command=type(command).__name__)
                total.outcomes.append(CageError(Reason.INTERNAL))
        return total

    def _commit(self, commands: Sequence[object]) -> Applied:
        """Run one transaction: read, decide in order, write, COMMIT."""
        cursor = self._cursor
        started = time.perf_counter()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            head, version, gates = lock_lane(cursor, 0, commands)
            if version != self.registry.version:
                self.registry = read_registry(cursor, version)
            book = open_book(
                cursor, head, gates, self.registry, self._clock_us(), commands
            )
            outcomes = self._fold(book, commands)
            written = has_effects(book)
            if written:
                write_book(cursor, book)
                items = book.next_no - head.item_no
                self._wal_pages += PAGES_PER_BATCH + PAGES_PER_ITEM * items
            ready = time.perf_counter()
            cursor.execute("COMMIT" if written else "ROLLBACK")
        except BaseException:
            if self._connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        # Only now: nobody may see a registry that was not committed.
        self.registry = book.registry
        return Applied(outcomes, ready - started, time.perf_counter() - ready)

    def _fold(self, book: Book, commands: Sequence[object]) -> list[object]:
        """Decide the commands of a batch in order; a large one on the loop's thread.

        Two threads of Python share one interpreter lock, and a busy loop gives it up
        too briefly for this thread to catch it: a fold here takes many times its own
        time, on the loop it takes just that.
        """
        loop = self._loop
        is_small = len(commands) < FOLD_ON_LOOP_MIN
        if is_small or loop is None or self._thread is not threading.current_thread():
            return fold(book, commands)
        loop.call_soon_threadsafe(self._fold_on_loop, book, commands)
        folded = self._folds.get()
        if isinstance(folded, Exception):
            raise folded
        return folded

    def _fold_on_loop(self, book: Book, commands: Sequence[object]) -> None:
        """Decide a batch for the thread that waits for it."""
        try:
            folded = fold(book, commands)
        except Exception as error:  # noqa: BLE001 - raised again where it is handled
            self._folds.put(error)
        else:
            self._folds.put(folded)

    def _rest(self) -> None:
        """Do what can wait until nothing else waits."""
        self._purge()
        self._checkpoint(WAL_PAGES_IDLE)

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

    def _checkpoint(self, threshold: int) -> None:
        """Move the WAL into the database once so many pages were written to it.

        A reader may keep part of it; the next try waits for as many pages again.
        """
        if self._wal_pages < threshold:
            return
        try:
            self._cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:
            _log.exception("checkpoint failed, the WAL grows")
        self._wal_pages = 0

    def close(self) -> None:
        """Move the whole WAL into the database and close the connection."""
        self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()


def extend_wal(path: Path, size: int) -> None:
    """Fill the WAL up with zeros to a size in bytes, before anybody writes to it.

    Zeros are no frame, so SQLite takes them for its end and writes over them. A commit
    that writes over a file needs no change of the file system's own books, whose
    fsync waits for whatever else is being written there: 0.7 against 2.9 ms a commit
    on a busy disk.
    """
    wal = path.with_name(path.name + "-wal")
    zeros = bytes(1 << 20)
    with wal.open("ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        while end < size:
            end += file.write(zeros[: size - end])
        os.fdatasync(file.fileno())


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
