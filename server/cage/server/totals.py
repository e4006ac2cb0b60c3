"""Sum up what the workers of one server count, for one address of Prometheus.

Counters and histograms are added up, with those of workers that have ended, so that
a sum never falls. Gauges are added up over the workers that listen; those that cannot
be (a version, a time, a bound) show the largest.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.parser import text_string_to_metric_families

from cage.server.config import split_address
from cage.server.worker import Worker

LARGEST = {
    "process_max_fds",
    "process_start_time_seconds",
    "python_info",
}
_CALLS = "cage_calls"
_SUMMED = ("counter", "histogram")
_ASK = b"GET /metrics HTTP/1.1\r\nHost: worker\r\n\r\n"
_TIMEOUT_S = 3.0

Labels = tuple[tuple[str, str], ...]


class _Family:
    """Hold the sum of one metric over workers."""

    def __init__(self, metric: Metric) -> None:
        self.name, self.text, self.type = metric.name, metric.documentation, metric.type
        self.values: dict[tuple[str, Labels], float] = {}

    def add(self, metric: Metric) -> None:
        """Add what one worker counted."""
        for sample in metric.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            known = self.values.get(key)
            if known is None:
                self.values[key] = sample.value
            elif self.name in LARGEST:
                self.values[key] = max(known, sample.value)
            else:
                self.values[key] = known + sample.value

    def metric(self) -> Metric:
        """Return the sum as a metric."""
        made = Metric(self.name, self.text, self.type)
        for (name, labels), value in self.values.items():
            made.add_sample(name, dict(labels), value)
        return made


def sum_up(parts: Iterable[Sequence[Metric]]) -> list[Metric]:
    """Add up the metrics of several workers."""
    families: dict[str, _Family] = {}
    for part in parts:
        for metric in part:
            families.setdefault(metric.name, _Family(metric)).add(metric)
    return [family.metric() for family in families.values()]


class Totals:
    """Ask the workers what they count, and remember what those counted that ended."""

    def __init__(self) -> None:
        self._seen: dict[Worker, list[Metric]] = {}
        self._up: dict[Worker, bool] = {}
        self._ended: list[Metric] = []
        self.restarts = 0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    async def render(self) -> bytes:
        """Return the sums as Prometheus reads them."""
        await asyncio.gather(*(self.look(worker) for worker in list(self._seen)))
        return generate_latest(self._registry)

    def begin(self, worker: Worker) -> None:
        """Count what a worker counts that listens."""
        self._seen[worker] = []

    async def look(self, worker: Worker) -> None:
        """Ask a worker for its metrics; one that does not answer keeps its last."""
        address = worker.ready.metrics_address
        if not address:
            return
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                text = await _ask(*split_address(address))
        except (OSError, EOFError, TimeoutError):
            self._up[worker] = False
            return
        if worker in self._seen:
            self._up[worker] = True
            self._seen[worker] = list(text_string_to_metric_families(text))

    def end(self, worker: Worker) -> None:
        """Keep what a worker had counted when it was last asked."""
        self._up.pop(worker, None)
        seen = self._seen.pop(worker, [])
        kept = [metric for metric in seen if metric.type in _SUMMED]
        self._ended = sum_up((self._ended, kept))

    def collect(self) -> Iterator[Metric]:
        """Yield the sums, and what is known of each worker."""
        yield from sum_up((self._ended, *self._seen.values()))

        up = GaugeMetricFamily(
            "cage_worker_up",
            "1 for a worker that listens and answers.",
            labels=("worker",),
        )
        calls = CounterMetricFamily(
            "cage_worker_calls",
            "Calls that ended, by the worker that lives now.",
            labels=("worker",),
        )
        # One that is drained has a successor in its place.
        for worker in {worker.number: worker for worker in self._seen}.values():
            place = (str(worker.number),)
            up.add_metric(place, self._up.get(worker, False))
            calls.add_metric(place, _calls(self._seen[worker]))
        yield up
        yield calls
        yield CounterMetricFamily(
            "cage_worker_restarts",
            "Workers started after the first, for a dead one or to renew.",
            self.restarts,
        )


def _calls(metrics: Iterable[Metric]) -> float:
    return sum(
        sample.value
        for metric in metrics
        if metric.name == _CALLS
        for sample in metric.samples
    )


async def _ask(host: str, port: int) -> str:
    """Return what a worker answers to GET /metrics."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(_ASK)
        await reader.readuntil(b"\r\n\r\n")
        return (await reader.read()).decode()
    finally:
        writer.close()
