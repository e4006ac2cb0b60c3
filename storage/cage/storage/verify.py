"""Recompute the books from their rows and name the first thing that differs.

One pass over the journal of each lane, batch by batch in order, with every balance,
chain and total kept in memory; then the stored balances, rounds and players are
held against what was recomputed. The database is opened read-only, so a running
server is not disturbed.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Table, bindparam, select

from cage.core.book import Change
from cage.core.journal import GENESIS_HASH, batch_hash
from cage.core.round import Round
from cage.core.wallet import (
    ANCHOR_EVERY,
    FLAG_CLAIMED,
    FLAG_INFORMATIONAL,
    REVERSING,
    Account,
    Kind,
    State,
    Transaction,
    Wallet,
)
from cage.storage import schema
from cage.storage.claims import check_claims, claim_row
from cage.storage.counters import Counters, check_counters, recount
from cage.storage.finding import Books, BrokenError, Finding, expect
from cage.storage.nouns import check_nouns
from cage.storage.reservations import check_reservations
from cage.storage.statements import compile_text, row_getter
from cage.storage.store import SQLITE, is_postgres
from cage.storage.totals import Rounds

PLAYER_ACCOUNTS = {
    Account.PLAYER_CASH: "cash",
    Account.PLAYER_BONUS: "bonus",
    Account.PLAYER_RESERVED: "reserved",
}


# Kinds of which cash and bonus together are the amount.
_CREDITS = frozenset({Kind.WIN, Kind.AWARD, Kind.ADJUST, Kind.DEPOSIT, Kind.RELEASE})


def _range_text(table: Table) -> str:
    """Return the text that reads a batch's rows of one table in key order."""
    return compile_text(
        select(*table.columns)
        .where(
            table.c.lane == bindparam("lane"),
            table.c.item_no >= bindparam("first_no"),
            table.c.item_no <= bindparam("last_no"),
        )
        .order_by(*table.primary_key.columns)
    )


def _outside_text(table: Table) -> str:
    """Return the text that finds a row of one table outside of a range of items."""
    return compile_text(
        select(table.c.item_no)
        .where(table.c.lane == bindparam("lane"))
        .where(
            (table.c.item_no < bindparam("first_no"))
            | (table.c.item_no > bindparam("last_no"))
        )
        .order_by(table.c.item_no)
    )


_OUTSIDE = {
    table.name: _outside_text(table)
    for table in (schema.transactions, schema.entries, schema.changes)
}
_TRANSACTIONS = _range_text(schema.transactions)
_ENTRIES = _range_text(schema.entries)
_CHANGES = _range_text(schema.changes)


@dataclass(slots=True)
class _Lane:
    """Hold what was recomputed of one lane so far."""

    lane: int
    wallets: dict[tuple[int, int], Wallet] = field(default_factory=dict)
    replayed: Rounds = field(default_factory=Rounds)
    last_changes: dict[tuple[str, str], str] = field(default_factory=dict)
    counters: Counters = field(default_factory=dict)
    claims: set[tuple[object, ...]] = field(default_factory=set)
    place: str = ""


def verify(path: str | Path) -> list[Finding]:
    """Return the first finding of each lane, or nothing when the books are right."""
    connection = _open(str(path))
    try:
        heads = connection.execute("SELECT * FROM lanes ORDER BY lane").fetchall()
        return [finding for head in heads for finding in _verify_lane(connection, head)]
    except sqlite3.DatabaseError as error:
        # A file that is no database, or one whose pages are damaged.
        return [
            Finding(
                name="unreadable database",
                place=str(path),
                expected="a database of Cage",
                found=str(error),
            )
        ]
    finally:
        connection.close()


def _open(database: str) -> Books:
    """Open a database read-only, at one instant."""
    if is_postgres(database):
        from cage.storage.postgres.snapshot import Snapshot  # noqa: PLC0415

        return Snapshot(database)
    path = Path(database.removeprefix(SQLITE)).resolve()
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    connection.execute("BEGIN")
    return connection


