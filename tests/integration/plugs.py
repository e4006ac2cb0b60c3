"""Hold a server's writer up, so that what waits can be counted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tests.integration.books import LOCK_MAX_S, held
from tests.integration.deployment import Deployment, Player


async def until(is_true: Callable[[], bool]) -> None:
    """Wait until something has come about."""
    async with asyncio.timeout(LOCK_MAX_S):
        while not is_true():  # noqa: ASYNC110 - nobody sets an event for a test
            await asyncio.sleep(0.001)


def waiting(deployment: Deployment) -> int:
    """Return how many operations wait for the writer."""
    return deployment.server.store.writer.queue_depth()


def in_flight(deployment: Deployment) -> int:
    """Return how many calls and streams the server is busy with."""
    meter = deployment.server._guard._meter
    return meter.in_flight + meter.streams


@asynccontextmanager
async def plugged(
    player: Player, plug: Coroutine[Any, Any, Any] | None = None
) -> AsyncIterator["asyncio.Task[Any]"]:
    """Let the writer start a call and wait; what comes meanwhile is queued.

    The call is an award of nothing unless it is given. Yields its task.
    """
    deployment = player.casino.deployment
    lane = deployment.server.store.writer._lane
    await until(lambda: lane._is_idle)
    with held(deployment.path):
        task = asyncio.create_task(
            plug or player.casino.studio.wallet.award(**nothing(player))
        )
        await until(lambda: not lane._is_idle and not waiting(deployment))
        yield task
    await asyncio.wait([task])


def nothing(player: Player) -> dict[str, Any]:
    """Return what makes an award of nothing."""
    award = player.award("0")
    names = ("player_id", "game_id", "amount", "kind")
    return {name: getattr(award, name) for name in names}
