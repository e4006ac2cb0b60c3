"""Say what rollbacks and reinstatements have to read; see ``needs``.

What they name may be stored, or may be a command of the very same batch: then the
rows that it will be decided against have to be there too.
"""

from collections.abc import Callable
from typing import Any

from cage.core.book import Book
from cage.core.needed import Needs, need_chain, need_wallet
from cage.core.replay import stored_extra
from cage.core.space import named_moves
from cage.core.wallet import (
    REVERSING,
    Award,
    Bet,
    KeySpace,
    Kind,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Span,
    State,
    Transaction,
    Win,
    part_id,
)

Command = Rollback | RollbackList | RollbackRound | Reinstate
Move = Bet | Win | Award


def _who(book: Book, command: Command) -> tuple[int, int] | None:
    """Return the player and the integration of a command, if both are known."""
    gate = book.gates.get(command.player_id)
    key = book.registry.find_key(command.key_id)
    if gate is None or key is None:
        return None
    return gate.player_no, key.integration_no


def _original_ids(
    book: Book, integration_no: int, rollback: Rollback | RollbackList
) -> list[tuple[int, str]]:
    """List the key spaces and ids of what is taken back."""
    if isinstance(rollback, Rollback):
        named = [(rollback.original_kind, rollback.original_id)]
    else:
        named = [(each.kind, each.transaction_id) for each in rollback.originals]
    return named_moves(book.registry, integration_no, named)


def _account_wallet(book: Book, needs: Needs, command: Command) -> None:
    """Need the wallet of the account's currency, where tombstones are kept."""
    gate = book.gates[command.player_id]
    needs.wallets.add((gate.player_no, gate.currency_no))


def _rollback(book: Book, needs: Needs, rollback: Rollback | RollbackList) -> None:
    who = _who(book, rollback)
    if who is None:
        return
    needs.ids.add((*who, KeySpace.REVERSE, rollback.transaction_id))
    for named in _original_ids(book, who[1], rollback):
        needs.ids.add((*who, *named))
    _account_wallet(book, needs, rollback)


def _rollback_more(book: Book, needs: Needs, rollback: Rollback | RollbackList) -> bool:
    who = _who(book, rollback)
    if who is None:
        return False
    earlier = book.ids.get((*who, KeySpace.REVERSE, rollback.transaction_id))
    asked = earlier is not None and need_row(book, needs, earlier)
    for space, original_id in _original_ids(book, who[1], rollback):
        original = book.ids.get((*who, space, original_id))
        if original is not None:
            asked = need_row(book, needs, original) or asked
            continue
        for move in _moves(needs).get((rollback.player_id, original_id), ()):
            game = book.registry.games.get(move.game_id)
            if game is not None:
                key = (who[0], game.game_no, move.round_id)
                asked = need_chain(book, needs, key) or asked
    return asked


def _moves(needs: Needs) -> dict[tuple[str, str], list[Move]]:
    """Return the moves of the batch by player and transaction id."""
    if needs.moves is None:
        needs.moves = {}
        for command in needs.commands:
            moves = command.actions if isinstance(command, Play) else (command,)
            for move in moves:
                if isinstance(move, Move):
                    key = (move.player_id, move.transaction_id)
                    needs.moves.setdefault(key, []).append(move)
    return needs.moves


def _rollback_round(book: Book, needs: Needs, rollback: RollbackRound) -> None:
    who = _who(book, rollback)
    if who is None:
        return
    needs.ids.add((*who, KeySpace.REVERSE, rollback.transaction_id))
    game = book.registry.games.get(rollback.game_id)
    if game is not None:
        needs.rounds.add((who[0], game.game_no, rollback.round_id))
    _account_wallet(book, needs, rollback)


