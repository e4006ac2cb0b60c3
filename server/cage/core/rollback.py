"""Decide rollbacks: of one transaction, of a list, or of a whole round.

Nothing about the player stands in the way. Guards in order: key, player; the id; then
those of ``reversal`` for each original. What is unknown leaves a tombstone. A list
and a round are applied one original after the other, all or nothing: each sees the
effects of those before it, and the first one that is refused refuses the whole call.
"""

from collections.abc import Sequence

from cage.core.book import Book, canonical
from cage.core.errors import CageError, Reason
from cage.core.parts import answer_parts, close_rounds, mark_rows, own_rows, store_head
from cage.core.player import Gate
from cage.core.registry import ApiKey, Game
from cage.core.replay import mismatch, stored_extra
from cage.core.reversal import Slot, alias, answer_again, reverse, reverse_posted
from cage.core.round import Round, cancel
from cage.core.rules import Verdict
from cage.core.space import move_space, named_moves
from cage.core.wallet import (
    KeySpace,
    Kind,
    Receipt,
    Reversal,
    ReversalReceipt,
    Rollback,
    RollbackList,
    RollbackRound,
    Span,
    State,
    Transaction,
    part_id,
)

Command = Rollback | RollbackList | RollbackRound

# What a rollback of a whole round takes back.
_MOVES = (Kind.BET, Kind.WIN, Kind.AWARD)


def decide_rollback(book: Book, rollback: Rollback) -> Receipt:
    """Reverse a transaction; raise what ``RollbackRequest`` documents."""
    key = book.caller(rollback.key_id)
    gate = book.player(key, rollback.player_id)
    earlier = _earlier(book, key, gate, rollback)
    if earlier is not None:
        receipt = _replay(book, key, gate, earlier, rollback)
    else:
        slot = _slot(book, key, gate, rollback)
        receipt = reverse(
            book, slot, rollback.original_id, rollback.original_kind, rollback
        )
    if receipt.tombstone and book.rules(key).unknown_rollback == Verdict.REFUSE:
        # The tombstone stands either way: the late original never debits.
        raise CageError(
            Reason.TRANSACTION_NOT_FOUND, transaction_id=rollback.original_id
        )
    return receipt


def decide_rollback_list(book: Book, rollback: RollbackList) -> ReversalReceipt:
    """Reverse a list in its order, all or nothing; each unit once.

    An unknown id leaves a tombstone, which refuses nothing whatever the rules say:
    its own answer tells of it.
    """
    key = book.caller(rollback.key_id)
    gate = book.player(key, rollback.player_id)
    earlier = _earlier(book, key, gate, rollback)
    registry, integration_no = book.registry, key.integration_no
    named = [(each.kind, each.transaction_id) for each in rollback.originals]
    ids = named_moves(registry, integration_no, named)
    if earlier is not None:
        stored = stored_extra(earlier).get("originals", [])
        first = named_moves(
            registry, integration_no, ((kind, id_) for id_, kind in stored)
        )
        if earlier.variant != Span.LIST or first != ids:
            raise mismatch(rollback.transaction_id, "originals")
        return answer_parts(book, gate, earlier)
    who = (gate.player_no, integration_no)
    known = [row for row in (book.ids.get((*who, *id_)) for id_ in ids) if row]
    mark = mark_rows(book, gate, known)
    first_no = book.next_no
    parts: list[Reversal] = []
    for index, original in enumerate(rollback.originals):
        slot = _slot(book, key, gate, rollback, index=index, first_no=first_no)
        try:
            receipt = reverse(book, slot, original.transaction_id, original.kind)
        except CageError as refusal:
            book.undo(mark)
            refusal.transaction_id = original.transaction_id
            if refusal.balance is not None:
                row = book.ids[(*who, *ids[index])]
                refusal.balance = book.balance(book.wallet(gate, row.currency_no))
            raise
        row = book.ids[(*who, *ids[index])]
        parts.append(Reversal(row.transaction_id, row.kind, receipt))
    if rollback.round_closed:
        close_rounds(book, own_rows(parts, first_no))
    slot = _slot(book, key, gate, rollback, parts=parts)
    return store_head(
        book, slot, parts, first_no, kind=Kind.ROLLBACK, variant=Span.LIST
    )


def decide_rollback_round(book: Book, rollback: RollbackRound) -> ReversalReceipt:
    """Reverse all that stands of a round, the newest first, and stop its bets.

    Only what the caller's own integration sent is reversed.
    """
    key = book.caller(rollback.key_id)
    gate = book.player(key, rollback.player_id)
    earlier = _earlier(book, key, gate, rollback)
    if earlier is not None:
        receipt = _replay_round(book, gate, earlier, rollback)
    else:
        game = book.game(rollback.game_id)
        receipt = _reverse_round(book, key, gate, game, rollback)
    is_unknown = receipt.receipt.tombstone
    if is_unknown and book.rules(key).unknown_rollback == Verdict.REFUSE:
        raise CageError(Reason.ROUND_NOT_FOUND, round_id=rollback.round_id)
    return receipt


def _earlier(
    book: Book, key: ApiKey, gate: Gate, rollback: Command
) -> Transaction | None:
    """Return what is stored under the id of a rollback."""
    return book.ids.get(
        (
            gate.player_no,
            key.integration_no,
            KeySpace.REVERSE,
            rollback.transaction_id,
        )
    )


