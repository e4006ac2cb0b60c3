"""Answer queries from a PostgreSQL database, on a pool of its own."""

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from cage.storage.reads import POOL_SIZE, READ_TIMEOUT_S, SqlReads


class PostgresReads(SqlReads):
    """Read a PostgreSQL database: each query sees one instant and cannot write."""

    def __init__(self, url: str) -> None:
        engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
            connect_args={
                "timeout": READ_TIMEOUT_S,
                "server_settings": {
                    "application_name": "caged reads",
                    "default_transaction_read_only": "on",
                    "statement_timeout": str(int(READ_TIMEOUT_S * 1_000)),
                },
            },
        )
        super().__init__(engine)
