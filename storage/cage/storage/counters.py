"""Recompute every counter of limits from the rows that say what they counted."""

import orjson
from sqlalchemy import bindparam, select

from cage.core.counter import WAGERS, CounterKey, counts_in
from cage.core.limit import LimitKind
from cage.core.wallet import REVERSING, State, Transaction
from cage.storage import schema
from cage.storage.finding import Books, expect
from cage.storage.statements import compile_text

Counters = dict[CounterKey, int]

_COUNTERS = compile_text(
    select(*schema.counters.columns).where(schema.counters.c.lane == bindparam("lane"))
)
_PAYMENTS = compile_text(
    select(
        schema.payments.c.player_no,
        schema.payments.c.currency_no,
        schema.payments.c.counted,
    ).where(schema.payments.c.lane == bindparam("lane"))
)


def recount(counters: Counters, row: Transaction, place: str) -> None:
    """Add what one transaction counted, once that is what its kind has to count.

    What a reversing row counted is held by the hash of its batch alone: it may have
    reversed rows that counted in several windows.
    """
    for kind, period, start_us, delta in counts_in(row.extra):
        expect("wrong count", place, State.POSTED, row.state)
        if row.kind not in REVERSING:
            loss = -(row.cash + row.bonus)
            wager = row.amount if row.kind in WAGERS else 0
            expect("wrong count", place, _counted(kind, loss, wager), delta)
        key = (row.player_no, kind, period, row.currency_no, start_us)
        counters[key] = counters.get(key, 0) + delta


def _counted(kind: int, loss: int, wager: int) -> int:
    return {LimitKind.LOSS: loss, LimitKind.WAGER: wager}.get(LimitKind(kind), 0)


def check_counters(connection: Books, lane: int, counters: Counters) -> None:
    """Hold every stored counter against the recomputed one; none is zero."""
    for player_no, currency_no, counted in connection.execute(_PAYMENTS, (lane,)):
        for kind, period, start_us, delta in orjson.loads(counted or "[]"):
            key = (player_no, kind, period, currency_no, start_us)
            counters[key] = counters.get(key, 0) + delta
    found = {
        tuple(row[1:-1]): row[-1] for row in connection.execute(_COUNTERS, (lane,))
    }
    for key in sorted(counters.keys() | found.keys()):
        place = f"counter {lane}/{'/'.join(map(str, key))}"
        expect("wrong counter", place, counters.get(key, 0), found.get(key, 0))
