"""Serve one StreamExecute call: a reader that queues frames, a writer that replies.

Frames are queued in the order in which they arrive, which is the order in which one
player's are applied. Replies are written as commits end, without a task per frame:
a future that is done puts its frame into the ready list, and the writer empties it.
"""

import asyncio
import time
from collections import deque

import grpc

from cage.core.errors import CageError, Reason, invalid_field
from cage.core.registry import ApiKey, Registry
from cage.rpc.interceptor import Call, Context
from cage.rpc.operation import Executor, Item
from cage.rpc.validation import ID_MAX, checker_of
from cage.wallet.v1 import wallet_service_pb2 as pb

# So many frames of one stream wait for their reply; then the reader pauses, and
# HTTP/2 holds the caller back.
FRAMES_MAX = 1_024

_check_frame = checker_of(pb.StreamExecuteRequest.DESCRIPTOR)


class Stream:
    """Run one stream from its first frame to its last reply."""

    def __init__(self, call: Call, executor: Executor) -> None:
        self._context: Context = call.context
        self._key: ApiKey = call.key
        self._timeout_s = call.timeout_s
        self._executor = executor
        self._registry: Registry | None = None
        # Frames taken and not answered yet; by name those that run.
        self._waiting_count = 0
        self._running: dict[str, Item] = {}
        self._ready: deque[Item] = deque()
        self._writer_wait: asyncio.Future[None] | None = None
        self._reader_wait: asyncio.Future[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._end: CageError | None = None

    async def run(self) -> None:
        """Answer every frame taken; raise what ended the stream, if not its caller."""
        self._reader = reader = asyncio.create_task(self._read())
        reader.add_done_callback(lambda _: _wake(self._writer_wait))
        try:
            await self._write(reader)
        finally:
            reader.cancel()
            for item in self._running.values():
                item.is_abandoned = True
            await asyncio.wait((reader,))
            failure = None if reader.cancelled() else reader.exception()
        if self._end is not None:
            raise self._end
        if failure is not None:
            raise failure

    def end(self, refusal: CageError) -> None:
        """Take no more frames, answer those taken, and end with a refusal."""
        self._end = self._end or refusal
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self) -> None:
        """Take frames until the caller has no more or the stream has to end."""
        read = self._context.read
        while True:
            frame = await read()
            if frame is grpc.aio.EOF:
                return
            self._judge_key()
            if frame is None:
                raise invalid_field("frame", "cannot be parsed")
            self._take(frame)
            while self._waiting_count >= FRAMES_MAX:
                self._reader_wait = asyncio.get_running_loop().create_future()
                await self._reader_wait

    async def _write(self, reader: "asyncio.Task[None]") -> None:
        """Write replies until the reader has ended and every frame is answered."""
        write, ready = self._context.write, self._ready
        while True:
            while ready:
                await write(self._reply(ready.popleft()))
                self._waiting_count -= 1
                _wake(self._reader_wait)
            if reader.done() and not self._waiting_count:
                return
            self._writer_wait = asyncio.get_running_loop().create_future()
            await self._writer_wait

    def _judge_key(self) -> None:
        """Raise KEY_INVALID once the key is revoked or past its life."""
        registry = self._executor.registry
        if registry is not self._registry:
            self._registry = registry
            self._key = registry.keys.get(self._key.key_id, self._key)
        if not self._key.is_valid(time.time_ns() // 1_000):
            raise CageError(Reason.KEY_INVALID)

    def _take(self, frame: pb.StreamExecuteRequest) -> None:
        """Queue the operation of one frame; a refusal is its reply."""
        self._waiting_count += 1
        correlation_id = frame.correlation_id
        try:
            timeout_s = self._judge_frame(frame, correlation_id)
        except CageError as refusal:
            item = Item(None, None, self._finish, name=correlation_id)
            self._finish(item.refuse(refusal))
            return
        item = self._executor.begin_item(
            frame.operation,
            self._finish,
            key_id=self._key.key_id,
            timeout_s=timeout_s,
            name=correlation_id,
        )
        if item.is_done:
            self._finish(item)
        else:
            self._running[correlation_id] = item

    def _judge_frame(
        self, frame: pb.StreamExecuteRequest, correlation_id: str
    ) -> float:
        """Return how long a frame may wait; raise INVALID_FIELD."""
        has_timeout = frame.HasField("timeout")
        if (
            has_timeout
            or not 0 < len(correlation_id) <= ID_MAX
            or not correlation_id.isprintable()
        ):
            _check_frame(frame)
        if correlation_id in self._running:
            raise invalid_field("correlation_id", "is in use by a frame in flight")
        if not has_timeout:
            return self._timeout_s
        return frame.timeout.seconds + frame.timeout.nanos / 1e9

    def _finish(self, item: Item) -> None:
        """Hand a frame to the writer."""
        self._ready.append(item)
        _wake(self._writer_wait)

    def _reply(self, item: Item) -> pb.StreamExecuteResponse:
        """Build the reply of a frame and set its name free."""
        if self._running.get(item.name) is item:
            del self._running[item.name]
        reply = pb.StreamExecuteResponse(correlation_id=item.name)
        refused = self._executor.fill_result(reply.result, item)
        if refused is Reason.KEY_INVALID:
            self.end(CageError(Reason.KEY_INVALID))
        return reply


def _wake(wait: "asyncio.Future[None] | None") -> None:
    """Let whoever waits go on; do nothing when nobody does."""
    if wait is not None and not wait.done():
        wait.set_result(None)
