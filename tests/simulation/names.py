"""Name the ids that commands take, and those that they refer to."""

from typing import Any

from cage.core.adjust import Adjust
from cage.core.reservation import Capture, Reserve
from cage.core.wallet import (
    Award,
    Bet,
    Kind,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Win,
)

MOVE, REVERSE, REINSTATE = "move", "reverse", "reinstate"
PART, CAPTURE = "part", "capture"
Named = tuple[str, str]


def names_of(command: Any) -> tuple[list[tuple[str, str, str]], list[Named]]:
    """List the ids that a call takes, with space and kind, and those it refers to."""
    if isinstance(command, Play):
        pairs = [names_of(each) for each in command.actions]
        return [each for own, _ in pairs for each in own], [
            each for _, named in pairs for each in named
        ]
    if isinstance(command, Rollback):
        return [(REVERSE, command.transaction_id, "ROLLBACK")], [
            (Kind(command.original_kind).name, command.original_id)
        ]
    if isinstance(command, RollbackList):
        names = [
            (Kind(each.kind).name, each.transaction_id) for each in command.originals
        ]
        return [(REVERSE, command.transaction_id, "ROLLBACK")], names
    if isinstance(command, RollbackRound):
        return [(REVERSE, command.transaction_id, "ROLLBACK")], []
    if isinstance(command, Reinstate):
        return [(REINSTATE, command.transaction_id, "REINSTATE")], []
    if isinstance(command, Adjust):
        named = [
            (Kind(each.kind).name, each.transaction_id) for each in command.references
        ]
        return [(MOVE, command.transaction_id, "ADJUST")], named
    if isinstance(command, Capture):
        own = (CAPTURE, command.transaction_id, "CAPTURE")
        return [own], [("RESERVE", command.reserve_transaction_id)]
    if isinstance(command, Bet | Win | Award | Reserve):
        bet = getattr(command, "bet_transaction_id", "")
        named = [("BET", bet)] if bet else []
        kind = type(command).__name__.upper()
        return [(MOVE, command.transaction_id, kind)], named
    return [], []
