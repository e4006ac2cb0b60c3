"""Count what a player stakes, loses and deposits against the player's limits.

A counter is a sum of one kind, in one currency, since the start of one window. It is
moved by the command that moves the money and only for a player who has such a limit.
The row that moved it keeps what it counted, so that a rollback restores exactly the
windows of its original, and ``verify`` can recompute every counter.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cage.core.errors import MONEY_REASONS, CageError, Reason
from cage.core.jurisdiction import LimitPeriod
from cage.core.limit import (
    Limit,
    LimitCurrencyRule,
    LimitKind,
    LimitOrigin,
    standing,
)
from cage.core.money import decimal_text
from cage.core.payment import Payment
from cage.core.player import Gate
from cage.core.wallet import REVERSING, Kind, Transaction, Wallet

if TYPE_CHECKING:
    from cage.core.book import Book
    from cage.core.round import Round

# player_no, kind, period, currency_no, start_us
CounterKey = tuple[int, int, int, int, int]
# What one row counted: kind, period, start_us, and by how much the counter moved.
Count = list[int]

# Where a row keeps what it counted, inside of ``extra``.
COUNTED = "counted"
# Rows whose amount is a wager. A reserve is one at once, because all of it may be
# captured; what is released counts no more.
WAGERS = frozenset({int(Kind.BET), int(Kind.RESERVE)})
# Rows whose money is staked or won.
_PLAYED = WAGERS | {int(Kind.WIN), int(Kind.AWARD), int(Kind.ADJUST)}
_RELEASE = int(Kind.RELEASE)

_REASONS = {
    LimitKind.DEPOSIT: Reason.DEPOSIT_LIMIT,
    LimitKind.LOSS: Reason.LOSS_LIMIT,
    LimitKind.WAGER: Reason.WAGER_LIMIT,
    LimitKind.STAKE: Reason.STAKE_LIMIT,
}
# Which limits a bet is judged by, in this order.
_OF_BETS = (LimitKind.STAKE, LimitKind.WAGER, LimitKind.LOSS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def counter_keys(book: "Book", gate: Gate) -> list[CounterKey]:
    """Return the counters that the limits of a player are judged by now."""
    if not gate.limits:
        return []
    keys = (
        counter_key(book, gate, limit) for limit in standing(gate.limits, book.now_us)
    )
    return [key for key in keys if key is not None]


def counter_key(book: "Book", gate: Gate, limit: Limit) -> CounterKey | None:
    """Return the counter of a limit now, None for one that counts nothing."""
    period = LimitPeriod(limit.period)
    if period == LimitPeriod.BET:
        return None
    start_us, _ = book.jurisdiction(gate).window(period, book.now_us)
    return (gate.player_no, limit.kind, limit.period, limit.currency_no, start_us)


def judge_bet_limits(book: "Book", gate: Gate, wallet: Wallet, amount: int) -> None:
    """Let a bet pass every limit, as if it were lost.

    Raises STAKE_LIMIT, WAGER_LIMIT or LOSS_LIMIT.
    """
    limits = standing(gate.limits, book.now_us)
    for kind in _OF_BETS:
        _judge(book, gate, wallet, amount, [row for row in limits if row.kind == kind])


def judge_deposit_limits(book: "Book", gate: Gate, wallet: Wallet, amount: int) -> None:
    """Let a deposit pass every limit, or raise DEPOSIT_LIMIT."""
    limits = standing(gate.limits, book.now_us)
    of_deposits = [row for row in limits if row.kind == LimitKind.DEPOSIT]
    _judge(book, gate, wallet, amount, of_deposits)


def _judge(
    book: "Book", gate: Gate, wallet: Wallet, amount: int, limits: Iterable[Limit]
) -> None:
    if not amount:
        return
    for limit in limits:
        is_other = limit.currency_no != wallet.currency_no
        if is_other and limit.currency_rule == LimitCurrencyRule.IGNORE_OTHER:
            continue
        key = counter_key(book, gate, limit)
        left = limit.amount - (book.counter(key) if key is not None else 0)
        if is_other or amount > left:
            raise _refusal(book, gate, wallet, limit, 0 if is_other else left)


def _refusal(
    book: "Book", gate: Gate, wallet: Wallet, limit: Limit, left: int
) -> CageError:
    """Refuse money for a limit, with what is left of it and until when."""
    currency = book.registry.currencies_by_no[limit.currency_no]
    told = {
        "origin": LimitOrigin(limit.origin).name,
        "limit": decimal_text(limit.amount, currency.scale),
        "currency_code": currency.currency_code,
    }
    period = LimitPeriod(limit.period)
    if period != LimitPeriod.BET:
        _, end_us = book.jurisdiction(gate).window(period, book.now_us)
        told["period"] = period.name
        told["remaining"] = decimal_text(max(left, 0), currency.scale)
        told["reset_time"] = time_text(end_us)
    reason = _REASONS[LimitKind(limit.kind)]
    balance = book.balance(wallet) if reason in MONEY_REASONS else None
    return CageError(reason, balance=balance, **told)


def time_text(time_us: int) -> str:
    """Write a time as RFC 3339 in universal time."""
    time = _EPOCH + timedelta(microseconds=time_us)
    return time.isoformat().replace("+00:00", "Z")


def counts_of(
    book: "Book", gate: Gate, currency_no: int, sums: dict[int, int]
) -> list[Count]:
    """Say what counts now: sums by kind, in every window that a limit has."""
    counts = []
    for limit in standing(gate.limits, book.now_us):
        delta = sums.get(limit.kind, 0)
        key = counter_key(book, gate, limit)
        if delta and key is not None and limit.currency_no == currency_no:
            count = [limit.kind, limit.period, key[4], delta]
            if count not in counts:
                counts.append(count)
    return counts


def count_row(
    book: "Book", gate: Gate, row: Transaction, round_: "Round | None"
) -> list[Count]:
    """Move the counters by one posted row; return what it counted."""
    if row.kind in REVERSING and row.variant:
        # Of a list or a round: its parts have counted.
        counts = []
    elif row.kind == _RELEASE:
        counts = released_counts(book.by_no[row.reference_no], row.amount)
    elif row.kind in REVERSING:
        original = book.by_no[row.reference_no]
        counts = reversed_counts(reversed_rows(original, row.unit_no, round_))
    elif row.kind in _PLAYED:
        sums = {
            int(LimitKind.LOSS): -(row.cash + row.bonus),
            int(LimitKind.WAGER): row.amount if row.kind in WAGERS else 0,
        }
        counts = counts_of(book, gate, row.currency_no, sums)
    else:
        counts = []
    if counts:
        move_counters(book, row.player_no, row.currency_no, counts)
    return counts


def count_deposit(book: "Book", gate: Gate, currency_no: int, amount: int) -> str:
    """Count an authorized deposit; return what it counted, as a payment keeps it."""
    if not gate.limits:
        return ""
    counts = counts_of(book, gate, currency_no, {int(LimitKind.DEPOSIT): amount})
    move_counters(book, gate.player_no, currency_no, counts)
    return json.dumps(counts, separators=(",", ":")) if counts else ""


def recount_deposit(book: "Book", payment: Payment, amount: int) -> str:
    """Let a deposit count another amount in its windows, 0 once it is cancelled."""
    counts: list[Count] = json.loads(payment.counted) if payment.counted else []
    player_no, currency_no = payment.player_no, payment.currency_no
    changes = [[*window, amount - delta] for *window, delta in counts]
    move_counters(book, player_no, currency_no, changes)
    recounted = [[*window, amount] for *window, _ in counts] if amount else []
    return json.dumps(recounted, separators=(",", ":")) if recounted else ""


def move_counters(
    book: "Book",
    player_no: int,
    currency_no: int,
    counts: Sequence[Count],
    sign: int = 1,
) -> None:
    """Move the counters by what a row counted; -1 takes a row back that is undone."""
    for kind, period, start_us, delta in counts:
        key = (player_no, kind, period, currency_no, start_us)
        moved, moves = book.counted.get(key, (0, 0))
        book.counted[key] = (moved + sign * delta, moves + sign)


def counts_in(extra: str | None) -> list[Count]:
    """Return what a row counted."""
    if not extra or COUNTED not in extra:
        return []
    counted: list[Count] = json.loads(extra).get(COUNTED, [])
    return counted


def reversed_rows(
    original: Transaction, unit_no: int, round_: "Round | None"
) -> list[Transaction]:
    """Return what a reversing row reverses: a whole Play, or one row alone."""
    if not unit_no or round_ is None or original.kind in REVERSING:
        return [original]
    return [
        row
        for row in round_.chain()
        if row.unit_no == unit_no and row.kind not in REVERSING
    ]


def reversed_counts(rows: Iterable[Transaction]) -> list[Count]:
    """Sum up what rows counted, with the sign turned, by window."""
    sums: dict[tuple[int, int, int], int] = {}
    for row in rows:
        for kind, period, start_us, delta in counts_in(row.extra):
            window = (kind, period, start_us)
            sums[window] = sums.get(window, 0) - delta
    return [[*window, delta] for window, delta in sums.items() if delta]


def released_counts(reserve: Transaction, amount: int) -> list[Count]:
    """Say what of a reserve's counts goes back with a released part of it."""
    if not amount:
        return []
    return [[*window, -amount] for *window, _ in counts_in(reserve.extra)]
