"""Decide a rollback: find the original, see what became of it, reverse its unit.

Nothing about the player stands in the way. Guards in order: key, player; the id;
the kind of the original; what became of it; the range of the balance. An unknown
original leaves a tombstone under its id.
"""

from cage.core.bet import close_round
from cage.core.book import Book, canonical
from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX, INT64_MIN, to_ledger
from cage.core.player import Gate
from cage.core.registry import ApiKey
from cage.core.replay import mismatch
from cage.core.reservation import ReservationState
from cage.core.reserve import post_release
from cage.core.round import Round, RoundState
from cage.core.rules import RollbackAmountRule, Rules, Verdict, WinRollbackRule
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    Account,
    BetKind,
    KeySpace,
    Kind,
    Receipt,
    Rollback,
    State,
    Transaction,
    Wallet,
)

# Kinds of what answers a rollback.
_REVERSING = (Kind.ROLLBACK, Kind.RELEASE)


def decide_rollback(book: Book, rollback: Rollback) -> Receipt:
    """Reverse a transaction; raise what ``RollbackRequest`` documents."""
    key = book.caller(rollback.key_id)
    gate = book.player(key, rollback.player_id)
    rules = book.rules(key)
    player_no, integration_no = gate.player_no, key.integration_no
    original = book.ids.get(
        (player_no, integration_no, KeySpace.MOVE, rollback.original_id)
    )
    earlier = book.ids.get(
        (player_no, integration_no, KeySpace.REVERSE, rollback.transaction_id)
    )
    if earlier is not None:
        receipt = _replay(book, gate, earlier, original, rollback)
        return _judge_unknown(rules, rollback, receipt)
    if rollback.original_kind == Kind.ROLLBACK:
        raise CageError(Reason.ROLLBACK_NOT_ALLOWED)
    if original is None:
        receipt = _leave_tombstone(book, key, gate, rollback)
        return _judge_unknown(rules, rollback, receipt)
    if original.state == State.TOMBSTONE:
        tombstone = book.by_no[original.reference_no]
        receipt = _alias(book, key, gate, rollback, stands_for=tombstone)
        return _judge_unknown(rules, rollback, receipt)
    if rollback.original_kind not in (Kind.UNSPECIFIED, original.kind):
        raise CageError(Reason.REFERENCE_MISMATCH, field="kind")
    if original.state == State.REFUSED:
        return _alias(book, key, gate, rollback, stands_for=original)
    _judge_amount(book, rules, rollback, original)
    if original.kind == Kind.RESERVE:
        return _release(book, key, gate, rollback, original)
    return _reverse_posted(book, key, gate, rollback, original)


def _release(
    book: Book, key: ApiKey, gate: Gate, rollback: Rollback, reserve: Transaction
) -> Receipt:
    """Give a reserve back, or answer as what did so first.

    A rollback says that the reserve did not happen, so it is refused once something
    was captured; a release gives the rest back.
    """
    reservation = book.reservations[reserve.item_no]
    if reservation.capture_count and not rollback.releases:
        raise CageError(Reason.ROLLBACK_NOT_ALLOWED)
    if reservation.release_no:
        is_own = reservation.state == ReservationState.RELEASED
        if is_own and book.rules(key).second_rollback == Verdict.REFUSE:
            raise CageError(Reason.ALREADY_ROLLED_BACK)
        first = book.by_no[reservation.release_no]
        return _alias(book, key, gate, rollback, stands_for=first)
    row = post_release(
        book,
        gate,
        reserve,
        integration_no=key.integration_no,
        transaction_id=rollback.transaction_id,
        round_closed=rollback.round_closed,
        extra=canonical(rollback.extra) if rollback.extra else None,
    )
    wallet = book.wallet(gate, reserve.currency_no)
    return Receipt(row, book.balance(wallet), False)


