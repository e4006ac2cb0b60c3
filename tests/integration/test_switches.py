"""Maintenance and the blocks of a player stop new bets by name, and nothing else."""

import json

import pytest
from tests.integration.carriers import Send, assert_refused
from tests.integration.deployment import Casino, Deployment, Player

from cage.client import GameUnavailableError, MaintenanceError
from cage.type.v1.vertical_pb2 import Vertical

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOUNS = ("operator", "brand", "integration", "studio", "game")


async def game_of(casino: Casino, vertical: Vertical.ValueType) -> str:
    """Register another game of the casino's studio."""
    game_id = casino.deployment.name("game")
    created = await casino.deployment.admin.admin.create_game(
        game_id=game_id, studio_id=casino.studio_id, vertical=vertical
    )

    assert created.game.vertical == vertical

    return game_id


@pytest.mark.parametrize("noun", NOUNS)
async def test_e26_maintenance(deployment: Deployment, send: Send, noun: str) -> None:
    """Maintenance stops the next bet and launch by its name, until it is over."""
    casino = await deployment.casino()
    player = await casino.player()
    launch = await player.launch()
    await casino.switch(noun, in_maintenance=True)
    bet = await send(player, player.bet("1.00"))
    play = await send(player, player.play(player.stake("1.00")))
    with pytest.raises(MaintenanceError) as opened:
        await casino.studio.wallet.authenticate(launch_token=launch)
    await casino.switch(noun)
    after = await send(player, player.bet("1.00"))

    told = {"game_id": casino.game_id, "by": noun}
    assert_refused(bet, "MAINTENANCE", **told)
    assert_refused(play, "MAINTENANCE", **told)
    assert opened.value.metadata == told
    assert bet.player_message
    assert after.receipt.cash.amount == -100
    assert await player.session()


@pytest.mark.parametrize("noun", NOUNS)
async def test_maintenance_is_shown_and_audited(
    deployment: Deployment, noun: str
) -> None:
    """Lists show what is in maintenance, and the audit has both sides."""
    casino = await deployment.casino()
    await casino.switch(noun, in_maintenance=True)
    admin, id_name = deployment.admin.admin, f"{noun}_id"
    pager = getattr(admin, f"list_{noun}s")(page_size=1_000)
    (shown,) = [
        row async for row in pager if getattr(row, id_name) == getattr(casino, id_name)
    ]
    entries = [
        entry
        async for entry in admin.list_audit_entries(
            noun=noun, noun_id=getattr(casino, id_name)
        )
    ]

    assert (shown.enabled, shown.in_maintenance) == (True, True)
    assert json.loads(entries[-1].before_json)["in_maintenance"] is False
    assert json.loads(entries[-1].after_json)["in_maintenance"] is True


async def test_switched_off_wins_over_maintenance(
    deployment: Deployment, send: Send
) -> None:
    """Of two switches of one noun the kill switch answers; else the widest does."""
    casino = await deployment.casino()
    player = await casino.player()
    await casino.switch("studio", enabled=False, in_maintenance=True)
    both = await send(player, player.bet("1.00"))
    await casino.switch("operator", in_maintenance=True)
    wider = await send(player, player.bet("1.00"))

    assert_refused(both, "GAME_UNAVAILABLE", by="studio")
    assert_refused(wider, "MAINTENANCE", by="operator")


async def test_e25_block_per_vertical(player: Player, send: Send) -> None:
    """A block of one kind of gambling leaves every other alone (A7)."""
    sports = await game_of(player.casino, Vertical.VERTICAL_SPORTS_BETTING)
    await player.block(Vertical.VERTICAL_SPORTS_BETTING, Vertical.VERTICAL_POKER)
    blocked = await send(player, player.bet("1.00", None, game_id=sports))
    passing = await send(player, player.bet("1.00"))
    with pytest.raises(GameUnavailableError) as launched:
        await player.launch(sports)
    await player.block()
    free = await send(player, player.bet("1.00", None, game_id=sports))

    assert_refused(blocked, "GAME_UNAVAILABLE", game_id=sports, by="player")
    assert launched.value.metadata == {"game_id": sports, "by": "player"}
    assert passing.receipt.cash.amount == -100
    assert free.receipt.cash.amount == -100


async def test_kill_switch_of_one_player(player: Player, send: Send) -> None:
    """A player who is blocked from all games bets on none; the neighbour does (C5)."""
    neighbour = await player.casino.player()
    games = [player.casino.game_id]
    games += [await game_of(player.casino, Vertical.VERTICAL_LOTTERY)]
    await player.block(all_games=True)
    answers = [
        await send(player, player.bet("1.00", None, game_id=game)) for game in games
    ]
    shown = await player.casino.operator.players.get_player(player_id=player.player_id)

    for answer in answers:
        assert_refused(answer, "GAME_UNAVAILABLE", by="player")
    assert (await send(neighbour, neighbour.bet("1.00"))).receipt.cash.amount == -100
    assert shown.player.blocks.all_games
    assert not shown.player.blocks.verticals
