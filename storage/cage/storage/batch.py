"""Read what a batch needs under its lane's lock, and write what it decided.

Everything runs on one cursor inside one transaction that the writer opened. See
``core/needs.py`` for the passes and ``statements.py`` for the form of the SQL.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import bindparam, func, select, update

from cage.core.book import Book, Change, Head, Request
from cage.core.journal import batch_hash
from cage.core.needs import Needs, first_needs, more_needs
from cage.core.payment import Payment
from cage.core.player import Gate, Profile
from cage.core.registry import Registry
from cage.core.round import Round
from cage.core.session import LaunchToken, Session, SessionToken
from cage.core.wallet import Transaction, Wallet
from cage.storage import schema
from cage.storage.registry import write_registry
from cage.storage.statements import (
    KEYS_MAX,
    Insert,
    Part,
    RowGetter,
    Select,
    compile_text,
    names,
    read_all,
    read_parts,
    row_getter,
)

PASSES_MAX = 8

_HEAD = compile_text(
    select(
        func.json_array(
            schema.lanes.c.lane,
            schema.lanes.c.sequence,
            schema.lanes.c.item_no,
            schema.lanes.c.hash,
            schema.lanes.c.time_us,
            select(schema.deployment.c.registry_version).scalar_subquery(),
        )
    ).where(schema.lanes.c.lane == bindparam("lane"))
)
_MOVE_HEAD = compile_text(
    update(schema.lanes)
    .values(
        sequence=bindparam("new_sequence"),
        item_no=bindparam("new_item_no"),
        hash=bindparam("new_hash"),
        time_us=bindparam("new_time_us"),
    )
    .where(schema.lanes.c.lane == bindparam("lane"))
)

_GATES = Select(schema.gates, ("player_id",))
_IDS = Select(
    schema.transactions,
    ("player_no", "integration_no", "key_space", "transaction_id"),
)
_NUMBERS = Select(schema.transactions, ("item_no",))
_WALLETS = Select(schema.wallets, ("player_no", "currency_no"))
_ALL_WALLETS = Select(schema.wallets, ("player_no",))
_ROUNDS = Select(schema.rounds, ("player_no", "game_no", "round_id"))
_TOKENS = Select(
    schema.session_tokens, ("digest",), joined=(schema.sessions, "session_no")
)
_TOKEN_WIDTH = len(schema.session_tokens.columns)
_LAUNCHES = Select(schema.launch_tokens, ("digest",))
_SESSIONS = Select(schema.sessions, ("session_no",))
_OPEN_SESSIONS = Select(schema.sessions, ("player_no", "end_time_us"))
_PAYMENTS = Select(schema.payments, ("payment_no",))
_PROFILES = Select(schema.players, ("player_no",))
_REQUESTS = Select(schema.requests, ("actor", "request_id"))


def _chain_text() -> str:
    """Return the text that walks one round's chain from its last transaction."""
    t = schema.transactions
    walk = (
        select(t.c.item_no, t.c.round_previous_no)
        .where(t.c.lane == bindparam("lane"), t.c.item_no == bindparam("last_no"))
        .cte("walk", recursive=True)
    )
    walk = walk.union_all(
        select(t.c.item_no, t.c.round_previous_no).where(
            t.c.lane == bindparam("lane_again"),
            t.c.item_no == walk.c.round_previous_no,
        )
    )
    rows = func.json_group_array(func.json_array(*t.columns))
    return compile_text(
        select(rows)
        .select_from(walk.join(t, t.c.item_no == walk.c.item_no))
        .where(t.c.lane == bindparam("lane_last"))
    ).replace(" JOIN ", " CROSS JOIN ")


_CHAIN = _chain_text()


def lock_lane(
    cursor: sqlite3.Cursor, lane: int, commands: Sequence[object]
) -> tuple[Head, int, list[Gate]]:
    """Return the head of a lane, the version of the registry and the players' gates."""
    player_ids = {
        command.player_id for command in commands if hasattr(command, "player_id")
    }
    parts: list[Part] = [(_HEAD, [lane])]
    fits = 0 < len(player_ids) <= KEYS_MAX
    if fits:
        parts.append(_GATES.part(lane, player_ids))
    head, *gates = read_parts(cursor, parts)
    rows = gates[0] if fits else _GATES.read(cursor, lane, player_ids)
    return Head(*head[:-1]), head[-1], [Gate(*row) for row in rows]