def _verify_lane(connection: Books, head: tuple[int, ...]) -> Iterator[Finding]:
    state = _Lane(head[0])
    try:
        _replay_journal(connection, head, state)
        state.replayed.end()
        _check_wallets(connection, state)
        _check_rounds(connection, state)
        check_counters(connection, state.lane, state.counters)
        check_reservations(connection, state.lane, state.replayed.reservations)
        check_claims(connection, state.lane, state.claims)
        check_nouns(connection, state.lane, state.last_changes)
    except BrokenError as broken:
        yield broken.finding
    except (TypeError, ValueError) as error:
        # A value that no row of Cage can hold.
        yield Finding(
            name="unreadable row",
            place=state.place,
            expected="values that fit",
            found=str(error),
        )


def _replay_journal(connection: Books, head: tuple[int, ...], state: _Lane) -> None:
    """Check every batch: its place, its items, their entries, its hash."""
    lane, sequence, item_no, digest, _ = head
    previous_hash, previous_no, count = GENESIS_HASH, 0, 0
    headers = connection.cursor().execute(
        "SELECT * FROM batches WHERE lane = ? ORDER BY sequence", (lane,)
    )
    for header in headers:
        count += 1
        place = state.place = f"batch {lane}/{count}"
        expect("missing batch", place, count, header[1])
        expect("batch out of place", place, previous_no + 1, header[2])
        last_no = header[2] + header[3] - 1
        parts = _read_batch(connection, state, header[2], last_no)
        found = batch_hash(
            previous_hash,
            lane=lane,
            sequence=header[1],
            first_no=header[2],
            item_count=header[3],
            commit_time_us=header[5],
            **parts,
        )
        expect("broken chain", place, header[4], found)
        previous_hash, previous_no = header[4], last_no
    place = f"head of lane {lane}"
    expect("missing batch", place, sequence, count)
    expect("wrong head", place, (item_no, digest), (previous_no, previous_hash))
    _check_outside(connection, lane, item_no)


def _check_outside(connection: Books, lane: int, item_no: int) -> None:
    """Find a row that lies before or after the items of all batches."""
    for name, text in _OUTSIDE.items():
        row = connection.execute(text, (lane, 1, item_no)).fetchone()
        if row is not None:
            place = f"{name} {lane}/{row[0]}"
            raise BrokenError("unjournalled row", place, "no row", "a row")


def _read_batch(
    connection: Books, state: _Lane, first_no: int, last_no: int
) -> dict[str, list[tuple[int, ...]]]:
    """Check the items of one batch and return their rows for its hash."""
    cursor = connection.cursor()
    bounds = (state.lane, first_no, last_no)
    transactions = cursor.execute(_TRANSACTIONS, bounds).fetchall()
    changes = cursor.execute(_CHANGES, bounds).fetchall()
    entries = cursor.execute(_ENTRIES, bounds).fetchall()
    lines: dict[int, list[tuple[int, ...]]] = {}
    for entry in entries:
        lines.setdefault(entry[1], []).append(entry)
    items: dict[int, Transaction | Change] = {}
    items.update({row[1]: Transaction(*row) for row in transactions})
    items.update({row[1]: Change(*row) for row in changes})
    for item_no in range(first_no, last_no + 1):
        item = items.get(item_no)
        place = state.place = f"item {state.lane}/{item_no}"
        if item is None:
            raise BrokenError("missing item", place, "a row", "none")
        if isinstance(item, Change):
            state.last_changes[item.noun, item.noun_id] = item.after
        else:
            _check_transaction(state, item, lines.get(item_no, []), place)
    return {
        "transactions": transactions,
        "entries": entries,
        "changes": changes,
    }


