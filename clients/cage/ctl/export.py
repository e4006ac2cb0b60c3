"""Define ``cagectl export``: transactions and rounds of a range of time, as JSON."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToJson

from cage.client import Client, Feed
from cage.ctl.output import ERR, OUT
from cage.ctl.running import run
from cage.ctl.settings import OPERATOR_KEY

app = typer.Typer(
    no_args_is_help=True, help="Export a range of time, one JSON object a line."
)

_Integration = Annotated[
    str, typer.Option("--integration", help="Keep only this integration.")
]
_Start = Annotated[
    datetime | None,
    typer.Option("--from", help="First commit time, UTC.", show_default=False),
]
_End = Annotated[
    datetime | None,
    typer.Option("--to", help="Commit time to stop before, UTC.", show_default=False),
]
_Cursor = Annotated[str, typer.Option("--cursor", help="Go on after this cursor.")]


@app.command()
def transactions(
    context: typer.Context,
    integration: _Integration = "",
    start: _Start = None,
    end: _End = None,
    cursor: _Cursor = "",
) -> None:
    """Export transactions; the cursor to go on from comes last, on standard error."""
    query = _query(integration, start, end, cursor)
    _export(context, lambda client: client.wallet.export_transactions(**query))


@app.command()
def rounds(
    context: typer.Context,
    integration: _Integration = "",
    start: _Start = None,
    end: _End = None,
    cursor: _Cursor = "",
) -> None:
    """Export rounds; the cursor to go on from comes last, on standard error."""
    query = _query(integration, start, end, cursor)
    _export(context, lambda client: client.wallet.export_rounds(**query))


def _query(
    integration: str, start: datetime | None, end: datetime | None, cursor: str
) -> dict[str, Any]:
    if cursor and start is not None:
        raise typer.BadParameter("--cursor and --from exclude each other")
    return {
        "integration_id": integration,
        "start_time": None if start is None else start.replace(tzinfo=UTC),
        "end_time": None if end is None else end.replace(tzinfo=UTC),
        "cursor": cursor,
    }


def _export(context: typer.Context, begin: Callable[[Client], Feed[Any, Any]]) -> None:
    async def work(client: Client) -> None:
        async with begin(client) as feed:
            async for row in feed:
                text = MessageToJson(row, preserving_proto_field_name=True, indent=None)
                OUT.print(text, markup=False, soft_wrap=True)
            ERR.print(f"cursor: {feed.cursor}", markup=False, soft_wrap=True)

    run(context.obj, OPERATOR_KEY, work)
