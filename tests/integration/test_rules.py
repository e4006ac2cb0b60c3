"""Rules are data of an integration: versioned, audited, spelled out, its own."""

import json
from typing import Any

import pytest
from tests.integration.carriers import Send, assert_refused, is_replay
from tests.integration.deployment import Casino, Deployment, Player, Ruled

from cage.admin.v1.admin_pb2 import Integration
from cage.admin.v1.admin_service_pb2 import (
    CreateIntegrationRequest,
    UpdateIntegrationRequest,
)
from cage.client import (
    AdjustOverdraftRule,
    BetSessionRule,
    IdScopeRule,
    IdsPerKindRule,
    InvalidFieldError,
    PlayFundsRule,
    RefusedBetRule,
    RequestMismatchError,
    RollbackAmountRule,
    SettlementRule,
    Verdict,
    WalletRules,
    WinRollbackRule,
    WinsPerBetRule,
    new_id,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACCEPT, REFUSE = Verdict.VERDICT_ACCEPT, Verdict.VERDICT_REFUSE
DEFAULT = WalletRules(
    refused_bet=RefusedBetRule.REFUSED_BET_RULE_STORE,
    unknown_rollback=ACCEPT,
    second_rollback=ACCEPT,
    settled_rollback=REFUSE,
    late_win=ACCEPT,
    late_rollback=ACCEPT,
    win_without_bet=REFUSE,
    win_after_rollback=REFUSE,
    win_rollback=WinRollbackRule.WIN_ROLLBACK_RULE_REJECT,
    rollback_amount=RollbackAmountRule.ROLLBACK_AMOUNT_RULE_IGNORE,
    wins_per_bet=WinsPerBetRule.WINS_PER_BET_RULE_MANY,
    settlement=SettlementRule.SETTLEMENT_RULE_BET_OR_ROUND,
    play_funds=PlayFundsRule.PLAY_FUNDS_RULE_REQUEST_ORDER,
    adjust_overdraft=AdjustOverdraftRule.ADJUST_OVERDRAFT_RULE_REJECT,
    reserve_life_s=604_800,
    id_scope=IdScopeRule.ID_SCOPE_RULE_PLAYER,
    bet_needs_session=BetSessionRule.BET_SESSION_RULE_OPTIONAL,
    ids_per_kind=IdsPerKindRule.IDS_PER_KIND_RULE_SHARED,
)
# Every rule switched, but the one that is fixed when the integration is created.
OTHER = WalletRules(
    refused_bet=RefusedBetRule.REFUSED_BET_RULE_JUDGE_ANEW,
    unknown_rollback=REFUSE,
    second_rollback=REFUSE,
    settled_rollback=ACCEPT,
    late_win=REFUSE,
    late_rollback=REFUSE,
    win_without_bet=ACCEPT,
    win_after_rollback=ACCEPT,
    win_rollback=WinRollbackRule.WIN_ROLLBACK_RULE_NO_OP,
    rollback_amount=RollbackAmountRule.ROLLBACK_AMOUNT_RULE_MATCH,
    wins_per_bet=WinsPerBetRule.WINS_PER_BET_RULE_ONE,
    settlement=SettlementRule.SETTLEMENT_RULE_BET,
    play_funds=PlayFundsRule.PLAY_FUNDS_RULE_BETS_FIRST,
    adjust_overdraft=AdjustOverdraftRule.ADJUST_OVERDRAFT_RULE_ALLOW_NEGATIVE,
    reserve_life_s=60,
    id_scope=IdScopeRule.ID_SCOPE_RULE_INTEGRATION,
    bet_needs_session=BetSessionRule.BET_SESSION_RULE_REQUIRED,
    ids_per_kind=IdsPerKindRule.IDS_PER_KIND_RULE_SHARED,
)
FIXED = {"ids_per_kind": IdsPerKindRule.IDS_PER_KIND_RULE_SEPARATE}
ENUMS = [field.name for field in WalletRules.DESCRIPTOR.fields if field.enum_type]
NAMES = [field.name for field in WalletRules.DESCRIPTOR.fields if field.number > 1]


def versioned(rules: WalletRules, version: int) -> WalletRules:
    """Return rules as they are after some changes."""
    copy = WalletRules(version=version)
    copy.MergeFrom(rules)
    return copy


def as_json(rules: WalletRules) -> dict[str, int]:
    """Return rules as the audit has them."""
    names = [field.name for field in WalletRules.DESCRIPTOR.fields]
    return {name: getattr(rules, name) for name in names}


async def listed(deployment: Deployment, integration_id: str) -> Integration:
    """Find an integration in the list of all."""
    pager = deployment.admin.admin.list_integrations(page_size=1_000)
    (found,) = [row async for row in pager if row.integration_id == integration_id]
    return found


async def update(casino: Casino, rules: WalletRules | None, **more: Any) -> Integration:
    """Replace the rules of a casino's integration."""
    content = {"display_name": "", "enabled": True}
    updated = await casino.deployment.admin.admin.update_integration(
        integration_id=casino.integration_id, rules=rules, **{**content, **more}
    )
    return updated.integration


@pytest.mark.parametrize("rules", [None, WalletRules(), WalletRules(version=7)])
async def test_default_is_spelled_out(
    deployment: Deployment, rules: WalletRules | None
) -> None:
    """Every rule of a new integration is told, and its version is 0."""
    id_ = deployment.name("integration")
    created = await deployment.admin.admin.create_integration(
        integration_id=id_, rules=rules
    )

    assert created.integration.rules == DEFAULT
    assert (await listed(deployment, id_)).rules == DEFAULT


@pytest.mark.parametrize("name", NAMES)
async def test_one_rule_is_switched(deployment: Deployment, name: str) -> None:
    """A rule that is switched leaves all others at their default."""
    id_ = deployment.name("integration")
    number = FIXED.get(name) or getattr(OTHER, name)
    created = await deployment.admin.admin.create_integration(
        integration_id=id_,
        rules=WalletRules(**{name: number}),
    )
    expected = versioned(DEFAULT, 1)
    setattr(expected, name, number)

    assert created.integration.rules == expected
    assert (await listed(deployment, id_)).rules == expected


@pytest.mark.parametrize(
    ("sent", "flag", "expected"),
    [(0, False, 1), (0, True, 2), (1, True, 1), (2, False, 2), (2, True, 2)],
)
async def test_flag_before_the_rule_fills_it_in(
    deployment: Deployment, sent: int, flag: bool, expected: int
) -> None:
    """The older flag counts where the rule is unspecified; replies fill both in."""
    rules = WalletRules(bet_needs_session=BetSessionRule.ValueType(sent))
    content = {"integration_id": deployment.name("integration"), "rules": rules}
    requests = [
        CreateIntegrationRequest(
            request_id=new_id(), bet_needs_session=flag, **content
        ),
        UpdateIntegrationRequest(
            request_id=new_id(),
            integration=Integration(bet_needs_session=flag, **content),
        ),
    ]
    for request in requests:
        reply = await deployment.admin.call(request)
        assert reply.integration.rules.bet_needs_session == expected
        assert reply.integration.bet_needs_session == (expected == 2)


async def test_version_counts_real_changes(deployment: Deployment) -> None:
    """The version grows with what changes rules, and with nothing else."""
    casino = await deployment.casino()
    late = WalletRules(late_win=REFUSE)
    steps: list[tuple[WalletRules | None, dict[str, Any], int]] = [
        (None, {}, 0),
        (DEFAULT, {"display_name": "Hub"}, 0),
        (late, {}, 1),
        (versioned(late, 40), {}, 1),
        (OTHER, {}, 2),
        (OTHER, {"enabled": False}, 2),
        (None, {}, 3),
    ]
    versions = [
        (await update(casino, rules, **more)).rules.version for rules, more, _ in steps
    ]

    assert versions == [version for *_, version in steps]
    assert (await listed(deployment, casino.integration_id)).rules == (
        versioned(DEFAULT, 3)
    )


async def test_authenticate_tells_the_rules(deployment: Deployment) -> None:
    """A session begins with every rule as it holds now."""
    casino = await deployment.casino(rules=WalletRules(late_win=REFUSE))
    player = await casino.player()
    told = []
    for rules in (None, OTHER):
        await update(casino, rules)
        opened = await casino.studio.wallet.authenticate(
            launch_token=await player.launch()
        )
        told.append(opened.policies.rules)

    assert told == [versioned(DEFAULT, 2), versioned(OTHER, 3)]


async def test_changes_are_audited(deployment: Deployment) -> None:
    """The audit has all rules before and after each change."""
    casino = await deployment.casino()
    await update(casino, OTHER)
    await update(casino, None)
    entries = [
        entry
        async for entry in deployment.admin.admin.list_audit_entries(
            noun="integration", noun_id=casino.integration_id
        )
    ]
    texts = [(entry.before_json, entry.after_json) for entry in entries]
    pairs = [
        tuple(json.loads(text)["rules"] if text else None for text in pair)
        for pair in texts
    ]
    steps = [
        as_json(rules)
        for rules in (DEFAULT, versioned(OTHER, 1), versioned(DEFAULT, 2))
    ]

    assert [entry.action for entry in entries] == [
        "CreateIntegration",
        "UpdateIntegration",
        "UpdateIntegration",
    ]
    assert pairs == [(None, steps[0]), (steps[0], steps[1]), (steps[1], steps[2])]


async def test_retry_is_answered_the_same(deployment: Deployment) -> None:
    """A repeated create or update answers its first rules and changes nothing."""
    casino, admin = await deployment.casino(), deployment.admin.admin
    request_id, new_id = deployment.name("request"), deployment.name("integration")
    creations, updates = [], []
    for _ in range(2):
        made = await admin.create_integration(
            integration_id=new_id, rules=OTHER, request_id=new_id
        )
        creations.append(made.integration)
        updates.append(await update(casino, OTHER, request_id=request_id))
        await update(casino, None)
    now = await listed(deployment, casino.integration_id)

    assert creations[0] == creations[1]
    assert updates[0] == updates[1]
    assert updates[0].rules == creations[0].rules == versioned(OTHER, 1)
    assert now.rules == versioned(DEFAULT, 2)
    with pytest.raises(RequestMismatchError):
        await update(casino, WalletRules(late_win=REFUSE), request_id=request_id)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *((name, number) for name in ENUMS for number in (-1, 4)),
        ("reserve_life_s", -1),
        ("reserve_life_s", 7_776_001),
    ],
)
async def test_unknown_rule_is_refused(casino: Casino, name: str, number: int) -> None:
    """A number that a rule does not have names its field."""
    admin, rules = casino.deployment.admin.admin, WalletRules(**{name: number})
    with pytest.raises(InvalidFieldError) as creating:
        await admin.create_integration(
            integration_id=casino.deployment.name("integration"), rules=rules
        )
    with pytest.raises(InvalidFieldError) as updating:
        await update(casino, rules)

    assert creating.value.metadata["field"] == f"rules.{name}"
    assert updating.value.metadata["field"] == f"integration.rules.{name}"


