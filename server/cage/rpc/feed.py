"""Write what a server stream has to tell, at the pace of its reader.

The next message is made when the last one was taken by HTTP/2, so a reader that is
slow holds back nothing but its own stream, and at most one message waits for it.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from cage.core.errors import CageError
from cage.rpc.interceptor import Call

# How long a reader may take for its last message when its stream has to end.
_LAST_WRITE_S = 1.0


class Feeds:
    """Run server streams, and end all of them when the server stops."""

    def __init__(self) -> None:
        self._stops: set[asyncio.Future[CageError]] = set()

    async def run(self, call: Call, messages: AsyncGenerator[Any, None]) -> None:
        """Write messages until there are no more; raise what ended them before.

        ``messages`` is closed at the end.
        """
        stop: asyncio.Future[CageError] = asyncio.get_running_loop().create_future()
        self._stops.add(stop)
        try:
            while True:
                try:
                    message = await _unless(stop, anext(messages), 0)
                except StopAsyncIteration:
                    return
                await _unless(stop, call.context.write(message), _LAST_WRITE_S)
        finally:
            self._stops.discard(stop)
            stop.cancel()
            await messages.aclose()

    def end(self, refusal: CageError) -> None:
        """End every stream with a refusal."""
        for stop in self._stops:
            if not stop.done():
                stop.set_result(refusal)


async def _unless(stop: "asyncio.Future[CageError]", work: Any, grace_s: float) -> Any:
    """Return what some work comes to, unless the stream is stopped before.

    Then the work may go on for ``grace_s``, and the refusal is raised.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if stop.done():
            await asyncio.wait({task}, timeout=grace_s)
            raise stop.result()
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
