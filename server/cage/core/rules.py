"""Hold the rules of the wallet that an integration may switch.

Where studios disagree the default is what DESIGN section 3 says; the enums have the
numbers of ``cage.wallet.v1``. A rule holds from the next commit after its change,
because every batch reads the registry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any


class Verdict(IntEnum):
    """Whether something is let through."""

    ACCEPT = 1
    REFUSE = 2


class RefusedBetRule(IntEnum):
    """What a bet gets whose id was refused before."""

    STORE = 1
    JUDGE_ANEW = 2


class WinRollbackRule(IntEnum):
    """What the rollback of a win or an award does."""

    REJECT = 1
    ALLOW_NEGATIVE = 2
    NO_OP = 3


class RollbackAmountRule(IntEnum):
    """What the amount of a rollback is worth."""

    IGNORE = 1
    MATCH = 2


class AdjustOverdraftRule(IntEnum):
    """What an adjustment does that takes more than the player has."""

    REJECT = 1
    ALLOW_NEGATIVE = 2


class WinsPerBetRule(IntEnum):
    """How many wins one bet may have."""

    MANY = 1
    ONE = 2


class SettlementRule(IntEnum):
    """What a win may name."""

    BET_OR_ROUND = 1
    BET = 2
    ROUND = 3


class IdScopeRule(IntEnum):
    """Among whom an id of a transaction is unique."""

    PLAYER = 1
    INTEGRATION = 2


class IdsPerKindRule(IntEnum):
    """Whether the kinds of moves share their ids."""

    SHARED = 1
    SEPARATE = 2


class BetSessionRule(IntEnum):
    """Whether a bet has to bring a session token."""

    OPTIONAL = 1
    REQUIRED = 2


class PlayFundsRule(IntEnum):
    """What may pay for the bets of a Play."""

    REQUEST_ORDER = 1
    BETS_FIRST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Hold one integration's rules; ``version`` counts their changes."""

    version: int = 0
    refused_bet: RefusedBetRule = RefusedBetRule.STORE
    unknown_rollback: Verdict = Verdict.ACCEPT
    second_rollback: Verdict = Verdict.ACCEPT
    settled_rollback: Verdict = Verdict.REFUSE
    late_win: Verdict = Verdict.ACCEPT
    late_rollback: Verdict = Verdict.ACCEPT
    win_without_bet: Verdict = Verdict.REFUSE
    win_after_rollback: Verdict = Verdict.REFUSE
    win_rollback: WinRollbackRule = WinRollbackRule.REJECT
    rollback_amount: RollbackAmountRule = RollbackAmountRule.IGNORE
    wins_per_bet: WinsPerBetRule = WinsPerBetRule.MANY
    settlement: SettlementRule = SettlementRule.BET_OR_ROUND
    play_funds: PlayFundsRule = PlayFundsRule.REQUEST_ORDER
    adjust_overdraft: AdjustOverdraftRule = AdjustOverdraftRule.REJECT
    reserve_life_s: int = 604_800
    id_scope: IdScopeRule = IdScopeRule.PLAYER
    bet_needs_session: BetSessionRule = BetSessionRule.OPTIONAL
    ids_per_kind: IdsPerKindRule = IdsPerKindRule.SHARED


DEFAULT_RULES = Rules()


def rules_of(stored: Mapping[str, Any]) -> Rules:
    """Build rules from names and numbers; what is missing or 0 is the default."""
    kinds = {name: type(getattr(DEFAULT_RULES, name)) for name in rule_names()}
    chosen = {name: kinds[name](stored[name]) for name in kinds if stored.get(name)}
    return Rules(**chosen)


def rule_names() -> list[str]:
    """Return the names of all rules, the version among them."""
    return [field.name for field in fields(Rules)]


def changed_rules(earlier: Rules, sent: Mapping[str, int]) -> Rules:
    """Return the rules that were sent, with the version after the change, if any."""
    rules = rules_of({**sent, "version": earlier.version})
    if rules == earlier:
        return earlier
    return replace(rules, version=earlier.version + 1)


def rule_columns(rules: Rules) -> dict[str, int]:
    """Return rules as names and numbers, every one spelled out."""
    return {name: int(getattr(rules, name)) for name in rule_names()}
