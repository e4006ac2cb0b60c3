"""A retry gets the first answer, unless it asks for something else."""

from dataclasses import replace
from typing import Any

import pytest
from tests.simulation.calls import award, bet, close_round, play, rollback, win
from tests.simulation.commands import switch_game
from tests.simulation.deployment import Desk, render, set_status

from cage.core.errors import CageError, Reason
from cage.core.player import PlayerStatus
from cage.core.wallet import BetKind, JackpotWin, Kind, Receipt

BET = bet("t1", 10)
WIN = win("t1", 10, bet_transaction_id="b0")
AWARD = award("t1", 10, round_id="r1", campaign_id="spring")

# The order in which a retry is compared, and another value of each field.
FIELDS: list[tuple[str, dict[str, object]]] = [
    ("currency_code", {"currency_code": "USD"}),
    ("amount", {"amount": 11}),
    ("round_id", {"round_id": "r2"}),
    ("bet_transaction_id", {"bet_transaction_id": "b1"}),
    ("game_id", {"game_id": "dice"}),
    ("campaign_id", {"campaign_id": "other"}),
]


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has bet b0 and b1 in round r1."""
    desk = Desk()
    desk.send(bet("b0", 1))
    desk.send(bet("b1", 1))
    return desk


def known(call: Any) -> list[tuple[str, dict[str, object]]]:
    """List the fields that a call has."""
    return [(name, other) for name, other in FIELDS if hasattr(call, name)]


@pytest.mark.parametrize(
    ("call", "index"),
    [(call, index) for call in (BET, WIN, AWARD) for index in range(len(known(call)))],
)
def test_first_difference_is_named(desk: Desk, call: Any, index: int) -> None:
    """A mismatch names the first field that differs, in documented order."""
    desk.send(call)
    fields = known(call)
    other = replace(call)
    for _, content in fields[index:]:
        other = replace(other, **content)
    before = render([desk.book.next_no, desk.wallet(), desk.round()])
    answer = desk.send(other)

    assert answer.reason == Reason.TRANSACTION_MISMATCH
    assert answer.metadata == {"transaction_id": "t1", "field": fields[index][0]}
    assert render([desk.book.next_no, desk.wallet(), desk.round()]) == before


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (BET, win("t1", 10)),
        (BET, award("t1", 10)),
        (WIN, bet("t1", 10)),
        (AWARD, win("t1", 10)),
        (AWARD, replace(AWARD, kind=1)),
        (AWARD, replace(AWARD, kind=1, amount=99, round_id="r2")),
        (play(BET), BET),
        (BET, play(BET)),
        (bet("t1", 500), win("t1", 500)),
    ],
)
def test_kind_comes_first(desk: Desk, first: Any, then: Any) -> None:
    """Another kind of call under a known id is named as such, whatever differs too."""
    desk.send(first)
    answer = desk.send(then)

    assert answer.reason == Reason.TRANSACTION_MISMATCH
    assert answer.metadata == {"transaction_id": "t1", "field": "kind"}


JACKPOT = JackpotWin(jackpot_id="j", currency_code="EUR", amount=1, scale=2)


@pytest.mark.parametrize(
    ("call", "changes"),
    [
        (BET, {"session_digest": "s-none"}),
        (BET, {"round_closed": True}),
        (BET, {"extra": {"details": "other"}}),
        (BET, {"amount": 1000, "scale": 4}),
        (BET, {"kind": BetKind.TIP}),
        (WIN, {"round_closed": True, "extra": {"details": "other"}}),
        (WIN, {"jackpot_wins": (JACKPOT,)}),
        (AWARD, {"round_closed": True, "extra": {"details": "other"}}),
        (AWARD, {"informational": True}),
    ],
)
def test_what_is_never_compared(
    desk: Desk, call: Any, changes: dict[str, object]
) -> None:
    """Session, texts, jackpots and the close of the round are no content."""
    first = desk.send(call)
    again = desk.send(replace(call, **changes))

    assert again.replayed
    assert again.transaction is first.transaction
    assert desk.send(bet("b9", 1)).moved, "the round was not closed by a retry"


@pytest.mark.parametrize(
    "changes",
    [
        {"round_closed": True},
        {"extra": {"amount": 99, "round_id": "r9", "game_id": "dice"}},
        {"original_kind": Kind.WIN},
        {"original_kind": Kind.ROLLBACK},
    ],
)
@pytest.mark.parametrize("original_id", ["b0", "unknown"])
def test_rollback_compares_its_original_only(
    desk: Desk, original_id: str, changes: dict[str, Any]
) -> None:
    """A rollback is the same whatever else it says than its original."""
    first = desk.send(rollback("t1", original_id))
    again = desk.send(rollback("t1", original_id, **changes))

    assert again.replayed
    assert again.transaction is first.transaction
    assert again.tombstone == first.tombstone


@pytest.mark.parametrize("call", [BET, WIN, AWARD, play(BET), rollback("t1", "b0")])
def test_id_comes_before_state(desk: Desk, call: Any) -> None:
    """A retry gets its answer after the player, the game and the round are closed."""
    first = desk.send(call)
    for change in (
        set_status("no", "ann", PlayerStatus.CLOSED),
        switch_game("off", "slots", enabled=False),
        close_round(),
    ):
        desk.send(change)
    desk.fund(cash=0)
    before = desk.book.next_no
    again = desk.send(call)

    assert again.replayed
    assert not isinstance(again, CageError)
    assert desk.book.next_no == before
    if isinstance(first, Receipt):
        assert again.transaction is first.transaction
        assert again.current.cash == 0


def test_key_spaces(desk: Desk) -> None:
    """A rollback may carry the id of any other transaction."""
    answer = desk.send(rollback("b1", "b0"))

    assert not answer.tombstone
    assert desk.send(bet("b1", 1)).replayed
    assert desk.send(rollback("b0", "b1")).transaction.cash == 1
