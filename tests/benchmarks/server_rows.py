"""Measure ``caged`` against a server that does nothing.

Both run side by side, and windows of one and of the other take turns, so that a
machine that gets slower or faster touches both alike. A row is the median of the
ratios of its pairs.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from figures import Row
from programs import Load, ProgramError, Server

CALLERS = 64
STREAMS = 4
STREAM_FRAMES = 64
BATCH = 100
BATCH_CALLERS = 4
# Enough to fill every batch, for the peak.
PEAK_CALLERS = 256
OVERLOAD = 3.0
OVERLOAD_CONNECTIONS = 8
# Calls that the server under overload lets in: so few that they are answered long
# before their deadlines on a slow machine, and more than the peak needs.
OVERLOAD_IN_FLIGHT = 640
# The page cache of the database grows up to 64 MiB; what it takes is no leak.
WARM_DATABASE_BYTES = 96 << 20
WARM_BETS = 100_000
RSS_STEPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Hold one of the two servers with its load generator."""

    server: Server
    load: Load

    def run(self, do: str, seconds: float, **how: object) -> dict[str, Any]:
        """Run a load and add what it cost the server: microseconds of CPU a bet."""
        before = self.server.cpu_s
        answer = self.load.ask(do, seconds=seconds, **how)
        cpu_s = self.server.cpu_s - before
        return answer | {"cpu_us": 1e6 * cpu_s / max(1, answer["ok"])}


def peak_of(bet: Side, seconds: float) -> float:
    """Return the most bets a second that a server answers."""
    peak = bet.run("wire", seconds, callers=PEAK_CALLERS, settle_s=seconds / 4)
    return float(peak["per_s"])


