"""Spoil a wallet command: change one thing that a caller may get wrong."""

from dataclasses import fields, replace
from random import Random
from typing import Any

from tests.simulation.deployment import LATE_KEY

from cage.core.adjust import Adjust, Reference
from cage.core.money import INT64_MAX, INT64_MIN
from cage.core.reservation import Capture, Reserve
from cage.core.wallet import (
    Award,
    Bet,
    CloseRound,
    GetBalance,
    JackpotWin,
    Original,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Win,
)

WALLET = (
    Bet,
    Win,
    Play,
    Rollback,
    RollbackList,
    RollbackRound,
    Reinstate,
    CloseRound,
    Award,
    Adjust,
    Reserve,
    Capture,
    GetBalance,
)

# What a caller may get wrong, or change in a retry. What a command lacks stays.
SPOILS: list[dict[str, object]] = [
    {"key_id": "wide-key"},
    {"key_id": "strict-key"},
    {"key_id": LATE_KEY},
    {"key_id": "no-key"},
    {"key_id": "caged:rounds:nobody"},
    {"player_id": "bob"},
    {"player_id": "cat"},
    {"player_id": "cat", "currency_code": "USD"},
    {"player_id": "zed"},
    {"player_id": "zed", "key_id": "wide-key"},
    {"player_id": "nobody"},
    {"player_id": "newcomer"},
    {"game_id": "dice"},
    {"game_id": "lost"},
    {"round_id": "r2"},
    {"currency_code": "USD"},
    {"currency_code": "XYZ"},
    {"amount": 10},
    {"amount": -1},
    {"amount": INT64_MAX},
    {"amount": INT64_MAX, "scale": 0},
    {"amount": 100, "scale": 3},
    {"amount": 101, "scale": 3},
    {"amount": 1, "scale": 0},
    {"scale": -1},
    {"session_digest": "s-bob"},
    {"session_digest": "s-fresh"},
    {"session_digest": "s-over"},
    {"session_digest": "s-ended"},
    {"session_digest": "s-rotated"},
    {"session_digest": "s-none"},
    {"campaign_id": "free"},
    {"round_closed": True},
    {"transaction_id": "t1"},
    {"bet_transaction_id": "t1"},
    {"original_id": "t1"},
    {"reserve_transaction_id": "t1"},
    {"releases": True},
    {"releases": False},
    {"delta": -10},
    {"delta": INT64_MIN},
    {"delta": INT64_MAX},
    {"delta": 101, "scale": 3},
    {"references": (Reference(transaction_id="t1"),)},
    {"rollback_id": "t1"},
    {"originals": (Original(transaction_id="t1"), Original(transaction_id="t9"))},
    {"jackpot_wins": (JackpotWin(jackpot_id="j", currency_code="EUR", amount=40,
                                 scale=2),)},
    {"jackpot_wins": (JackpotWin(jackpot_id="j", currency_code="USD", amount=1,
                                 scale=2),)},
]  # fmt: skip


def spoil(command: Any, content: dict[str, object]) -> Any:
    """Change fields of a command; in a play those of every action too."""
    own = {field.name for field in fields(command)}
    known = {name: value for name, value in content.items() if name in own}
    changed = replace(command, **known)
    if isinstance(command, Play) and command.actions:
        *rest, last = command.actions
        of_play = {"session_digest", "round_closed"}
        inner = {name: content[name] for name in content.keys() - of_play}
        everywhere = {*known, "currency_code"} & inner.keys()
        shared = {name: inner[name] for name in everywhere}
        actions = [spoil(each, shared) for each in rest]
        actions.append(spoil(last, inner))
        if len({each.transaction_id for each in actions}) == len(actions):
            changed.actions = tuple(actions)
    return changed


def shorten(command: Any) -> Any:
    """Leave the last action of a play out."""
    if isinstance(command, Play) and len(command.actions) > 1:
        return replace(command, actions=command.actions[:-1])
    return command


def turn(command: Any) -> Any:
    """Turn the order of the actions of a play."""
    if isinstance(command, Play):
        return replace(command, actions=command.actions[::-1])
    return command


def swap(command: Any) -> Any:
    """Give the last action of a play another id."""
    if isinstance(command, Play) and command.actions:
        *rest, last = command.actions
        other = replace(last, transaction_id="t10")
        return replace(command, actions=(*rest, other))
    return command


def altered(rng: Random, command: Any) -> Any:
    """Change one thing about a wallet command."""
    if not isinstance(command, WALLET):
        return command
    if isinstance(command, Play) and rng.random() < 0.4:
        return rng.choice([shorten, turn, swap])(command)
    content = rng.choice(SPOILS)
    return spoil(command, content) if content.keys() & _names(command) else command


def _names(command: Any) -> set[str]:
    """List the fields of a command and of its actions."""
    commands = (command, *getattr(command, "actions", ()))
    return {name for each in commands for name in each.__slots__}
