"""Name the rules of the wallet as its contract does, and draw switches of them.

It shares no name with the engine: a rule's values stand in the order of their
numbers in ``cage.wallet.v1.WalletRules``, the first one has number 1.
"""

from random import Random

from cage.core.admin import LOCAL_ACTOR, UpdateIntegration

VERDICT = ("ACCEPT", "REFUSE")
VALUES: dict[str, tuple[str, ...]] = {
    "refused_bet": ("STORE", "JUDGE_ANEW"),
    "unknown_rollback": VERDICT,
    "second_rollback": VERDICT,
    "settled_rollback": VERDICT,
    "late_win": VERDICT,
    "late_rollback": VERDICT,
    "win_without_bet": VERDICT,
    "win_after_rollback": VERDICT,
    "win_rollback": ("REJECT", "ALLOW_NEGATIVE", "NO_OP"),
    "rollback_amount": ("IGNORE", "MATCH"),
    "wins_per_bet": ("MANY", "ONE"),
    "settlement": ("BET_OR_ROUND", "BET", "ROUND"),
    "play_funds": ("REQUEST_ORDER", "BETS_FIRST"),
    "adjust_overdraft": ("REJECT", "ALLOW_NEGATIVE"),
    "id_scope": ("PLAYER", "INTEGRATION"),
    "bet_needs_session": ("OPTIONAL", "REQUIRED"),
    "ids_per_kind": ("SHARED", "SEPARATE"),
}
# All others default to their first value.
REFUSED_BY_DEFAULT = {"settled_rollback", "win_without_bet", "win_after_rollback"}
DEFAULTS = {
    name: "REFUSE" if name in REFUSED_BY_DEFAULT else values[0]
    for name, values in VALUES.items()
}

# Whoever may name only a bet, or only a round, has few wins left; where each bet needs
# a session, few bets. What is fixed at the creation is never sent again.
SELDOM = {"settlement": 0.3, "bet_needs_session": 0.25, "ids_per_kind": 0.0}


def draw_rules(rng: Random) -> dict[str, int]:
    """Draw rules: now and then none, else about half of them spelled out."""
    if rng.random() < 0.15:
        return {}
    return {
        name: rng.randint(0, len(values))
        for name, values in VALUES.items()
        if rng.random() < SELDOM.get(name, 0.8)
    }


def switch_rules(
    rng: Random, request_id: str, integration_id: str = ""
) -> UpdateIntegration:
    """Draw other rules for an integration."""
    chosen = integration_id or rng.choice(["hub", "hub", "strict"])
    return UpdateIntegration(
        key_id=LOCAL_ACTOR,
        request_id=request_id,
        integration_id=chosen,
        display_name="",
        enabled=True,
        rules=draw_rules(rng),
    )


def first_rules(number: int) -> list[UpdateIntegration]:
    """Give both integrations rules of their own, so that they differ."""
    rng = Random(number)
    return [switch_rules(rng, f"first {name}", name) for name in ("hub", "strict")]


def named(rules: dict[str, int]) -> dict[str, str]:
    """Spell rules out; what is missing or 0 is the default."""
    return {
        name: values[rules[name] - 1] if rules.get(name) else DEFAULTS[name]
        for name, values in VALUES.items()
    }