def _judge_unknown(rules: Rules, rollback: Rollback, receipt: Receipt) -> Receipt:
    """Answer a tombstone, or TRANSACTION_NOT_FOUND where the rules say so.

    The tombstone stands either way: the late original never debits.
    """
    if receipt.tombstone and rules.unknown_rollback == Verdict.REFUSE:
        raise CageError(
            Reason.TRANSACTION_NOT_FOUND, transaction_id=rollback.original_id
        )
    return receipt


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


def _reverse_posted(
    book: Book, key: ApiKey, gate: Gate, rollback: Rollback, original: Transaction
) -> Receipt:
    """Reverse the unit of a posted original, or raise what stands in the way."""
    rules = book.rules(key)
    round_ = book.round((gate.player_no, original.game_no, original.round_id))
    unit = _unit(round_, original)
    bets = [row for row in unit if row.kind == Kind.BET]
    is_win = not bets
    is_kept = is_win and rules.win_rollback == WinRollbackRule.REJECT
    if round_ is None or is_kept or original.kind == Kind.ADJUST:
        raise CageError(Reason.ROLLBACK_NOT_ALLOWED)
    first = round_.rollback_of(original)
    if first is not None:
        if rules.second_rollback == Verdict.REFUSE:
            raise CageError(Reason.ALREADY_ROLLED_BACK)
        return _alias(book, key, gate, rollback, stands_for=first)
    _judge_round(rules, round_, unit, bets)
    wallet = book.wallet(gate, original.currency_no)
    cash, bonus = -sum(row.cash for row in unit), -sum(row.bonus for row in unit)
    is_short = wallet.cash + cash < 0 or wallet.bonus + bonus < 0
    if is_win and is_short and rules.win_rollback == WinRollbackRule.NO_OP:
        return _alias(book, key, gate, rollback, stands_for=original)
    row = _reverse(book, key, gate, rollback, original, round_, unit)
    return Receipt(row, book.balance(wallet), False)


def _judge_round(
    rules: Rules, round_: Round, unit: list[Transaction], bets: list[Transaction]
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
        raise CageError(Reason.ROUND_CLOSED)


def _unit(round_: Round | None, original: Transaction) -> list[Transaction]:
    """Return what is reversed together: the whole Play, or the original alone."""
    if not original.unit_no or round_ is None:
        return [original]
    return [
        row
        for row in round_.chain()
        if row.unit_no == original.unit_no and row.kind != Kind.ROLLBACK
    ]


def _reverse(
    book: Book,
    key: ApiKey,
    gate: Gate,
    rollback: Rollback,
    original: Transaction,
    round_: Round,
    unit: list[Transaction],
) -> Transaction:
    """Give every part of a unit back to where it came from.

    A Play's wins are taken back even when the player has spent them: the caller
    says that the play did not happen, so cash may turn negative. Raises
    BALANCE_OUT_OF_RANGE.
    """
    wallet = book.wallet(gate, original.currency_no)
    cash = -sum(row.cash for row in unit)
    bonus = -sum(row.bonus for row in unit)
    tips = -sum(row.cash + row.bonus for row in unit if _is_tip(row))
    _judge_range(wallet, cash, bonus)
    row = book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=KeySpace.REVERSE,
        transaction_id=rollback.transaction_id,
        kind=Kind.ROLLBACK,
        state=State.POSTED,
        amount=original.amount,
        cash=cash,
        bonus=bonus,
        game_no=original.game_no,
        round_id=original.round_id,
        round_=round_,
        flags=FLAG_ROUND_CLOSED if rollback.round_closed else 0,
        reference_no=original.item_no,
        unit_no=original.unit_no,
        unit_size=original.unit_size,
        extra=canonical(rollback.extra) if rollback.extra else None,
        house=Account.AWARD if original.kind == Kind.AWARD else Account.GAME,
        tips=tips,
    )
    take_back(round_, unit, book.now_us)
    if rollback.round_closed:
        close_round(round_, book.now_us)
    return row


def _is_tip(row: Transaction) -> bool:
    return row.kind == Kind.BET and row.variant == BetKind.TIP


