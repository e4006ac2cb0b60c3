"""Decide how the limits of a player change, and show them.

Guards in order: key; the request id; the player; the currency and the amount; the
limit; what waits.
"""

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any

from cage.core.account import journal_player, player_columns
from cage.core.book import Book
from cage.core.counter import counter_key, time_text
from cage.core.errors import CageError, Reason, invalid_field
from cage.core.jurisdiction import LimitPeriod
from cage.core.limit import (
    REMOVAL,
    ConfirmLimit,
    Limit,
    LimitAnswer,
    LimitCurrencyRule,
    LimitView,
    ListLimits,
    RemoveLimit,
    SetLimit,
    loosened,
    standing,
    write_limits,
)
from cage.core.money import to_ledger
from cage.core.player import Gate
from cage.core.registry import Currency
from cage.core.request import earlier_reply, keep_reply

Change = SetLimit | RemoveLimit | ConfirmLimit


def decide_set_limit(book: Book, command: SetLimit) -> LimitAnswer:
    """Set a limit; raise what ``SetLimitRequest`` documents."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return answer_of_reply(book, reply)
    gate = book.player(key, command.player_id)
    currency = book.currency(command.currency_code)
    book.judge_currency(gate, book.wallet(gate, currency.currency_no))
    amount = to_ledger(
        command.amount,
        command.scale,
        currency.scale,
        field="amount",
        currency_code=currency.currency_code,
    )
    stands = find_limit(book, gate, command, currency)
    return change_limit(
        book, command, gate, stands, _wanted(book, gate, command, stands, amount)
    )


def _wanted(
    book: Book, gate: Gate, command: SetLimit, stands: Limit | None, amount: int
) -> Limit | None:
    """Return the limit after a SetLimit: at once unless it is looser."""
    rule = command.currency_rule
    if stands is None:
        return Limit(
            int(command.kind),
            int(command.period),
            book.registry.currencies[command.currency_code].currency_no,
            int(command.origin),
            amount,
            rule or int(LimitCurrencyRule.REFUSE_OTHER),
            book.now_us,
        )
    if rule > stands.currency_rule:
        raise invalid_field("currency_rule", "must not become looser")
    stands = replace(stands, currency_rule=rule or stands.currency_rule)
    if amount > stands.amount:
        return loosened(stands, amount, book.jurisdiction(gate), book.now_us)
    set_time_us = book.now_us if amount < stands.amount else stands.set_time_us
    return replace(stands.settled(), amount=amount, set_time_us=set_time_us)


def decide_remove_limit(book: Book, command: RemoveLimit) -> LimitAnswer:
    """Remove a limit; raise what ``RemoveLimitRequest`` documents."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return answer_of_reply(book, reply)
    gate = book.player(key, command.player_id)
    currency = book.currency(command.currency_code)
    stands = find_limit(book, gate, command, currency)
    if stands is None:
        raise limit_not_found(command)
    wanted = loosened(stands, REMOVAL, book.jurisdiction(gate), book.now_us)
    return change_limit(book, command, gate, stands, wanted)


def decide_confirm_limit(book: Book, command: ConfirmLimit) -> LimitAnswer:
    """Confirm a looser limit; raise what ``ConfirmLimitRequest`` documents."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return answer_of_reply(book, reply)
    gate = book.player(key, command.player_id)
    currency = book.currency(command.currency_code)
    stands = find_limit(book, gate, command, currency)
    if stands is None or not (stands.pending_time_us and stands.needs_confirmation):
        raise limit_not_found(command)
    if book.now_us < stands.pending_time_us:
        raise CageError(
            Reason.LIMIT_CHANGE_NOT_DUE, due_time=time_text(stands.pending_time_us)
        )
    return change_limit(book, command, gate, stands, stands.released(book.now_us))


def decide_list_limits(book: Book, read: ListLimits) -> LimitAnswer:
    """Show the limits of a player that stand, with what counts against them."""
    key = book.caller(read.key_id)
    gate = book.player(key, read.player_id)
    limits = standing(gate.limits, book.now_us)
    return LimitAnswer(views=[view_of(book, gate, limit) for limit in limits])


def find_limit(
    book: Book, gate: Gate, command: Change, currency: Currency
) -> Limit | None:
    """Return the limit that a command names, as it stands."""
    key = (command.kind, command.period, currency.currency_no, command.origin)
    limits = standing(gate.limits, book.now_us)
    return next((limit for limit in limits if limit.key == key), None)


def limit_not_found(command: Change) -> CageError:
    """Say that a player has no such limit, or that nothing of it waits."""
    return CageError(
        Reason.LIMIT_NOT_FOUND,
        kind=command.kind.name,
        period=command.period.name,
        origin=command.origin.name,
        currency_code=command.currency_code,
    )


def change_limit(
    book: Book,
    command: Change,
    gate: Gate,
    stands: Limit | None,
    wanted: Limit | None,
) -> LimitAnswer:
    """Put a limit in the place of the one that stands, and answer with it."""
    profile = book.profiles[gate.player_no]
    before = player_columns(gate, profile)
    limits = standing(gate.limits, book.now_us)
    kept = [each for each in limits if stands is None or each.key != stands.key]
    gate.limits = write_limits([*kept, *([wanted] if wanted is not None else [])])
    profile.update_time_us = book.now_us
    journal_player(book, command, gate, profile, before=before)
    views = [] if wanted is None else [view_of(book, gate, wanted)]
    keep_reply(book, command, {"limits": [_reply_of(view) for view in views]})
    return LimitAnswer(views=views)


def view_of(book: Book, gate: Gate, limit: Limit) -> LimitView:
    """Show a limit with what counts against it now."""
    key = counter_key(book, gate, limit)
    period = LimitPeriod(limit.period)
    start_us, end_us = book.jurisdiction(gate).window(period, book.now_us)
    return LimitView(
        limit=limit,
        currency=book.registry.currencies_by_no[limit.currency_no],
        used=book.counter(key) if key is not None else 0,
        start_us=start_us,
        end_us=end_us,
    )


def _reply_of(view: LimitView) -> Sequence[object]:
    return [astuple(view.limit), view.used, view.start_us, view.end_us]


def answer_of_reply(book: Book, reply: Any) -> LimitAnswer:
    """Rebuild the first answer."""
    views = []
    for row, used, start_us, end_us in reply["limits"]:
        limit = Limit(*row)
        currency = book.registry.currencies_by_no[limit.currency_no]
        views.append(
            LimitView(
                limit=limit,
                currency=currency,
                used=used,
                start_us=start_us,
                end_us=end_us,
            )
        )
    return LimitAnswer(views=views)
