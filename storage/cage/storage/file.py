"""Open, create and lay out the file of an embedded database."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy.schema import CreateIndex, CreateTable

from cage.core.journal import GENESIS_HASH
from cage.storage import schema
from cage.storage.errors import DurabilityError, SchemaError
from cage.storage.statements import DIALECT

# A WAL that was moved is written over from its start, which costs a third less per
# commit than growing a file; only what a long reader made it grow is given back. As
# much of it is made in advance, unless the configuration says otherwise.
WAL_BYTES_KEPT = 256 << 20
STATEMENTS_CACHED = 512
# More is kept by the system anyway, and what this holds is resident for good.
CACHE_KIB = 64 << 10


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
        ("cache_size", f"-{CACHE_KIB}", -CACHE_KIB),
        ("temp_store", "MEMORY", 2),
        ("foreign_keys", "ON", 1),
        # The loop may not wait for a lock of another process.
        ("busy_timeout", "0", 0),
    ):
        connection.execute(f"PRAGMA {pragma}={value}").fetchall()
        found = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        if found != wanted:
            raise DurabilityError(pragma, wanted, found)
    return connection


def set_patience(connection: sqlite3.Connection, timeout_ms: int) -> None:
    """Set how long a connection waits for a lock of another process."""
    connection.execute(f"PRAGMA busy_timeout={timeout_ms}").fetchall()


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
