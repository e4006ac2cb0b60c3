"""Define ``cagectl events``: follow the journal from a shell."""

import asyncio
from contextlib import suppress
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson

from cage.client import Client, EventType
from cage.ctl.output import OUT
from cage.ctl.running import run
from cage.ctl.settings import OPERATOR_KEY

_PREFIX = "EVENT_TYPE_"
_TYPES = [
    name.removeprefix(_PREFIX)
    for name in EventType.DESCRIPTOR.values_by_name
    if name != "EVENT_TYPE_UNSPECIFIED"
]


def events(
    context: typer.Context,
    cursor: Annotated[str, typer.Option(help="Go on after this cursor.")] = "",
    player_id: Annotated[
        str, typer.Option("--player", help="Keep only this player.")
    ] = "",
    integration: Annotated[
        str, typer.Option(help="Keep only transactions of this integration.")
    ] = "",
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help=f"Keep only this: {', '.join(_TYPES)}."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Stop after so many; 0 follows for ever.")
    ] = 0,
    wait: Annotated[
        float, typer.Option(min=0, help="Stop after so many quiet seconds; 0 never.")
    ] = 0,
) -> None:
    """Print what happens, one JSON object a line, from a cursor or the beginning."""
    chosen = [name.upper().replace("-", "_") for name in types or ()]
    if not set(chosen) <= set(_TYPES):
        raise typer.BadParameter(f"--type is one of {', '.join(_TYPES)}")

    async def work(client: Client) -> None:
        told = 0
        async with client.events.subscribe(
            cursor=cursor,
            player_id=player_id,
            integration_id=integration,
            types=[EventType.Value(_PREFIX + name) for name in chosen],
        ) as feed:
            with suppress(TimeoutError):
                while not limit or told < limit:
                    async with asyncio.timeout(wait or None):
                        event = await anext(feed)
                    text = MessageToJson(
                        event, preserving_proto_field_name=True, indent=None
                    )
                    OUT.print(text, markup=False, soft_wrap=True)
                    told += 1

    run(context.obj, OPERATOR_KEY, work)
