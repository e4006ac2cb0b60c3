"""Rounds tell their details, and those that are unfinished are found."""

from datetime import timedelta
from typing import Any

import pytest
from tests.integration.deployment import Deployment, Player

from cage.client import Client, IntegrationNotFoundError, InvalidFieldError

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_details_of_a_round(player: Player) -> None:
    """A round shows the newest details of its transactions (E35)."""
    studio, place = player.casino.studio, player.casino.game_id
    told = []
    for call in (
        player.bet("1.00", details="first"),
        player.win("1.00"),
        player.win("1.00", details="second"),
        player.close(details="last"),
    ):
        await studio.call(call)
        reply = await studio.wallet.get_round(
            player_id=player.player_id, game_id=place, round_id="round"
        )
        told.append(reply.round.details)

    assert told == ["first", "first", "second", "last"]


async def test_list_unfinished_rounds(deployment: Deployment) -> None:
    """Studios and operators list rounds whose bets wait for the end, oldest first."""
    casino, foreign = await deployment.casino(), await deployment.casino()
    players = [await casino.player() for _ in range(2)]
    other = await foreign.player()
    for number, player in enumerate(players):
        for name in ("open", "closed", "back"):
            await casino.studio.call(player.bet("1.00", name, f"{name}-{number}"))
        await casino.studio.call(player.close(f"closed-{number}"))
        await casino.studio.call(player.rollback("back"))
    await foreign.studio.call(other.bet("1.00", "other", "other"))

    async def listed(client: Client, **query: Any) -> list[str]:
        pager = client.wallet.list_unfinished_rounds(**query)
        return [row.round_id async for row in pager]

    both = ["open-0", "open-1"]
    assert await listed(casino.studio) == both
    assert await listed(casino.operator, page_size=1) == both
    assert await listed(deployment.admin, integration_id=casino.integration_id) == both
    assert await listed(foreign.operator) == ["other"]
    assert await listed(casino.studio, min_age=timedelta(hours=1)) == []
    assert await listed(casino.studio, min_age=timedelta(microseconds=1)) == both
    with pytest.raises(IntegrationNotFoundError):
        await listed(casino.studio, integration_id=foreign.integration_id)
    with pytest.raises(InvalidFieldError):
        await listed(casino.studio, min_age=timedelta(0))
