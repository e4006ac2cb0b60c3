"""Limits of deposits hold their room from the authorization on."""

from typing import Any

import pytest
from tests.simulation.calls import bet, win
from tests.simulation.deployment import OFFICE_KEY, Desk
from tests.unit.core.test_limit import (
    DAY_US,
    DEPOSIT,
    reason,
    see,
    set_limit,
    used,
    wait,
)

from cage.core.errors import CageError, Reason
from cage.core.payment import AuthorizeDeposit, CancelDeposit, TransferDeposit


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player ``ann`` has 1,000 in cash."""
    made = Desk()
    made.fund(cash=1_000)
    return made


def deposit(desk: Desk, amount: int) -> Any:
    """Authorize a deposit; return its id, or the refusal."""
    see(desk)
    answer = desk.send(
        AuthorizeDeposit(
            key_id=OFFICE_KEY,
            request_id=f"deposit {desk.book.next_no}",
            player_id="ann",
            currency_code="EUR",
            amount=amount,
            scale=2,
            payment_method="card",
        )
    )
    return answer if isinstance(answer, CageError) else answer.payment.payment_id


def transfer(desk: Desk, payment_id: str, amount: int) -> Any:
    """Transfer a deposit."""
    return desk.send(
        TransferDeposit(
            key_id=OFFICE_KEY,
            player_id="ann",
            payment_id=payment_id,
            currency_code="EUR",
            amount=amount,
            scale=2,
            psp_reference="psp",
        )
    )


def test_deposit_reserves_headroom(desk: Desk) -> None:
    """An authorized deposit counts at once; a cancelled one gives its headroom back.

    Requirements D4 and D6: only deposits count, and none is cut to fit.
    """
    set_limit(desk, DEPOSIT, 100)
    first = deposit(desk, 60)
    refused = deposit(desk, 41)
    cancel = CancelDeposit(
        key_id=OFFICE_KEY,
        request_id="cancel",
        player_id="ann",
        payment_id=first,
        reason="declined",
    )
    desk.send(cancel)
    second = deposit(desk, 100)

    assert reason(refused) == Reason.DEPOSIT_LIMIT
    assert refused.metadata["remaining"] == "0.40"
    assert isinstance(second, str)
    assert used(desk) == {"DEPOSIT": 100}


@pytest.mark.parametrize("amount", [40, 60, 90])
def test_transfer_counts_what_came(desk: Desk, amount: int) -> None:
    """A transfer is accepted whatever its amount, and that amount counts (F1)."""
    set_limit(desk, DEPOSIT, 70)
    payment_id = deposit(desk, 60)
    wait(desk, DAY_US)
    answer = transfer(desk, payment_id, amount)
    (counted,) = desk.book.counted.values()

    assert reason(answer) is None
    assert counted[0] == amount
    assert used(desk) == {"DEPOSIT": 0}
    assert reason(transfer(desk, payment_id, amount)) is None


def test_withdrawals_and_wins_free_no_deposit_limit(desk: Desk) -> None:
    """Only deposits move the counter of deposits (requirement D4)."""
    set_limit(desk, DEPOSIT, 100)
    transfer(desk, deposit(desk, 100), 100)
    desk.send(bet("b1", 100))
    desk.send(win("w1", 500, bet_transaction_id="b1"))

    assert used(desk) == {"DEPOSIT": 100}
