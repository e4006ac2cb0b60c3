"""Be a consumer of events: ``consumer.py ADDRESS KEY FILE``.

It keeps what it makes of an event and the cursor in one transaction of its own
database, so it may be killed at any instant.
"""

import asyncio
import sqlite3
import sys

from cage.client import connect
from cage.event.v1.event_pb2 import Event

SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (
    number INTEGER PRIMARY KEY, player_id TEXT, transaction_id TEXT, place TEXT UNIQUE
);
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY, cursor TEXT);
INSERT OR IGNORE INTO state VALUES (1, '');
"""


def open_file(path: str) -> sqlite3.Connection:
    """Open the consumer's database."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


def keep(connection: sqlite3.Connection, event: Event) -> None:
    """Note an event; its place is refused when it was noted before."""
    at = event.position
    connection.execute(
        "INSERT INTO seen (player_id, transaction_id, place) VALUES (?, ?, ?)",
        (
            event.player_id,
            event.transaction.transaction_id,
            f"{at.lane}/{at.sequence}/{at.index}",
        ),
    )


async def consume(address: str, key: str, path: str) -> None:
    """Follow the journal from where the file ends."""
    connection = open_file(path)
    (cursor,) = connection.execute("SELECT cursor FROM state").fetchone()
    async with (
        connect(address, key=key) as client,
        client.events.subscribe(cursor=cursor) as events,
    ):
        async for frame in events.frames():
            connection.execute("BEGIN")
            for event in frame.events:
                keep(connection, event)
            connection.execute("UPDATE state SET cursor = ?", (frame.cursor,))
            connection.execute("COMMIT")


if __name__ == "__main__":
    asyncio.run(consume(*sys.argv[1:]))
