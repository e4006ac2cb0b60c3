"""A server whose database is out of reach says so, and goes on when it is back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from structlog.testing import capture_logs
from tests.contract.proxy import proxied
from tests.integration.carriers import CARRIERS, Send, assert_refused, sender
from tests.integration.deployment import Player, running
from tests.postgres import new_database

from cage.client import DatabaseUnavailableError

pytestmark = pytest.mark.asyncio(loop_scope="session")


RECOVERY_MAX_S = 30


async def _until_it_passes(send: Send, player: Player, bet: Message) -> Any:
    """Send the same bet, as its advice says, until the database is back."""
    while isinstance(answer := await send(player, bet), DatabaseUnavailableError):  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    return answer


async def test_database_out_of_reach(tmp_path: Path) -> None:
    """Every carrier answers DATABASE_UNAVAILABLE; later the same bets pass."""
    url = await asyncio.to_thread(new_database)
    async with (
        proxied(url) as proxy,
        running(tmp_path, database=proxy.url) as deployment,
    ):
        player = await (await deployment.casino()).player()
        bets = {name: player.bet("1.00", name) for name in CARRIERS}
        sends = {name: sender(name) for name in CARRIERS}
        with capture_logs():
            proxy.is_open = False
            proxy.cut()
            refused = await asyncio.gather(
                *(sends[name](player, bets[name]) for name in CARRIERS)
            )
            proxy.is_open = True
        async with asyncio.timeout(RECOVERY_MAX_S):
            passed = [await _until_it_passes(sends[n], player, bets[n]) for n in sends]

    for answer in refused:
        assert_refused(answer, "DATABASE_UNAVAILABLE")
    assert [each.receipt.cash.amount for each in passed] == [-100] * len(CARRIERS)
