"""Take an id for one player of an integration, and give it up with its row.

``claim.py`` says who may have an id; this is the book's side of it.
"""

from typing import TYPE_CHECKING

from cage.core.wallet import CALLERS_SPACES, FLAG_CLAIMED, Claim, Transaction, Wallet

if TYPE_CHECKING:
    from cage.core.book import Book, ClaimKey


def take_claim(
    book: "Book", wallet: Wallet, key: "ClaimKey", kind: int, item_no: int
) -> int:
    """Claim a caller's id for its player, by the rules; return the row's flag or 0."""
    integration_no, key_space, _ = key
    if integration_no not in book.registry.claiming_nos:
        return 0
    if key_space not in CALLERS_SPACES or key in book.claims:
        # A key that is there is the player's own, from before other rules.
        return 0
    claim = Claim(wallet.lane, *key, wallet.player_no, kind, item_no)
    book.claims[key] = claim
    book.touch(claim, key)
    return FLAG_CLAIMED


def drop_claim(book: "Book", row: Transaction) -> None:
    """Give up the claim of a row that is undone."""
    if row.flags & FLAG_CLAIMED:
        key = (row.integration_no, row.key_space, row.transaction_id)
        del book.claims[key]
        del book.dirty_rows[Claim, key]
