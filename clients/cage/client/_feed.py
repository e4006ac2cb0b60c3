"""Follow what the server tells on one long answer, through broken connections.

A feed keeps the cursor of what it handed out. When its connection breaks, or the
server stops, it waits as any retry does (see ``_retry``), asks again from the cursor
on, and nobody sees the seam: no item is lost and none comes twice.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc
from google.protobuf.message import Message

from cage.client._channel import Caller
from cage.client._retry import backoff_s, may_repeat
from cage.client._status import error_from_call

# From so many failures in a row on the backoff grows no more.
_GROWTH_MAX = 16


Item = TypeVar("Item")
Frame = TypeVar("Frame", bound=Message)


class Feed(Generic[Item, Frame]):
    """Iterate over items as they come: ``async for item in feed``.

    ``cursor`` is the place after the last item that was handed out, or where a feed
    without cursors of its items came by whole messages, after the last message. Keep
    it with what you made of the items, and go on from it after a restart. ``async for
    message in feed.frames()`` gives the messages as they are. Leave it with ``aclose``
    or ``async with``.

    Raises CageError when going on cannot help.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        request: Callable[[str], Message],
        items: Callable[[Frame], Iterable[Item]],
        after: Callable[[Frame], str],
        cursor: str = "",
        cursor_of: Callable[[Item], str] | None = None,
        attempts: int | None = None,
    ) -> None:
        self._caller = caller
        self._request = request
        self._items = items
        self._after = after
        self._cursor_of = cursor_of
        # Failures in a row that are borne; None for a feed without end.
        self._attempts = attempts
        self._cursor = cursor
        self._running: AsyncGenerator[Item, None] | None = None

    @property
    def cursor(self) -> str:
        """Name the place to go on from."""
        return self._cursor

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Iterate over the messages; ``cursor`` moves when the next one is wanted."""
        failures = 0
        while True:
            request = self._request(self._cursor)
            call: Any = self._caller.open_feed(request)
            try:
                async for frame in call:
                    failures = 0
                    yield frame
                    self._cursor = self._after(frame) or self._cursor
                if self._attempts is not None:
                    return
                delay_s = self._caller.retry.initial_backoff_s
            except grpc.aio.AioRpcError as failure:
                error = error_from_call(failure, request)
                failures += 1
                if not may_repeat(error) or failures == self._attempts:
                    raise error from failure
                delay_s = backoff_s(
                    self._caller.retry,
                    min(failures, _GROWTH_MAX),
                    error,
                    self._caller.waiting.random(),
                )
            finally:
                call.cancel()
            await self._caller.waiting.sleep(delay_s)

    async def aclose(self) -> None:
        """End the feed."""
        if self._running is not None:
            await self._running.aclose()
            self._running = None

    def __aiter__(self) -> Self:
        """Iterate over the items; a loop that was left goes on where it was."""
        return self

    async def __anext__(self) -> Item:
        """Wait for the next item."""
        if self._running is None:
            self._running = self._iterate()
        try:
            return await anext(self._running)
        except BaseException:
            self._running = None
            raise

    async def __aenter__(self) -> Self:
        """Enter; the first item opens the connection."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the feed."""
        await self.aclose()

    async def _iterate(self) -> AsyncGenerator[Item, None]:
        frames = self.frames()
        try:
            async for frame in frames:
                for item in self._items(frame):
                    if self._cursor_of is not None:
                        self._cursor = self._cursor_of(item) or self._cursor
                    yield item
        finally:
            await frames.aclose()
