"""Write wallet calls in few words: what is not said is what fits."""

from dataclasses import replace
from typing import Any

from cage.core.adjust import Adjust, Reference
from cage.core.reservation import Capture, Reserve
from cage.core.wallet import (
    Award,
    Bet,
    CloseRound,
    GetBalance,
    Kind,
    Original,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Win,
)

PLACE: dict[str, Any] = {
    "key_id": "hub-key",
    "player_id": "ann",
    "game_id": "slots",
    "round_id": "r1",
}


def bet(transaction_id: str = "b1", amount: int = 10, **changes: Any) -> Bet:
    """Bet 10 cents in round r1."""
    content = {"currency_code": "EUR", "amount": amount, "scale": 2}
    return Bet(**{**PLACE, **content, "transaction_id": transaction_id, **changes})


def win(transaction_id: str = "w1", amount: int = 10, **changes: Any) -> Win:
    """Win 10 cents in round r1."""
    content = {"currency_code": "EUR", "amount": amount, "scale": 2}
    return Win(**{**PLACE, **content, "transaction_id": transaction_id, **changes})


def play(*actions: Bet | Win, **changes: Any) -> Play:
    """Play some actions, which take over the place of the play."""
    content: dict[str, Any] = {**PLACE, **changes}
    shared = {name: content[name] for name in PLACE}
    placed = tuple(replace(action, **shared) for action in actions)
    return Play(**content, actions=placed)


def rollback(
    transaction_id: str = "b1", original_id: str = "b1", **changes: Any
) -> Rollback:
    """Roll back bet b1 under its own id."""
    content: dict[str, Any] = {
        "key_id": PLACE["key_id"],
        "player_id": PLACE["player_id"],
        "transaction_id": transaction_id,
        "original_id": original_id,
    }
    return Rollback(**{**content, **changes})


def reserve(transaction_id: str = "h1", amount: int = 10, **changes: Any) -> Reserve:
    """Set 10 cents aside in round r1."""
    content = {"currency_code": "EUR", "amount": amount, "scale": 2}
    return Reserve(**{**PLACE, **content, "transaction_id": transaction_id, **changes})


def capture(
    transaction_id: str = "c1", amount: int = 10, name: str = "h1", **changes: Any
) -> Capture:
    """Take 10 cents of reserve h1."""
    content: dict[str, Any] = {
        "currency_code": "EUR",
        "amount": amount,
        "scale": 2,
        "reserve_transaction_id": name,
        "transaction_id": transaction_id,
    }
    return Capture(**{**PLACE, **content, **changes})


def release(transaction_id: str = "x1", name: str = "h1", **changes: Any) -> Rollback:
    """Give the rest of reserve h1 back."""
    content = {"original_kind": Kind.RESERVE, "releases": True}
    return rollback(transaction_id, name, **{**content, **changes})


def rollback_list(
    transaction_id: str, *original_ids: str | Original, **changes: Any
) -> RollbackList:
    """Roll back a list of originals."""
    content: dict[str, Any] = {
        "key_id": PLACE["key_id"],
        "player_id": PLACE["player_id"],
        "transaction_id": transaction_id,
        "originals": tuple(
            Original(transaction_id=each) if isinstance(each, str) else each
            for each in original_ids
        ),
    }
    return RollbackList(**{**content, **changes})


def rollback_round(transaction_id: str = "x1", **changes: Any) -> RollbackRound:
    """Roll back all of round r1."""
    return RollbackRound(**{**PLACE, "transaction_id": transaction_id, **changes})


def reinstate(
    transaction_id: str = "y1", rollback_id: str = "x1", **changes: Any
) -> Reinstate:
    """Undo rollback x1."""
    content: dict[str, Any] = {
        "key_id": PLACE["key_id"],
        "player_id": PLACE["player_id"],
        "transaction_id": transaction_id,
        "rollback_id": rollback_id,
    }
    return Reinstate(**{**content, **changes})


def close_round(**changes: Any) -> CloseRound:
    """Close round r1."""
    return CloseRound(**{**PLACE, **changes})


def award(transaction_id: str = "a1", amount: int = 10, **changes: Any) -> Award:
    """Award 10 cents as a promotion, outside of any round."""
    content: dict[str, Any] = {
        "currency_code": "EUR",
        "amount": amount,
        "scale": 2,
        "round_id": "",
        "kind": 2,
        "transaction_id": transaction_id,
    }
    return Award(**{**PLACE, **content, **changes})


def adjust(
    transaction_id: str = "a1", delta: int = 10, *names: str, **changes: Any
) -> Adjust:
    """Adjust round r1 by 10 cents, because of bet b1 unless others are named."""
    content: dict[str, Any] = {
        "currency_code": "EUR",
        "delta": delta,
        "scale": 2,
        "references": tuple(Reference(transaction_id=n) for n in names or ("b1",)),
        "transaction_id": transaction_id,
    }
    return Adjust(**{**PLACE, **content, **changes})


def get_balance(**changes: Any) -> GetBalance:
    """Read the balance in EUR."""
    content: dict[str, Any] = {
        "key_id": PLACE["key_id"],
        "player_id": PLACE["player_id"],
        "game_id": "",
        "currency_code": "EUR",
    }
    return GetBalance(**{**content, **changes})
