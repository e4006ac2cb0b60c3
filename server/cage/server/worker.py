"""Start one worker process, hear that it listens, and end it.

A worker is a process of its own program (not a fork: gRPC does not survive one). Its
configuration comes on its standard input, because command lines are public, and what
it has to tell goes to its standard output, one line. Its standard input stays open as
long as the supervisor lives: at its end a worker drains, so none outlives it.
"""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass

import structlog

from cage.server.config import Config
from cage.server.ready import Ready

START_MAX_S = 60.0
# Beyond the grace of its calls: what waits is committed, connections are closed.
_END_MAX_S = 10.0

_log = structlog.get_logger("cage.server")


class WorkerError(Exception):
    """Say that a worker did not start."""


@dataclass(slots=True, eq=False)
class Worker:
    """Hold one worker process that listens."""

    number: int
    process: Process
    ready: Ready

    async def end(self, config: Config) -> None:
        """Let it drain; kill it when that takes longer than it may."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        wait_s = config.drain_delay_s + config.drain_grace_s + _END_MAX_S
        try:
            async with asyncio.timeout(wait_s):
                await self.process.wait()
        except TimeoutError:
            _log.warning("worker killed: its drain took too long", worker=self.number)
            await _kill(self.process)


async def start_worker(config: Config, number: int, *, is_demo: bool = False) -> Worker:
    """Start a worker and wait until it listens. Raises WorkerError."""
    try:
        process = await asyncio.create_subprocess_exec(
            # -P: a folder "cage" where the server happens to be started is not its own.
            *(sys.executable, "-P", "-m", "cage.server", "worker"),
            stdin=PIPE,
            stdout=PIPE,
            # What a terminal sends to all goes to the supervisor, which tells workers.
            start_new_session=True,
        )
    except OSError as exc:
        raise WorkerError(f"worker {number} does not start: {exc}") from exc
    try:
        async with asyncio.timeout(START_MAX_S):
            line = await _talk(process, config, is_demo=is_demo)
    except TimeoutError:
        await _kill(process)
        raise WorkerError(f"worker {number} does not start") from None
    except BaseException:
        await _kill(process)
        raise
    if not line:
        code = await process.wait()
        raise WorkerError(f"worker {number} ended as it started, with code {code}")
    return Worker(number, process, Ready.from_json(line))


async def _talk(process: Process, config: Config, *, is_demo: bool) -> bytes:
    """Tell a worker what to do; return the line that it answers, or nothing."""
    if process.stdin is None or process.stdout is None:
        raise WorkerError("a worker without pipes")
    told = {"config": config.model_dump(mode="json"), "is_demo": is_demo}
    with contextlib.suppress(ConnectionError):
        process.stdin.write(json.dumps(told).encode() + b"\n")
        await process.stdin.drain()
    return await process.stdout.readline()


async def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


# Inside a worker


def hear_task() -> tuple[Config, bool]:
    """Read what this worker is to do: its configuration, and whether to make a demo."""
    told = json.loads(sys.stdin.buffer.readline())
    return Config(**told["config"]), told["is_demo"]


def tell_ready(ready: Ready) -> None:
    """Tell the supervisor where this worker listens."""
    sys.stdout.write(f"{ready.to_json()}\n")
    sys.stdout.flush()
    # Nobody reads on: what is printed from now on belongs to the log.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


async def until_alone() -> None:
    """Return when the supervisor has gone."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
