"""Define the commands of ``cagectl player`` on limits."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cage.client import (
    Client,
    Limit,
    LimitKind,
    LimitOrigin,
    LimitPeriod,
    decimal_text,
    money,
)
from cage.ctl.output import OUT
from cage.ctl.running import run
from cage.ctl.settings import OPERATOR_KEY
from cage.type.v1.money_pb2 import Money

_KIND, _PERIOD, _ORIGIN = "LIMIT_KIND_", "LIMIT_PERIOD_", "LIMIT_ORIGIN_"

Kind = Annotated[
    str, typer.Argument(metavar="KIND", help="DEPOSIT, LOSS, WAGER or STAKE.")
]
Period = Annotated[
    str, typer.Argument(metavar="PERIOD", help="DAY, WEEK, MONTH; BET for STAKE.")
]
ByOperator = Annotated[
    bool, typer.Option("--operator", help="The operator's own, not the player's.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``cagectl player``."""
    app.command("limits")(list_limits)
    app.command("limit")(set_limit)
    app.command("remove-limit")(remove_limit)
    app.command("confirm-limit")(confirm_limit)


def list_limits(context: typer.Context, player_id: str) -> None:
    """List a player's limits and what counts against them."""

    async def work(client: Client) -> None:
        pager = client.responsible_gaming.list_limits(player_id=player_id)
        OUT.print(_table([limit async for limit in pager]))

    run(context.obj, OPERATOR_KEY, work)


def set_limit(
    context: typer.Context,
    player_id: str,
    kind: Kind,
    period: Period,
    amount: Annotated[str, typer.Argument(help='A decimal, "50.00".')],
    currency: str,
    operator: ByOperator = False,
) -> None:
    """Set a limit: a tighter one at once, the player's looser one later."""
    try:
        most = money(currency, amount)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    kind_, period_ = _kind(kind), _period(period)

    async def work(client: Client) -> None:
        reply = await client.responsible_gaming.set_limit(
            player_id=player_id,
            kind=kind_,
            period=period_,
            origin=_origin(operator),
            amount=most,
        )
        OUT.print(_table([reply.limit]))

    run(context.obj, OPERATOR_KEY, work)


def remove_limit(
    context: typer.Context,
    player_id: str,
    kind: Kind,
    period: Period,
    currency: str,
    operator: ByOperator = False,
) -> None:
    """Remove a limit: the operator's at once, the player's later."""
    kind_, period_ = _kind(kind), _period(period)

    async def work(client: Client) -> None:
        reply = await client.responsible_gaming.remove_limit(
            player_id=player_id,
            kind=kind_,
            period=period_,
            origin=_origin(operator),
            currency_code=currency,
        )
        OUT.print(_table([reply.limit] if reply.HasField("limit") else []))

    run(context.obj, OPERATOR_KEY, work)


def confirm_limit(
    context: typer.Context,
    player_id: str,
    kind: Kind,
    period: Period,
    currency: str,
) -> None:
    """Confirm a player's looser limit whose delay is over."""
    kind_, period_ = _kind(kind), _period(period)

    async def work(client: Client) -> None:
        reply = await client.responsible_gaming.confirm_limit(
            player_id=player_id,
            kind=kind_,
            period=period_,
            origin=LimitOrigin.LIMIT_ORIGIN_PLAYER,
            currency_code=currency,
        )
        OUT.print(_table([reply.limit] if reply.HasField("limit") else []))

    run(context.obj, OPERATOR_KEY, work)


def _kind(name: str) -> LimitKind.ValueType:
    try:
        return LimitKind.Value(_KIND + name.upper())
    except ValueError as exc:
        raise typer.BadParameter("KIND is DEPOSIT, LOSS, WAGER or STAKE") from exc


def _period(name: str) -> LimitPeriod.ValueType:
    try:
        return LimitPeriod.Value(_PERIOD + name.upper())
    except ValueError as exc:
        raise typer.BadParameter("PERIOD is BET, DAY, WEEK or MONTH") from exc


def _origin(operator: bool) -> LimitOrigin.ValueType:
    if operator:
        return LimitOrigin.LIMIT_ORIGIN_OPERATOR
    return LimitOrigin.LIMIT_ORIGIN_PLAYER


def _table(limits: Iterable[Limit]) -> Table:
    """Lay limits out, each with what is used of it and what waits."""
    table = Table(title="limits", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("kind", "period", "by"):
        table.add_column(name)
    for name in ("most", "used"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("waits")
    for limit in limits:
        table.add_row(
            LimitKind.Name(limit.kind).removeprefix(_KIND),
            LimitPeriod.Name(limit.period).removeprefix(_PERIOD),
            LimitOrigin.Name(limit.origin).removeprefix(_ORIGIN),
            f"{_text(limit.amount)} {limit.amount.currency_code}",
            _text(limit.used) if limit.HasField("used") else "",
            _waits(limit),
        )
    return table


def _waits(limit: Limit) -> str:
    if not limit.HasField("pending"):
        return ""
    pending = limit.pending
    what = _text(pending.amount) if pending.HasField("amount") else "removal"
    return f"{what} until {pending.due_time.ToDatetime():%Y-%m-%d %H:%M}"


def _text(amount: Money) -> str:
    return decimal_text(amount.amount, amount.scale)
