"""Define the command ``cagectl``."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cage.client import CageError, Client, Tls
from cage.ctl import call as calling
from cage.ctl import demo as story
from cage.ctl import events as following
from cage.ctl import export, limit, player, rounds
from cage.ctl import settings as known
from cage.ctl.output import ERR, OUT, balance_table, ledger_table, print_error
from cage.ctl.running import run
from cage.ctl.settings import OPERATOR_KEY, Settings
from cage.ctl.spawn import SpawnError, spawned

app = typer.Typer(
    name="cagectl",
    help="Use Cage from a shell.",
    no_args_is_help=True,
    add_completion=False,
    # Local variables hold keys.
    pretty_exceptions_show_locals=False,
)
limit.add_to(player.app)
app.add_typer(player.app, name="player")
app.add_typer(export.app, name="export")
app.add_typer(rounds.app, name="rounds")
app.command()(following.events)


def _pem_file(what: str) -> Any:
    return typer.Option(exists=True, dir_okay=False, help=what, show_default=False)


@app.callback()
def options(
    context: typer.Context,
    address: Annotated[
        str | None,
        typer.Option(
            envvar="CAGE_ADDRESS",
            help=f"Address of the server; default {known.DEFAULT_ADDRESS}.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="CAGE_KEY", help="API key for every service.", show_default=False
        ),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="File with CAGE_ADDRESS, CAGE_STUDIO_KEY, CAGE_OPERATOR_KEY and "
            f"CAGE_ADMIN_KEY; default {known.DEFAULT_ENV_FILE}, if it is there.",
            show_default=False,
        ),
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="Call over TLS; implied by the files below.")
    ] = False,
    tls_ca: Annotated[
        Path | None, _pem_file("PEM file of the authorities to trust.")
    ] = None,
    tls_cert: Annotated[
        Path | None, _pem_file("PEM file of this client, for mutual TLS.")
    ] = None,
    tls_key: Annotated[
        Path | None, _pem_file("PEM private key of this client.")
    ] = None,
    tls_name: Annotated[
        str | None, typer.Option(help="Name that the server's certificate must hold.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Deadline of one attempt, in seconds.")
    ] = 5.0,
) -> None:
    """Use Cage from a shell."""
    files = (tls_ca, tls_key, tls_cert)
    root, private, chain = (path.read_bytes() if path else None for path in files)
    trust = Tls(
        root_certificates=root,
        client_key=private,
        client_certificate=chain,
        server_name=tls_name,
    )
    context.obj = known.load(
        address=address,
        key=key,
        env_file=env_file,
        tls=trust if tls or any(files) else None,
        timeout_s=timeout,
    )


@app.command()
def call(
    context: typer.Context,
    method: Annotated[
        str, typer.Argument(help="SERVICE/METHOD, such as WalletService/GetBalance.")
    ],
    request: Annotated[
        str, typer.Argument(help="JSON; - reads standard input.")
    ] = "{}",
) -> None:
    """Call any unary rpc with JSON and print the JSON of its reply."""
    rpc = calling.find_method(method)
    text = sys.stdin.read() if request == "-" else request
    message = calling.parse_request(rpc, text)

    async def work(client: Client) -> None:
        OUT.print(await calling.call(client, message), markup=False, soft_wrap=True)

    run(context.obj, known.key_name(rpc.service), work)


@app.command()
def demo(
    context: typer.Context,
    spawn: Annotated[
        bool, typer.Option("--spawn", help="Start a server for it, and stop it.")
    ] = False,
) -> None:
    """Play a player's whole story and check every figure of it."""
    try:
        if spawn:
            with spawned() as server:
                right = _tell(server.settings)
        else:
            right = _tell(context.obj)
    except SpawnError as error:
        ERR.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    if not right:
        raise typer.Exit(1)


def _tell(settings: Settings) -> bool:
    try:
        return asyncio.run(story.run(settings, OUT))
    except CageError as error:
        print_error(error)
        return False


@app.command()
def balance(
    context: typer.Context,
    player_id: str,
    currency: str,
    game: Annotated[str, typer.Option(help="Game that `playable` is for.")] = "",
) -> None:
    """Show a player's balance in one currency."""

    async def work(client: Client) -> None:
        reply = await client.wallet.get_balance(
            player_id=player_id, currency_code=currency, game_id=game
        )
        OUT.print(balance_table([reply.balance]))

    run(context.obj, OPERATOR_KEY, work)


@app.command()
def transactions(
    context: typer.Context,
    player_id: str,
    game: Annotated[str, typer.Option(help="Keep only this game.")] = "",
    round_id: Annotated[
        str, typer.Option("--round", help="Keep only this round of the game.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most lines to show.")] = 100,
) -> None:
    """List a player's transactions, oldest first."""

    async def work(client: Client) -> None:
        rows = []
        pager = client.wallet.list_transactions(
            player_id=player_id,
            game_id=game,
            round_id=round_id,
            page_size=min(limit, 1000),
        )
        async for row in pager:
            rows.append(row)
            if len(rows) == limit:
                break
        OUT.print(ledger_table(rows))

    run(context.obj, OPERATOR_KEY, work)


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
