"""Measure the storage engine alone, and plain sqlite3 writing the same rows.

A program of its own, so that it has the interpreter to itself. The engine commits
bets of 64 waiting callers, with a task beside them that keeps the event loop busy as
gRPC would. Then plain ``sqlite3`` writes the very rows that the engine wrote, into a
copy of the same database, 64 bets to a transaction with ``executemany`` in one
thread. Both go on in turns, so that both tables grow alike.
"""

import argparse
import asyncio
import itertools
import json
import random
import secrets
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import Table, bindparam
from sqlalchemy.dialects.sqlite import insert

from cage.core.admin import (
    LOCAL_ACTOR,
    CreateBrand,
    CreateCurrency,
    CreateGame,
    CreateIntegration,
    CreateOperator,
    CreateStudio,
)
from cage.core.ids import lane_of
from cage.core.key import CreateApiKey
from cage.core.kyc import RecordVerification, VerificationMethod
from cage.core.payment import AuthorizeDeposit, TransferDeposit
from cage.core.player import RegisterPlayer
from cage.core.registry import Role
from cage.core.rules import BetSessionRule
from cage.core.session import Authenticate, CreateLaunchToken
from cage.core.wallet import Bet
from cage.server.interpreter import hand_over_fast, keep_what_lives
from cage.storage import Store, open_sqlite, schema
from cage.storage.file import WAL_BYTES_KEPT, connect_writer, extend_wal
from cage.storage.sqlite import WAL_PAGES_MAX
from cage.storage.statements import compile_text, names

IN_FLIGHT = 64
BATCH = 64
FUNDS = 10**12
DAY_US = 86_400_000_000
SPIN_S = (20e-6, 200e-6)
LAST_NO = list(schema.rounds.columns.keys()).index("last_no")


def insert_text(table: Table, *, replaces: bool = False) -> str:
    """Write the statement that inserts one row, or takes over all its columns."""
    statement = insert(table).values({c.name: bindparam(c.name) for c in table.columns})
    if replaces:
        statement = statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in names(table)},
        )
    return compile_text(statement)


INSERT_TRANSACTION = insert_text(schema.transactions)
INSERT_ENTRY = insert_text(schema.entries)
INSERT_BATCH = insert_text(schema.batches)
UPSERT_WALLET = insert_text(schema.wallets, replaces=True)
UPSERT_ROUND = insert_text(schema.rounds, replaces=True)