async def test_rules_hold_from_the_next_commit(
    deployment: Deployment, send: Send
) -> None:
    """The call after the answer to an update is judged by the new rules."""
    casino = await deployment.casino()
    player = await casino.player()
    answers = []
    for rules in ({}, {"win_without_bet": ACCEPT}, {}):
        await casino.rule(**rules)
        answers.append(await send(player, player.win("1.00", None, "nowhere")))

    assert_refused(answers[0], "BET_NOT_FOUND")
    assert answers[1].receipt.cash.amount == 100
    # The round is there now, but still without a bet.
    assert_refused(answers[2], "BET_NOT_FOUND")
    assert await player.cash() == 10_100


async def test_first_answer_outlives_the_rules(deployment: Deployment) -> None:
    """A retry gets what was answered first, whatever the rules say since."""
    casino = await deployment.casino(rules=WalletRules(win_without_bet=ACCEPT))
    player = await casino.player()
    requests = [player.win("1.00", "lost", bet_transaction_id="none")]
    requests += [player.win("1.00", "whole")]
    first = [await casino.studio.call(request) for request in requests]
    await casino.rule(settlement=SettlementRule.SETTLEMENT_RULE_BET, late_win=REFUSE)
    again = [await casino.studio.call(request) for request in requests]

    assert not any(map(is_replay, first))
    assert all(map(is_replay, again))


async def test_rules_are_of_one_integration(
    player: Player, ruled: Ruled, send: Send
) -> None:
    """The rules of one integration leave those of another alone."""
    other = await ruled(win_without_bet=ACCEPT)
    answers = [await send(each, each.win("1.00")) for each in (other, player)]

    assert answers[0].receipt.cash.amount == 100
    assert_refused(answers[1], "BET_NOT_FOUND")
