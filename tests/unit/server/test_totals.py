"""Test how what workers count is added up."""

import asyncio
from types import SimpleNamespace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from cage.server.totals import Totals, sum_up

FIRST = """\
# HELP cage_calls_total Calls.
# TYPE cage_calls_total counter
cage_calls_total{method="Bet",outcome="OK"} 3.0
# HELP cage_wait_seconds Waits.
# TYPE cage_wait_seconds histogram
cage_wait_seconds_bucket{le="0.1"} 1.0
cage_wait_seconds_bucket{le="+Inf"} 2.0
cage_wait_seconds_count 2.0
cage_wait_seconds_sum 0.5
# HELP cage_queue_depth Waiting.
# TYPE cage_queue_depth gauge
cage_queue_depth 4.0
# HELP process_start_time_seconds Start.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 100.0
"""
SECOND = FIRST.replace('"OK"} 3.0', '"SHED"} 2.0').replace("100.0", "90.0")


def parsed(text: str) -> list[Any]:
    """Return the metrics of an exposition."""
    return list(text_string_to_metric_families(text))


def values(metrics: Any) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in metrics
        for sample in metric.samples
    }


def test_workers_are_added_up() -> None:
    """Counters, histograms and gauges are sums; what is no amount is the largest."""
    assert values(sum_up([parsed(FIRST), parsed(SECOND)])) == {
        ("cage_calls_total", "Bet", "OK"): 3,
        ("cage_calls_total", "Bet", "SHED"): 2,
        ("cage_wait_seconds_bucket", "0.1"): 2,
        ("cage_wait_seconds_bucket", "+Inf"): 4,
        ("cage_wait_seconds_count",): 4,
        ("cage_wait_seconds_sum",): 1,
        ("cage_queue_depth",): 8,
        ("process_start_time_seconds",): 100,
    }


async def test_sums_never_fall() -> None:
    """What a worker counted stays in the sum when it ends; what waited in it goes."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + FIRST.encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ready = SimpleNamespace(metrics_address=f"127.0.0.1:{port}")
    workers: list[Any] = [
        type("Worker", (), {"number": number, "ready": ready})() for number in (0, 1)
    ]
    totals = Totals()
    for worker in workers:
        totals.begin(worker)
    both = values(parsed((await totals.render()).decode()))
    totals.end(workers[0])
    one = values(parsed((await totals.render()).decode()))
    server.close()
    await server.wait_closed()
    gone = values(parsed((await totals.render()).decode()))

    assert both["cage_calls_total", "Bet", "OK"] == 6
    assert both["cage_queue_depth",] == 8
    assert both["cage_worker_up", "1"] == 1
    assert one["cage_calls_total", "Bet", "OK"] == 6
    assert one["cage_wait_seconds_count",] == 4
    assert one["cage_queue_depth",] == 4
    assert ("cage_worker_up", "0") not in one
    assert gone["cage_worker_up", "1"] == 0
    assert gone["cage_calls_total", "Bet", "OK"] == 6
    assert gone["cage_worker_calls_total", "1"] == 3
