"""The model agrees with the engine on histories that once told them apart."""

from collections import Counter
from typing import Any

import pytest
from tests.simulation.calls import adjust, award, bet, rollback, win
from tests.simulation.deployment import Desk
from tests.simulation.model import Model
from tests.simulation.rules import VALUES, named
from tests.simulation.test_machine import observed

from cage.core.admin import LOCAL_ACTOR, UpdateIntegration
from cage.core.wallet import Account

# Another account each: what is paid for a stake is no award.
HOUSE = {Account.GAME, Account.AWARD, Account.TIP}

HISTORIES: dict[str, tuple[dict[str, str], list[Any]]] = {
    "a win without its bet is cash beside stakes of bonus money": (
        {"win_without_bet": "ACCEPT"},
        [bet("b1", 120), win("w1", 60, bet_transaction_id="lost")],
    ),
    "a win after its tombstone is cash beside stakes of bonus money": (
        {"win_after_rollback": "ACCEPT"},
        [bet("b1", 120), rollback("x1", "gone"),
         win("w1", 60, bet_transaction_id="gone")],
    ),
    "a win without its bet passes where another bet was rolled back": (
        {"win_without_bet": "ACCEPT"},
        [bet("b1"), rollback("x1", "b1"), win("w1", bet_transaction_id="lost")],
    ),
    "an adjustment of an adjustment is on the account of what that corrected": (
        {},
        [award("a1", 7, round_id="r1"), adjust("c1", 2, "a1"), adjust("c2", 3, "c1")],
    ),
    "an award goes back to the account that paid it": (
        {"win_rollback": "ALLOW_NEGATIVE"},
        [award("a1", 7, round_id="r1"), rollback("x1", "a1")],
    ),
}  # fmt: skip


def house(desk: Desk) -> Counter[Account]:
    """Sum up the accounts of the house."""
    sums: Counter[Account] = Counter()
    for _, _, account, _, _, amount, *_ in desk.book.entries:
        if account in HOUSE:
            sums[Account(account)] += amount
    return sums


@pytest.mark.parametrize("name", HISTORIES)
def test_history_is_foreseen(name: str) -> None:
    """The engine answers as the model does, and books what the model expects."""
    rules, commands = HISTORIES[name]
    numbers = {rule: VALUES[rule].index(value) + 1 for rule, value in rules.items()}
    switch = UpdateIntegration(
        key_id=LOCAL_ACTOR,
        request_id="switch",
        integration_id="hub",
        display_name="",
        enabled=True,
        rules=numbers,
    )
    desk, model = Desk(), Model()
    expected = house(desk)
    answers = [observed(desk.send(command)) for command in [switch, *commands]]

    assert answers == [model.apply(command) for command in [switch, *commands]]
    assert answers[0]["rules"] == {**named({}), **rules}
    for (account, *_), amount in model.house().items():
        expected[Account[account]] += amount
    assert house(desk) == expected
