"""Measure the engine alone on PostgreSQL, and pgbench on the same server.

A program of its own, so that it has the interpreter to itself. The server comes from
the tests' wheel, with the durability that the tests give it. pgbench runs its TPC-B
with prepared statements; engine and pgbench go in turns, each with a database of its
own.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import uvloop
from engine import Engine

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.postgres import Cluster, make_database, new_cluster, programs

from cage.server.interpreter import hand_over_fast, keep_what_lives
from cage.storage import open_store

LANES = 8
# As many to a lane as the engine of SQLite is given.
CALLERS = 64 * LANES
CLIENTS = 8
THREADS = 2
INIT_TIMEOUT_S = 600


def pgbench(url: str, *arguments: str, timeout_s: float) -> str:
    """Run pgbench on a database and return what it printed."""
    done = subprocess.run(
        [str(programs() / "pgbench"), *arguments, url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=timeout_s,
    )
    return done.stdout


async def tpc_b(url: str, seconds: float) -> float:
    """Return the transactions a second of pgbench, without its connecting."""
    whole = max(1, round(seconds))
    printed = await asyncio.to_thread(
        pgbench, url, "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", str(THREADS),
        "-T", str(whole), timeout_s=whole + 60,
    )  # fmt: skip
    found = re.search(r"^tps = ([0-9.]+)", printed, re.MULTILINE)
    if found is None:
        raise ValueError(printed)
    return float(found[1])


async def run(cluster: Cluster, options: argparse.Namespace) -> None:
    """Print one JSON line for each pair of measurements."""
    store = open_store(make_database(cluster.url), lanes=LANES)
    await store.start(asyncio.get_running_loop())
    engine = Engine(store)
    await engine.found()
    await engine.add_players(options.players)
    peer = make_database(cluster.url)
    pgbench(peer, "-i", "-q", "-s", str(options.scale), timeout_s=INIT_TIMEOUT_S)
    keep_what_lives()
    await engine.bets_per_s(options.seconds, is_busy=False, callers=CALLERS)
    for _ in range(options.samples):
        bets = await engine.bets_per_s(options.seconds, is_busy=False, callers=CALLERS)
        sample = {"engine": bets, "pgbench": await tpc_b(peer, options.seconds)}
        print(json.dumps(sample), flush=True)
    await store.drain()


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--players", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--scale", type=int, default=20, help="of pgbench")
    options = parser.parse_args()
    hand_over_fast()
    cluster = new_cluster()
    try:
        uvloop.run(run(cluster, options))
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
