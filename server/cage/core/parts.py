"""Keep the parts of a rollback, or of a reinstatement, of several transactions.

Each part is a row of its own, under ``part_id``. The row under the caller's id, the
head, follows its parts and names the originals, so that a retry is answered from
what is stored.
"""

from collections.abc import Iterable, Sequence

from cage.core.book import Book, Mark
from cage.core.player import Gate
from cage.core.replay import stored_extra
from cage.core.reversal import Slot, answer_again
from cage.core.round import Round, close_round
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    KeySpace,
    Kind,
    Receipt,
    Reversal,
    ReversalReceipt,
    Span,
    State,
    Transaction,
    part_id,
)


def mark_rows(book: Book, gate: Gate, rows: Sequence[Transaction]) -> Mark:
    """Remember the wallets and rounds of some rows, and the account's own wallet."""
    currency_nos = {gate.currency_no, *(row.currency_no for row in rows)}
    rounds = {(row.player_no, row.game_no, row.round_id) for row in rows}
    return book.mark([book.wallet(gate, number) for number in currency_nos], rounds)


def own_rows(parts: Iterable[Reversal], first_no: int) -> list[Transaction]:
    """Return the rows that a call posted which began with an item number."""
    rows = [part.receipt.transaction for part in parts]
    # Two actions of one Play are answered by one row.
    own = {row.item_no: row for row in rows if row.item_no >= first_no}
    return [row for row in own.values() if row.state == State.POSTED]


def close_rounds(book: Book, rows: Iterable[Transaction]) -> None:
    """Let the last row of each round close it."""
    last = {(row.player_no, row.game_no, row.round_id): row for row in rows}
    for round_key, row in last.items():
        row.flags |= FLAG_ROUND_CLOSED
        close_round(book.rounds[round_key], book.now_us)


def store_head(
    book: Book,
    slot: Slot,
    parts: list[Reversal],
    first_no: int,
    *,
    kind: Kind,
    variant: Span,
    state: State = State.POSTED,
    round_: Round | None = None,
    reference_no: int = 0,
) -> ReversalReceipt:
    """Store the row under the caller's id, after its parts, and answer them all.

    ``round_`` is the round of a head that is of a whole round.
    """
    gate, moved = slot.gate, own_rows(parts, first_no)
    currency_no = moved[0].currency_no if moved else gate.currency_no
    game_no, round_id, flags = 0, "", 0
    if round_ is not None:
        currency_no = round_.currency_no
        game_no, round_id = round_.game_no, round_.round_id
        flags = FLAG_ROUND_CLOSED if slot.round_closed else 0
    wallet = book.wallet(gate, currency_no)
    row = slot.store(
        book,
        wallet,
        kind=kind,
        state=state,
        variant=variant,
        game_no=game_no,
        round_id=round_id,
        round_=round_,
        flags=flags,
        reference_no=reference_no,
    )
    if round_ is not None and flags:
        close_round(round_, book.now_us)
    for part in parts:
        current = book.wallet(gate, part.receipt.transaction.currency_no)
        part.receipt.current = book.balance(current)
    is_tombstone = state == State.TOMBSTONE
    receipt = Receipt(row, book.balance(wallet), False, tombstone=is_tombstone)
    return ReversalReceipt(receipt, parts, moved)


def part_of(book: Book, head: Transaction, index: int) -> Transaction:
    """Return a stored part of a head."""
    id_ = part_id(KeySpace(head.key_space), head.transaction_id, index)
    return book.ids[head.player_no, head.integration_no, KeySpace.PART, id_]


def parts_of(book: Book, head: Transaction) -> list[tuple[str, int, Transaction]]:
    """Return the original's id and kind and the row of each part of a head."""
    names = stored_extra(head)["originals"]
    return [
        (id_, kind, part_of(book, head, index))
        for index, (id_, kind) in enumerate(names)
    ]


def answer_parts(book: Book, gate: Gate, head: Transaction) -> ReversalReceipt:
    """Answer a stored rollback or reinstatement of several once more."""
    if head.kind == Kind.ROLLBACK:
        # A second rollback of a round answers as the first one.
        receipt = answer_again(book, gate, head)
        head = receipt.transaction
    else:
        wallet = book.wallet(gate, head.currency_no)
        receipt = Receipt(head, book.balance(wallet), True)
    parts = parts_of(book, head)
    moved = [row for *_, row in parts if row.state == State.POSTED]
    return ReversalReceipt(
        receipt,
        [
            Reversal(id_, kind, answer_again(book, gate, row))
            for id_, kind, row in parts
        ],
        moved,
    )
