"""Compare a retry with what is stored under its id and give the first answer."""

import json
from typing import Any

from cage.core.book import Book
from cage.core.errors import MONEY_REASONS, CageError, Reason
from cage.core.player import Gate
from cage.core.wallet import Kind, Receipt, State, Transaction


def differing_field(
    book: Book,
    earlier: Transaction,
    *,
    kind: Kind,
    currency_code: str,
    amount: int,
    round_id: str,
    reference_no: int,
    game_id: str,
    campaign_id: str,
    is_unit: bool,
    variant: int = 0,
    reference: str = "bet_transaction_id",
) -> str:
    """Name the first field in which a retry differs from the stored transaction.

    The order is DESIGN section 3's: kind, player, currency, amount, round,
    referenced transaction, game, campaign. The player is part of the key, and a
    tombstone, which knows nothing but the id, never differs. Empty: none differs.
    """
    if earlier.state == State.TOMBSTONE:
        return ""
    registry = book.registry
    currency = registry.currencies_by_no[earlier.currency_no]
    game = registry.games_by_no.get(earlier.game_no)
    stored_game_id = game.game_id if game is not None else ""
    is_award = kind == Kind.AWARD
    checks = (
        ("kind", earlier.kind != kind or (is_award and earlier.variant != variant)),
        ("kind", bool(earlier.unit_no) != is_unit),
        ("currency_code", currency.currency_code != currency_code),
        ("amount", earlier.amount != amount),
        ("round_id", earlier.round_id != round_id),
        (reference, earlier.reference_no != reference_no),
        ("game_id", stored_game_id != game_id),
        ("campaign_id", stored_extra(earlier).get("campaign_id", "") != campaign_id),
    )
    return next((field for field, differs in checks if differs), "")


def stored_extra(row: Transaction) -> dict[str, Any]:
    """Return what a transaction stored beside its columns."""
    return {} if row.extra is None else json.loads(row.extra)


def replay_state(
    book: Book, gate: Gate, earlier: Transaction, transaction_id: str, differs: str
) -> Receipt:
    """Answer a known id: its receipt, its stored refusal, or what stands in its way.

    Raises TRANSACTION_MISMATCH when a field differs, ALREADY_ROLLED_BACK on a
    tombstone, or the stored refusal with the current balance.
    """
    if differs:
        raise mismatch(transaction_id, differs)
    if earlier.state == State.TOMBSTONE:
        raise CageError(Reason.ALREADY_ROLLED_BACK)
    wallet = book.wallet(gate, earlier.currency_no)
    if earlier.state == State.REFUSED:
        told = stored_extra(earlier)["refusal"]
        reason = Reason(told["reason"])
        balance = book.balance(wallet) if reason in MONEY_REASONS else None
        raise CageError(reason, balance=balance, **told["metadata"])
    return Receipt(earlier, book.balance(wallet), True)


def mismatch(transaction_id: str, differs: str) -> CageError:
    """Refuse a retry that differs in a field from what is stored under its id."""
    return CageError(
        Reason.TRANSACTION_MISMATCH, transaction_id=transaction_id, field=differs
    )
