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

from cage.core.bet import close_round
from cage.core.book import Change
from cage.core.journal import GENESIS_HASH, batch_hash
from cage.core.reservation import Reservation
from cage.core.rollback import take_back
from cage.core.round import Round
from cage.core.wallet import (
    ANCHOR_EVERY,
    FLAG_CLAIMED,
    FLAG_INFORMATIONAL,
    FLAG_ROUND_CLOSED,
    RESERVING,
    Account,
    BetKind,
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
from cage.storage.reservations import check_reservations, move_reservation
from cage.storage.statements import compile_text, row_getter
from cage.storage.store import SQLITE, is_postgres

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
    rounds: dict[tuple[int, int, str], Round] = field(default_factory=dict)
    reservations: dict[int, Reservation] = field(default_factory=dict)
    by_no: dict[int, Transaction] = field(default_factory=dict)
    units: dict[int, list[Transaction]] = field(default_factory=dict)
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
        _check_wallets(connection, state)
        _check_rounds(connection, state)
        check_counters(connection, state.lane, state.counters)
        check_reservations(connection, state.lane, state.reservations)
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
    if row.state == State.POSTED and row.round_id:
        _move_round(state, row, place)


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
    elif row.kind == Kind.CAPTURE:
        expect("changed amount", place, (0, 0), (row.cash, row.bonus))
    elif row.kind in _CREDITS:
        posted = 0 if row.flags & FLAG_INFORMATIONAL else row.amount
        expect("changed amount", place, posted, row.cash + row.bonus)


def _move_round(state: _Lane, row: Transaction, place: str) -> None:
    """Apply one posted transaction to the totals of its round."""
    key = (row.player_no, row.game_no, row.round_id)
    round_ = state.rounds.get(key)
    if round_ is None:
        round_ = Round(
            row.lane,
            *key,
            row.currency_no,
            open_no=row.item_no,
            open_time_us=row.commit_time_us,
        )
        state.rounds[key] = round_
    expect("wrong round chain", place, round_.last_no, row.round_previous_no)
    round_.last_no = row.item_no
    state.by_no[row.item_no] = row
    if row.unit_no and row.kind != Kind.ROLLBACK:
        state.units.setdefault(row.unit_no, []).append(row)
    if row.kind == Kind.BET and row.variant != BetKind.TIP:
        round_.bet_count += 1
        round_.standing_count += 1
        round_.bet_cash -= row.cash
        round_.bet_bonus -= row.bonus
    elif row.kind in (Kind.WIN, Kind.AWARD):
        round_.win_count += 1
        round_.win_amount += row.cash + row.bonus
    elif row.kind == Kind.ADJUST:
        round_.adjust_count += 1
        round_.adjust_amount += row.amount
    elif row.kind in RESERVING:
        reserve = state.by_no.get(row.reference_no, row)
        captured = move_reservation(state.reservations, reserve, row, place)
        _capture(round_, captured)
    elif row.kind == Kind.ROLLBACK:
        _roll_back(state, round_, row, place)
    if row.kind == Kind.BET and round_.standing_count and not round_.closed:
        round_.close_time_us = 0
    if row.flags & FLAG_ROUND_CLOSED:
        close_round(round_, row.commit_time_us)


def _capture(round_: Round, captured: tuple[int, int, bool] | None) -> None:
    """Count what was captured as the stake of a round: cash, bonus, is it the first."""
    if captured is None:
        return
    cash, bonus, is_first = captured
    round_.bet_count += is_first
    round_.standing_count += is_first
    round_.bet_cash += cash
    round_.bet_bonus += bonus
    if not round_.closed:
        round_.close_time_us = 0


def _roll_back(state: _Lane, round_: Round, row: Transaction, place: str) -> None:
    """Hold a rollback against the unit that it reverses."""
    original = state.by_no.get(row.reference_no)
    if original is None:
        raise BrokenError("missing original", place, row.reference_no, "none")
    unit = state.units.get(row.unit_no, [original]) if row.unit_no else [original]
    back = (-sum(item.cash for item in unit), -sum(item.bonus for item in unit))
    expect("changed amount", place, back, (row.cash, row.bonus))
    take_back(round_, unit, row.commit_time_us)


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
    for key in sorted(state.rounds.keys() | found.keys()):
        place = f"round {state.lane}/{key[0]}/{key[1]}/{key[2]}"
        round_ = state.rounds.get(key)
        if round_ is None or key not in found:
            raise BrokenError("missing round", place, round_, found.get(key))
        expected = _ROUND_ROW(round_)[:_ROUND_WIDTH]
        expect("wrong round", place, expected, tuple(found[key]))
