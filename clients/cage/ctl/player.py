"""Define ``cagectl player``: read players and change their status."""

from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cage.client import Client
from cage.ctl.output import OUT, balance_table
from cage.ctl.running import run
from cage.ctl.settings import OPERATOR_KEY
from cage.player.v1.player_pb2 import Player, PlayerStatus
from cage.type.v1.vertical_pb2 import Vertical

_PREFIX = "PLAYER_STATUS_"

_STATUSES = [
    name.removeprefix(_PREFIX)
    for name in PlayerStatus.DESCRIPTOR.values_by_name
    if name != "PLAYER_STATUS_UNSPECIFIED"
]

_VERTICAL = "VERTICAL_"
_VERTICALS = [
    name.removeprefix(_VERTICAL)
    for name in Vertical.DESCRIPTOR.values_by_name
    if name != "VERTICAL_UNSPECIFIED"
]

app = typer.Typer(no_args_is_help=True, help="Read players and change their status.")


@app.command()
def get(context: typer.Context, player_id: str) -> None:
    """Show a player and the balances of all wallets."""

    async def work(client: Client) -> None:
        reply = await client.players.get_player(player_id=player_id)
        OUT.print(_table([reply.player]), balance_table(reply.balances))

    run(context.obj, OPERATOR_KEY, work)


@app.command("list")
def list_players(
    context: typer.Context,
    brand: Annotated[str, typer.Option(help="Keep only this brand.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most players to show.")] = 100,
) -> None:
    """List players, oldest registration first."""

    async def work(client: Client) -> None:
        players = []
        pager = client.players.list_players(brand_id=brand, page_size=min(limit, 1000))
        async for player in pager:
            players.append(player)
            if len(players) == limit:
                break
        OUT.print(_table(players))

    run(context.obj, OPERATOR_KEY, work)


@app.command()
def status(
    context: typer.Context,
    player_id: str,
    new: Annotated[
        str, typer.Argument(metavar="STATUS", help=f"One of {', '.join(_STATUSES)}.")
    ],
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
) -> None:
    """Change a player's status; bets that commit later obey it."""
    name = new.upper().replace("-", "_")
    if name not in _STATUSES:
        raise typer.BadParameter(f"STATUS is one of {', '.join(_STATUSES)}")

    async def work(client: Client) -> None:
        reply = await client.players.set_player_status(
            player_id=player_id,
            status=PlayerStatus.Value(_PREFIX + name),
            reason=reason,
        )
        OUT.print(_table([reply.player]))

    run(context.obj, OPERATOR_KEY, work)


@app.command()
def block(
    context: typer.Context,
    player_id: str,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT", help=f"ALL, NOTHING, or some of {', '.join(_VERTICALS)}."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
) -> None:
    """Replace what a player may not bet on; bets that commit later obey it."""
    names = {name.upper().replace("-", "_") for name in what}
    verticals = names - {"ALL", "NOTHING"}
    if unknown := verticals - set(_VERTICALS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))} is nothing to block")
    if "NOTHING" in names and len(names) > 1:
        raise typer.BadParameter("NOTHING stands alone")

    async def work(client: Client) -> None:
        reply = await client.players.set_player_blocks(
            player_id=player_id,
            all_games="ALL" in names,
            verticals=[Vertical.Value(_VERTICAL + name) for name in sorted(verticals)],
            reason=reason,
        )
        OUT.print(_table([reply.player]))

    run(context.obj, OPERATOR_KEY, work)


def _table(players: list[Player]) -> Table:
    table = Table(title="player", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("player", no_wrap=True)
    table.add_column("brand", overflow="fold")
    for name in ("from", "in"):
        table.add_column(name)
    table.add_column("status")
    table.add_column("kyc", justify="right")
    table.add_column("blocked")
    for player in players:
        status = (
            PlayerStatus.Name(player.status).removeprefix(_PREFIX).replace("_", " ")
        )
        table.add_row(
            player.player_id,
            player.brand_id,
            player.country_code,
            player.currency_code,
            f"{status} (test)" if player.is_test else status,
            str(player.kyc_level),
            _blocked(player),
        )
    return table


def _blocked(player: Player) -> str:
    """Say what a player may not bet on."""
    if player.blocks.all_games:
        return "ALL"
    return " ".join(
        Vertical.Name(vertical).removeprefix(_VERTICAL)
        for vertical in player.blocks.verticals
    )
