"""Run the watches of balances: the balance now, then every change of it.

One task per process reads what was committed for all players that are watched here,
from the journal, and hands each watcher its balances. A watcher that does not take
them keeps the newest few, so it may miss what was in between, never the last one.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from cage.app.journal import Place, Wanted
from cage.app.reader import PAGE_ITEMS, PROGRESS_S, JournalReader
from cage.app.scope import player_seen
from cage.app.submit import submit
from cage.core.money import INT64_MAX
from cage.core.registry import ApiKey
from cage.core.wallet import Balance, GetBalance, Transaction

# Balances that one watcher may leave untaken before the oldest of them is dropped.
BALANCES_MAX = 64
# From so many watched players on the database does not look for them one by one.
PLAYERS_MAX = 500

_log = structlog.get_logger("cage.app")

WalletKey = tuple[int, int]  # player_no, currency_no


@dataclass(slots=True, eq=False)
class _Watcher:
    """Hold what one watcher has not taken yet."""

    rows: deque[Transaction] = field(default_factory=lambda: deque(maxlen=BALANCES_MAX))
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, row: Transaction) -> None:
        """Hand a transaction over; the oldest is dropped when there are too many."""
        self.rows.append(row)
        self.woken.set()

    async def take(self, timeout_s: float) -> Transaction | None:
        """Return the next one, or None after a time in seconds."""
        if not self.rows:
            self.woken.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self.woken.wait()
            except TimeoutError:
                return None
        return self.rows.popleft()


class WatchApp:
    """Offer the watches of balances."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        # By lane: how far its journal was read, and who watches which wallet.
        self._places: dict[int, Place] = {}
        self._watchers: dict[int, defaultdict[WalletKey, set[_Watcher]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def watch(
        self, key: ApiKey, query: GetBalance, *, timeout_s: float | None
    ) -> AsyncGenerator[Balance, None]:
        """Yield the balance now, then each one that follows, without end.

        Raises what GetBalance does, and KEY_INVALID once the key is revoked or
        expires.
        """
        reader = self._reader
        gate = await player_seen(reader.reads, reader.registry, key, query.player_id)
        currency = reader.registry.currencies.get(query.currency_code)
        currency_no = 0 if currency is None else currency.currency_no
        async with self._watching(gate.lane, (gate.player_no, currency_no)) as watcher:
            # Whatever this read does not show yet, the watcher hears.
            balance = await submit(
                reader.writer, gate.lane, query, Balance, timeout_s=timeout_s
            )
            yield balance
            while True:
                row = await watcher.take(PROGRESS_S)
                reader.judge_key(key)
                following = None if row is None else _after(balance, row)
                if following is not None:
                    balance = following
                    yield balance

    @asynccontextmanager
    async def _watching(self, lane: int, key: WalletKey) -> AsyncIterator[_Watcher]:
        """Hear of a wallet from now on, while the context is open."""
        watcher = _Watcher()
        now = await self._reader.journal.place_before(lane, INT64_MAX)
        self._places.setdefault(lane, now)
        watchers = self._watchers.setdefault(lane, defaultdict(set))
        watchers[key].add(watcher)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield watcher
        finally:
            watchers[key].discard(watcher)
            if not watchers[key]:
                del watchers[key]
            if not watchers:
                del self._watchers[lane], self._places[lane]
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        """Hand out what is committed, as it comes."""
        tail = self._reader.tail
        while True:
            try:
                async with tail.following():
                    while True:
                        heads = tail.heads
                        for lane in tuple(self._places):
                            await self._read(lane, heads[lane])
                        await tail.moved(heads, PROGRESS_S)
            except Exception:  # noqa: BLE001 - a read that fails must not end the watch
                _log.exception("watched balances cannot be read")
                await asyncio.sleep(PROGRESS_S)

    async def _read(self, lane: int, head: int) -> None:
        """Hand out what a lane committed since the last look."""
        while (place := self._places.get(lane)) is not None and place.sequence < head:
            player_nos = sorted({number for number, _ in self._watchers[lane]})
            is_long = len(player_nos) > PLAYERS_MAX
            wanted = Wanted(player_nos=None if is_long else player_nos)
            span, items = await self._reader.journal.journal(
                lane, place, wanted, limit=PAGE_ITEMS
            )
            if self._places.get(lane) is not place:
                return
            self._places[lane] = span.place
            self._tell(lane, [item.row for item in items])

    def _tell(self, lane: int, rows: Sequence[object]) -> None:
        watchers = self._watchers[lane]
        for row in rows:
            if isinstance(row, Transaction):
                for watcher in watchers.get((row.player_no, row.currency_no), ()):
                    watcher.tell(row)


def _after(balance: Balance, row: Transaction) -> Balance | None:
    """Return the balance that a row left, or None when it changed nothing."""
    following = replace(
        balance,
        cash=row.cash_after,
        bonus=row.bonus_after,
        reserved=row.reserved_after,
        version=row.version,
    )
    if row.version < balance.version or following == balance:
        return None
    return replace(following, read_time_us=row.commit_time_us)
