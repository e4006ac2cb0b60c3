"""Define ``cagectl rounds``: find the rounds that nobody finished."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cage.client import Client
from cage.ctl.output import OUT, amount_text
from cage.ctl.running import run
from cage.ctl.settings import OPERATOR_KEY
from cage.wallet.v1.wallet_pb2 import Round

app = typer.Typer(no_args_is_help=True, help="Find the rounds that nobody finished.")


@app.command()
def unfinished(
    context: typer.Context,
    integration: Annotated[str, typer.Option(help="Keep only this integration.")] = "",
    hours: Annotated[
        float, typer.Option(min=0, help="Keep only those opened so long ago.")
    ] = 0,
    limit: Annotated[int, typer.Option(min=1, help="Most rounds to show.")] = 100,
) -> None:
    """List rounds that are not closed and have a bet that stands, oldest first."""

    async def work(client: Client) -> None:
        rounds = []
        pager = client.wallet.list_unfinished_rounds(
            integration_id=integration,
            min_age=timedelta(hours=hours) if hours else None,
            page_size=min(limit, 1000),
        )
        async for row in pager:
            rounds.append(row)
            if len(rounds) == limit:
                break
        OUT.print(_table(rounds))

    run(context.obj, OPERATOR_KEY, work)


def _table(rounds: list[Round]) -> Table:
    table = Table(title="unfinished rounds", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("opened", no_wrap=True)
    for name in ("integration", "game", "round", "player"):
        table.add_column(name, overflow="fold")
    for name in ("bet", "won"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rounds:
        bet, won = row.bet_amount, row.win_amount
        table.add_row(
            f"{row.open_time.ToDatetime():%Y-%m-%d %H:%M}",
            row.integration_id,
            row.game_id,
            row.round_id,
            row.player_id,
            f"{amount_text(bet.amount, bet.scale)} {bet.currency_code}",
            amount_text(won.amount, won.scale),
        )
    return table
