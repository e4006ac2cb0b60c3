"""Reverse one transaction, or the unit that it was sent in, and store what came of it.

Guards in order: the kind of the original; what became of it; its amount; the rules
for wins, second rollbacks, settled bets and closed rounds; the range of the balance.
The row goes into a slot: that of a rollback itself, or one part of a rollback of
several.
"""

from dataclasses import dataclass
from typing import Any

from cage.core.book import Book
from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX, INT64_MIN, to_ledger
from cage.core.player import Gate
from cage.core.registry import ApiKey
from cage.core.reservation import ReservationState
from cage.core.reserve import post_release
from cage.core.round import Round, close_round, is_tip, take_back
from cage.core.rules import RollbackAmountRule, Rules, Verdict, WinRollbackRule
from cage.core.space import move_space
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    REVERSING,
    Account,
    KeySpace,
    Kind,
    Receipt,
    Rollback,
    State,
    Transaction,
    Wallet,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Say who reverses, and under which key the row of it is stored.

    ``first_no`` is the item number with which the call began: what the call itself
    has reversed is no earlier rollback.
    """

    key: ApiKey
    gate: Gate
    key_space: KeySpace
    transaction_id: str
    first_no: int
    round_closed: bool = False
    extra: str | None = None

    def store(self, book: Book, wallet: Wallet, **content: Any) -> Transaction:
        """Record a row in this slot."""
        return book.record(
            self.gate,
            wallet,
            integration_no=self.key.integration_no,
            key_space=self.key_space,
            transaction_id=self.transaction_id,
            extra=self.extra,
            **content,
        )


def reverse(
    book: Book,
    slot: Slot,
    original_id: str,
    original_kind: Kind,
    sent: Rollback | None = None,
) -> Receipt:
    """Reverse a transaction by its id, whatever became of it.

    ``sent`` is the rollback whose amount is compared. Raises ROLLBACK_NOT_ALLOWED,
    REFERENCE_MISMATCH, ALREADY_ROLLED_BACK, ALREADY_SETTLED, ROUND_CLOSED or
    BALANCE_OUT_OF_RANGE.
    """
    if original_kind in (Kind.ROLLBACK, Kind.REINSTATE):
        raise CageError(Reason.ROLLBACK_NOT_ALLOWED)
    integration_no = slot.key.integration_no
    space = move_space(book.registry, integration_no, original_kind)
    original = book.ids.get((slot.gate.player_no, integration_no, space, original_id))
    if original is None:
        return _leave_tombstone(book, slot, original_id, original_kind)
    if original.state == State.TOMBSTONE:
        return alias(book, slot, stands_for=book.by_no[original.reference_no])
    if original_kind not in (Kind.UNSPECIFIED, original.kind):
        raise CageError(Reason.REFERENCE_MISMATCH, field="kind")
    if original.state == State.REFUSED:
        return alias(book, slot, stands_for=original)
    if sent is not None:
        _judge_amount(book, book.rules(slot.key), sent, original)
    if original.kind == Kind.RESERVE:
        return _release(book, slot, original, sent)
    return reverse_posted(book, slot, original)


def _release(
    book: Book, slot: Slot, reserve: Transaction, sent: Rollback | None
) -> Receipt:
    """Give a reserve back, or answer as what did so first.

    A rollback says that the reserve did not happen, so it is refused once something
    was captured; a release gives the rest back. A reserve has a life of its own, so
    it is released by its own call, never within a list or a round.
    """
    reservation = book.reservations[reserve.item_no]
    if sent is None or (reservation.capture_count and not sent.releases):
        raise CageError(Reason.ROLLBACK_NOT_ALLOWED)
    if reservation.release_no:
        is_own = reservation.state == ReservationState.RELEASED
        if is_own and book.rules(slot.key).second_rollback == Verdict.REFUSE:
            raise CageError(Reason.ALREADY_ROLLED_BACK)
        return alias(book, slot, stands_for=book.by_no[reservation.release_no])
    row = post_release(
        book,
        slot.gate,
        reserve,
        integration_no=slot.key.integration_no,
        transaction_id=slot.transaction_id,
        round_closed=slot.round_closed,
        extra=slot.extra,
    )
    wallet = book.wallet(slot.gate, reserve.currency_no)
    return Receipt(row, book.balance(wallet), False)


def _judge_amount(
    book: Book, rules: Rules, rollback: Rollback, original: Transaction
) -> None:
    """Hold the amount that was sent against the original's where the rules say so."""
    if rules.rollback_amount == RollbackAmountRule.IGNORE or not _has_amount(rollback):
        return
    currency = book.registry.currencies_by_no[original.currency_no]
    try:
        amount = to_ledger(
            rollback.amount,
            rollback.scale,
            currency.scale,
            field="amount",
            currency_code=rollback.currency_code,
        )
    except CageError:
        # What is no amount of the ledger is not the original's.
        raise CageError(Reason.REFERENCE_MISMATCH, field="amount") from None
    if (rollback.currency_code, amount) != (currency.currency_code, original.amount):
        raise CageError(Reason.REFERENCE_MISMATCH, field="amount")


