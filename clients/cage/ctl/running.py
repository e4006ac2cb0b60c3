"""Run one piece of asynchronous work for a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from cage.client import CageError, Client
from cage.ctl.output import print_error
from cage.ctl.settings import Settings

_Result = TypeVar("_Result")


def run(
    settings: Settings, key_name: str, work: Callable[[Client], Awaitable[_Result]]
) -> _Result:
    """Connect with a key and do ``work``; a refusal is printed and ends with code 1."""

    async def connected() -> _Result:
        async with settings.connect(key_name) as client:
            return await work(client)

    try:
        return asyncio.run(connected())
    except CageError as error:
        print_error(error)
        raise typer.Exit(1) from error
