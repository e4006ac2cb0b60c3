"""Decide an adjustment: a signed correction of what was posted before.

Neither session, status, kill switches nor the close of the round stand in the way.
Guards in order: key, player, currency and scale; the id; the game; the references,
one after the other; the funds, by the rules; the range of the balance.
"""

from dataclasses import dataclass

from cage.core.book import Book, canonical
from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX, INT64_MIN, to_ledger_signed
from cage.core.player import Gate
from cage.core.registry import ApiKey, Game
from cage.core.replay import mismatch, replay_state, stored_extra
from cage.core.round import Round, close_round
from cage.core.rules import AdjustOverdraftRule
from cage.core.space import move_space
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    Account,
    BetKind,
    Kind,
    Receipt,
    State,
    Transaction,
    Wallet,
)
from cage.core.win import split_win


@dataclass(slots=True, kw_only=True)
class Reference:
    """Name a transaction that an adjustment corrects."""

    transaction_id: str
    kind: Kind = Kind.UNSPECIFIED


@dataclass(slots=True, kw_only=True)
class Adjust:
    """Give ``delta`` to the player, or take it when it is negative."""

    key_id: str
    player_id: str
    game_id: str
    round_id: str
    transaction_id: str
    currency_code: str
    delta: int
    scale: int
    references: tuple[Reference, ...]
    round_closed: bool = False
    extra: dict[str, object] | None = None


def decide_adjust(book: Book, adjust: Adjust) -> Receipt:
    """Correct what was posted, or replay it; raise what ``AdjustRequest`` documents."""
    key = book.caller(adjust.key_id)
    gate = book.player(key, adjust.player_id)
    currency = book.currency(adjust.currency_code)
    delta = to_ledger_signed(
        adjust.delta,
        adjust.scale,
        currency.scale,
        field="delta",
        currency_code=adjust.currency_code,
    )
    space = move_space(book.registry, key.integration_no, Kind.ADJUST)
    who = (gate.player_no, key.integration_no, space)
    earlier = book.ids.get((*who, adjust.transaction_id))
    if earlier is not None:
        return _replay(book, gate, earlier, adjust, delta)
    game = book.game(adjust.game_id)
    wallet = book.wallet(gate, currency.currency_no)
    references = [
        _find(book, key, gate, game, wallet, adjust, reference)
        for reference in adjust.references
    ]
    cash, bonus = _split(wallet, references, delta)
    round_ = book.round((gate.player_no, game.game_no, adjust.round_id))
    if delta < 0:
        _judge_funds(book, key, wallet, cash)
    _judge_range(wallet, round_, cash, bonus, delta)
    row = _post(book, key, gate, game, wallet, adjust, references, (cash, bonus))
    return Receipt(row, book.balance(wallet), False)


def _find(
    book: Book,
    key: ApiKey,
    gate: Gate,
    game: Game,
    wallet: Wallet,
    adjust: Adjust,
    reference: Reference,
) -> Transaction:
    """Return a posted transaction that fits the adjustment.

    Raises TRANSACTION_NOT_FOUND, REFERENCE_MISMATCH or CURRENCY_MISMATCH.
    """
    name = reference.transaction_id
    space = move_space(book.registry, key.integration_no, reference.kind)
    row = book.ids.get((gate.player_no, key.integration_no, space, name))
    if row is None or row.state != State.POSTED:
        raise CageError(Reason.TRANSACTION_NOT_FOUND, transaction_id=name)
    for field, differs in (
        ("kind", reference.kind not in (Kind.UNSPECIFIED, row.kind)),
        ("round_id", row.round_id != adjust.round_id),
        ("game_id", row.game_no != game.game_no),
    ):
        if differs:
            raise CageError(Reason.REFERENCE_MISMATCH, field=field)
    if row.currency_no != wallet.currency_no:
        raise book.currency_mismatch(row.currency_no, wallet)
    return row


def _split(
    wallet: Wallet, references: list[Transaction], delta: int
) -> tuple[int, int]:
    """Split a delta into cash and bonus as the references were.

    What is taken and one balance lacks comes from the other; what both lack is cash.
    """
    cash = sum(abs(row.cash) for row in references)
    bonus = sum(abs(row.bonus) for row in references)
    if delta >= 0:
        return split_win(delta, cash, bonus)
    owed = -delta
    own_cash, own_bonus = max(wallet.cash, 0), max(wallet.bonus, 0)
    of_bonus = min(split_win(owed, cash, bonus)[1], own_bonus)
    of_bonus += min(max(owed - of_bonus - own_cash, 0), own_bonus - of_bonus)
    return of_bonus - owed, -of_bonus