def _has_amount(rollback: Rollback) -> bool:
    """Say whether any part of an amount was sent."""
    return bool(rollback.currency_code or rollback.amount or rollback.scale >= 0)


def reverse_posted(book: Book, slot: Slot, original: Transaction) -> Receipt:
    """Reverse the unit of a posted original, or raise what stands in the way."""
    rules, gate = book.rules(slot.key), slot.gate
    round_ = book.round((gate.player_no, original.game_no, original.round_id))
    unit = [original] if round_ is None else round_.unit_of(original)
    bets = [row for row in unit if row.kind == Kind.BET]
    is_win = not bets
    is_kept = is_win and rules.win_rollback == WinRollbackRule.REJECT
    if round_ is None or is_kept or original.kind == Kind.ADJUST:
        raise CageError(Reason.ROLLBACK_NOT_ALLOWED)
    first = round_.rollback_of(original)
    if first is not None:
        is_earlier = first.item_no < slot.first_no
        if is_earlier and rules.second_rollback == Verdict.REFUSE:
            raise CageError(Reason.ALREADY_ROLLED_BACK)
        return alias(book, slot, stands_for=first)
    _judge_round(book, rules, round_, unit, bets)
    wallet = book.wallet(gate, original.currency_no)
    cash, bonus = -sum(row.cash for row in unit), -sum(row.bonus for row in unit)
    is_short = wallet.cash + cash < 0 or wallet.bonus + bonus < 0
    if is_win and is_short and rules.win_rollback == WinRollbackRule.NO_OP:
        return alias(book, slot, stands_for=original)
    row = _post(book, slot, original, round_, unit)
    return Receipt(row, book.balance(wallet), False)


def _judge_round(
    book: Book,
    rules: Rules,
    round_: Round,
    unit: list[Transaction],
    bets: list[Transaction],
) -> None:
    """Let a rollback pass the settlement of its bets and the close of its round."""
    is_settled = any(map(round_.settles, bets)) or any(map(round_.is_adjusted, unit))
    if rules.settled_rollback == Verdict.REFUSE and is_settled:
        raise CageError(Reason.ALREADY_SETTLED)
    if not round_.closed or rules.late_rollback == Verdict.ACCEPT:
        return
    closer = next(row for row in round_.chain() if row.flags & FLAG_ROUND_CLOSED)
    is_own = any(row.item_no == closer.item_no for row in unit)
    if not is_own or not (closer.unit_no or closer.kind == Kind.BET):
        raise book.round_closed(round_)


