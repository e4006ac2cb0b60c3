"""Turn limits into messages of ``cage.player.v1``."""

from cage.core.limit import REMOVAL, LimitView
from cage.player.v1 import responsible_gaming_pb2 as pb
from cage.rpc.convert import fill_time, to_money


def to_limit_or_none(view: LimitView | None) -> pb.Limit | None:
    """Return a limit with what counts against it, None when it is gone."""
    return None if view is None else to_limit(view, with_use=True)


def to_limit(view: LimitView, *, with_use: bool) -> pb.Limit:
    """Return a limit as the contract shows one."""
    limit, currency = view.limit, view.currency
    message = pb.Limit(
        kind=pb.LimitKind.ValueType(limit.kind),
        period=pb.LimitPeriod.ValueType(limit.period),
        origin=pb.LimitOrigin.ValueType(limit.origin),
        currency_rule=pb.LimitCurrencyRule.ValueType(limit.currency_rule),
        amount=to_money(limit.amount, currency),
    )
    fill_time(message.set_time, limit.set_time_us)
    if with_use and view.end_us:
        message.used.CopyFrom(to_money(view.used, currency))
        fill_time(message.window_start_time, view.start_us)
        fill_time(message.window_end_time, view.end_us)
    if limit.pending_time_us:
        pending = message.pending
        if limit.pending_amount != REMOVAL:
            pending.amount.CopyFrom(to_money(limit.pending_amount, currency))
        fill_time(pending.due_time, limit.pending_time_us)
        pending.needs_confirmation = bool(limit.needs_confirmation)
    return message
