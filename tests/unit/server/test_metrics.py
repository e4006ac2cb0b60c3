"""Test what Prometheus sees."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cage.app.ports import BatchStats
from cage.app.sweep import SweepCounts
from cage.rpc.meter import Meter
from cage.server.metrics import (
    BatchMeter,
    Exporter,
    MetricsServer,
    ProcessMetrics,
    ReserveCounts,
)

BET = "/cage.wallet.v1.WalletService/Bet"


@pytest.fixture
def meter() -> Meter:
    """Return counts of three calls."""
    meter = Meter(in_flight=2, streams=1, failures=4)
    meter.methods[BET].count("OK", 0.0004)
    meter.methods[BET].count("OK", 0.04)
    meter.methods[BET].count("OVERLOADED", 99)
    meter.methods["/never/Called"].seconds = 0
    meter.operations["bet", "OK"] = 2
    meter.operations["bet", "OVERLOADED"] = 1
    meter.replays["bet"] = 1
    return meter


@pytest.fixture
async def port(meter: Meter) -> AsyncIterator[int]:
    """Serve the counts and those of one batch on a free port."""
    batches = BatchMeter()
    batches.observe(
        BatchStats(
            lane=0,
            size=3,
            queue_depth=7,
            wait_s=0.001,
            run_s=0.002,
            commit_s=0.2,
            is_rerun=True,
        )
    )
    counts = (SweepCounts(closed=3), ReserveCounts(expired=3, failed=2))
    server = MetricsServer(
        ProcessMetrics(Exporter(meter, batches, lambda: 7, counts)).render
    )
    yield await server.start("127.0.0.1", 0)
    await server.stop()


async def http(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Send a request and return status line and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], body


async def test_metrics_hold_the_counts(port: int) -> None:
    """Every count is shown under its name and labels, buckets cumulatively."""
    status, body = await http(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float:
        return samples[name, tuple(sorted(labels.items()))]

    assert status == b"HTTP/1.1 200 OK"
    assert value("cage_calls_total", method=BET, outcome="OK") == 2
    assert value("cage_calls_total", method=BET, outcome="OVERLOADED") == 1
    assert value("cage_call_seconds_bucket", method=BET, le="0.0005") == 1
    assert value("cage_call_seconds_bucket", method=BET, le="0.05") == 2
    assert value("cage_call_seconds_bucket", method=BET, le="+Inf") == 3
    assert value("cage_call_seconds_count", method=BET) == 3
    assert value("cage_operations_total", operation="bet") == 2
    assert value("cage_refusals_total", operation="bet", reason="OVERLOADED") == 1
    assert value("cage_replays_total", operation="bet") == 1
    assert value("cage_calls_in_flight") == 2
    assert value("cage_streams_open") == 1
    assert value("cage_failures_total") == 4
    assert value("cage_queue_depth") == 7
    assert value("cage_batch_size_bucket", le="4") == 1
    assert value("cage_batch_size_bucket", le="2") == 0
    assert value("cage_commit_seconds_sum") == pytest.approx(0.2)
    assert value("cage_batch_reruns_total") == 1
    assert value("cage_reserves_expired_total") == 3
    assert value("cage_reserve_sweep_failures_total") == 2
    assert not [
        labels for _, labels in samples if ("method", "/never/Called") in labels
    ]


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.1\r\n\r\n", b"POST /metrics HTTP/1.1\r\n\r\n", b"\r\n\r\n"],
)
async def test_other_requests_are_not_found(port: int, request_: bytes) -> None:
    """Nothing but GET /metrics is served."""
    status, _ = await http(port, request_)

    assert status == b"HTTP/1.1 404 Not Found"


async def test_endless_request_is_cut_off(port: int) -> None:
    """A caller whose head does not end is not kept."""
    status, body = await http(port, b"G" * 100_000)

    assert (status, body) == (b"", b"")
