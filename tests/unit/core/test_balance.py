"""A balance is read in order with the moves of its player."""

from typing import Any

import pytest
from tests.simulation.calls import bet, get_balance
from tests.simulation.deployment import BONUS, CASH, NOW_US, Desk, set_status

from cage.core.errors import CageError, Reason
from cage.core.player import PlayerStatus
from cage.core.wallet import Balance


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


def test_balance_is_of_now(desk: Desk) -> None:
    """A balance shows every move that was answered before."""
    before = desk.send(get_balance())
    desk.send(bet("b1", 120))
    after = desk.send(get_balance(game_id="slots"))

    assert (before.cash, before.bonus, before.playable) == (CASH, BONUS, 150)
    assert (after.cash, after.bonus, after.playable) == (0, 30, 30)
    assert (before.version, after.version) == (2, 3)
    assert (after.currency.currency_code, after.currency.scale) == ("EUR", 2)
    assert (after.reserved, after.read_time_us) == (0, NOW_US)


@pytest.mark.parametrize(
    ("cash", "bonus", "playable"),
    [(0, 0, 0), (-5, 0, 0), (-5, 7, 7), (5, -7, 5), (-5, -7, 0), (3, 4, 7)],
)
def test_playable(desk: Desk, cash: int, bonus: int, playable: int) -> None:
    """What is playable counts neither balance below zero."""
    desk.fund(cash=cash, bonus=bonus)

    assert desk.send(get_balance()).playable == playable


@pytest.mark.parametrize("digest", ["s-ann", "s-over", "s-ended", "s-rotated"])
def test_any_session_of_the_player_reads(desk: Desk, digest: str) -> None:
    """An expired or ended session still reads, and a blocked player does."""
    desk.send(set_status("no", "ann", PlayerStatus.CLOSED))

    assert isinstance(desk.send(get_balance(session_digest=digest)), Balance)


@pytest.mark.parametrize(
    ("changes", "reason", "metadata"),
    [
        ({"key_id": "no-key", "player_id": "zed"}, Reason.KEY_INVALID, {}),
        (
            {"player_id": "zed", "currency_code": "XYZ"},
            Reason.PLAYER_NOT_FOUND,
            {"player_id": "zed"},
        ),
        (
            {"currency_code": "XYZ", "game_id": "lost"},
            Reason.CURRENCY_NOT_FOUND,
            {"currency_code": "XYZ"},
        ),
        (
            {"game_id": "lost", "session_digest": "s-none"},
            Reason.GAME_NOT_FOUND,
            {"game_id": "lost"},
        ),
        (
            {"session_digest": "s-none", "currency_code": "USD"},
            Reason.SESSION_NOT_FOUND,
            {},
        ),
        ({"session_digest": "s-bob"}, Reason.SESSION_NOT_FOUND, {}),
        (
            {"currency_code": "USD"},
            Reason.CURRENCY_MISMATCH,
            {"expected": "EUR", "sent": "USD"},
        ),
    ],
)
def test_guards_stand_in_order(
    desk: Desk, changes: dict[str, Any], reason: Reason, metadata: dict[str, str]
) -> None:
    """A read is refused for key, player, currency, game and session, in this order."""
    before = desk.book.next_no
    answer = desk.send(get_balance(**changes))

    assert isinstance(answer, CageError)
    assert (answer.reason, answer.metadata) == (reason, metadata)
    assert desk.book.next_no == before
