"""Turn what a batch decided into the rows of each table, for every database."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Table

from cage.core.book import Book, Change, Request
from cage.core.journal import batch_hash
from cage.core.payment import Payment
from cage.core.player import Gate, Profile
from cage.core.reservation import Reservation
from cage.core.round import Round
from cage.core.session import LaunchToken, Session, SessionToken
from cage.core.wallet import Claim, Transaction, Wallet
from cage.storage import schema
from cage.storage.statements import RowGetter, names, row_getter

# The contract keeps the answers of requests for 30 days.
REQUEST_LIFE_US = 30 * 86_400 * 1_000_000

Rows = Sequence[Sequence[object]]

# What may be written again, and the columns that the new row takes over. Rows of all
# other tables are new.
REPLACED: dict[Table, tuple[str, ...]] = {
    # Those of the whole deployment: the registry.
    **{
        table: names(table)
        for table in schema.metadata.sorted_tables
        if "lane" not in table.columns
    },
    schema.wallets: names(schema.wallets),
    schema.rounds: names(schema.rounds, but=("currency_no", "open_no", "open_time_us")),
    schema.gates: names(schema.gates),
    schema.players: names(schema.players),
    schema.sessions: names(schema.sessions),
    schema.session_tokens: names(schema.session_tokens),
    schema.launch_tokens: names(schema.launch_tokens),
    schema.payments: names(schema.payments),
    schema.reservations: names(
        schema.reservations,
        but=("player_no", "currency_no", "amount", "expire_time_us"),
    ),
}
# What is added to an existing row instead of replacing it.
ADDED: dict[Table, tuple[str, ...]] = {schema.counters: ("amount",)}
# The rows of the PAM that commands touch.
_TOUCHED: dict[type, tuple[Table, RowGetter]] = {
    kind: (table, row_getter(kind))
    for kind, table in (
        (Gate, schema.gates),
        (Profile, schema.players),
        (Session, schema.sessions),
        (SessionToken, schema.session_tokens),
        (LaunchToken, schema.launch_tokens),
        (Payment, schema.payments),
        (Reservation, schema.reservations),
        (Claim, schema.id_claims),
    )
}
_TRANSACTION_ROW = row_getter(Transaction)
_CHANGE_ROW = row_getter(Change)
_REQUEST_ROW = row_getter(Request)
_WALLET_ROW = row_getter(Wallet)
_round_getter = row_getter(Round)
_ROUND_WIDTH = len(schema.rounds.columns)


@dataclass(frozen=True, slots=True)
class NewHead:
    """Hold where the head of a lane moves: the columns of ``lanes`` after ``lane``."""

    sequence: int
    item_no: int
    hash: str
    time_us: int


def has_effects(book: Book) -> bool:
    """Say whether a batch decided anything that has to be written."""
    return bool(book.next_no != book.head.item_no + 1 or book.new_requests)


def effects(book: Book) -> tuple[dict[Table, Rows], NewHead | None]:
    """Return the rows to be written by table, none of them empty, and the new head.

    Rows of the registry are not among them. Every effect comes with a journalled
    item, but for the kept answer of a request that changed nothing: then the head
    stays.
    """
    transactions = [_TRANSACTION_ROW(row) for row in book.transactions]
    changes = [_CHANGE_ROW(row) for row in book.changes]
    written: dict[Table, Rows] = {
        schema.transactions: transactions,
        schema.entries: book.entries,
        schema.wallets: [_WALLET_ROW(row) for row in book.dirty_wallets.values()],
        schema.rounds: [
            _round_getter(row)[:_ROUND_WIDTH] for row in book.dirty_rounds.values()
        ],
        schema.changes: changes,
        schema.requests: [_REQUEST_ROW(row) for row in book.new_requests],
        # By how much each counter moves; one that was only undone does not.
        schema.counters: [
            (book.head.lane, *key, moved)
            for key, (moved, moves) in book.counted.items()
            if moves
        ],
    }
    touched: dict[Table, list[Sequence[object]]] = {}
    for row in book.dirty_rows.values():
        table, getter = _TOUCHED[type(row)]
        touched.setdefault(table, []).append(getter(row))
    written.update(touched)
    head = None
    if book.next_no != book.head.item_no + 1:
        head, header = _chain(book, transactions, changes)
        written[schema.batches] = [header]
    return {table: rows for table, rows in written.items() if rows}, head


def _chain(
    book: Book, transactions: Rows, changes: Rows
) -> tuple[NewHead, Sequence[object]]:
    """Chain the batch to the one before it; return the new head and the header."""
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
    return NewHead(sequence, book.next_no - 1, digest, book.now_us), header
