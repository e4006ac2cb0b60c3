"""Say what reserves, captures and expiries have to read; see ``needs``."""

from collections.abc import Callable
from typing import Any

from cage.core.book import Book
from cage.core.needed import Needs
from cage.core.reservation import Capture, ExpireReserve
from cage.core.wallet import KeySpace, Kind, State


def need_reservations(book: Book, needs: Needs) -> bool:
    """Need what became of every reserve that was read; say whether any is missing.

    Whoever finds a reserve, a win as well as a rollback, asks for it.
    """
    needs.reservations = {
        row.item_no
        for row in book.by_no.values()
        if row.kind == Kind.RESERVE and row.state == State.POSTED
    } - book.reservations.keys()
    releases = {each.release_no for each in book.reservations.values()}
    releases -= book.by_no.keys() | {0}
    needs.numbers |= releases
    return bool(needs.reservations or releases)


def _capture(book: Book, needs: Needs, capture: Capture) -> None:
    gate = book.gates.get(capture.player_id)
    key = book.registry.find_key(capture.key_id)
    if gate is None or key is None:
        return
    who = (gate.player_no, key.integration_no)
    needs.ids.add((*who, KeySpace.CAPTURE, capture.transaction_id))
    needs.ids.add((*who, KeySpace.MOVE, capture.reserve_transaction_id))
    currency = book.registry.currencies.get(capture.currency_code)
    if currency is not None:
        needs.wallets.add((gate.player_no, currency.currency_no))
    game = book.registry.games.get(capture.game_id)
    if game is not None:
        needs.rounds.add((gate.player_no, game.game_no, capture.round_id))


def _expire_reserve(_: Book, needs: Needs, expire: ExpireReserve) -> None:
    needs.numbers.add(expire.reserve_no)


def _expire_reserve_more(book: Book, needs: Needs, expire: ExpireReserve) -> bool:
    reserve = book.by_no.get(expire.reserve_no)
    # A refused reserve and the tombstone of one have no round that could be loaded.
    if reserve is None or (reserve.kind, reserve.state) != (Kind.RESERVE, State.POSTED):
        return False
    round_key = (reserve.player_no, reserve.game_no, reserve.round_id)
    wallet_key = (reserve.player_no, reserve.currency_no)
    if wallet_key in book.wallets and round_key in book.rounds:
        return False
    needs.wallets |= {wallet_key} - book.wallets.keys()
    needs.rounds |= {round_key} - book.rounds.keys()
    return True


FIRST: dict[type, Callable[[Book, Any, Any], None]] = {
    Capture: _capture,
    ExpireReserve: _expire_reserve,
}
MORE: dict[type, Callable[[Book, Any, Any], bool]] = {
    ExpireReserve: _expire_reserve_more,
}