class Engine:
    """Drive the writer of one database with commands of its own players."""

    def __init__(self, store: Store) -> None:
        self._writer = store.writer
        self._numbers = itertools.count()
        self._random = random.Random(1)
        # Of each player: public id and digest of the session token.
        self.players: list[tuple[str, str]] = []
        # Sums of the weights by which players are drawn; None draws all alike.
        self.weights: list[float] | None = None
        self._count = 0

    async def send(self, command: object) -> Any:
        """Commit one command and return its answer."""
        lane = self._lane(getattr(command, "player_id", ""))
        return await self._writer.submit(lane, command, is_bet=False, timeout_s=None)

    def _lane(self, player_id: str) -> int:
        """Return the lane of a player; what has no player is of the first."""
        return lane_of(player_id, self._writer.lanes) if player_id else 0

    async def found(self) -> None:
        """Register what players need: an operator, a brand, a game, keys."""
        named: dict[str, Any] = {"display_name": "", "enabled": True}
        for command in (
            CreateCurrency(**_actor(), currency_code="INR", scale=2),
            CreateOperator(**_actor(), operator_id="operator", **named),
            CreateBrand(**_actor(), brand_id="brand", operator_id="operator", **named),
            CreateStudio(**_actor(), studio_id="studio", **named),
            CreateGame(**_actor(), game_id="game", studio_id="studio", **named),
            CreateIntegration(
                **_actor(),
                integration_id="studio",
                rules={"bet_needs_session": BetSessionRule.REQUIRED},
                **named,
            ),
            _key("operator", Role.OPERATOR, ""),
            _key("studio", Role.GAME, "studio"),
        ):
            await self.send(command)

    async def add_players(self, count: int) -> None:
        """Register, verify, fund and seat players, many at a time."""
        for start in range(0, count, IN_FLIGHT):
            size = min(IN_FLIGHT, count - start)
            await asyncio.gather(*(self._add_player() for _ in range(size)))

    async def _add_player(self) -> None:
        player_id, digest = secrets.token_hex(16), secrets.token_hex(32)
        await self.send(
            RegisterPlayer(
                **_actor("operator"),
                brand_id="brand",
                display_name="",
                country_code="IN",
                jurisdiction="MT",
                language_code="en",
                currency_code="INR",
                is_test=False,
                player_id=player_id,
            )
        )
        await self.send(
            RecordVerification(
                **_actor("operator"),
                player_id=player_id,
                method=VerificationMethod.DOCUMENT,
                reference="benchmark",
                level=1,
            )
        )
        await self._fund(player_id)
        launch = secrets.token_hex(32)
        await self.send(
            CreateLaunchToken(
                **_actor("operator"),
                player_id=player_id,
                game_id="game",
                currency_code="INR",
                launch_digest=launch,
                life_us=DAY_US,
            )
        )
        await self.send(
            Authenticate(
                key_id="studio",
                player_id=player_id,
                launch_digest=launch,
                session_digest=digest,
                rotate=False,
                life_us=DAY_US,
            )
        )
        self.players.append((player_id, digest))

    async def _fund(self, player_id: str) -> None:
        money: dict[str, Any] = {"currency_code": "INR", "amount": FUNDS, "scale": 2}
        answer = await self.send(
            AuthorizeDeposit(
                **_actor("operator"),
                player_id=player_id,
                payment_method="card",
                **money,
            )
        )
        await self.send(
            TransferDeposit(
                key_id="operator",
                player_id=player_id,
                payment_id=answer.payment.payment_id,
                psp_reference="benchmark",
                **money,
            )
        )

    async def bets_per_s(
        self, seconds: float, *, is_busy: bool, callers: int = IN_FLIGHT
    ) -> float:
        """Commit bets of so many waiting callers; return how many a second."""
        spinning = asyncio.create_task(_spin()) if is_busy else None
        started = time.perf_counter()
        end = started + seconds
        counts = await asyncio.gather(
            *(self._call(lambda: time.perf_counter() < end) for _ in range(callers))
        )
        rate = sum(counts) / (time.perf_counter() - started)
        if spinning is not None:
            spinning.cancel()
        return rate

    async def fill(self, total: int, *, callers: int) -> None:
        """Commit bets of so many waiting callers until so many are stored."""
        goes_on = lambda: self._count < total  # noqa: E731
        await asyncio.gather(*(self._call(goes_on) for _ in range(callers)))

    async def _call(self, goes_on: Callable[[], bool]) -> int:
        """Send one bet after the other while it goes on; return how many."""
        count = 0
        while goes_on():
            count += 1
            self._count += 1
            ((player_id, digest),) = self._random.choices(
                self.players, cum_weights=self.weights
            )
            bet = Bet(
                key_id="studio",
                player_id=player_id,
                game_id="game",
                round_id=f"{next(self._numbers):016x}",
                transaction_id=f"{self._random.getrandbits(128):032x}",
                currency_code="INR",
                amount=100,
                scale=2,
                session_digest=digest,
            )
            lane = self._lane(player_id)
            await self._writer.submit(lane, bet, is_bet=True, timeout_s=None)
        return count


def _actor(key_id: str = LOCAL_ACTOR) -> dict[str, Any]:
    return {"key_id": key_id, "request_id": secrets.token_hex(16)}


def _key(key_id: str, role: Role, integration_id: str) -> CreateApiKey:
    return CreateApiKey(
        **_actor(),
        new_key_id=key_id,
        role=role,
        integration_id=integration_id,
        operator_ids=("operator",),
        display_name="",
        expire_time_us=0,
        digest=secrets.token_hex(32),
    )


async def _spin() -> None:
    """Keep the loop's thread busy with Python, a call's worth between awaits.

    The time varies, as that of calls does: a steady one can fall into step with the
    switch interval of the interpreter.
    """
    draw = random.Random(1)
    while True:
        end = time.perf_counter() + draw.uniform(*SPIN_S)
        while time.perf_counter() < end:
            pass
        await asyncio.sleep(0)


