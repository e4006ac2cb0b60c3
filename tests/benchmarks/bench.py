"""Measure Cage against its budgets; print a table and write build/bench.json.

Every figure is a ratio within one run on one machine, because absolute ones drift.
The rows history_* fill databases for up to an hour,
the others take a quarter of one; ``--quick`` runs a smoke of every row,
whose figures mean nothing.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from figures import BUDGETS, Row, table, write
from programs import caged, empty_server, load_on, run_program, seed_players
from server_rows import CALLERS, OVERLOAD_IN_FLIGHT, Bench, Side, overload

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.postgres import make_database, new_cluster  # noqa: E402 - found from here

# Transactions stored, and the bets/s that are to be left with the most of them.
HISTORY = (1_000_000, 5_000_000)
LEFT_MIN = 6_000
SERVER_ROWS = (
    ("unary_vs_empty", Bench.unary),
    ("stream_vs_empty", Bench.stream),
    ("batch_vs_empty", Bench.batch),
    ("single_p50_vs_empty", Bench.single),
    ("half_load_p99_vs_empty", Bench.half_load),
)


def main() -> None:
    """Measure the rows that were asked for."""
    options = _options()
    shown = {name: value for name, value in vars(options).items() if name != "out"}
    started = time.monotonic()
    rows: list[Row] = []
    seconds = 0
    for row in _rows(options):
        print(table([row]).splitlines()[-1], flush=True)
        rows.append(row)
        # Written each time: a later row that fails takes none with it.
        seconds = round(time.monotonic() - started)
        write(options.out, rows, seconds=seconds, options=shown)
    print(f"\n{table(rows)}\n\n{seconds} s; written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke, under a minute")
    parser.add_argument(
        "--only", nargs="+", choices=BUDGETS, metavar="ROW", help="measure these rows"
    )
    parser.add_argument("--seconds", type=float, help="length of a window (3)")
    parser.add_argument("--pairs", type=int, help="pairs of windows in a row (5)")
    parser.add_argument("--players", type=int, help="number of players (2,000)")
    parser.add_argument(
        "--rss-bets", type=int, help="bets of rss_growth (1,000,000, in 3 minutes)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench.json")
    options = parser.parse_args()
    usual = {"seconds": 3.0, "pairs": 5, "players": 2_000, "rss_bets": 1_000_000}
    quick = {"seconds": 0.5, "pairs": 1, "players": 200, "rss_bets": 1_000}
    for name, value in (quick if options.quick else usual).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.only = options.only or list(BUDGETS)
    return options


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    """Measure row after row, in temporary folders on this disk."""
    wanted = set(options.only)
    for ids, measure in (
        ({"engine_sqlite_vs_plain"}, _engine_row),
        ({"engine_postgres_vs_pgbench"}, _engine_postgres_row),
        ({"single_p50_postgres"}, _single_postgres_row),
        ({"history_sqlite"}, partial(_history_row, "sqlite")),
        ({"history_postgres"}, partial(_history_row, "postgres")),
        ({"overload_goodput"}, _overload_row),
        ({row_id for row_id, _ in SERVER_ROWS} | {"rss_growth"}, _server_rows),
    ):
        if wanted & ids:
            with tempfile.TemporaryDirectory(prefix="cage-bench-") as folder:
                yield from measure(options, Path(folder))


def _engine_row(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    arguments = ["engine.py", str(folder)]
    for name, value in (
        ("players", options.players),
        ("seconds", options.seconds),
        ("samples", options.pairs),
    ):
        arguments += [f"--{name}", str(value)]
    *samples, last = run_program(arguments, timeout_s=600)
    for sample in samples:
        sample["ratio"] = sample["engine"] / sample["plain"]
    engine, plain = (
        median(sample[side] for sample in samples) for side in ("engine", "plain")
    )
    yield Row(
        id="engine_sqlite_vs_plain",
        value=median(sample["ratio"] for sample in samples),
        samples=samples,
        note=f"engine {engine:,.0f}, plain {plain:,.0f}; "
        f"engine without the busy loop {last['alone']:,.0f} bets/s",
    )


def _engine_postgres_row(options: argparse.Namespace, _folder: Path) -> Iterator[Row]:
    arguments = ["engine_postgres.py"]
    for name, value in (
        ("players", options.players),
        ("seconds", options.seconds),
        ("samples", options.pairs),
        ("scale", 1 if options.quick else 20),
    ):
        arguments += [f"--{name}", str(value)]
    samples = run_program(arguments, timeout_s=900)
    for sample in samples:
        sample["ratio"] = sample["engine"] / sample["pgbench"]
    engine = median(sample["engine"] for sample in samples)
    # The best run of pgbench is what it can do here.
    tps = max(sample["pgbench"] for sample in samples)
    yield Row(
        id="engine_postgres_vs_pgbench",
        value=engine / tps,
        samples=samples,
        note=f"engine {engine:,.0f} bets/s, pgbench {tps:,.0f} tps at best",
    )


def _history_row(kind: str, options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    arguments = ["history.py", kind, str(folder)]
    players, sizes = (200, (100, 500)) if options.quick else (20_000, HISTORY)
    arguments += ["--sizes", *map(str, sizes)]
    for name, value in (
        ("players", players),
        ("seconds", options.seconds),
        ("samples", options.pairs),
    ):
        arguments += [f"--{name}", str(value)]
    short, long = run_program(arguments, timeout_s=10_800)
    yield Row(
        id=f"history_{kind}",
        value=long["bets_per_s"] / short["bets_per_s"],
        samples=[short, long],
        note=f"{short['bets_per_s']:,.0f} then {long['bets_per_s']:,.0f} bets/s; "
        f"at least {LEFT_MIN:,} are to be left",
    )


def _overload_row(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    players = folder / "players.json"
    with caged(folder, in_flight_max=OVERLOAD_IN_FLIGHT) as bet:
        seed_players(bet, min(options.players, 500), players)
        with load_on(bet, players) as load:
            side = Side(server=bet, load=load)
            side.run("unary", options.seconds, callers=CALLERS)
            yield overload(side, seconds=options.seconds, pairs=options.pairs)


def _single_postgres_row(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    cluster = new_cluster()
    try:
        yield _single_on(make_database(cluster.url), options, folder)
    finally:
        cluster.remove()


def _single_on(database: str, options: argparse.Namespace, folder: Path) -> Row:
    players = folder / "players.json"
    with caged(folder, database=database) as bet, empty_server(folder) as empty:
        seed_players(bet, options.players, players)
        with load_on(empty, players) as on_empty, load_on(bet, players) as on_bet:
            bench = Bench(
                empty=Side(server=empty, load=on_empty),
                bet=Side(server=bet, load=on_bet),
                database=folder,
                seconds=options.seconds,
                pairs=options.pairs,
            )
            bench.warm_up()
            return bench.single("single_p50_postgres")


def _server_rows(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Measure what needs servers, on one database that grows from row to row."""
    players = folder / "players.json"
    with caged(folder) as bet, empty_server(folder) as empty:
        seed_players(bet, options.players, players)
        with load_on(empty, players) as on_empty, load_on(bet, players) as on_bet:
            bench = Bench(
                empty=Side(server=empty, load=on_empty),
                bet=Side(server=bet, load=on_bet),
                database=folder / "cage.db",
                seconds=options.seconds,
                pairs=options.pairs,
            )
            bench.warm_up()
            for row_id, measure in SERVER_ROWS:
                if row_id in options.only:
                    yield measure(bench)
            if "rss_growth" in options.only:
                yield bench.rss(options.rss_bets, warm_up_s=180.0, limit_s=180.0)


if __name__ == "__main__":
    main()