def _post(
    book: Book,
    slot: Slot,
    original: Transaction,
    round_: Round,
    unit: list[Transaction],
) -> Transaction:
    """Give every part of a unit back to where it came from.

    A Play's wins are taken back even when the player has spent them: the caller
    says that the play did not happen, so cash may turn negative. Raises
    BALANCE_OUT_OF_RANGE.
    """
    wallet = book.wallet(slot.gate, original.currency_no)
    cash = -sum(row.cash for row in unit)
    bonus = -sum(row.bonus for row in unit)
    judge_balances(wallet, cash, bonus)
    row = slot.store(
        book,
        wallet,
        kind=Kind.ROLLBACK,
        state=State.POSTED,
        amount=original.amount,
        cash=cash,
        bonus=bonus,
        game_no=original.game_no,
        round_id=original.round_id,
        round_=round_,
        flags=FLAG_ROUND_CLOSED if slot.round_closed else 0,
        reference_no=original.item_no,
        unit_no=original.unit_no,
        unit_size=original.unit_size,
        house=Account.AWARD if original.kind == Kind.AWARD else Account.GAME,
        tips=-sum(row.cash + row.bonus for row in unit if is_tip(row)),
    )
    take_back(round_, unit, book.now_us)
    if slot.round_closed:
        close_round(round_, book.now_us)
    return row


def judge_balances(wallet: Wallet, cash: int, bonus: int) -> None:
    """Keep the balances inside 64 bits, or raise BALANCE_OUT_OF_RANGE."""
    after = (wallet.cash + cash, wallet.bonus + bonus)
    # playable is cash + bonus, and what is reserved comes back, so all has to fit.
    whole = sum(after) + wallet.reserved
    if max(*after, whole) > INT64_MAX or min(*after, sum(after)) < INT64_MIN:
        raise CageError(Reason.BALANCE_OUT_OF_RANGE)


def _leave_tombstone(
    book: Book, slot: Slot, original_id: str, original_kind: Kind
) -> Receipt:
    """Store a rollback of an unknown id, and take the id so that it never debits."""
    gate = slot.gate
    wallet = book.wallet(gate, gate.currency_no)
    row = slot.store(
        book,
        wallet,
        kind=Kind.ROLLBACK,
        state=State.TOMBSTONE,
        reference_no=book.next_no + 1,
    )
    book.record(
        gate,
        wallet,
        integration_no=slot.key.integration_no,
        key_space=move_space(book.registry, slot.key.integration_no, original_kind),
        transaction_id=original_id,
        kind=original_kind,
        state=State.TOMBSTONE,
        reference_no=row.item_no,
    )
    return Receipt(row, book.balance(wallet), False, tombstone=True)


def alias(
    book: Book, slot: Slot, *, stands_for: Transaction, kind: Kind = Kind.ROLLBACK
) -> Receipt:
    """Store a call that moves nothing and answers as what it stands for."""
    wallet = book.wallet(slot.gate, stands_for.currency_no)
    row = slot.store(
        book,
        wallet,
        kind=kind,
        state=State.ALIAS,
        variant=stands_for.variant if stands_for.kind in REVERSING else 0,
        amount=stands_for.amount,
        game_no=stands_for.game_no,
        round_id=stands_for.round_id,
        reference_no=stands_for.item_no,
    )
    return _answer(book, wallet, row, stands_for)


def answer_again(book: Book, gate: Gate, row: Transaction) -> Receipt:
    """Answer a stored row of a rollback or a reinstatement once more."""
    wallet = book.wallet(gate, row.currency_no)
    receipt = Receipt(row, book.balance(wallet), True)
    if row.state == State.ALIAS:
        receipt = _answer(book, wallet, row, book.by_no[row.reference_no])
        receipt.replayed = True
    receipt.tombstone = receipt.transaction.state == State.TOMBSTONE
    return receipt


def _answer(
    book: Book, wallet: Wallet, row: Transaction, stands_for: Transaction
) -> Receipt:
    """Answer as the first call; as oneself where nothing was reversed."""
    is_first = stands_for.kind in REVERSING
    return Receipt(
        stands_for if is_first else row,
        book.balance(wallet),
        is_first,
        tombstone=is_first and stands_for.state == State.TOMBSTONE,
    )