def overload(bet: Side, *, seconds: float, pairs: int) -> Row:
    """Offer three times the peak, each time against the peak just before."""
    samples = []
    for _ in range(pairs):
        peak = peak_of(bet, seconds)
        flood = bet.run(
            "wire",
            2 * seconds,
            rate=OVERLOAD * peak,
            connections=OVERLOAD_CONNECTIONS,
            settle_s=seconds,
        )
        ratio = flood["per_s"] / peak
        samples.append({"ratio": ratio, "peak_per_s": peak, "flood": flood})
    outcomes: Counter[str] = Counter()
    for sample in samples:
        outcomes.update(sample["flood"]["outcomes"])
    told = ", ".join(f"{name} {outcomes[name]:,}" for name in sorted(outcomes))
    peak = median(sample["peak_per_s"] for sample in samples)
    return Row(
        id="overload_goodput",
        value=median(sample["ratio"] for sample in samples),
        samples=samples,
        note=f"peak {peak:,.0f}/s; {told}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Measure the rows, with windows of so many seconds in so many pairs."""

    empty: Side
    bet: Side
    database: Path
    seconds: float
    pairs: int

    def warm_up(self) -> None:
        """Run every kind of load once, unmeasured."""
        self.empty.run("unary", self.seconds, callers=CALLERS)
        self.bet.run("unary", self.seconds, callers=CALLERS)
        self.bet.run("stream", self.seconds, **_STREAM)
        self.bet.run("batch", self.seconds, **_BATCH)

    def unary(self) -> Row:
        """Measure single bets."""
        return self._cpu_row("unary_vs_empty", "unary", callers=CALLERS)

    def stream(self) -> Row:
        """Measure bets on streams."""
        return self._cpu_row("stream_vs_empty", "stream", **_STREAM)

    def batch(self) -> Row:
        """Measure bets in batches."""
        return self._cpu_row("batch_vs_empty", "batch", **_BATCH)

    def _cpu_row(self, row_id: str, do: str, **how: object) -> Row:
        def run(side: Side) -> dict[str, Any]:
            if side is self.empty:
                return side.run("unary", self.seconds, callers=CALLERS)
            return side.run(do, self.seconds, **how)

        samples = list(self._in_turns(run))
        for sample in samples:
            sample["ratio"] = sample["empty"]["cpu_us"] / sample["bet"]["cpu_us"]
        return Row(
            id=row_id,
            value=median(sample["ratio"] for sample in samples),
            samples=samples,
            note=_of_both(samples, "cpu_us", "us CPU")
            + "; "
            + _of_both(samples, "per_s", "/s"),
        )

    def single(self, row_id: str = "single_p50_vs_empty") -> Row:
        """Measure the latency of one caller."""

        def run(side: Side) -> dict[str, Any]:
            return side.run("unary", self.seconds, callers=1)

        samples = list(self._in_turns(run))
        for sample in samples:
            sample["ratio"] = sample["bet"]["p50_ms"] / sample["empty"]["p50_ms"]
        return Row(
            id=row_id,
            value=median(sample["ratio"] for sample in samples),
            samples=samples,
            note=_of_both(samples, "p50_ms", "ms", digits=2),
        )

    def half_load(self) -> Row:
        """Measure the latency of calls that come at half of the peak."""
        peaks = [peak_of(self.bet, self.seconds) for _ in range(self.pairs)]
        rate = median(peaks) / 2

        def run(side: Side) -> dict[str, Any]:
            return side.run("wire", self.seconds, rate=rate)

        samples = list(self._in_turns(run))
        for sample in samples:
            sample["ratio"] = sample["bet"]["p99_ms"] / sample["empty"]["p99_ms"]
        return Row(
            id="half_load_p99_vs_empty",
            value=median(sample["ratio"] for sample in samples),
            samples=samples,
            note=f"at {rate:,.0f}/s: {_of_both(samples, 'p99_ms', 'ms', digits=2)}",
        )

    def rss(self, bets: int, *, warm_up_s: float, limit_s: float) -> Row:
        """Measure the growth of memory over so many bets of every kind.

        Ends early when they take too long; the note says over how many it was, and
        when caches were not full, so that growth is no leak.
        """
        is_warm = self._warm_memory(bets, warm_up_s)
        started, count = time.monotonic(), 0
        sizes = [(count, self.bet.server.rss_bytes)]
        while count < bets and time.monotonic() - started < limit_s:
            count += self._mixed(bets // RSS_STEPS)
            sizes.append((count, self.bet.server.rss_bytes))
        first, last = sizes[0][1], sizes[-1][1]
        caveat = "" if is_warm else "; the database's page cache was still filling"
        return Row(
            id="rss_growth",
            value=100 * (last / first - 1),
            samples=sizes,
            note=f"{first >> 20} to {last >> 20} MiB over {count:,} bets{caveat}",
        )

    def _warm_memory(self, bets: int, limit_s: float) -> bool:
        """Bet until caches are full, and say whether they are.

        That of the database wants a million bets, so a short run leaves it out.
        """
        wanted = WARM_DATABASE_BYTES if bets > WARM_BETS else 0
        started, count = time.monotonic(), 0
        while count < min(bets, WARM_BETS) or self._database_bytes() < wanted:
            if time.monotonic() - started > limit_s:
                return False
            count += self._mixed(WARM_BETS // RSS_STEPS)
        return bool(wanted)

    def _database_bytes(self) -> int:
        """Return the size of the file: pages that were read or written once."""
        return self.database.stat().st_size

    def _mixed(self, bets: int) -> int:
        """Send bets on streams, alone and in batches; return how many were posted."""
        count = 0
        for do, seconds, how in (
            ("stream", self.seconds / 2, _STREAM),
            ("unary", self.seconds / 2, {"callers": CALLERS}),
        ):
            count += self.bet.load.ask(do, seconds=seconds, **how)["ok"]
        while count < bets:
            answer = self.bet.load.ask("batch", seconds=self.seconds, **_BATCH)
            if not answer["ok"]:
                raise ProgramError(f"no bet was posted: {answer['outcomes']}")
            count += answer["ok"]
        return count

    def _in_turns(
        self, run: Callable[[Side], dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """Run both sides in pairs, first one first and then the other."""
        for number in range(self.pairs):
            sides = [("empty", self.empty), ("bet", self.bet)]
            if number % 2:
                sides.reverse()
            yield {name: run(side) for name, side in sides}


_STREAM = {"callers": STREAMS, "in_flight": STREAM_FRAMES}
_BATCH = {"callers": BATCH_CALLERS, "size": BATCH}


def _of_both(
    samples: list[dict[str, Any]], name: str, unit: str, *, digits: int = 0
) -> str:
    """Tell the medians of one figure of both servers."""
    told = (
        f"{side} {median(sample[side][name] for sample in samples):,.{digits}f}"
        for side in ("empty", "bet")
    )
    return f"{', '.join(told)} {unit}"
