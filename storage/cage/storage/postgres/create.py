"""Create the schema of a PostgreSQL database, or check that of an old one."""

from typing import Any

from sqlalchemy.schema import CreateIndex, CreateTable

from cage.core.journal import GENESIS_HASH
from cage.storage import schema
from cage.storage.effects import ADDED, REPLACED
from cage.storage.errors import SchemaError
from cage.storage.postgres.connection import Connection
from cage.storage.postgres.statements import DIALECT
from cage.storage.store import shown

# Processes that start at once create the schema once; the number is drawn.
_CREATION = 7_265_983_417_026_145
# Rows that are written again find room on their page.
_FILL_PERCENT = 80


async def create_schema(
    connection: Connection, url: str, *, lanes: int, time_us: int
) -> int:
    """Create every table of a new database; return the number of lanes it has.

    Raises SchemaError for a version that this one does not know.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _CREATION)
        known = await connection.fetchval("SELECT to_regclass('deployment')::text")
        if known is None:
            await _create(connection, lanes, time_us)
    if known is None:
        # The planner knows nothing of tables that were never looked at.
        for table in schema.metadata.sorted_tables:
            await connection.execute(f"ANALYZE {table.name}")
    row = await connection.fetchrow("SELECT schema_version, lanes FROM deployment")
    if row["schema_version"] != schema.SCHEMA_VERSION:
        raise SchemaError(shown(url), row["schema_version"], schema.SCHEMA_VERSION)
    found: int = row["lanes"]
    return found


async def _create(connection: Connection, lanes: int, time_us: int) -> None:
    written_again = {*REPLACED, *ADDED, schema.lanes, schema.deployment}
    for table in schema.metadata.sorted_tables:
        await connection.execute(_text(CreateTable(table)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            await connection.execute(_text(CreateIndex(index)))
        if table in written_again:
            await connection.execute(
                f"ALTER TABLE {table.name} SET (fillfactor = {_FILL_PERCENT})"
            )
    await connection.execute(
        "INSERT INTO deployment VALUES (1, $1, $2, 0, $3)",
        schema.SCHEMA_VERSION,
        lanes,
        time_us,
    )
    await connection.executemany(
        "INSERT INTO lanes VALUES ($1, 0, 0, $2, 0)",
        [(lane, GENESIS_HASH) for lane in range(lanes)],
    )


def _text(statement: Any) -> str:
    return str(statement.compile(dialect=DIALECT))
