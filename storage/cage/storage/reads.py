"""Answer queries from committed state on a pool of its own, apart from the lanes.

Every query is one read transaction of at most READ_TIMEOUT_S, on a connection that
cannot write. A player's transactions are found along the chains of the wallets:
hop along the anchors to the place, then walk back; no index by player is needed.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Select, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cage.app.ports import DueReserve, PlayerRow
from cage.core.book import Change
from cage.core.errors import CageError, Reason
from cage.core.ids import lane_of
from cage.core.payment import Payment
from cage.core.player import Gate, Profile
from cage.core.round import Round
from cage.core.wallet import ANCHOR_EVERY, Transaction, Wallet
from cage.storage import schema
from cage.storage.journal import JournalQueries
from cage.storage.reservations import due_reserves
from cage.storage.rounds import RoundQueries
from cage.storage.statements import DIALECT

READ_TIMEOUT_S = 2.0
POOL_SIZE = 4
# Where the columns of the gate end and those of the profile begin.
_GATE_WIDTH = len(schema.gates.columns)


class SqlReads(JournalQueries, RoundQueries):
    """Read a database through an engine whose connections cannot write.

    ``lanes`` is the number of lanes, which the store sets once it is known.
    """

    lanes = 1

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                async with self._engine.begin() as connection:
                    yield connection
        except (DBAPIError, OSError) as error:
            if isinstance(error, DBAPIError) and not error.connection_invalidated:
                raise
            raise CageError(Reason.DATABASE_UNAVAILABLE) from error

    async def _fetch(
        self, statement: Select[Any], parameters: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """Read all rows of a statement."""
        async with self._transaction() as connection:
            found = await connection.execute(statement, dict(parameters))
            rows: Sequence[Sequence[Any]] = found.all()
            return rows

    async def _rows(self, statement: Select[Any]) -> Sequence[Sequence[Any]]:
        async with self._transaction() as connection:
            rows: Sequence[Sequence[Any]] = (await connection.execute(statement)).all()
            return rows

    async def player(self, player_id: str) -> PlayerRow | None:
        """Find a player."""
        rows = await self._rows(
            _PLAYERS.where(
                schema.gates.c.lane == lane_of(player_id, self.lanes),
                schema.gates.c.player_id == player_id,
            )
        )
        return _player(rows[0]) if rows else None

    async def wallets(self, gate: Gate) -> Sequence[Wallet]:
        """Find the wallets of a player that ever moved, by currency number."""
        rows = await self._rows(_wallets(gate))
        wallets = [Wallet(*row) for row in rows]
        return [wallet for wallet in wallets if wallet.version]

    async def players(
        self, brand_nos: Sequence[int], *, after: Sequence[int], limit: int
    ) -> Sequence[PlayerRow]:
        """List players of brands in the order of registration; see ``Reads``."""
        g = schema.gates
        found = await self._each_lane(
            lambda lane: (
                _PLAYERS.where(
                    g.c.lane == lane,
                    g.c.brand_no.in_(brand_nos),
                    g.c.player_no > after[lane],
                )
                .order_by(g.c.player_no)
                .limit(limit)
            )
        )
        players = [_player(row) for row in found]
        players.sort(
            key=lambda row: (
                row.profile.create_time_us,
                row.gate.lane,
                row.gate.player_no,
            )
        )
        return players[:limit]

    async def transaction(
        self,
        gate: Gate,
        integration_no: int | None,
        key_space: int,
        transaction_id: str,
    ) -> Transaction | None:
        """Find one transaction by the caller's id; None means any integration."""
        t = schema.transactions
        statement = select(t).where(
            t.c.lane == gate.lane,
            t.c.player_no == gate.player_no,
            t.c.key_space == key_space,
            t.c.transaction_id == transaction_id,
        )
        if integration_no is not None:
            statement = statement.where(t.c.integration_no == integration_no)
        rows = await self._rows(statement.order_by(t.c.item_no).limit(1))
        return Transaction(*rows[0]) if rows else None

    async def transactions_by_no(
        self, lane: int, item_nos: Sequence[int]
    ) -> Sequence[Transaction]:
        """Find transactions by their place in the journal, in any order."""
        t = schema.transactions
        rows = await self._rows(
            select(t).where(t.c.lane == lane, t.c.item_no.in_(item_nos))
        )
        return [Transaction(*row) for row in rows]

    async def transactions(
        self, gate: Gate, *, after_no: int, limit: int
    ) -> Sequence[Transaction]:
        """List a player's transactions after a place, oldest first, all wallets."""
        found: list[Transaction] = []
        async with self._transaction() as connection:
            for row in (await connection.execute(_wallets(gate))).all():
                wallet = Wallet(*row)
                if wallet.last_no > after_no:
                    found += await _page(connection, wallet, after_no, limit)
        found.sort(key=lambda row: row.item_no)
        return found[:limit]

    async def round(self, gate: Gate, game_no: int, round_id: str) -> Round | None:
        """Find a round with its totals."""
        r = schema.rounds
        rows = await self._rows(
            select(r).where(
                r.c.lane == gate.lane,
                r.c.player_no == gate.player_no,
                r.c.game_no == game_no,
                r.c.round_id == round_id,
            )
        )
        return Round(*rows[0]) if rows else None

    async def payment(self, lane: int, payment_no: int) -> Payment | None:
        """Find a payment."""
        p = schema.payments
        rows = await self._rows(
            select(p).where(p.c.lane == lane, p.c.payment_no == payment_no)
        )
        return Payment(*rows[0]) if rows else None

    async def due_reserves(
        self, lane: int, *, now_us: int, after: tuple[int, int], limit: int
    ) -> Sequence[DueReserve]:
        """List open reserves that are due; see ``Reads``."""
        rows = await self._rows(due_reserves(lane, now_us, after, limit))
        return [
            DueReserve(player_id=row[0], reserve_no=row[1], expire_time_us=row[2])
            for row in rows
        ]

    async def changes(
        self, noun: str, noun_id: str, *, after: Sequence[int], limit: int
    ) -> Sequence[Change]:
        """List journalled changes in the order of their commits; see ``Reads``."""
        c = schema.changes
        statement = select(c)
        if noun:
            statement = statement.where(c.c.noun == noun)
        if noun_id:
            statement = statement.where(c.c.noun_id == noun_id)
        found = await self._each_lane(
            lambda lane: (
                statement.where(c.c.lane == lane, c.c.item_no > after[lane])
                .order_by(c.c.item_no)
                .limit(limit)
            )
        )
        changes = [Change(*row) for row in found]
        changes.sort(key=lambda row: (row.commit_time_us, row.lane, row.item_no))
        return changes[:limit]

    async def _each_lane(
        self, statement: Callable[[int], Select[Any]]
    ) -> list[Sequence[Any]]:
        """Run a statement for each lane, all at one instant."""
        rows: list[Sequence[Any]] = []
        async with self._transaction() as connection:
            for lane in range(self.lanes):
                rows.extend((await connection.execute(statement(lane))).all())
        return rows


