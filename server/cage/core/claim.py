"""Keep ids unique across the players of an integration, where its rules say so.

By default an id belongs to its player. With ``id_scope = INTEGRATION`` every row that
a call stores under an id of its caller also claims that id for the whole integration:
no other player has it from then on. What was stored under the default stays the
player's own: a switch claims nothing afterwards, and lifts no retry of the past.

One database lane sees all players of an integration; with more lanes the rule cannot
be kept, so ``app/admin.py`` refuses it there.
"""

from collections.abc import Iterator
from typing import Any

from cage.core.adjust import Adjust
from cage.core.book import Book, ClaimKey
from cage.core.errors import CageError, Reason
from cage.core.registry import ApiKey, Registry
from cage.core.replay import mismatch
from cage.core.reservation import Capture, Reserve
from cage.core.space import move_space, named_moves
from cage.core.wallet import (
    Award,
    Bet,
    KeySpace,
    Kind,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Win,
)

_REVERSE, _CAPTURE = int(KeySpace.REVERSE), int(KeySpace.CAPTURE)
_KINDS: tuple[tuple[type, Kind], ...] = (
    (Bet, Kind.BET),
    (Win, Kind.WIN),
    (Award, Kind.AWARD),
    (Adjust, Kind.ADJUST),
    (Reserve, Kind.RESERVE),
)

# A key space, an id in it and the kind of what it stands for.
Named = tuple[int, str, int]


def claiming_key(book: Book, command: Any) -> ApiKey | None:
    """Return the caller's key when its integration claims ids, else None."""
    claiming_nos = book.registry.claiming_nos
    if not claiming_nos:
        return None
    key = book.registry.find_key(getattr(command, "key_id", ""))
    return key if key is not None and key.integration_no in claiming_nos else None


def own_ids(
    registry: Registry, integration_no: int, command: object
) -> Iterator[Named]:
    """List the ids under which a call is stored."""
    if isinstance(command, Play):
        for action in command.actions:
            yield from own_ids(registry, integration_no, action)
    elif isinstance(command, Rollback | RollbackList | RollbackRound):
        yield _REVERSE, command.transaction_id, Kind.ROLLBACK
    elif isinstance(command, Reinstate):
        yield int(KeySpace.REINSTATE), command.transaction_id, Kind.REINSTATE
    elif isinstance(command, Capture):
        yield _CAPTURE, command.transaction_id, Kind.CAPTURE
    elif isinstance(command, Bet | Win | Award | Adjust | Reserve):
        kind = next(kind for type_, kind in _KINDS if isinstance(command, type_))
        yield move_space(registry, integration_no, kind), command.transaction_id, kind


def named_ids(
    registry: Registry, integration_no: int, command: object
) -> Iterator[tuple[int, str]]:
    """List the ids of moves that a call refers to, with their key spaces."""
    named: list[tuple[int, str]] = []
    if isinstance(command, Play):
        for action in command.actions:
            yield from named_ids(registry, integration_no, action)
    elif isinstance(command, Rollback):
        named.append((command.original_kind, command.original_id))
    elif isinstance(command, RollbackList):
        named += [(each.kind, each.transaction_id) for each in command.originals]
    elif isinstance(command, Win) and command.bet_transaction_id:
        named.append((Kind.BET, command.bet_transaction_id))
    elif isinstance(command, Capture):
        named.append((Kind.RESERVE, command.reserve_transaction_id))
    elif isinstance(command, Adjust):
        named += [(each.kind, each.transaction_id) for each in command.references]
    yield from named_moves(registry, integration_no, named)


def needed_claims(book: Book, command: object) -> Iterator[ClaimKey]:
    """List the claims that have to be read before a call is judged."""
    key = claiming_key(book, command)
    if key is not None:
        for space, id_, _ in own_ids(book.registry, key.integration_no, command):
            yield key.integration_no, space, id_
        for space, id_ in named_ids(book.registry, key.integration_no, command):
            yield key.integration_no, space, id_


def judge_claims(book: Book, command: Any) -> None:
    """Let a call pass whose ids are no other player's.

    It comes right after the key and the player. Raises TRANSACTION_MISMATCH for an id
    of another player, by its kind or else by ``player_id``; REFERENCE_MISMATCH for a
    reference to another player's transaction. A call of which an id is known as the
    player's own is a retry, which its first answer decides.
    """
    key = claiming_key(book, command)
    if key is None:
        return
    gate = book.gates.get(getattr(command, "player_id", ""))
    if gate is None:
        return
    book.player(book.caller(key.key_id), gate.player_id)
    who = (gate.player_no, key.integration_no)
    own = list(own_ids(book.registry, key.integration_no, command))
    if any((*who, space, id_) in book.ids for space, id_, _ in own):
        return
    for space, id_, kind in own:
        claim = book.claims.get((key.integration_no, space, id_))
        if claim is not None and claim.player_no != gate.player_no:
            # What takes back is of one kind, whether it releases or rolls back.
            is_same = space == _REVERSE or claim.kind in (0, kind)
            raise mismatch(id_, "player_id" if is_same else "kind")
    for space, id_ in named_ids(book.registry, key.integration_no, command):
        claim = book.claims.get((key.integration_no, space, id_))
        is_own = (*who, space, id_) in book.ids
        if claim is not None and claim.player_no != gate.player_no and not is_own:
            raise CageError(Reason.REFERENCE_MISMATCH, field="player_id")
