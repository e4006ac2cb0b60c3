"""Keep the books on disk: one schema, one writer per lane, a read pool beside it."""

from cage.storage.errors import (
    DatabaseLockedError,
    DurabilityError,
    SchemaError,
    UnusableDatabaseError,
)
from cage.storage.finding import Finding
from cage.storage.sqlite import SqliteStore, open_sqlite
from cage.storage.store import Store, is_postgres, open_store, shown
from cage.storage.verify import verify

__all__ = [
    "DatabaseLockedError",
    "DurabilityError",
    "Finding",
    "SchemaError",
    "SqliteStore",
    "Store",
    "UnusableDatabaseError",
    "is_postgres",
    "open_sqlite",
    "open_store",
    "shown",
    "verify",
]