class SqliteReads(SqlReads):
    """Read an embedded database."""

    def __init__(self, path: Path) -> None:
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{path}", pool_size=POOL_SIZE, max_overflow=0
        )
        event.listen(engine.sync_engine, "connect", _set_up)
        event.listen(engine.sync_engine, "begin", _begin)
        super().__init__(engine)

    async def _fetch(
        self, statement: Select[Any], parameters: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """Read all rows of a statement in one trip to the connection's thread.

        Followers of the journal do so many times a second; through SQLAlchemy it
        would be nine trips, with its transaction.
        """
        text, names = _positional(statement)
        values = [parameters.get(name, default) for name, default in names]
        async with asyncio.timeout(READ_TIMEOUT_S):
            async with self._engine.connect() as connection:
                raw = await connection.get_raw_connection()
                driver: Any = raw.driver_connection
                rows: Sequence[Sequence[Any]] = await driver.execute_fetchall(
                    text, values
                )
                return rows


_PLAYERS = select(schema.gates, schema.players).join(
    schema.players,
    (schema.players.c.lane == schema.gates.c.lane)
    & (schema.players.c.player_no == schema.gates.c.player_no),
)


@functools.lru_cache(maxsize=512)
def _positional(statement: Select[Any]) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """Return the text of a statement, and the names and defaults of its places."""
    compiled = statement.compile(dialect=DIALECT)
    places = tuple((name, compiled.params[name]) for name in compiled.positiontup or ())
    return str(compiled), places


def _set_up(connection: Any, _record: object) -> None:
    """Make a new connection unable to write or to checkpoint."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("query_only=ON", "wal_autocheckpoint=0", "busy_timeout=2000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN")


def _player(row: Sequence[Any]) -> PlayerRow:
    return PlayerRow(gate=Gate(*row[:_GATE_WIDTH]), profile=Profile(*row[_GATE_WIDTH:]))


def _wallets(gate: Gate) -> Select[Any]:
    w = schema.wallets
    return (
        select(w)
        .where(w.c.lane == gate.lane, w.c.player_no == gate.player_no)
        .order_by(w.c.currency_no)
    )


async def _page(
    connection: AsyncConnection, wallet: Wallet, after_no: int, limit: int
) -> list[Transaction]:
    """Return the first ``limit`` transactions of a wallet after a place."""
    anchors = (await connection.execute(_hops(wallet, after_no))).scalars().all()
    # The newest comes first; the page lies at the far end.
    reach = limit // ANCHOR_EVERY + 2
    start_no = anchors[max(0, len(anchors) - reach)]
    rows = (await connection.execute(_walk(wallet.lane, start_no, after_no))).all()
    page = sorted((Transaction(*row) for row in rows), key=lambda row: row.item_no)
    return page[:limit]


def _hops(wallet: Wallet, after_no: int) -> Select[Any]:
    """Select the wallet's last transaction and every anchor after a place."""
    t = schema.transactions
    hop = (
        select(t.c.item_no, t.c.anchor_no)
        .where(t.c.lane == wallet.lane, t.c.item_no == wallet.last_no)
        .cte("hop", recursive=True)
    )
    hop = hop.union_all(
        select(t.c.item_no, t.c.anchor_no).where(
            t.c.lane == wallet.lane,
            t.c.item_no == hop.c.anchor_no,
            hop.c.anchor_no > after_no,
        )
    )
    return select(hop.c.item_no)


def _walk(lane: int, start_no: int, after_no: int) -> Select[Any]:
    """Select a wallet's transactions from one back to a place."""
    t = schema.transactions
    walk = (
        select(t.c.item_no, t.c.previous_no)
        .where(t.c.lane == lane, t.c.item_no == start_no)
        .cte("walk", recursive=True)
    )
    walk = walk.union_all(
        select(t.c.item_no, t.c.previous_no).where(
            t.c.lane == lane,
            t.c.item_no == walk.c.previous_no,
            walk.c.previous_no > after_no,
        )
    )
    return select(t).where(t.c.lane == lane, t.c.item_no == walk.c.item_no)
