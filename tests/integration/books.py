"""Look into a database file from outside, and trouble its writer."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

# Statements of the writer wait for 5 s and then fail.
LOCK_MAX_S = 4.0


def digest(path: Path) -> dict[str, tuple[int, str]]:
    """Return the number of rows and the SHA-256 of all rows of each table."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        connection.execute("BEGIN")
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall()
        return {name: _digest(connection, name) for (name,) in names}


def _digest(connection: sqlite3.Connection, table: str) -> tuple[int, str]:
    rows = sorted(
        map(repr, connection.execute(f'SELECT * FROM "{table}"'))  # noqa: S608
    )
    return len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest()


def rows(path: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Read rows of a database that a server holds."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        return connection.execute(statement, values).fetchall()


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the writer up: its next transaction waits, for at most LOCK_MAX_S."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def poisoned(path: Path, table: str, condition: str, text: str) -> Iterator[None]:
    """Let the writer fail with a text on new rows of a table that fit a condition."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute(
            f"CREATE TRIGGER poison BEFORE INSERT ON {table} WHEN {condition}"
            f" BEGIN SELECT RAISE(ABORT, '{text}'); END"
        )
        try:
            yield
        finally:
            connection.execute("DROP TRIGGER poison")