def _check_transaction(
    state: _Lane, row: Transaction, lines: list[tuple[int, ...]], place: str
) -> None:
    """Hold one transaction against its entries and the wallet before it."""
    key = (row.player_no, row.currency_no)
    wallet = state.wallets.setdefault(key, Wallet(row.lane, *key))
    wallet.item_count += 1
    expect("missing transaction", place, wallet.item_count, row.wallet_sequence)
    chain = (wallet.last_no, wallet.anchor_no)
    expect("wrong chain", place, chain, (row.previous_no, row.anchor_no))
    _check_entries(wallet, row, lines, place)
    if row.cash or row.bonus or row.reserved:
        wallet.version += 1
    wallet.cash += row.cash
    wallet.bonus += row.bonus
    wallet.reserved += row.reserved
    expect("missing version", place, wallet.version, row.version)
    after = (wallet.cash, wallet.bonus, wallet.reserved)
    found = (row.cash_after, row.bonus_after, row.reserved_after)
    expect("wrong balance", place, after, found)
    wallet.last_no = row.item_no
    if wallet.item_count % ANCHOR_EVERY == 0:
        wallet.anchor_no = row.item_no
    _check_amount(row, place)
    recount(state.counters, row, place)
    if row.flags & FLAG_CLAIMED:
        state.claims.add(claim_row(row))
    state.replayed.follow(row, place)


def _check_entries(
    wallet: Wallet, row: Transaction, lines: list[tuple[int, ...]], place: str
) -> None:
    """Hold entry lines against the split of their transaction; they sum to zero."""
    split = {"cash": 0, "bonus": 0, "reserved": 0}
    for line in lines:
        name = PLAYER_ACCOUNTS.get(Account(line[2]))
        if name is not None:
            split[name] += line[5]
            after = getattr(wallet, name) + line[5]
            expected = (row.player_no, after, wallet.version + 1)
            expect("wrong entry", place, expected, (line[3], line[6], line[7]))
    moved = (row.cash, row.bonus, row.reserved)
    is_moved = row.cash + row.bonus or row.reserved
    if is_moved and len(lines) < 2:
        raise BrokenError("missing entry", place, "two lines or more", len(lines))
    expect("changed amount", place, moved, tuple(split.values()))
    expect("unbalanced entries", place, 0, sum(line[5] for line in lines))


def _check_amount(row: Transaction, place: str) -> None:
    """Hold the amount of a single posted move against its split."""
    if row.state != State.POSTED:
        expect("changed amount", place, (0, 0), (row.cash, row.bonus))
    elif row.kind in (Kind.BET, Kind.RESERVE):
        expect("changed amount", place, row.amount, -(row.cash + row.bonus))
    elif row.kind in REVERSING and row.variant:
        # Its parts are what moved.
        expect("changed amount", place, (0, 0), (row.cash, row.bonus))
    elif row.kind == Kind.CAPTURE:
        expect("changed amount", place, (0, 0), (row.cash, row.bonus))
    elif row.kind in _CREDITS:
        posted = 0 if row.flags & FLAG_INFORMATIONAL else row.amount
        expect("changed amount", place, posted, row.cash + row.bonus)


_WALLET_ROW = row_getter(Wallet)
_ROUND_ROW = row_getter(Round)
_ROUND_WIDTH = len(schema.rounds.columns)


def _check_wallets(connection: Books, state: _Lane) -> None:
    """Hold every stored wallet against the recomputed one."""
    stored = connection.execute(
        compile_text(
            select(schema.wallets).where(schema.wallets.c.lane == bindparam("l"))
        ),
        (state.lane,),
    )
    found = {(row[1], row[2]): row for row in stored}
    for key in sorted(state.wallets.keys() | found.keys()):
        place = f"wallet {state.lane}/{key[0]}/{key[1]}"
        wallet = state.wallets.get(key)
        if wallet is None or key not in found:
            raise BrokenError("missing wallet", place, wallet, found.get(key))
        expect("wrong balance", place, _WALLET_ROW(wallet), tuple(found[key]))


def _check_rounds(connection: Books, state: _Lane) -> None:
    """Hold every stored round against the recomputed one."""
    stored = connection.execute(
        compile_text(
            select(schema.rounds).where(schema.rounds.c.lane == bindparam("l"))
        ),
        (state.lane,),
    )
    found = {(row[1], row[2], row[3]): row for row in stored}
    rounds = state.replayed.rounds
    for key in sorted(rounds.keys() | found.keys()):
        place = f"round {state.lane}/{key[0]}/{key[1]}/{key[2]}"
        round_ = rounds.get(key)
        if round_ is None or key not in found:
            raise BrokenError("missing round", place, round_, found.get(key))
        expected = _ROUND_ROW(round_)[:_ROUND_WIDTH]
        expect("wrong round", place, expected, tuple(found[key]))