def open_book(
    cursor: sqlite3.Cursor,
    head: Head,
    gates: Sequence[Gate],
    registry: Registry,
    now_us: int,
    commands: Sequence[object],
) -> Book:
    """Build the book of a locked batch: pass after pass what is needed."""
    book = Book(
        head=head,
        now_us=max(now_us, head.time_us),
        registry=registry,
        next_no=head.item_no + 1,
        gates={gate.player_id: gate for gate in gates},
    )
    needs: Needs | None = first_needs(book, commands)
    for _ in range(PASSES_MAX):
        if needs is None:
            return book
        _load(cursor, book, needs)
        needs = more_needs(book, commands)
    raise AssertionError("a batch still needs rows after its last pass")


def _load(cursor: sqlite3.Cursor, book: Book, needs: Needs) -> None:
    """Read what one pass needs into the book. Absent wallets become empty ones."""
    lane = book.head.lane
    ids, wallets, rounds, tokens = read_all(
        cursor,
        lane,
        (
            (_IDS, needs.ids),
            (_WALLETS, needs.wallets),
            (_ROUNDS, needs.rounds | needs.chains),
            (_TOKENS, needs.tokens),
        ),
    )
    for row in ids:
        _keep(book, Transaction(*row))
    for row in wallets:
        _keep_wallet(book, row)
    for key in needs.wallets:
        if key not in book.wallets:
            book.wallets[key] = Wallet(lane, *key)
    for row in tokens:
        token = SessionToken(*row[:_TOKEN_WIDTH])
        book.tokens.setdefault(token.digest, token)
        book.sessions.setdefault(token.session_no, Session(*row[_TOKEN_WIDTH:]))
    if needs.all_wallets:
        for row in _ALL_WALLETS.read(cursor, lane, needs.all_wallets):
            _keep_wallet(book, row)
    for row in rounds:
        round_ = Round(*row)
        book.rounds.setdefault(
            (round_.player_no, round_.game_no, round_.round_id), round_
        )
    for round_key in needs.chains:
        _load_chain(cursor, book.rounds[round_key], book)
    for row in _NUMBERS.read(cursor, lane, needs.numbers):
        _keep(book, Transaction(*row))
    if (
        needs.launches
        or needs.open_sessions
        or needs.payments
        or needs.profiles
        or needs.requests
    ):
        _load_pam(cursor, book, needs)


def _load_pam(cursor: sqlite3.Cursor, book: Book, needs: Needs) -> None:
    """Read what player, session, payment and administration commands need."""
    lane = book.head.lane
    sessions: set[int] = set()
    for row in _LAUNCHES.read(cursor, lane, needs.launches):
        launch = LaunchToken(*row)
        book.launches.setdefault(launch.digest, launch)
        if launch.session_no:
            sessions.add(launch.session_no)
    found = _SESSIONS.read(cursor, lane, sessions)
    running = [(player_no, 0) for player_no in needs.open_sessions]
    found += _OPEN_SESSIONS.read(cursor, lane, running)
    for row in found:
        session = Session(*row)
        book.sessions.setdefault(session.session_no, session)
    for row in _PAYMENTS.read(cursor, lane, needs.payments):
        payment = Payment(*row)
        book.payments.setdefault(payment.payment_no, payment)
    for row in _PROFILES.read(cursor, lane, needs.profiles):
        profile = Profile(*row)
        book.profiles.setdefault(profile.player_no, profile)
    for row in _REQUESTS.read(cursor, lane, needs.requests):
        request = Request(*row)
        book.requests.setdefault((request.actor, request.request_id), request)


def _keep(book: Book, row: Transaction) -> Transaction:
    """Keep one object per stored transaction, whichever key found it."""
    kept = book.by_no.setdefault(row.item_no, row)
    key = (row.player_no, row.integration_no, row.key_space, row.transaction_id)
    book.ids[key] = kept
    return kept


def _keep_wallet(book: Book, row: list[Any]) -> None:
    wallet = Wallet(*row)
    book.wallets.setdefault((wallet.player_no, wallet.currency_no), wallet)