def take_back(round_: Round, unit: list[Transaction], now_us: int) -> None:
    """Take a unit out of the totals of its round."""
    for row in unit:
        round_.rolled_back_count += 1
        if row.kind in (Kind.WIN, Kind.AWARD):
            round_.win_amount -= row.cash + row.bonus
        elif not _is_tip(row):
            round_.standing_count -= 1
            round_.bet_cash += row.cash
            round_.bet_bonus += row.bonus
    if round_.state == RoundState.CANCELLED and not round_.close_time_us:
        round_.close_time_us = now_us


def _judge_range(wallet: Wallet, cash: int, bonus: int) -> None:
    """Keep the balances inside 64 bits, or raise BALANCE_OUT_OF_RANGE."""
    after = (wallet.cash + cash, wallet.bonus + bonus)
    # playable is cash + bonus, and what is reserved comes back, so all has to fit.
    whole = sum(after) + wallet.reserved
    if max(*after, whole) > INT64_MAX or min(*after, sum(after)) < INT64_MIN:
        raise CageError(Reason.BALANCE_OUT_OF_RANGE)


def _leave_tombstone(
    book: Book, key: ApiKey, gate: Gate, rollback: Rollback
) -> Receipt:
    """Store a rollback of an unknown id, and take the id so that it never debits."""
    wallet = book.wallet(gate, gate.currency_no)
    row = book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=KeySpace.REVERSE,
        transaction_id=rollback.transaction_id,
        kind=Kind.ROLLBACK,
        state=State.TOMBSTONE,
        extra=canonical(rollback.extra) if rollback.extra else None,
        reference_no=book.next_no + 1,
    )
    book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=KeySpace.MOVE,
        transaction_id=rollback.original_id,
        kind=rollback.original_kind,
        state=State.TOMBSTONE,
        reference_no=row.item_no,
    )
    return Receipt(row, book.balance(wallet), False, tombstone=True)


def _alias(
    book: Book, key: ApiKey, gate: Gate, rollback: Rollback, *, stands_for: Transaction
) -> Receipt:
    """Store a rollback that moves nothing and answers as what it stands for."""
    wallet = book.wallet(gate, stands_for.currency_no)
    row = book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=KeySpace.REVERSE,
        transaction_id=rollback.transaction_id,
        kind=Kind.ROLLBACK,
        state=State.ALIAS,
        amount=stands_for.amount,
        game_no=stands_for.game_no,
        round_id=stands_for.round_id,
        reference_no=stands_for.item_no,
        extra=canonical(rollback.extra) if rollback.extra else None,
    )
    return _answer(book, wallet, row, stands_for)


def _answer(
    book: Book, wallet: Wallet, row: Transaction, stands_for: Transaction
) -> Receipt:
    """Answer as the first rollback; as oneself where the original was refused."""
    is_rollback = stands_for.kind in _REVERSING
    return Receipt(
        stands_for if is_rollback else row,
        book.balance(wallet),
        is_rollback,
        tombstone=is_rollback and stands_for.state == State.TOMBSTONE,
    )


def _replay(
    book: Book,
    gate: Gate,
    earlier: Transaction,
    original: Transaction | None,
    rollback: Rollback,
) -> Receipt:
    """Answer a rollback whose id is known, or name the original that differs.

    Every action of a Play stands for the whole Play, so any of them may be named.
    """
    reference = earlier
    while reference.kind in _REVERSING:
        reference = book.by_no[reference.reference_no]
    if original is None or (original.unit_no or original.item_no) != (
        reference.unit_no or reference.item_no
    ):
        raise mismatch(rollback.transaction_id, "original")
    wallet = book.wallet(gate, earlier.currency_no)
    receipt = Receipt(earlier, book.balance(wallet), True)
    if earlier.state == State.ALIAS:
        receipt = _answer(book, wallet, earlier, book.by_no[earlier.reference_no])
        receipt.replayed = True
    receipt.tombstone = receipt.transaction.state == State.TOMBSTONE
    return receipt
