"""Read rounds: the chain of one, and those of a lane that are unfinished."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import Select, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cage.app.round import UnfinishedRound
from cage.core.player import Gate
from cage.core.round import Round
from cage.core.wallet import Transaction
from cage.storage import schema

_ROUND_WIDTH = len(schema.rounds.columns)


class RoundQueries:
    """Answer what ``RoundReads`` asks, in the read transactions of a subclass."""

    def _transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        raise NotImplementedError

    async def round_rows(
        self, lane: int, last_no: int, *, limit: int
    ) -> Sequence[Transaction]:
        """List a round's transactions from one of them back, newest first."""
        async with self._transaction() as connection:
            rows = (await connection.execute(_chain(lane, last_no, limit))).all()
        return [Transaction(*row) for row in rows]

    async def unfinished_rounds(
        self, lane: int, *, after_no: int, before_us: int, limit: int
    ) -> Sequence[UnfinishedRound]:
        """List unfinished rounds opened before a time, by their first transaction."""
        statement = _unfinished(lane, after_no, before_us, limit)
        async with self._transaction() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            UnfinishedRound(
                Round(*row[:_ROUND_WIDTH]), Gate(*row[_ROUND_WIDTH:-1]), row[-1]
            )
            for row in rows
        ]


def _chain(lane: int, last_no: int, limit: int) -> Select[Any]:
    """Select the transactions of a round from one of them back."""
    t = schema.transactions
    depth = literal(1).label("depth")
    walk = (
        select(t.c.item_no, t.c.round_previous_no, depth)
        .where(t.c.lane == lane, t.c.item_no == last_no)
        .cte("walk", recursive=True)
    )
    walk = walk.union_all(
        select(t.c.item_no, t.c.round_previous_no, walk.c.depth + 1).where(
            t.c.lane == lane,
            t.c.item_no == walk.c.round_previous_no,
            walk.c.depth < limit,
        )
    )
    return (
        select(t)
        .where(t.c.lane == lane, t.c.item_no == walk.c.item_no)
        .order_by(t.c.item_no.desc())
    )


def _unfinished(lane: int, after_no: int, before_us: int, limit: int) -> Select[Any]:
    """Select unfinished rounds with their players and who opened them."""
    r, g, t = schema.rounds, schema.gates, schema.transactions
    # First the rounds, from the index of the unfinished, which has to be read in the
    # words of its own condition.
    wanted = (
        select(r)
        .where(
            r.c.lane == lane,
            r.c.open_no > after_no,
            r.c.open_time_us < before_us,
            text(schema.UNFINISHED),
        )
        .order_by(r.c.open_no)
        .limit(limit)
        .subquery()
    )
    return (
        select(wanted, g, t.c.integration_no)
        .join(g, (g.c.lane == wanted.c.lane) & (g.c.player_no == wanted.c.player_no))
        .join(t, (t.c.lane == wanted.c.lane) & (t.c.item_no == wanted.c.open_no))
        .order_by(wanted.c.open_no)
    )