class Plain:
    """Write the rows of one database into another, as sqlite3 does it by itself."""

    def __init__(self, source: Path, target: Path) -> None:
        self._source = sqlite3.connect(source, isolation_level=None)
        self._source.execute("PRAGMA query_only=1")
        self._target = connect_writer(target)
        self._target.execute("UPDATE lanes SET lane = lane")
        extend_wal(target, WAL_BYTES_KEPT)
        pages = WAL_PAGES_MAX
        self._target.execute(f"PRAGMA wal_autocheckpoint={pages}").fetchall()
        self._sequence = self._target.execute(
            "SELECT sequence, item_no FROM lanes"
        ).fetchone()
        self._last_no = self._sequence[1]

    def bets_per_s(self) -> float:
        """Write what the source has and the target has not, in batches of 64."""
        rows = self._rows()
        started = time.perf_counter()
        for batch in rows:
            self._write(*batch)
        duration = time.perf_counter() - started
        return sum(len(batch[0]) for batch in rows) / duration

    def _rows(self) -> list[tuple[list[Any], ...]]:
        """Read the missing rows: transactions, entries, wallets, rounds, per batch."""
        read = self._source.execute
        after = (self._last_no,)
        transactions = read(
            "SELECT * FROM transactions WHERE lane = 0 AND item_no > ?"
            " ORDER BY item_no",
            after,
        ).fetchall()
        entries = read(
            "SELECT * FROM entries WHERE lane = 0 AND item_no > ?"
            " ORDER BY item_no, account",
            after,
        ).fetchall()
        moved = read("SELECT * FROM rounds WHERE last_no > ?", after)
        rounds = {row[LAST_NO]: row for row in moved}
        self._last_no = transactions[-1][1]
        batches: list[tuple[list[Any], ...]] = []
        for start in range(0, len(transactions), BATCH):
            part = transactions[start : start + BATCH]
            batches.append(
                (
                    part,
                    entries[2 * start : 2 * (start + BATCH)],
                    list({row[2]: _wallet(row) for row in part}.values()),
                    [rounds[row[1]] for row in part],
                )
            )
        return batches

    def _write(
        self,
        transactions: list[Any],
        entries: list[Any],
        wallets: list[Any],
        rounds: list[Any],
    ) -> None:
        sequence, first_no = self._sequence
        sequence += 1
        last_no, digest = first_no + len(transactions), "0" * 64
        cursor = self._target.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(INSERT_TRANSACTION, transactions)
        cursor.executemany(INSERT_ENTRY, entries)
        cursor.executemany(UPSERT_WALLET, wallets)
        cursor.executemany(UPSERT_ROUND, rounds)
        cursor.execute(
            INSERT_BATCH,
            (0, sequence, first_no + 1, len(transactions), digest, 0),
        )
        cursor.execute(
            "UPDATE lanes SET sequence = ?, item_no = ?, hash = ?, time_us = ?"
            " WHERE lane = 0",
            (sequence, last_no, digest, 0),
        )
        cursor.execute("COMMIT")
        self._sequence = (sequence, last_no)

    def close(self) -> None:
        """Close both databases."""
        self._source.close()
        self._target.close()


def _wallet(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the wallet as a transaction left it."""
    fields = [column.name for column in schema.transactions.columns]
    by_name = dict(zip(fields, row, strict=True))
    return (
        by_name["lane"], by_name["player_no"], by_name["currency_no"],
        by_name["cash_after"], by_name["bonus_after"], 0, by_name["reserved_after"],
        by_name["version"], by_name["wallet_sequence"], by_name["item_no"],
        by_name["anchor_no"],
    )  # fmt: skip


async def run(folder: Path, *, players: int, seconds: float, samples: int) -> None:
    """Print one JSON line for each pair of measurements."""
    path = folder / "engine.db"
    store = open_sqlite(path, wal_bytes=WAL_BYTES_KEPT)
    await store.start(asyncio.get_running_loop())
    engine = Engine(store)
    await engine.found()
    await engine.add_players(players)
    copy = folder / "plain.db"
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    plain = Plain(path, copy)
    keep_what_lives()
    await engine.bets_per_s(seconds, is_busy=True)
    plain.bets_per_s()
    for _ in range(samples):
        busy = await engine.bets_per_s(seconds, is_busy=True)
        sample = {"engine": busy, "plain": plain.bets_per_s()}
        print(json.dumps(sample), flush=True)
    alone = await engine.bets_per_s(seconds, is_busy=False)
    print(json.dumps({"alone": alone}), flush=True)
    plain.close()
    await store.drain()


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--players", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--samples", type=int, default=5)
    options = parser.parse_args()
    hand_over_fast()
    uvloop.run(
        run(
            options.folder,
            players=options.players,
            seconds=options.seconds,
            samples=options.samples,
        )
    )


if __name__ == "__main__":
    main()
