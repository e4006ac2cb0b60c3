"""Decide a read of a balance, in order with the moves of its player."""

from cage.core.book import Book
from cage.core.errors import CageError, Reason
from cage.core.wallet import Balance, GetBalance


def decide_get_balance(book: Book, read: GetBalance) -> Balance:
    """Show a balance; raise what ``GetBalanceRequest`` documents."""
    key = book.caller(read.key_id)
    gate = book.player(key, read.player_id)
    currency = book.currency(read.currency_code)
    if read.game_id:
        book.game(read.game_id)
    if read.session_digest:
        token = book.tokens.get(read.session_digest)
        if token is None or token.player_no != gate.player_no:
            raise CageError(Reason.SESSION_NOT_FOUND)
    wallet = book.wallet(gate, currency.currency_no)
    book.judge_currency(gate, wallet)
    return book.balance(wallet)
