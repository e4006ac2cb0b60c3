"""Rules are data: read from names and numbers, versioned, spelled out."""

from typing import Any

import pytest
from tests.simulation.deployment import Desk

from cage.core.rules import (
    DEFAULT_RULES,
    AdjustOverdraftRule,
    BetSessionRule,
    IdScopeRule,
    IdsPerKindRule,
    PlayFundsRule,
    RefusedBetRule,
    RollbackAmountRule,
    Rules,
    SettlementRule,
    Verdict,
    WinRollbackRule,
    WinsPerBetRule,
    changed_rules,
    rule_columns,
    rule_names,
    rules_of,
)
from cage.wallet.v1 import wallet_pb2

ACCEPT, REFUSE = Verdict.ACCEPT, Verdict.REFUSE
# Each rule with its default and what it may be switched to.
RULES: dict[str, tuple[int, tuple[int, ...]]] = {
    "refused_bet": (RefusedBetRule.STORE, (RefusedBetRule.JUDGE_ANEW,)),
    "unknown_rollback": (ACCEPT, (REFUSE,)),
    "second_rollback": (ACCEPT, (REFUSE,)),
    "settled_rollback": (REFUSE, (ACCEPT,)),
    "late_win": (ACCEPT, (REFUSE,)),
    "late_rollback": (ACCEPT, (REFUSE,)),
    "win_without_bet": (REFUSE, (ACCEPT,)),
    "win_after_rollback": (REFUSE, (ACCEPT,)),
    "win_rollback": (
        WinRollbackRule.REJECT,
        (WinRollbackRule.ALLOW_NEGATIVE, WinRollbackRule.NO_OP),
    ),
    "rollback_amount": (RollbackAmountRule.IGNORE, (RollbackAmountRule.MATCH,)),
    "wins_per_bet": (WinsPerBetRule.MANY, (WinsPerBetRule.ONE,)),
    "settlement": (
        SettlementRule.BET_OR_ROUND,
        (SettlementRule.BET, SettlementRule.ROUND),
    ),
    "play_funds": (PlayFundsRule.REQUEST_ORDER, (PlayFundsRule.BETS_FIRST,)),
    "adjust_overdraft": (
        AdjustOverdraftRule.REJECT,
        (AdjustOverdraftRule.ALLOW_NEGATIVE,),
    ),
    "reserve_life_s": (604_800, (60,)),
    "id_scope": (IdScopeRule.PLAYER, (IdScopeRule.INTEGRATION,)),
    "bet_needs_session": (BetSessionRule.OPTIONAL, (BetSessionRule.REQUIRED,)),
    "ids_per_kind": (IdsPerKindRule.SHARED, (IdsPerKindRule.SEPARATE,)),
}


def test_rules_are_those_of_the_contract() -> None:
    """The core has the rules of the contract, by their names and in their order."""
    fields = [field.name for field in wallet_pb2.WalletRules.DESCRIPTOR.fields]

    assert rule_names() == fields
    assert fields == ["version", *RULES]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("stored", [{}, {"version": 0}, None])
def test_missing_and_zero_are_the_default(
    name: str, stored: dict[str, int] | None
) -> None:
    """A rule that was not stored, or as 0, is its default."""
    found = rules_of({name: 0} if stored is None else stored)

    assert found == DEFAULT_RULES
    assert getattr(found, name) == RULES[name][0]


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name, (_, others) in RULES.items() for number in others],
)
def test_one_rule_is_switched(name: str, number: int) -> None:
    """Switching one rule leaves the others, and survives being stored."""
    rules = changed_rules(DEFAULT_RULES, {name: number})
    stored = rule_columns(rules)

    assert stored == {**rule_columns(DEFAULT_RULES), name: number, "version": 1}
    assert rules_of(stored) == rules
    assert type(getattr(rules, name)) is type(getattr(DEFAULT_RULES, name))


# Rules before, what is sent, and the version after.
CHANGES: list[tuple[Rules, dict[str, Any], int]] = [
    (DEFAULT_RULES, {}, 0),
    (DEFAULT_RULES, {"late_win": 0}, 0),
    (DEFAULT_RULES, {"late_win": ACCEPT}, 0),
    (DEFAULT_RULES, {"late_win": REFUSE}, 1),
    (DEFAULT_RULES, {"late_win": REFUSE, "version": 9}, 1),
    (DEFAULT_RULES, {"version": 9}, 0),
    (Rules(version=4, late_win=REFUSE), {"late_win": REFUSE}, 4),
    (Rules(version=4, late_win=REFUSE), {"late_win": REFUSE, "settlement": 1}, 4),
    (Rules(version=4, late_win=REFUSE), {"late_win": REFUSE, "settlement": 2}, 5),
    (Rules(version=4, late_win=REFUSE), {}, 5),
    (Rules(version=4), {}, 4),
]


@pytest.mark.parametrize(("earlier", "sent", "version"), CHANGES)
def test_version_counts_changes(
    earlier: Rules, sent: dict[str, Any], version: int
) -> None:
    """The version grows by 1 with a real change, whatever version was sent."""
    rules = changed_rules(earlier, sent)

    assert rules.version == version
    assert (rules == earlier) == (version == earlier.version)


def test_unknown_number_is_no_rule() -> None:
    """A number that no rule has is refused, not taken for the default."""
    with pytest.raises(ValueError, match="3"):
        rules_of({"late_win": 3})


def test_update_replaces_all_rules() -> None:
    """An update of the integration replaces its rules, one commit after the other."""
    desk = Desk()
    first = desk.rule(late_win=REFUSE)
    second = desk.rule(settlement=SettlementRule.BET)
    same = desk.rule(settlement=SettlementRule.BET)
    key = desk.book.registry.keys["hub-key"]

    assert first == Rules(version=1, late_win=REFUSE)
    assert second == same == Rules(version=2, settlement=SettlementRule.BET)
    assert desk.book.rules(key) == second
    strict = desk.book.rules(desk.book.registry.keys["strict-key"])
    assert strict == Rules(
        version=1,
        bet_needs_session=BetSessionRule.REQUIRED,
        ids_per_kind=IdsPerKindRule.SEPARATE,
    )
