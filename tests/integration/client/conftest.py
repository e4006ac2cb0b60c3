"""Run a fake server, and commands against it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from cage.client.testing import FakeServer


@dataclass(frozen=True)
class Done:
    """Hold what a finished command left."""

    code: int
    out: str
    err: str


Cagectl: TypeAlias = Callable[..., Awaitable[Done]]


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    """Run a fake server."""
    async with FakeServer() as running:
        yield running


@pytest.fixture
def cagectl(server: FakeServer, tmp_path: Path) -> Cagectl:
    """Run the command against the fake server, with a key for each service."""

    async def run(*arguments: str, **environment: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cage.ctl.main", *arguments),
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(sys.path),
                "COLUMNS": "120",
                "CAGE_ADDRESS": server.address,
                "CAGE_STUDIO_KEY": "studio",
                "CAGE_OPERATOR_KEY": "operator",
                "CAGE_ADMIN_KEY": "admin",
                **environment,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Done(process.returncode or 0, out.decode(), err.decode())

    return run
