"""Every rpc that protects a player answers as documented.

What stands in the way of a change: LIMIT_NOT_FOUND, LIMIT_CHANGE_NOT_DUE.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.deployment import Player, running

from cage.client import (
    LimitChangeNotDueError,
    LimitKind,
    LimitNotFoundError,
    LimitOrigin,
    LimitPeriod,
    LossLimitError,
)
from cage.storage.sqlite import now_us
from cage.type.v1.vertical_pb2 import Vertical

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEPOSIT, LOSS = LimitKind.LIMIT_KIND_DEPOSIT, LimitKind.LIMIT_KIND_LOSS
WAGER, STAKE = LimitKind.LIMIT_KIND_WAGER, LimitKind.LIMIT_KIND_STAKE
OPERATOR = LimitOrigin.LIMIT_ORIGIN_OPERATOR
MONTH = LimitPeriod.LIMIT_PERIOD_MONTH
DAY_US = 86_400_000_000


async def limits(player: Player, **options: Any) -> list[Any]:
    """List the limits of a player."""
    gaming = player.casino.operator.responsible_gaming
    pager = gaming.list_limits(player_id=player.player_id, **options)
    return [limit async for limit in pager]


async def test_set_limit(player: Player) -> None:
    """A limit is answered, listed and shown with the player (requirement D1)."""
    told = await player.set_limit(LOSS, "5.00")
    await player.casino.studio.call(player.bet("2.00"))
    await player.casino.studio.call(player.win("0.50"))
    (listed,) = await limits(player)
    read = await player.casino.operator.players.get_player(player_id=player.player_id)
    (shown,) = read.player.limits

    assert told.amount == listed.amount == shown.amount == player.money("5.00")
    assert (told.used.amount, listed.used.amount) == (0, 150)
    assert not shown.HasField("used")
    window_s = told.window_end_time.seconds - told.window_start_time.seconds
    assert window_s == 86_400
    assert told.set_time == shown.set_time
    assert not told.HasField("pending")


async def test_list_limits(player: Player) -> None:
    """Pages hold every limit once, by kind, period and origin."""
    for kind in (WAGER, LOSS, DEPOSIT, STAKE):
        await player.set_limit(kind, "9.00")
    await player.set_limit(LOSS, "8.00", origin=OPERATOR)
    await player.set_limit(LOSS, "8.00", period=MONTH)
    found = await limits(player, page_size=2)

    assert len(found) == 6
    assert found == await limits(player)
    assert [row.kind for row in found] == [DEPOSIT, LOSS, LOSS, LOSS, WAGER, STAKE]


async def test_looser_limit_waits(player: Player) -> None:
    """A looser limit, or a removal, stands beside the old one until it is due (D2)."""
    gaming = player.casino.operator.responsible_gaming
    await player.set_limit(LOSS, "1.00")
    looser = await player.set_limit(LOSS, "2.00")
    name = {**player.limit(LOSS), "currency_code": "EUR"}
    with pytest.raises(LimitChangeNotDueError) as early:
        await gaming.confirm_limit(**name)
    removed = await gaming.remove_limit(**name)
    with pytest.raises(LossLimitError):
        await player.casino.studio.call(player.bet("1.01"))

    assert looser.amount == player.money("1.00")
    assert looser.pending.amount == player.money("2.00")
    assert looser.pending.needs_confirmation
    assert early.value.metadata == {"due_time": looser.pending.due_time.ToJsonString()}
    assert not removed.limit.pending.HasField("amount")


async def test_remove_limit(player: Player) -> None:
    """An operator's limit is gone with the answer."""
    gaming = player.casino.operator.responsible_gaming
    await player.set_limit(LOSS, "1.00", origin=OPERATOR)
    name = {**player.limit(LOSS, origin=OPERATOR), "currency_code": "EUR"}
    removed = await gaming.remove_limit(**name)
    await player.casino.studio.call(player.bet("2.00"))
    with pytest.raises(LimitNotFoundError) as again:
        await gaming.remove_limit(**name)

    assert not removed.HasField("limit")
    assert again.value.metadata == {
        "kind": "LOSS", "period": "DAY", "origin": "OPERATOR", "currency_code": "EUR",
    }  # fmt: skip


async def test_confirm_limit(tmp_path: Path) -> None:
    """After the delay a confirmation lets the looser limit stand, once (T11)."""
    async with running(tmp_path) as deployment:
        clock = [now_us()]
        deployment.server.store.writer._clock_us = lambda: clock[0]
        player = await (await deployment.casino()).player()
        gaming = player.casino.operator.responsible_gaming
        await player.set_limit(LOSS, "1.00")
        await player.set_limit(LOSS, "2.00")
        name = {**player.limit(LOSS), "currency_code": "EUR", "request_id": "confirm"}
        clock[0] += DAY_US
        with pytest.raises(LossLimitError):
            await player.casino.studio.call(player.bet("1.01"))
        replies = [await gaming.confirm_limit(**name) for _ in range(2)]
        await player.casino.studio.call(player.bet("2.00"))

    assert replies[0] == replies[1]
    assert replies[0].limit.amount == player.money("2.00")


async def test_set_player_blocks(player: Player) -> None:
    """A change of blocks is told with its reason, before and after."""
    reply = await player.casino.operator.players.set_player_blocks(
        player_id=player.player_id,
        verticals=[Vertical.VERTICAL_POKER, Vertical.VERTICAL_CASINO],
        reason="asked for it",
    )
    admin = player.casino.deployment.admin.admin
    entries = [
        entry
        async for entry in admin.list_audit_entries(
            noun="player", noun_id=player.player_id
        )
    ]
    before, after = (
        json.loads(text) for text in (entries[-1].before_json, entries[-1].after_json)
    )

    assert list(reply.player.blocks.verticals) == [
        Vertical.VERTICAL_CASINO,
        Vertical.VERTICAL_POKER,
    ]
    assert entries[-1].action == "SetPlayerBlocks"
    assert after["reason"] == "asked for it"
    assert (before["blocks"], after["blocks"]) == (0, 1 << 1 | 1 << 5)
