"""Put load on a server: read one JSON line, run it, answer one JSON line.

Here are ordinary gRPC clients in closed loops: each caller sends its next call when
the last one is answered. What needs a cheaper or a more exact caller is in
``wire.py``.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import uvloop
import wire
from bets import Bets

from cage.wallet.v1.wallet_service_pb2 import (
    BatchExecuteRequest,
    Operation,
    StreamExecuteRequest,
)
from cage.wallet.v1.wallet_service_pb2_grpc import WalletServiceStub

CHANNELS = 4
TIMEOUT_S = 10.0


class Closed:
    """Run closed loops over a few channels, and count what became of the bets."""

    def __init__(self, channels: list[grpc.aio.Channel], key: str, bets: Bets) -> None:
        self._stubs = [WalletServiceStub(channel) for channel in channels]
        self._how = {
            "metadata": (("authorization", f"Bearer {key}"),),
            "timeout": TIMEOUT_S,
        }
        self._bets = bets
        self.latencies: list[float] = []
        self.outcomes: Counter[str] = Counter()

    async def unary(self, seconds: float, *, callers: int) -> None:
        """Call Bet, so many at a time."""
        end = time.perf_counter() + seconds

        async def work(stub: Any) -> None:
            while (sent := time.perf_counter()) < end:
                try:
                    await stub.Bet(self._bets.draw(), **self._how)
                except grpc.aio.AioRpcError as error:
                    self.outcomes[error.code().name] += 1
                else:
                    self.outcomes["OK"] += 1
                    self.latencies.append(time.perf_counter() - sent)

        await self._side_by_side(work, callers)

    async def batch(self, seconds: float, *, callers: int, size: int) -> None:
        """Call BatchExecute with bets, so many calls at a time."""
        end = time.perf_counter() + seconds

        async def work(stub: Any) -> None:
            while (sent := time.perf_counter()) < end:
                bets = [Operation(bet=self._bets.draw()) for _ in range(size)]
                request = BatchExecuteRequest(operations=bets)
                try:
                    reply = await stub.BatchExecute(request, **self._how)
                except grpc.aio.AioRpcError as error:
                    self.outcomes[error.code().name] += size
                    continue
                self.latencies.append(time.perf_counter() - sent)
                for result in reply.results:
                    self._count(result)

        await self._side_by_side(work, callers)

    async def stream(self, seconds: float, *, callers: int, in_flight: int) -> None:
        """Send bets on StreamExecute, so many frames in flight on each stream."""
        end = time.perf_counter() + seconds
        how = self._how | {"timeout": seconds + TIMEOUT_S}

        async def work(stub: Any) -> None:
            call = stub.StreamExecute(**how)
            slots = asyncio.Semaphore(in_flight)
            reader = asyncio.create_task(self._read(call, slots))
            number = 0
            while time.perf_counter() < end:
                await slots.acquire()
                number += 1
                frame = StreamExecuteRequest(
                    correlation_id=str(number),
                    operation=Operation(bet=self._bets.draw()),
                )
                await call.write(frame)
            await call.done_writing()
            await reader

        await self._side_by_side(work, callers)

    async def _read(self, call: Any, slots: asyncio.Semaphore) -> None:
        while (reply := await call.read()) is not grpc.aio.EOF:
            self._count(reply.result)
            slots.release()

    def _count(self, result: Any) -> None:
        if result.WhichOneof("result") == "error":
            code = result.error.code
            self.outcomes[wire.STATUSES.get(code, str(code))] += 1
        else:
            self.outcomes["OK"] += 1

    async def _side_by_side(
        self, work: Callable[[Any], Awaitable[None]], callers: int
    ) -> None:
        stubs = self._stubs
        await asyncio.gather(*(work(stubs[i % len(stubs)]) for i in range(callers)))


def run_wire(caller: wire.Caller, how: dict[str, Any]) -> dict[str, Any]:
    """Run calls over the wire; their rate is that after settling."""
    caller.run(**how)
    window_s = how["seconds"] - how.get("settle_s", 0.0)
    return summary(caller.outcomes, caller.latencies, caller.good_count / window_s)


def summary(
    outcomes: Counter[str], latencies: list[float], per_s: float
) -> dict[str, Any]:
    """Put together what a load came to."""
    latencies.sort()
    return {
        "ok": outcomes["OK"],
        "outcomes": {name: count for name, count in outcomes.items() if count},
        "per_s": per_s,
        "p50_ms": _percentile_ms(latencies, 0.50),
        "p99_ms": _percentile_ms(latencies, 0.99),
    }


def _percentile_ms(ordered: list[float], share: float) -> float | None:
    return 1e3 * ordered[int(share * (len(ordered) - 1))] if ordered else None


async def serve(address: str, key: str, bets: Bets) -> None:
    """Answer every line until the input ends."""
    # Channels would share one connection if their options were the same.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [
        grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS)
    ]
    while line := await asyncio.to_thread(sys.stdin.readline):
        how = json.loads(line)
        do = how.pop("do")
        started = time.perf_counter()
        if do == "wire":
            answer = run_wire(wire.Caller(address, key, bets), how)
        else:
            closed = Closed(channels, key, bets)
            await getattr(closed, do)(**how)
            duration = time.perf_counter() - started
            per_s = closed.outcomes["OK"] / duration
            answer = summary(closed.outcomes, closed.latencies, per_s)
        print(json.dumps(answer), flush=True)
    for channel in channels:
        await channel.close()


def main() -> None:
    """Take address and key from the environment, players from a file."""
    seated = json.loads(Path(sys.argv[1]).read_bytes())
    address, key = os.environ["BENCH_ADDRESS"], os.environ["BENCH_KEY"]
    uvloop.run(serve(address, key, Bets(seated)))


if __name__ == "__main__":
    main()
