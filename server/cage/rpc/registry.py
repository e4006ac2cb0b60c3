"""Turn what a deployment is made of into messages of ``cage.admin.v1``."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from cage.admin.v1 import admin_pb2, admin_service_pb2
from cage.core.book import Change
from cage.core.ids import public_id
from cage.core.registry import (
    UNFINISHED_ROUND_AFTER_S,
    ApiKey,
    Brand,
    Currency,
    Game,
    Integration,
    Operator,
    Registry,
    Studio,
    UnfinishedRoundAction,
)
from cage.core.rules import BetSessionRule, Rules, rule_columns
from cage.rpc.convert import fill_time, to_time
from cage.type.v1 import vertical_pb2
from cage.wallet.v1 import wallet_pb2


def to_operator(row: Operator) -> admin_pb2.Operator:
    """Return an operator."""
    return admin_pb2.Operator(
        operator_id=row.operator_id,
        display_name=row.display_name,
        enabled=row.enabled,
        in_maintenance=row.in_maintenance,
    )


def to_brand(row: Brand, registry: Registry) -> admin_pb2.Brand:
    """Return a brand with the id of its operator."""
    return admin_pb2.Brand(
        brand_id=row.brand_id,
        operator_id=registry.operators_by_no[row.operator_no].operator_id,
        display_name=row.display_name,
        enabled=row.enabled,
        in_maintenance=row.in_maintenance,
    )


def to_integration(row: Integration) -> admin_pb2.Integration:
    """Return an integration with its policies."""
    return admin_pb2.Integration(
        integration_id=row.integration_id,
        display_name=row.display_name,
        enabled=row.enabled,
        bet_needs_session=needs_session(row.rules),
        in_maintenance=row.in_maintenance,
        rules=to_rules(row.rules),
        unfinished_round_action=admin_pb2.UnfinishedRoundAction.ValueType(
            row.unfinished_round_action
        ),
        unfinished_round_after_s=row.unfinished_round_after_s,
        history_url_template=row.history_url_template,
    )


def read_rounds(
    sent: admin_pb2.Integration | admin_service_pb2.CreateIntegrationRequest,
) -> dict[str, Any]:
    """Read what was sent about an integration's rounds, with its defaults."""
    action = sent.unfinished_round_action or UnfinishedRoundAction.REPORT
    return {
        "unfinished_round_action": UnfinishedRoundAction(action),
        "unfinished_round_after_s": sent.unfinished_round_after_s
        or UNFINISHED_ROUND_AFTER_S,
        "history_url_template": sent.history_url_template,
    }


def to_rules(rules: Rules) -> wallet_pb2.WalletRules:
    """Return the rules of an integration, every one spelled out."""
    message = wallet_pb2.WalletRules()
    for name, number in rule_columns(rules).items():
        setattr(message, name, number)
    return message


def needs_session(rules: Rules) -> bool:
    """Say whether bets need a session, for the fields from before it was a rule."""
    return rules.bet_needs_session == BetSessionRule.REQUIRED


def read_rules(
    sent: admin_pb2.Integration | admin_service_pb2.CreateIntegrationRequest,
) -> dict[str, int]:
    """Read the rules that were sent, as names and numbers; 0 is the default.

    The flag from before ``bet_needs_session`` was a rule fills it in.
    """
    rules = {
        field.name: getattr(sent.rules, field.name)
        for field in sent.rules.DESCRIPTOR.fields
        if field.name != "version"
    }
    if sent.bet_needs_session and not rules["bet_needs_session"]:
        rules["bet_needs_session"] = int(BetSessionRule.REQUIRED)
    return rules


def to_studio(row: Studio) -> admin_pb2.Studio:
    """Return a studio."""
    return admin_pb2.Studio(
        studio_id=row.studio_id,
        display_name=row.display_name,
        enabled=row.enabled,
        in_maintenance=row.in_maintenance,
    )


def to_game(row: Game, registry: Registry) -> admin_pb2.Game:
    """Return a game with the id of its studio."""
    return admin_pb2.Game(
        game_id=row.game_id,
        studio_id=registry.studios_by_no[row.studio_no].studio_id,
        display_name=row.display_name,
        enabled=row.enabled,
        in_maintenance=row.in_maintenance,
        vertical=vertical_pb2.Vertical.ValueType(row.vertical),
        history_url_template=row.history_url_template,
    )


def to_currency(row: Currency) -> admin_pb2.Currency:
    """Return a currency with its ledger scale."""
    return admin_pb2.Currency(currency_code=row.currency_code, scale=row.scale)


def to_key(row: ApiKey, registry: Registry) -> admin_pb2.ApiKey:
    """Return a key without its secret, with the ids of what it is granted to."""
    integration = registry.integrations_by_no.get(row.integration_no)
    operators = registry.operators_by_no
    return admin_pb2.ApiKey(
        key_id=row.key_id,
        role=admin_pb2.Role.ValueType(row.role),
        integration_id=integration.integration_id if integration is not None else "",
        operator_ids=sorted(
            operators[number].operator_id for number in row.operator_nos or ()
        ),
        display_name=row.display_name,
        create_time=to_time(row.create_time_us),
        expire_time=to_time(row.expire_time_us),
        revoke_time=to_time(row.revoke_time_us),
    )


def to_audit_entry(row: Change) -> admin_pb2.AuditEntry:
    """Return a journalled change."""
    message = admin_pb2.AuditEntry(
        ledger_id=public_id(row.commit_time_us, row.lane, row.item_no),
        actor=row.actor,
        noun=row.noun,
        noun_id=row.noun_id,
        action=row.action,
        before_json=row.before,
        after_json=row.after,
    )
    fill_time(message.commit_time, row.commit_time_us)
    return message


def expiry_us(time: Timestamp) -> int:
    """Return a time that was sent in microseconds; never 0, which means never.

    What lies before 1970 is as much in the past as its first microsecond.
    """
    return max(time.seconds * 1_000_000 + time.nanos // 1_000, 1)