def _load_chain(cursor: sqlite3.Cursor, round_: Round, book: Book) -> None:
    lane = round_.lane
    text = cursor.execute(_CHAIN, (lane, round_.last_no, lane, lane)).fetchone()[0]
    rows = sorted(orjson.loads(text), key=lambda row: int(row[1]))
    round_.history = [_keep(book, Transaction(*row)) for row in rows]


_INSERT_TRANSACTIONS = Insert(schema.transactions)
_INSERT_ENTRIES = Insert(schema.entries)
_INSERT_CHANGES = Insert(schema.changes)
_INSERT_REQUESTS = Insert(schema.requests)
_INSERT_BATCHES = Insert(schema.batches)
_UPSERT_WALLETS = Insert(schema.wallets, names(schema.wallets))
_UPSERT_ROUNDS = Insert(
    schema.rounds, names(schema.rounds, but=("currency_no", "open_time_us"))
)
_UPSERTS: dict[type, tuple[Insert, RowGetter]] = {
    kind: (Insert(table, names(table)), row_getter(kind))
    for kind, table in (
        (Gate, schema.gates),
        (Profile, schema.players),
        (Session, schema.sessions),
        (SessionToken, schema.session_tokens),
        (LaunchToken, schema.launch_tokens),
        (Payment, schema.payments),
    )
}
_TRANSACTION_ROW = row_getter(Transaction)
_CHANGE_ROW = row_getter(Change)
_REQUEST_ROW = row_getter(Request)
_WALLET_ROW = row_getter(Wallet)
_round_getter = row_getter(Round)
_ROUND_WIDTH = len(schema.rounds.columns)


def has_effects(book: Book) -> bool:
    """Say whether a batch decided anything that has to be written."""
    return bool(book.next_no != book.head.item_no + 1 or book.new_requests)


def write_book(cursor: sqlite3.Cursor, book: Book) -> None:
    """Write the effects of a batch and move the head of its lane.

    Every effect comes with a journalled item, but for the kept answer of a request
    that changed nothing.
    """
    transactions = [_TRANSACTION_ROW(row) for row in book.transactions]
    changes = [_CHANGE_ROW(row) for row in book.changes]
    _INSERT_TRANSACTIONS.write(cursor, transactions)
    _INSERT_ENTRIES.write(cursor, book.entries)
    _UPSERT_WALLETS.write(
        cursor,
        [_WALLET_ROW(row) for row in book.dirty_wallets.values()],
    )
    _UPSERT_ROUNDS.write(
        cursor,
        [_round_getter(row)[:_ROUND_WIDTH] for row in book.dirty_rounds.values()],
    )
    if changes or book.dirty_rows or book.new_requests:
        _INSERT_CHANGES.write(cursor, changes)
        _write_pam(cursor, book)
    if book.next_no != book.head.item_no + 1:
        _write_header(cursor, book, transactions, changes)


def _write_header(
    cursor: sqlite3.Cursor,
    book: Book,
    transactions: Sequence[Sequence[object]],
    changes: Sequence[Sequence[object]],
) -> None:
    """Chain the batch to the one before it and move the head of the lane."""
    head = book.head
    first_no, item_count = head.item_no + 1, book.next_no - head.item_no - 1
    sequence = head.sequence + 1
    digest = batch_hash(
        head.hash,
        lane=head.lane,
        sequence=sequence,
        first_no=first_no,
        item_count=item_count,
        commit_time_us=book.now_us,
        transactions=transactions,
        entries=book.entries,
        changes=changes,
    )
    header = (head.lane, sequence, first_no, item_count, digest, book.now_us)
    _INSERT_BATCHES.write(cursor, [header])
    moved = (sequence, book.next_no - 1, digest, book.now_us, head.lane)
    cursor.execute(_MOVE_HEAD, moved)


def _write_pam(cursor: sqlite3.Cursor, book: Book) -> None:
    """Write changed rows of the PAM, the registry and answered requests."""
    by_kind: dict[type, list[Sequence[object]]] = {}
    for row in book.dirty_rows.values():
        kind = type(row)
        by_kind.setdefault(kind, []).append(_UPSERTS[kind][1](row))
    for kind, rows in by_kind.items():
        _UPSERTS[kind][0].write(cursor, rows)
    if book.registry_rows:
        write_registry(cursor, book.registry_rows)
    _INSERT_REQUESTS.write(cursor, [_REQUEST_ROW(row) for row in book.new_requests])
