"""Show the counts of the rpc layer and of the batches to Prometheus."""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from cage.app.ports import BatchStats
from cage.app.sweep import SweepCounts
from cage.rpc.meter import BOUNDS_S, OK, Meter

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_PATH = b"/metrics"
_REQUEST_MAX_BYTES = 8_192
_TIMEOUT_S = 5.0


@dataclass(slots=True)
class Histogram:
    """Count values by upper bounds, in plain integers."""

    bounds: Sequence[float]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class BatchMeter:
    """Count batches; the storage calls ``observe`` after each commit."""

    sizes: Histogram = field(default_factory=lambda: Histogram(_SIZES))
    waits: Histogram = field(default_factory=lambda: Histogram(BOUNDS_S))
    runs: Histogram = field(default_factory=lambda: Histogram(BOUNDS_S))
    commits: Histogram = field(default_factory=lambda: Histogram(BOUNDS_S))
    reruns: int = 0

    def observe(self, stats: BatchStats) -> None:
        """Count one batch."""
        self.sizes.observe(stats.size)
        self.waits.observe(stats.wait_s)
        self.runs.observe(stats.run_s)
        self.commits.observe(stats.commit_s)
        self.reruns += stats.is_rerun


@dataclass(slots=True)
class ReserveCounts:
    """Count reserves whose life was over: released, and left to the next sweep."""

    expired: int = 0
    failed: int = 0


class Exporter:
    """Turn the counts into what Prometheus reads, at the time it asks."""

    def __init__(
        self,
        meter: Meter,
        batches: BatchMeter,
        queue_depth: Callable[[], int],
        sweeps: tuple[SweepCounts, ReserveCounts],
    ) -> None:
        self._meter = meter
        self._batches = batches
        self._queue_depth = queue_depth
        self._sweeps, self._reserves = sweeps

    def collect(self) -> Iterable[Metric]:
        """Yield every metric of Cage."""
        yield from self._calls()
        yield from self._operations()
        yield from self._lanes()
        yield from self._rounds()

    def _calls(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "cage_calls", "Calls that ended, by outcome.", labels=("method", "outcome")
        )
        seconds = HistogramMetricFamily(
            "cage_call_seconds", "How long calls took.", labels=("method",)
        )
        for name, method in self._meter.methods.items():
            if not method.outcomes:
                continue
            for outcome, count in method.outcomes.items():
                calls.add_metric((name, outcome), count)
            seconds.add_metric(
                (name,), _buckets(BOUNDS_S, method.buckets), method.seconds
            )
        yield calls
        yield seconds
        yield GaugeMetricFamily(
            "cage_calls_in_flight", "Single calls that run.", self._meter.in_flight
        )
        yield GaugeMetricFamily(
            "cage_streams_open", "Streams that are open.", self._meter.streams
        )
        yield CounterMetricFamily(
            "cage_failures", "Exceptions that are no refusals.", self._meter.failures
        )

    def _operations(self) -> Iterator[Metric]:
        done = CounterMetricFamily(
            "cage_operations",
            "Wallet operations answered OK: single, streamed or batched.",
            labels=("operation",),
        )
        refused = CounterMetricFamily(
            "cage_refusals",
            "Wallet operations refused, by reason.",
            labels=("operation", "reason"),
        )
        for (name, outcome), count in self._meter.operations.items():
            if outcome == OK:
                done.add_metric((name,), count)
            else:
                refused.add_metric((name, outcome), count)
        replays = CounterMetricFamily(
            "cage_replays", "Operations answered as before.", labels=("operation",)
        )
        for name, count in self._meter.replays.items():
            replays.add_metric((name,), count)
        yield done
        yield refused
        yield replays

    def _lanes(self) -> Iterator[Metric]:
        batches = self._batches
        yield GaugeMetricFamily(
            "cage_queue_depth", "Operations that wait.", self._queue_depth()
        )
        yield CounterMetricFamily(
            "cage_reserves_expired",
            "Reserves released at the end of their life.",
            self._reserves.expired,
        )
        yield CounterMetricFamily(
            "cage_reserve_sweep_failures",
            "Expired reserves that a sweep could not release, and sweeps that failed.",
            self._reserves.failed,
        )
        yield CounterMetricFamily(
            "cage_batch_reruns", "Batches run again one by one.", batches.reruns
        )
        for name, text, histogram in (
            ("cage_batch_size", "Commands in a batch.", batches.sizes),
            ("cage_batch_wait_seconds", "Longest wait in a batch.", batches.waits),
            ("cage_batch_run_seconds", "BEGIN to the last write.", batches.runs),
            ("cage_commit_seconds", "How long COMMIT took.", batches.commits),
        ):
            family = HistogramMetricFamily(name, text)
            family.add_metric(
                (), _buckets(histogram.bounds, histogram.counts), histogram.total
            )
            yield family

    def _rounds(self) -> Iterator[Metric]:
        sweeps = self._sweeps
        for name, text, count in (
            ("closed", "Rounds left open that were closed.", sweeps.closed),
            ("voided", "Of those, rounds that were voided.", sweeps.voided),
            ("rolled_back", "Bets of them given back.", sweeps.rolled_back),
            ("refused", "Commands of the sweeper refused.", sweeps.refused),
        ):
            yield CounterMetricFamily(f"cage_unfinished_rounds_{name}", text, count)


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, int]]:
    """Return cumulative counts under the bounds' names, as Prometheus wants them."""
    total = 0
    buckets = []
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
    return buckets


class ProcessMetrics:
    """Hold everything that one process counts."""

    def __init__(self, exporter: Exporter) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(exporter)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    async def render(self) -> bytes:
        """Return it as Prometheus reads it."""
        return generate_latest(self._registry)


class MetricsServer:
    """Answer GET /metrics over HTTP/1.1, on the loop of the server."""

    def __init__(self, render: Callable[[], Awaitable[bytes]]) -> None:
        self._render = render
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(
            self._answer, host, port, limit=_REQUEST_MAX_BYTES
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._response(head))
                await writer.drain()
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
            # Whoever asks and does not listen is not answered.
            pass
        finally:
            writer.close()

    async def _response(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method != b"GET" or path != _PATH:
            return _http(b"404 Not Found", "text/plain", b"try GET /metrics\n")
        return _http(b"200 OK", CONTENT_TYPE_LATEST, await self._render())


def _http(status: bytes, content_type: str, body: bytes) -> bytes:
    head = (
        b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n"
    ) % (status, content_type.encode(), len(body))
    return head + body
