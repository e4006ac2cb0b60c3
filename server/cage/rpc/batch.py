"""Serve one BatchExecute call: queue every operation, wake once when all are done."""

import asyncio

from cage.rpc.interceptor import Call
from cage.rpc.operation import Executor, Item
from cage.wallet.v1 import wallet_service_pb2 as pb


class Batch:
    """Run the operations of one call, in list order for each player."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting_count = 0
        self._all_done: asyncio.Future[None] = (
            asyncio.get_running_loop().create_future()
        )

    async def run(
        self, request: pb.BatchExecuteRequest, call: Call
    ) -> pb.BatchExecuteResponse:
        """Answer every operation with its own result."""
        items: list[Item] = []
        try:
            for requested in request.operations:
                item = self._executor.begin_item(
                    requested,
                    self._finish,
                    key_id=call.key.key_id,
                    timeout_s=call.timeout_s,
                )
                self._waiting_count += not item.is_done
                items.append(item)
            if self._waiting_count:
                await self._all_done
        except asyncio.CancelledError:
            for item in items:
                item.is_abandoned = True
            raise
        response = pb.BatchExecuteResponse()
        for item in items:
            self._executor.fill_result(response.results.add(), item)
        return response

    def _finish(self, _: Item) -> None:
        """Wake the call when its last operation is answered."""
        self._waiting_count -= 1
        if not self._waiting_count and not self._all_done.done():
            self._all_done.set_result(None)
