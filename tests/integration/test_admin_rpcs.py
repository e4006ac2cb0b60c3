"""Every rpc of AdminService answers what its contract says, and leaves an audit."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.deployment import Casino, Deployment

from cage.admin.v1.admin_pb2 import Role
from cage.client import BetSessionRule, Pager, WalletRules

OPTIONAL = BetSessionRule.BET_SESSION_RULE_OPTIONAL
REQUIRED = BetSessionRule.BET_SESSION_RULE_REQUIRED
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def assert_audited(
    deployment: Deployment, noun: str, noun_id: str, *actions: str
) -> None:
    """Hold the audit of one thing to these changes, by the key that made them."""
    pager = deployment.admin.admin.list_audit_entries(noun=noun, noun_id=noun_id)
    entries = [entry async for entry in pager]

    assert [entry.action for entry in entries] == list(actions)
    assert {entry.actor for entry in entries} == {"admin"}
    for earlier, later in zip(["", *[e.after_json for e in entries]], entries):  # noqa: B905
        assert later.before_json == earlier
        assert json.loads(later.after_json)


async def assert_pages(pager: Pager[Any, Any], field: str, key: str, id_: str) -> None:
    """Hold a list to full pages in one order, with a thing among its last."""
    pages = [list(getattr(page, field)) async for page in pager.pages()]
    ids = [getattr(row, key) for page in pages for row in page]

    assert all(len(page) == 1 for page in pages)
    assert len(set(ids)) == len(ids)
    assert ids[-1] == id_


async def test_create_operator(deployment: Deployment) -> None:
    """A new operator is switched on unless it says otherwise."""
    admin, id_ = deployment.admin.admin, deployment.name("operator")
    reply = await admin.create_operator(operator_id=id_, display_name="Acme")
    off = await admin.create_operator(
        operator_id=deployment.name("operator"), enabled=False
    )

    assert (reply.operator.operator_id, reply.operator.display_name) == (id_, "Acme")
    assert reply.operator.enabled
    assert not off.operator.enabled
    await assert_audited(deployment, "operator", id_, "CreateOperator")


async def test_update_operator(deployment: Deployment) -> None:
    """An update replaces name and switch."""
    admin, id_ = deployment.admin.admin, deployment.name("operator")
    await admin.create_operator(operator_id=id_, display_name="Acme")
    reply = await admin.update_operator(
        operator_id=id_, display_name="Bcme", enabled=False
    )

    assert (reply.operator.display_name, reply.operator.enabled) == ("Bcme", False)
    await assert_audited(
        deployment, "operator", id_, "CreateOperator", "UpdateOperator"
    )


async def test_list_operators(deployment: Deployment) -> None:
    """Operators are listed page by page, oldest first."""
    admin, id_ = deployment.admin.admin, deployment.name("operator")
    await admin.create_operator(operator_id=id_)

    await assert_pages(
        admin.list_operators(page_size=1), "operators", "operator_id", id_
    )


async def test_create_brand(casino: Casino) -> None:
    """A new brand belongs to its operator."""
    deployment = casino.deployment
    id_ = deployment.name("brand")
    reply = await deployment.admin.admin.create_brand(
        brand_id=id_, operator_id=casino.operator_id, display_name="Vegas"
    )

    assert reply.brand.operator_id == casino.operator_id
    assert (reply.brand.brand_id, reply.brand.display_name) == (id_, "Vegas")
    assert reply.brand.enabled
    await assert_audited(deployment, "brand", id_, "CreateBrand")


async def test_update_brand(casino: Casino) -> None:
    """An update replaces name and switch, and leaves the operator."""
    deployment = casino.deployment
    admin, id_ = deployment.admin.admin, deployment.name("brand")
    await admin.create_brand(brand_id=id_, operator_id=casino.operator_id)
    reply = await admin.update_brand(brand_id=id_, display_name="Reno", enabled=False)

    assert (reply.brand.display_name, reply.brand.enabled) == ("Reno", False)
    assert reply.brand.operator_id == casino.operator_id
    await assert_audited(deployment, "brand", id_, "CreateBrand", "UpdateBrand")


async def test_list_brands(casino: Casino) -> None:
    """Brands are listed page by page, of all operators or of one."""
    admin = casino.deployment.admin.admin
    other = await casino.deployment.casino()
    mine = admin.list_brands(operator_id=other.operator_id)

    await assert_pages(
        admin.list_brands(page_size=1), "brands", "brand_id", other.brand_id
    )
    assert [brand.brand_id async for brand in mine] == [other.brand_id]


async def test_create_integration(deployment: Deployment) -> None:
    """A new integration carries its policies."""
    id_ = deployment.name("integration")
    reply = await deployment.admin.admin.create_integration(
        integration_id=id_, rules=WalletRules(bet_needs_session=REQUIRED)
    )

    assert reply.integration.integration_id == id_
    assert reply.integration.enabled
    assert reply.integration.rules.bet_needs_session == REQUIRED
    await assert_audited(deployment, "integration", id_, "CreateIntegration")


async def test_update_integration(deployment: Deployment) -> None:
    """An update replaces name, switch and policies."""
    admin, id_ = deployment.admin.admin, deployment.name("integration")
    rules = WalletRules(bet_needs_session=REQUIRED)
    await admin.create_integration(integration_id=id_, rules=rules)
    reply = await admin.update_integration(
        integration_id=id_, display_name="Agg", enabled=False
    )

    assert reply.integration.display_name == "Agg"
    assert not reply.integration.enabled
    assert reply.integration.rules.bet_needs_session == OPTIONAL
    await assert_audited(
        deployment, "integration", id_, "CreateIntegration", "UpdateIntegration"
    )


async def test_list_integrations(deployment: Deployment) -> None:
    """Integrations are listed page by page, oldest first."""
    admin, id_ = deployment.admin.admin, deployment.name("integration")
    await admin.create_integration(integration_id=id_)

    await assert_pages(
        admin.list_integrations(page_size=1), "integrations", "integration_id", id_
    )


async def test_create_studio(deployment: Deployment) -> None:
    """A new studio is switched on."""
    id_ = deployment.name("studio")
    reply = await deployment.admin.admin.create_studio(studio_id=id_)

    assert (reply.studio.studio_id, reply.studio.enabled) == (id_, True)
    await assert_audited(deployment, "studio", id_, "CreateStudio")


async def test_update_studio(deployment: Deployment) -> None:
    """An update replaces name and switch."""
    admin, id_ = deployment.admin.admin, deployment.name("studio")
    await admin.create_studio(studio_id=id_)
    reply = await admin.update_studio(studio_id=id_, display_name="Spin", enabled=False)

    assert (reply.studio.display_name, reply.studio.enabled) == ("Spin", False)
    await assert_audited(deployment, "studio", id_, "CreateStudio", "UpdateStudio")


async def test_list_studios(deployment: Deployment) -> None:
    """Studios are listed page by page, oldest first."""
    admin, id_ = deployment.admin.admin, deployment.name("studio")
    await admin.create_studio(studio_id=id_)

    await assert_pages(admin.list_studios(page_size=1), "studios", "studio_id", id_)


async def test_create_game(casino: Casino) -> None:
    """A new game belongs to its studio."""
    deployment = casino.deployment
    id_ = deployment.name("game")
    reply = await deployment.admin.admin.create_game(
        game_id=id_, studio_id=casino.studio_id, display_name="Book", enabled=False
    )

    assert (reply.game.game_id, reply.game.studio_id) == (id_, casino.studio_id)
    assert (reply.game.display_name, reply.game.enabled) == ("Book", False)
    await assert_audited(deployment, "game", id_, "CreateGame")


async def test_update_game(casino: Casino) -> None:
    """An update replaces name and switch, and leaves the studio."""
    deployment = casino.deployment
    admin, id_ = deployment.admin.admin, deployment.name("game")
    await admin.create_game(game_id=id_, studio_id=casino.studio_id)
    reply = await admin.update_game(game_id=id_, display_name="Book", enabled=False)

    assert (reply.game.display_name, reply.game.enabled) == ("Book", False)
    assert reply.game.studio_id == casino.studio_id
    await assert_audited(deployment, "game", id_, "CreateGame", "UpdateGame")


async def test_list_games(casino: Casino) -> None:
    """Games are listed page by page, of all studios or of one."""
    admin = casino.deployment.admin.admin
    other = await casino.deployment.casino()
    mine = admin.list_games(studio_id=other.studio_id)

    await assert_pages(admin.list_games(page_size=1), "games", "game_id", other.game_id)
    assert [game.game_id async for game in mine] == [other.game_id]


@pytest.mark.parametrize(
    ("code", "sent", "scale"),
    [
        ("JPY", None, 0),
        ("KWD", None, 3),
        ("GBP", None, 2),
        ("DOGE", None, 8),
        ("CHF", 5, 5),
        ("SATS", 0, 0),
        ("ETH", 18, 18),
    ],
)
async def test_create_currency(
    deployment: Deployment, code: str, sent: int | None, scale: int
) -> None:
    """A new currency has the scale that was sent, or that of ISO 4217, or 8."""
    reply = await deployment.admin.admin.create_currency(currency_code=code, scale=sent)

    assert (reply.currency.currency_code, reply.currency.scale) == (code, scale)
    await assert_audited(deployment, "currency", code, "CreateCurrency")


async def test_list_currencies(deployment: Deployment) -> None:
    """Currencies are listed page by page, oldest first."""
    admin = deployment.admin.admin
    await admin.create_currency(currency_code="LAST")

    await assert_pages(
        admin.list_currencies(page_size=1), "currencies", "currency_code", "LAST"
    )


async def test_create_api_key(casino: Casino) -> None:
    """A new key works at once, and its secret is shown once."""
    deployment, expire_time = casino.deployment, datetime.now(UTC) + timedelta(hours=1)
    request: dict[str, Any] = {
        "key_id": deployment.name("key"),
        "role": Role.ROLE_GAME,
        "integration_id": casino.integration_id,
        "operator_ids": [casino.operator_id],
        "display_name": "spare",
        "expire_time": expire_time,
        "request_id": deployment.name("request"),
    }
    first = await deployment.admin.admin.create_api_key(**request)
    again = await deployment.admin.admin.create_api_key(**request)
    player = await casino.player()

    assert first.key == again.key
    assert first.key.integration_id == casino.integration_id
    assert list(first.key.operator_ids) == [casino.operator_id]
    assert first.key.expire_time.ToDatetime(UTC) == expire_time
    assert (again.api_key, again.replayed) == ("", True)
    await deployment.client(first.api_key).call(player.bet("1.00"))

    await assert_audited(deployment, "key", first.key.key_id, "CreateApiKey")


async def test_revoke_api_key(deployment: Deployment) -> None:
    """A revoked key stays revoked, at the time of the first revocation."""
    admin = deployment.admin.admin
    key_id, _ = await deployment.key(Role.ROLE_ADMIN)
    first = await admin.revoke_api_key(key_id=key_id)
    second = await admin.revoke_api_key(key_id=key_id)

    assert first.key.revoke_time.seconds
    assert second.key == first.key


async def test_list_api_keys(deployment: Deployment) -> None:
    """Keys are listed page by page, revoked ones too, and never their secrets."""
    admin = deployment.admin.admin
    key_id, secret = await deployment.key(Role.ROLE_ADMIN)
    await admin.revoke_api_key(key_id=key_id)

    await assert_pages(admin.list_api_keys(page_size=1), "keys", "key_id", key_id)
    assert secret not in "".join([str(key) async for key in admin.list_api_keys()])


async def test_list_audit_entries(casino: Casino) -> None:
    """The audit lists what operators did too, page by page, in one order."""
    player = await casino.player("")
    admin = casino.deployment.admin.admin
    entries = [
        entry
        async for page in admin.list_audit_entries(
            noun="player", noun_id=player.player_id, page_size=1
        ).pages()
        for entry in page.entries
    ]
    everything = [entry async for entry in admin.list_audit_entries(page_size=1_000)]

    assert [entry.action for entry in entries] == [
        "RegisterPlayer",
        "RecordVerification",
    ]
    assert {entry.actor for entry in entries} == {casino.operator_key_id}
    assert len({entry.ledger_id for entry in everything}) == len(everything)
    assert [entry.ledger_id for entry in everything] == sorted(
        entry.ledger_id for entry in everything
    )
