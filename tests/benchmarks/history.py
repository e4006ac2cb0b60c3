"""Measure the engine with few and with many transactions stored.

Fills a database through the engine itself, the players by Zipf's law, and measures
the rate at each of the sizes that were asked for.
"""

import argparse
import asyncio
import json
import sys
from itertools import accumulate
from pathlib import Path
from statistics import median

import uvloop
from engine import Engine

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.postgres import administration, make_database, new_cluster

from cage.server.interpreter import hand_over_fast, keep_what_lives
from cage.storage import open_store
from cage.storage.file import WAL_BYTES_KEPT

LANES = 8
# Large batches, for each lane.
FILLERS = 256
CALLERS = 64


async def run(database: str, lanes: int, options: argparse.Namespace) -> None:
    """Print one JSON line for each size."""
    store = open_store(database, lanes=lanes, wal_bytes=WAL_BYTES_KEPT)
    await store.start(asyncio.get_running_loop())
    engine = Engine(store)
    await engine.found()
    await engine.add_players(options.players)
    engine.weights = list(accumulate(1 / n for n in range(1, options.players + 1)))
    keep_what_lives()
    for size in options.sizes:
        await engine.fill(size, callers=FILLERS * lanes)
        rates = [
            await engine.bets_per_s(
                options.seconds, is_busy=False, callers=CALLERS * lanes
            )
            for _ in range(options.samples)
        ]
        line = {"stored": size, "bets_per_s": median(rates), "rates": rates}
        print(json.dumps(line), flush=True)
    await store.drain()


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("sqlite", "postgres"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--players", type=int, default=20_000)
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--samples", type=int, default=5)
    options = parser.parse_args()
    hand_over_fast()
    if options.kind == "sqlite":
        uvloop.run(run(str(options.folder / "history.db"), 1, options))
        return
    cluster = new_cluster()
    try:
        # The tests do without, but rows that are written over need it.
        server = administration(cluster.url)
        server.execute("ALTER SYSTEM SET autovacuum = on")
        server.execute("SELECT pg_reload_conf()")
        uvloop.run(run(make_database(cluster.url), LANES, options))
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
