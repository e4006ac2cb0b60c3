"""Decide a reinstatement: undo a rollback, once, whatever the player's state.

Guards in order: key, player; the id; the rollback; for each unit the round, the bets
and the wins of its wins; the player's funds; the range of the balance. The exact
parts of cash and bonus that came back go again, so that the split of a bet, by which
its wins are split, stays what it was. What rollbacks of a list or a round reversed is
undone in the opposite order, all or nothing.
"""

from cage.core.book import Book, canonical
from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX
from cage.core.parts import (
    answer_parts,
    close_rounds,
    mark_rows,
    own_rows,
    parts_of,
    store_head,
)
from cage.core.player import Gate
from cage.core.registry import ApiKey
from cage.core.replay import mismatch
from cage.core.reversal import Slot, alias, answer_again, judge_balances
from cage.core.round import Round, RoundState, cancel, close_round, give_back, is_tip
from cage.core.rules import Rules, Verdict, WinRollbackRule, WinsPerBetRule
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    Account,
    KeySpace,
    Kind,
    Receipt,
    Reinstate,
    Reversal,
    ReversalReceipt,
    Span,
    State,
    Transaction,
    Wallet,
    part_id,
)


def decide_reinstate(book: Book, reinstate: Reinstate) -> ReversalReceipt:
    """Undo a rollback; raise what ``ReinstateRequest`` documents."""
    key = book.caller(reinstate.key_id)
    gate = book.player(key, reinstate.player_id)
    who = (gate.player_no, key.integration_no)
    rollback = book.ids.get((*who, KeySpace.REVERSE, reinstate.rollback_id))
    while rollback is not None and rollback.state == State.ALIAS:
        # It answered as another one: that one is undone, if there is one.
        stands_for = book.by_no[rollback.reference_no]
        if stands_for.kind != Kind.ROLLBACK:
            break
        rollback = stands_for
    earlier = book.ids.get((*who, KeySpace.REINSTATE, reinstate.transaction_id))
    if earlier is not None:
        return _replay(book, gate, earlier, rollback, reinstate)
    if rollback is None:
        raise CageError(
            Reason.TRANSACTION_NOT_FOUND, transaction_id=reinstate.rollback_id
        )
    if rollback.kind != Kind.ROLLBACK or rollback.state != State.POSTED:
        raise CageError(Reason.REINSTATE_NOT_ALLOWED)
    if rollback.variant:
        return _undo_parts(book, key, gate, rollback, reinstate)
    receipt = _undo(book, _slot(book, key, gate, reinstate), rollback)
    return ReversalReceipt(receipt, [], [])


def _replay(
    book: Book,
    gate: Gate,
    earlier: Transaction,
    rollback: Transaction | None,
    reinstate: Reinstate,
) -> ReversalReceipt:
    """Answer a reinstatement whose id is known, or say that the rollback differs."""
    undone = earlier
    while undone.kind == Kind.REINSTATE:
        undone = book.by_no[undone.reference_no]
    if rollback is None or rollback.item_no != undone.item_no:
        raise mismatch(reinstate.transaction_id, "rollback_transaction_id")
    if earlier.variant:
        return answer_parts(book, gate, earlier)
    return ReversalReceipt(answer_again(book, gate, earlier), [], [])


def _slot(
    book: Book,
    key: ApiKey,
    gate: Gate,
    reinstate: Reinstate,
    parts: list[Reversal] | None = None,
) -> Slot:
    """Return where the reinstatement itself is stored."""
    extra = dict(reinstate.extra or {})
    if parts is not None:
        extra["originals"] = [[part.transaction_id, int(part.kind)] for part in parts]
    return Slot(
        key=key,
        gate=gate,
        key_space=KeySpace.REINSTATE,
        transaction_id=reinstate.transaction_id,
        first_no=book.next_no,
        round_closed=reinstate.round_closed,
        extra=canonical(extra) if extra else None,
    )


def _undo_parts(
    book: Book,
    key: ApiKey,
    gate: Gate,
    head: Transaction,
    reinstate: Reinstate,
) -> ReversalReceipt:
    """Undo all that the rollback of a list or a round moved, the last first.

    What another reinstatement has undone before is answered as that one.
    """
    undone = [part for part in parts_of(book, head) if part[2].state == State.POSTED]
    round_ = None
    if head.variant == Span.ROUND:
        round_ = book.rounds[gate.player_no, head.game_no, head.round_id]
    elif not undone:
        raise CageError(Reason.REINSTATE_NOT_ALLOWED)
    is_first = _is_first(book, head, round_, [row for *_, row in undone])
    first_no = book.next_no
    mark = mark_rows(book, gate, [head, *(row for *_, row in undone)])
    if round_ is not None and is_first:
        cancel(round_, -1, book.now_us)
    parts: list[Reversal] = []
    for index, (original_id, kind, row) in enumerate(reversed(undone)):
        slot = Slot(
            key=key,
            gate=gate,
            key_space=KeySpace.PART,
            transaction_id=part_id(KeySpace.REINSTATE, reinstate.transaction_id, index),
            first_no=first_no,
        )
        try:
            receipt = _undo(book, slot, row, head)
        except CageError as refusal:
            book.undo(mark)
            refusal.transaction_id = original_id
            if refusal.balance is not None:
                # It was seen between two parts; what counts is what stands now.
                refusal.balance = book.balance(book.wallet(gate, row.currency_no))
            raise
        parts.append(Reversal(original_id, kind, receipt))
    if reinstate.round_closed and round_ is None:
        close_rounds(book, own_rows(parts, first_no))
    return store_head(
        book,
        _slot(book, key, gate, reinstate, parts),
        parts,
        first_no,
        kind=Kind.REINSTATE,
        variant=Span(head.variant),
        state=State.POSTED if is_first else State.ALIAS,
        round_=round_ if is_first else None,
        reference_no=head.item_no,
    )


