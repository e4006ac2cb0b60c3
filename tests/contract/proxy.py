"""Stand between a store and PostgreSQL, and break what passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum

from sqlalchemy import make_url

# How the protocol sends the simple query of the same text.
COMMIT = b"Q" + (4 + len(b"COMMIT\0")).to_bytes(4, "big") + b"COMMIT\0"
_CHUNK = 1 << 16


class AtCommit(Enum):
    """Say what happens to the next COMMIT."""

    PASS = "nothing"
    LOSE_REQUEST = "it never arrives, and the connection breaks"
    LOSE_REPLY = "it arrives, and the connection breaks before its answer"
    SWALLOW_REPLY = "it arrives, and its answer never comes"


class Proxy:
    """Forward connections to one server, unless told to do worse."""

    def __init__(self, url: str) -> None:
        target = make_url(url)
        self._host, self._port = target.host, target.port
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.at_commit = AtCommit.PASS
        self.is_open = True
        self.delay_s = 0.0
        self.broken = 0

    @property
    def url(self) -> str:
        """Name the database behind the proxy."""
        assert self._server is not None

        port = self._server.sockets[0].getsockname()[1]
        return self._target.set(port=port).render_as_string(hide_password=False)

    async def start(self) -> None:
        """Listen on a port of loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Cut every connection and stop."""
        assert self._server is not None

        self.cut()
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection, as a switch that restarts."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.is_open:
                await self._forward(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            back_reader, back_writer = await asyncio.open_connection(
                self._host, self._port
            )
            ends = {writer, back_writer}
            self._writers |= ends
            answers = asyncio.create_task(self._pump(back_reader, writer))
            try:
                await self._requests(reader, back_writer, answers)
            finally:
                answers.cancel()
                await asyncio.gather(answers, return_exceptions=True)
                for end in ends:
                    end.transport.abort()
                self._writers -= ends

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
            writer.transport.abort()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: "asyncio.Task[None]",
    ) -> None:
        while data := await reader.read(_CHUNK):
            way = self.at_commit if COMMIT in data else AtCommit.PASS
            if way != AtCommit.PASS:
                self.at_commit = AtCommit.PASS
                self.broken += 1
                if way == AtCommit.LOSE_REQUEST:
                    return
                answers.cancel()
            writer.write(data)
            await writer.drain()
            if way == AtCommit.LOSE_REPLY:
                # Until the server has committed.
                await asyncio.sleep(0.1)
                return


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[Proxy]:
    """Put a proxy before a database."""
    proxy = Proxy(url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