def _slot(
    book: Book,
    key: ApiKey,
    gate: Gate,
    rollback: Command,
    *,
    index: int | None = None,
    first_no: int = 0,
    parts: Sequence[Reversal] = (),
) -> Slot:
    """Return where the rollback itself is stored, or one part of it."""
    if index is not None:
        return Slot(
            key=key,
            gate=gate,
            key_space=KeySpace.PART,
            transaction_id=part_id(KeySpace.REVERSE, rollback.transaction_id, index),
            first_no=first_no,
        )
    extra = dict(rollback.extra or {})
    if not isinstance(rollback, Rollback):
        extra["originals"] = [[part.transaction_id, int(part.kind)] for part in parts]
    return Slot(
        key=key,
        gate=gate,
        key_space=KeySpace.REVERSE,
        transaction_id=rollback.transaction_id,
        first_no=book.next_no,
        round_closed=rollback.round_closed,
        extra=canonical(extra) if extra else None,
    )


def _replay(
    book: Book, key: ApiKey, gate: Gate, earlier: Transaction, rollback: Rollback
) -> Receipt:
    """Answer a rollback whose id is known, or name the original that differs.

    Every action of a Play stands for the whole Play, so any of them may be named.
    """
    space = move_space(book.registry, key.integration_no, rollback.original_kind)
    original = book.ids.get(
        (gate.player_no, key.integration_no, space, rollback.original_id)
    )
    reference = earlier
    while reference.kind in (Kind.ROLLBACK, Kind.RELEASE):
        if reference.variant:
            # The id is that of a list or a round.
            raise mismatch(rollback.transaction_id, "original")
        reference = book.by_no[reference.reference_no]
    if original is None or (original.unit_no or original.item_no) != (
        reference.unit_no or reference.item_no
    ):
        raise mismatch(rollback.transaction_id, "original")
    return answer_again(book, gate, earlier)


def _replay_round(
    book: Book, gate: Gate, earlier: Transaction, rollback: RollbackRound
) -> ReversalReceipt:
    """Answer the rollback of a round whose id is known, or say what differs."""
    game = book.registry.games_by_no.get(earlier.game_no)
    checks = (
        ("whole_round", earlier.variant != Span.ROUND),
        ("round_id", earlier.round_id != rollback.round_id),
        ("game_id", game is None or game.game_id != rollback.game_id),
    )
    for field, differs in checks:
        if differs:
            raise mismatch(rollback.transaction_id, field)
    return answer_parts(book, gate, earlier)


def _reverse_round(
    book: Book, key: ApiKey, gate: Gate, game: Game, rollback: RollbackRound
) -> ReversalReceipt:
    """Reverse every unit of a round that stands, or leave a tombstone for it."""
    round_key = (gate.player_no, game.game_no, rollback.round_id)
    round_ = book.round(round_key)
    state = State.POSTED
    if round_ is None:
        round_ = book.open_round(gate, round_key, gate.currency_no)
        state = State.TOMBSTONE
    units = _standing_units(round_, key)
    own = [
        row
        for row in round_.cancellations()
        if row.integration_no == key.integration_no
    ]
    if own and not units:
        if book.rules(key).second_rollback == Verdict.REFUSE:
            raise CageError(Reason.ALREADY_ROLLED_BACK)
        slot = _slot(book, key, gate, rollback)
        alias(book, slot, stands_for=own[0])
        return answer_parts(book, gate, own[0])
    _judge_reserves(round_, key)
    mark = mark_rows(book, gate, units)
    first_no = book.next_no
    parts: list[Reversal] = []
    for index, original in enumerate(units):
        slot = _slot(book, key, gate, rollback, index=index, first_no=first_no)
        try:
            receipt = reverse_posted(book, slot, original)
        except CageError as refusal:
            book.undo(mark)
            refusal.transaction_id = original.transaction_id
            if refusal.balance is not None:
                wallet = book.wallet(gate, original.currency_no)
                refusal.balance = book.balance(wallet)
            raise
        parts.append(Reversal(original.transaction_id, original.kind, receipt))
    slot = _slot(book, key, gate, rollback, parts=parts)
    receipts = store_head(
        book, slot, parts, first_no,
        kind=Kind.ROLLBACK, variant=Span.ROUND, state=state, round_=round_,
    )  # fmt: skip
    cancel(round_, 1, book.now_us)
    return receipts


def _standing_units(round_: Round, key: ApiKey) -> list[Transaction]:
    """Return the first row of each unit of an integration that stands, newest first."""
    gone = round_.reversals()
    return [
        row
        for row in reversed(round_.chain())
        if row.kind in _MOVES
        and row.integration_no == key.integration_no
        and row.item_no not in gone
        # The number of a Play is that of its first action.
        and row.unit_no in (0, row.item_no)
    ]


def _judge_reserves(round_: Round, key: ApiKey) -> None:
    """Let a round pass whose reserves were given back whole.

    Raises ROLLBACK_NOT_ALLOWED for one that is open, or of which the game took a part.
    """
    chain = round_.chain()
    taken = {row.reference_no for row in chain if row.kind == Kind.CAPTURE}
    given = {row.reference_no for row in chain if row.kind == Kind.RELEASE} - taken
    for row in chain:
        is_own = row.kind == Kind.RESERVE and row.integration_no == key.integration_no
        if is_own and row.item_no not in given:
            refusal = CageError(Reason.ROLLBACK_NOT_ALLOWED)
            refusal.transaction_id = row.transaction_id
            raise refusal
