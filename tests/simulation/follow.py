"""Let drawn commands be about one another, as those of a real caller are."""

from collections.abc import Sequence
from random import Random
from typing import Any

from cage.core.adjust import Adjust, Reference
from cage.core.reservation import Capture, Reserve
from cage.core.wallet import (
    Award,
    Bet,
    Original,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Win,
)

IDS = [f"t{number}" for number in range(1, 9)]
_MOVES: Any = Bet | Play | Reserve
# What a command may be about; the likelier kinds stand there more often.
_ABOUT: dict[type, list[Any]] = {
    Win: [_MOVES],
    Rollback: [_MOVES, _MOVES, Win | Award | Adjust],
    RollbackList: [_MOVES, _MOVES, _MOVES | Win, _MOVES | Win | Award | Adjust],
    RollbackRound: [_MOVES, _MOVES | Win],
    Capture: [Reserve],
    Adjust: [_MOVES | Win | Award | Adjust],
    Reinstate: [Rollback, RollbackList, RollbackRound],
}


def an_id(rng: Random) -> str:
    """Draw an id, that of another call more often than a new one."""
    return rng.choice(IDS) if rng.random() < 0.6 else f"n{rng.randrange(10_000)}"


def follow(rng: Random, command: Any, earlier: Sequence[Any]) -> Any:
    """Let what is about others be about what was sent before, if anything was."""
    about_kinds = _ABOUT.get(type(command))
    if about_kinds is None:
        return command
    kinds = rng.choice(about_kinds)
    if getattr(command, "releases", False):
        kinds = Reserve
    sent = [each for each in earlier if isinstance(each, kinds)][-5:]
    if not sent or rng.random() < 0.3:
        return command
    about = sent[-rng.randint(1, len(sent))]
    command.key_id, command.player_id = about.key_id, about.player_id
    ids = _ids_of(about)
    if isinstance(command, Reinstate):
        command.rollback_id = about.transaction_id
        own_ids = [command.transaction_id, command.rollback_id, an_id(rng)]
        command.transaction_id = rng.choice(own_ids)
    elif isinstance(command, Rollback):
        command.original_id = rng.choice([*ids, *ids, command.original_id])
        own_ids = [command.transaction_id, command.original_id, an_id(rng)]
        command.transaction_id = rng.choice(own_ids)
        if command.currency_code and ids and rng.random() < 0.5:
            command.amount = _amount_of(about)
    elif isinstance(command, Adjust):
        command.game_id, command.round_id = about.game_id, about.round_id
        command.round_closed = command.round_closed and bool(about.round_id)
        if ids:
            command.references = (Reference(transaction_id=rng.choice(ids)),)
    elif isinstance(command, RollbackList):
        mates = [each for each in sent if _who(each) == _who(about)]
        own = [id_ for each in mates for id_ in _ids_of(each)]
        named = dict.fromkeys(rng.sample(own, min(len(own), rng.randint(1, 4))))
        more = [each for each in command.originals if each.transaction_id not in named]
        originals = [Original(transaction_id=id_) for id_ in named]
        command.originals = (*originals, *more[: rng.choice([0, 0, 1])])
        if not command.originals:
            command.originals = (Original(transaction_id="t1"),)
    else:
        command.game_id, command.round_id = about.game_id, about.round_id
        if isinstance(command, Capture):
            command.reserve_transaction_id = about.transaction_id
        if isinstance(command, Win):
            command.bet_transaction_id = rng.choice(["", *ids])
    return command


def _ids_of(sent: Any) -> list[str]:
    """Return the ids of the moves of a call."""
    return [each.transaction_id for each in getattr(sent, "actions", [sent])]


def _who(sent: Any) -> tuple[str, str]:
    return sent.key_id, sent.player_id


def _amount_of(sent: Any) -> int:
    (first, *_) = getattr(sent, "actions", [sent])
    return getattr(first, "amount", 0)