def _rollback_round_more(book: Book, needs: Needs, rollback: RollbackRound) -> bool:
    who = _who(book, rollback)
    game = book.registry.games.get(rollback.game_id)
    if who is None:
        return False
    earlier = book.ids.get((*who, KeySpace.REVERSE, rollback.transaction_id))
    asked = earlier is not None and need_row(book, needs, earlier)
    key = (who[0], game.game_no if game is not None else 0, rollback.round_id)
    round_ = book.rounds.get(key)
    if round_ is None:
        return asked
    asked = need_wallet(book, needs, (who[0], round_.currency_no)) or asked
    asked = need_chain(book, needs, key) or asked
    if round_.cancelled and round_.history is not None:
        # A second rollback of the round answers what the first one did.
        for row in round_.history:
            if row.kind == Kind.ROLLBACK and row.variant == Span.ROUND:
                asked = need_row(book, needs, row) or asked
    return asked


def _reinstate(book: Book, needs: Needs, reinstate: Reinstate) -> None:
    who = _who(book, reinstate)
    if who is None:
        return
    needs.ids.add((*who, KeySpace.REINSTATE, reinstate.transaction_id))
    needs.ids.add((*who, KeySpace.REVERSE, reinstate.rollback_id))
    _account_wallet(book, needs, reinstate)


def _reinstate_more(book: Book, needs: Needs, reinstate: Reinstate) -> bool:
    # A rollback of this very batch has read for itself what its undoing needs.
    who = _who(book, reinstate)
    if who is None:
        return False
    earlier = book.ids.get((*who, KeySpace.REINSTATE, reinstate.transaction_id))
    rollback = book.ids.get((*who, KeySpace.REVERSE, reinstate.rollback_id))
    asked = earlier is not None and need_row(book, needs, earlier)
    if rollback is not None:
        asked = need_row(book, needs, rollback) or asked
    return asked


def need_row(book: Book, needs: Needs, row: Transaction) -> bool:
    """Need the wallet, the round with its chain, the parts and the reference of a row.

    Says whether any of it is missing.
    """
    asked = need_wallet(book, needs, (row.player_no, row.currency_no))
    is_reversing = row.kind in REVERSING
    if is_reversing and row.variant:
        asked = _need_parts(book, needs, row) or asked
    if row.reference_no and (is_reversing or row.state == State.TOMBSTONE):
        reference = book.by_no.get(row.reference_no)
        if reference is None:
            needs.numbers.add(row.reference_no)
            return True
        if row.state == State.TOMBSTONE:
            # A tombstone and the id that it keeps refer to each other.
            return need_wallet(book, needs, (row.player_no, reference.currency_no))
        return need_row(book, needs, reference) or asked
    if row.state != State.POSTED or not row.round_id:
        return asked
    round_key = (row.player_no, row.game_no, row.round_id)
    if round_key not in book.rounds:
        needs.chains.add(round_key)
        return True
    return need_chain(book, needs, round_key) or asked


def _need_parts(book: Book, needs: Needs, head: Transaction) -> bool:
    """Need the parts of a rollback or a reinstatement of several."""
    asked = False
    if head.kind == Kind.ROLLBACK and head.state == State.ALIAS:
        return asked
    for index in range(len(stored_extra(head)["originals"])):
        id_ = part_id(KeySpace(head.key_space), head.transaction_id, index)
        key = (head.player_no, head.integration_no, KeySpace.PART, id_)
        part = book.ids.get(key)
        if part is None:
            needs.ids.add(key)
            asked = True
        else:
            asked = need_row(book, needs, part) or asked
    return asked


# The last argument of each is the command of the key's own type.
FIRST: dict[type, Callable[[Book, Needs, Any], None]] = {
    Rollback: _rollback,
    RollbackList: _rollback,
    RollbackRound: _rollback_round,
    Reinstate: _reinstate,
}
MORE: dict[type, Callable[[Book, Needs, Any], bool]] = {
    Rollback: _rollback_more,
    RollbackList: _rollback_more,
    RollbackRound: _rollback_round_more,
    Reinstate: _reinstate_more,
}
