"""Ids that are unique in an integration are judged right after key and player."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation.calls import award, bet, play, rollback, win
from tests.simulation.deployment import Desk

from cage.core.errors import CageError, Reason
from cage.core.rules import IdScopeRule
from cage.core.wallet import FLAG_CLAIMED, KeySpace

INTEGRATION = IdScopeRule.INTEGRATION


@pytest.fixture
def desk() -> Desk:
    """Return a desk where ann has bet under "b1" of the whole integration."""
    desk = Desk()
    desk.rule(id_scope=INTEGRATION)
    desk.send(bet("b1"))
    return desk


# A call of bob's, the reason and the field that it meets.
CALLS: list[tuple[Callable[[], Any], Reason, str]] = [
    (lambda: bet("b1", player_id="bob"), Reason.TRANSACTION_MISMATCH, "player_id"),
    (lambda: win("b1", player_id="bob"), Reason.TRANSACTION_MISMATCH, "kind"),
    (lambda: award("b1", player_id="bob"), Reason.TRANSACTION_MISMATCH, "kind"),
    (
        lambda: play(bet("b9"), bet("b1"), player_id="bob"),
        Reason.TRANSACTION_MISMATCH,
        "player_id",
    ),
    (
        lambda: win("w1", player_id="bob", bet_transaction_id="b1"),
        Reason.REFERENCE_MISMATCH,
        "player_id",
    ),
    (
        lambda: rollback("r1", "b1", player_id="bob"),
        Reason.REFERENCE_MISMATCH,
        "player_id",
    ),
]


@pytest.mark.parametrize("index", range(len(CALLS)))
@pytest.mark.parametrize(
    "worse", [{}, {"currency_code": "XYZ"}, {"amount": -1}, {"game_id": "lost"}]
)
def test_e5_other_players_id_comes_first(
    desk: Desk, index: int, worse: dict[str, object]
) -> None:
    """The id is judged before currency, amount and game, and nothing is stored."""
    build, reason, field = CALLS[index]
    call = build()
    for name, value in worse.items():
        if hasattr(call, name):
            setattr(call, name, value)
    count = len(desk.book.transactions)
    answer = desk.send(call)

    assert isinstance(answer, CageError)
    assert (answer.reason, answer.metadata["field"]) == (reason, field)
    assert len(desk.book.transactions) == count


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key_id": "no-key"}, Reason.KEY_INVALID),
        ({"player_id": "zed"}, Reason.PLAYER_NOT_FOUND),
    ],
)
def test_key_and_player_come_before(
    desk: Desk, changes: dict[str, Any], reason: Reason
) -> None:
    """Who may not see the player learns nothing about ids."""
    assert desk.send(bet("b1", **{"player_id": "bob", **changes})).reason == reason


def test_rows_say_what_they_claim(desk: Desk) -> None:
    """The callers' spaces are claimed, the close of a round is not."""
    desk.send(bet("b2", round_closed=True, round_id="r2"))
    desk.send(rollback("gone", "never"))
    claimed = [row for row in desk.book.transactions if row.flags & FLAG_CLAIMED]

    assert [(row.key_space, row.transaction_id) for row in claimed] == [
        (KeySpace.MOVE, "b1"),
        (KeySpace.MOVE, "b2"),
        (KeySpace.REVERSE, "gone"),
        (KeySpace.MOVE, "never"),
    ]
    assert len(desk.book.claims) == 4


def test_undone_play_claims_nothing(desk: Desk) -> None:
    """What a refused play took back is free for others."""
    refused = desk.send(play(win("w1"), win("w2", bet_transaction_id="none")))
    taken = desk.send(bet("w1", player_id="bob"))

    assert refused.reason == Reason.BET_NOT_FOUND
    assert not taken.replayed