def _is_first(
    book: Book, head: Transaction, round_: Round | None, rows: list[Transaction]
) -> bool:
    """Say whether anything of a list or a round is left to be undone."""
    if round_ is not None:
        return round_.reinstatement_of(head) is None
    rounds = [book.rounds[row.player_no, row.game_no, row.round_id] for row in rows]
    pairs = zip(rounds, rows, strict=True)
    return any(of_row.reinstatement_of(row) is None for of_row, row in pairs)


def _undo(
    book: Book, slot: Slot, rollback: Transaction, head: Transaction | None = None
) -> Receipt:
    """Let the unit that a rollback reversed stand again, or answer the first time.

    ``head`` is that of the list or the round, if the rollback is a part of one.
    """
    gate = slot.gate
    round_ = book.rounds[gate.player_no, rollback.game_no, rollback.round_id]
    first = round_.reinstatement_of(rollback)
    if first is not None:
        return alias(book, slot, stands_for=first, kind=Kind.REINSTATE)
    original = book.by_no[rollback.reference_no]
    unit = round_.unit_of(original)
    rules = book.rules(slot.key)
    last_no = (head or rollback).item_no
    if any(row.item_no > last_no for row in round_.cancellations()):
        raise CageError(Reason.ALREADY_ROLLED_BACK)
    _judge_round(book, rules, round_, unit, rollback)
    wallet = book.wallet(gate, rollback.currency_no)
    cash, bonus = -rollback.cash, -rollback.bonus
    _judge_money(book, rules, wallet, cash, bonus)
    _judge_totals(round_, unit)
    row = slot.store(
        book,
        wallet,
        kind=Kind.REINSTATE,
        state=State.POSTED,
        amount=rollback.amount,
        cash=cash,
        bonus=bonus,
        game_no=rollback.game_no,
        round_id=rollback.round_id,
        round_=round_,
        flags=FLAG_ROUND_CLOSED if slot.round_closed else 0,
        reference_no=rollback.item_no,
        unit_no=rollback.unit_no,
        unit_size=rollback.unit_size,
        house=Account.AWARD if original.kind == Kind.AWARD else Account.GAME,
        tips=sum(row.cash + row.bonus for row in unit if is_tip(row)),
    )
    give_back(round_, unit, book.now_us)
    if slot.round_closed:
        close_round(round_, book.now_us)
    return Receipt(row, book.balance(wallet), False)


def _judge_round(
    book: Book,
    rules: Rules,
    round_: Round,
    unit: list[Transaction],
    rollback: Transaction,
) -> None:
    """Let a unit stand again in its round, or raise what came after its rollback.

    Raises ALREADY_ROLLED_BACK for a win whose bet does not stand; ALREADY_SETTLED
    where an adjustment has corrected the unit, or another win came first.
    """
    is_adjusted = any(round_.is_adjusted(row, rollback.item_no) for row in unit)
    if is_adjusted and rules.settled_rollback == Verdict.REFUSE:
        raise CageError(Reason.ALREADY_SETTLED)
    gone = round_.reversals()
    own = {row.item_no for row in unit}
    has_stake = any(row.kind == Kind.BET and not is_tip(row) for row in unit)
    for row in unit:
        if row.kind != Kind.WIN:
            continue
        bet = book.by_no[row.reference_no] if row.reference_no > 0 else None
        if bet is not None:
            is_gone = bet.item_no in gone and bet.item_no not in own
        else:
            is_cancelled = round_.state == RoundState.CANCELLED
            is_gone = not row.reference_no and is_cancelled and not has_stake
        if is_gone and rules.win_after_rollback == Verdict.REFUSE:
            raise CageError(Reason.ALREADY_ROLLED_BACK)
        if rules.wins_per_bet == WinsPerBetRule.ONE and round_.has_win(bet):
            raise CageError(Reason.ALREADY_SETTLED)


def _judge_money(
    book: Book, rules: Rules, wallet: Wallet, cash: int, bonus: int
) -> None:
    """Cover what goes again, unless the rules let cash become negative.

    Raises INSUFFICIENT_FUNDS with the balance, or BALANCE_OUT_OF_RANGE.
    """
    is_short = (cash < 0 and wallet.cash + cash < 0) or (
        bonus < 0 and wallet.bonus + bonus < 0
    )
    if is_short and rules.win_rollback != WinRollbackRule.ALLOW_NEGATIVE:
        raise CageError(Reason.INSUFFICIENT_FUNDS, balance=book.balance(wallet))
    judge_balances(wallet, cash, bonus)


def _judge_totals(round_: Round, unit: list[Transaction]) -> None:
    """Keep the totals of a round inside 64 bits, or raise BALANCE_OUT_OF_RANGE."""
    staked, won = round_.bet_cash + round_.bet_bonus, round_.win_amount
    for row in unit:
        if row.kind != Kind.BET:
            won += row.cash + row.bonus
        elif not is_tip(row):
            staked -= row.cash + row.bonus
    if max(staked, won) > INT64_MAX:
        raise CageError(Reason.BALANCE_OUT_OF_RANGE)
