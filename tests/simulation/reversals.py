"""Draw bets and wins of one player that are reversed and reinstated, again and again.

Amounts are small and nothing is wrong with the calls, so that most of them move
money: what collides are ids, rounds and what is left to be reversed.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.calls import (
    adjust,
    award,
    bet,
    close_round,
    play,
    reinstate,
    rollback,
    rollback_list,
    rollback_round,
    win,
)
from tests.simulation.commands import Again

from cage.core.adjust import Reference
from cage.core.wallet import BetKind

IDS = [f"a{number}" for number in range(1, 17)]
ROLLBACK_IDS = [f"x{number}" for number in range(1, 9)]


def _place(rng: Random) -> dict[str, Any]:
    return {"round_id": rng.choice(["r1", "r1", "r2", "r3"])}


def _closed(rng: Random) -> bool:
    return rng.random() < 0.04


def _bet(rng: Random) -> Any:
    kind = BetKind.TIP if rng.random() < 0.1 else BetKind.STAKE
    # A large one leaves too little for what is to stand again.
    amount = rng.choice([0, 1, 2, 3, 5, 60, 120])
    return bet(rng.choice(IDS), amount, kind=kind, round_closed=_closed(rng),
               **_place(rng))  # fmt: skip


def _win(rng: Random) -> Any:
    about = rng.choice(["", *IDS])
    return win(rng.choice(IDS), rng.choice([0, 2, 7, 80]), bet_transaction_id=about,
               round_closed=_closed(rng), **_place(rng))  # fmt: skip


def _play(rng: Random) -> Any:
    first, second, third = rng.sample(IDS, 3)
    stake, prize = bet(first, rng.choice([0, 2, 4])), win(second, rng.choice([0, 3, 9]))
    actions = rng.choice([[stake], [stake, prize], [stake, bet(third, 1), prize]])
    return play(*actions, round_closed=_closed(rng), **_place(rng))


def _adjust(rng: Random) -> Any:
    about = [Reference(transaction_id=id_) for id_ in rng.sample(IDS, 1)]
    return adjust("c" + rng.choice(IDS), rng.choice([-2, 3]), references=tuple(about),
                  **_place(rng))  # fmt: skip


def _award(rng: Random) -> Any:
    return award(rng.choice(IDS), 4, **_place(rng))


def _rollback(rng: Random) -> Any:
    return rollback(
        rng.choice(ROLLBACK_IDS), rng.choice(IDS), round_closed=_closed(rng)
    )


def _rollback_list(rng: Random) -> Any:
    originals = rng.sample(IDS, rng.randint(1, 4))
    return rollback_list(
        rng.choice(ROLLBACK_IDS), *originals, round_closed=_closed(rng)
    )


def _rollback_round(rng: Random) -> Any:
    return rollback_round(
        rng.choice(ROLLBACK_IDS), round_closed=_closed(rng), **_place(rng)
    )


def _reinstate(rng: Random) -> Any:
    own = rng.choice(["y1", "y2", "y3", "y4", "y5", "y6"])
    return reinstate(own, rng.choice(ROLLBACK_IDS), round_closed=_closed(rng))


def _close(rng: Random) -> Any:
    return close_round(**_place(rng))


_KINDS: list[Callable[[Random], Any]] = [
    *[_bet] * 7,
    *[_win] * 2,
    *[_play] * 3,
    _award,
    _adjust,
    *[_rollback] * 3,
    *[_rollback_list] * 2,
    _rollback_round,
    *[_reinstate] * 4,
]


def reversal(rng: Random) -> Any:
    """Draw one call, or now and then the repetition of a recent one."""
    if rng.random() < 0.1:
        return Again(rng.randint(1, 8), is_altered=False)
    if rng.random() < 0.02:
        return _close(rng)
    return rng.choice(_KINDS)(rng)
