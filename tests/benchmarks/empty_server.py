"""Serve Bet with a handler that builds a receipt and does nothing else.

The measure of all calls: generated stubs without interceptors, in the same process
set-up as ``caged``. What a bet costs beyond this, Cage adds.
"""

import argparse
import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Any

import grpc
import uvloop
from google.protobuf.timestamp_pb2 import Timestamp

from cage.server.interpreter import hand_over_fast, keep_what_lives
from cage.server.listen import server_options
from cage.type.v1.balance_pb2 import Balance
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1 import wallet_service_pb2_grpc as stubs
from cage.wallet.v1.wallet_pb2 import Receipt
from cage.wallet.v1.wallet_service_pb2 import BetRequest, BetResponse


class EmptyServicer(stubs.WalletServiceServicer):
    """Answer every bet with a receipt of the size of a real one."""

    async def Bet(  # noqa: N802 - the name of the rpc
        self, request: BetRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> BetResponse:
        """Build the receipt field by field."""
        del context
        amount = request.amount
        code, scale = amount.currency_code, amount.scale
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        now = Timestamp(seconds=seconds, nanos=nanos)
        balance = Balance(
            currency_code=code,
            scale=scale,
            playable=10**12,
            cash=10**12,
            version=1_000,
            read_time=now,
        )
        return BetResponse(
            receipt=Receipt(
                transaction_id=request.transaction_id,
                ledger_id="01890000-0000-7000-8000-000000000000",
                cash=Money(currency_code=code, amount=-amount.amount, scale=scale),
                bonus=Money(currency_code=code, amount=0, scale=scale),
                before=balance,
                after=balance,
                current=balance,
                commit_time=now,
            )
        )


async def _serve(ready_file: Path) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = grpc.aio.server(options=server_options(is_shared=False))
    servicer: Any = EmptyServicer
    stubs.add_WalletServiceServicer_to_server(servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    keep_what_lives()
    ready = json.dumps({"address": f"127.0.0.1:{port}", "studio_key": "none"})
    part = ready_file.with_suffix(".part")
    part.write_text(ready, encoding="utf-8")
    part.rename(ready_file)
    await stopped.wait()
    await server.stop(1.0)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ready-file", type=Path, required=True)
    options = parser.parse_args()
    hand_over_fast()
    uvloop.run(_serve(options.ready_file))


if __name__ == "__main__":
    main()