def _judge_funds(book: Book, key: ApiKey, wallet: Wallet, cash: int) -> None:
    """Let a negative adjustment pass that the player or the rules can bear."""
    is_short = -cash > max(wallet.cash, 0)
    if is_short and book.rules(key).adjust_overdraft == AdjustOverdraftRule.REJECT:
        raise CageError(Reason.INSUFFICIENT_FUNDS, balance=book.balance(wallet))


def _judge_range(
    wallet: Wallet, round_: Round | None, cash: int, bonus: int, delta: int
) -> None:
    """Keep balances and the round's total inside 64 bits."""
    after = (wallet.cash + cash, wallet.bonus + bonus)
    total = round_.adjust_amount + delta if round_ is not None else delta
    # playable is cash + bonus, so the sum has to fit as well.
    values = (*after, sum(after) + wallet.reserved, total)
    if max(values) > INT64_MAX or min(values) < INT64_MIN:
        raise CageError(Reason.BALANCE_OUT_OF_RANGE)


def _post(
    book: Book,
    key: ApiKey,
    gate: Gate,
    game: Game,
    wallet: Wallet,
    adjust: Adjust,
    references: list[Transaction],
    split: tuple[int, int],
) -> Transaction:
    """Move a judged adjustment and count it in its round."""
    round_ = book.round((gate.player_no, game.game_no, adjust.round_id))
    cash, bonus = split
    house = _house(references[0])
    extra = {**(adjust.extra or {}), "references": _names(adjust)}
    row = book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=move_space(book.registry, key.integration_no, Kind.ADJUST),
        transaction_id=adjust.transaction_id,
        kind=Kind.ADJUST,
        state=State.POSTED,
        amount=cash + bonus,
        cash=cash,
        bonus=bonus,
        game_no=game.game_no,
        round_id=adjust.round_id,
        round_=round_,
        flags=FLAG_ROUND_CLOSED if adjust.round_closed else 0,
        # As that of a win: one transaction, or 0 for the whole round.
        reference_no=references[0].item_no if len(references) == 1 else 0,
        extra=canonical(extra),
        variant=int(house),
        house=house,
    )
    if round_ is not None:
        round_.adjust_count += 1
        round_.adjust_amount += cash + bonus
        if adjust.round_closed:
            close_round(round_, book.now_us)
    return row


def _house(row: Transaction) -> Account:
    """Return the account that a transaction moved money with.

    An adjustment keeps it: what it corrected itself is not at hand.
    """
    if row.kind == Kind.ADJUST:
        return Account(row.variant)
    if row.kind == Kind.AWARD:
        return Account.AWARD
    is_tip = row.kind == Kind.BET and row.variant == BetKind.TIP
    return Account.TIP if is_tip else Account.GAME


def _names(adjust: Adjust) -> list[str]:
    return [reference.transaction_id for reference in adjust.references]


def _replay(
    book: Book, gate: Gate, earlier: Transaction, adjust: Adjust, delta: int
) -> Receipt:
    """Answer an adjustment whose id is known: the first answer, or what differs."""
    if earlier.state == State.TOMBSTONE:
        raise CageError(Reason.ALREADY_ROLLED_BACK)
    registry = book.registry
    currency = registry.currencies_by_no[earlier.currency_no]
    game = registry.games_by_no.get(earlier.game_no)
    game_id = game.game_id if game is not None else ""
    checks = (
        ("kind", earlier.kind != Kind.ADJUST),
        ("currency_code", currency.currency_code != adjust.currency_code),
        ("delta", earlier.amount != delta),
        ("round_id", earlier.round_id != adjust.round_id),
        ("references", stored_extra(earlier).get("references") != _names(adjust)),
        ("game_id", game_id != adjust.game_id),
    )
    for field, differs in checks:
        if differs:
            raise mismatch(adjust.transaction_id, field)
    return replay_state(book, gate, earlier, adjust.transaction_id, "")
