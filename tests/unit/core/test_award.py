"""An award is paid as cash, with a round or without one, to every known player."""

from typing import Any

import pytest
from tests.simulation.calls import award, bet, rollback
from tests.simulation.commands import switch_game
from tests.simulation.deployment import BONUS, CASH, Desk, render, set_status

from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX
from cage.core.player import PlayerStatus
from cage.core.wallet import (
    FLAG_INFORMATIONAL,
    FLAG_ROUND_CLOSED,
    Account,
    Kind,
    Receipt,
    State,
)


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


def test_row_and_entries(desk: Desk) -> None:
    """An award credits cash from the account of awards."""
    call = award("a1", 7, kind=3, campaign_id="spring", extra={"details": "x"})
    answer = desk.send(call)
    row, wallet = answer.transaction, desk.wallet()
    lines = [line[2:6] for line in desk.book.entries if line[1] == row.item_no]
    game_no = desk.book.game("slots").game_no

    assert (row.kind, row.variant, row.state) == (Kind.AWARD, 3, State.POSTED)
    assert (row.cash, row.bonus, row.flags, row.round_id) == (7, 0, 0, "")
    assert row.extra == '{"campaign_id":"spring","details":"x"}'
    assert (wallet.cash, wallet.bonus) == (CASH + 7, BONUS)
    assert lines == [
        (Account.PLAYER_CASH, wallet.player_no, wallet.currency_no, 7),
        (Account.AWARD, game_no, wallet.currency_no, -7),
    ]


def test_informational_award_is_recorded(desk: Desk) -> None:
    """An informational award moves nothing and keeps its amount."""
    count = len(desk.book.entries)
    answer = desk.send(award("a1", INT64_MAX, informational=True, round_id="r1"))
    row = answer.transaction

    assert (row.amount, row.cash, row.flags) == (INT64_MAX, 0, FLAG_INFORMATIONAL)
    assert not answer.moved
    assert len(desk.book.entries) == count
    assert desk.wallet().version == 2
    assert desk.round() is not None


def test_award_may_close_its_round(desk: Desk) -> None:
    """An award of a round may be the last call of the round."""
    row = desk.send(award("a1", 1, round_id="r1", round_closed=True)).transaction

    assert row.flags == FLAG_ROUND_CLOSED
    assert desk.send(bet()).reason == Reason.ROUND_CLOSED


@pytest.mark.parametrize(
    "change",
    [
        set_status("no", "ann", PlayerStatus.SELF_EXCLUDED),
        switch_game("off", "slots", enabled=False),
        bet("b1", 1, round_closed=True),
        rollback("x1", "b1"),
    ],
)
def test_award_passes(desk: Desk, change: Any) -> None:
    """Neither status, switch nor the state of the round stands in the way."""
    desk.send(bet("b1", 0))
    desk.send(change)

    assert isinstance(desk.send(award("a1", 1, round_id="r1")), Receipt)


GUARDS: list[tuple[Reason, dict[str, object]]] = [
    (Reason.KEY_INVALID, {"key_id": "no-key"}),
    (Reason.PLAYER_NOT_FOUND, {"player_id": "zed"}),
    (Reason.CURRENCY_NOT_FOUND, {"currency_code": "XYZ"}),
    (Reason.AMOUNT_OUT_OF_RANGE, {"amount": -1}),
    (Reason.SCALE_MISMATCH, {"scale": -1}),
    (Reason.TRANSACTION_MISMATCH, {"transaction_id": "b0"}),
    (Reason.GAME_NOT_FOUND, {"game_id": "lost"}),
    (Reason.CURRENCY_MISMATCH, {"currency_code": "USD"}),
    (Reason.BALANCE_OUT_OF_RANGE, {"amount": INT64_MAX}),
]


@pytest.mark.parametrize("index", range(len(GUARDS)))
def test_guards_stand_in_order(desk: Desk, index: int) -> None:
    """Every refusal wins over those after it, and stores nothing."""
    desk.send(bet("b0", 0))
    call = award("a1", 1, round_id="r1")
    for _, content in reversed(GUARDS[index:]):
        for name, value in content.items():
            setattr(call, name, value)
    before = render([desk.book.next_no, desk.wallet(), desk.round()])
    answer = desk.send(call)

    assert isinstance(answer, CageError)
    assert answer.reason == GUARDS[index][0]
    assert answer.balance is None
    assert render([desk.book.next_no, desk.wallet(), desk.round()]) == before


def test_round_keeps_its_currency(desk: Desk) -> None:
    """An award of a round is in the currency of the round."""
    desk.send(bet("b1", 1))
    usd = desk.wallet("ann", "USD")
    usd.version = 1
    answer = desk.send(award("a1", 1, currency_code="USD", round_id="r1"))

    assert answer.reason == Reason.CURRENCY_MISMATCH
    assert answer.metadata == {"expected": "EUR", "sent": "USD"}


@pytest.mark.parametrize(("cash", "is_in_range"), [(INT64_MAX - 51, 1), (INT64_MAX, 0)])
def test_range(desk: Desk, cash: int, *, is_in_range: int) -> None:
    """An award keeps the playable balance within 64 bits."""
    desk.fund(cash=cash, bonus=50)
    answer = desk.send(award("a1", 1))

    assert isinstance(answer, Receipt) == bool(is_in_range)
