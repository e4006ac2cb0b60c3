"""A malformed change or list is refused by its field, and nothing changes."""

from typing import Any, TypeAlias

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tests.integration.books import digest
from tests.integration.deployment import Player
from tests.integration.wire import Refusal, connected

from cage.admin.v1 import admin_pb2
from cage.admin.v1 import admin_service_pb2 as admin
from cage.cashier.v1 import cashier_service_pb2 as cashier
from cage.client import methods
from cage.player.v1 import kyc_service_pb2 as kyc
from cage.player.v1 import player_service_pb2 as players
from cage.player.v1 import responsible_gaming_service_pb2 as gaming
from cage.player.v1 import session_service_pb2 as sessions
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1 import wallet_service_pb2 as wallet

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "x" * 300
NEGATIVE = Money(currency_code="EUR", amount=-1, scale=2)
ZERO = Money(currency_code="EUR", amount=0, scale=2)
SCALELESS = Money(currency_code="EUR", amount=1)
FINE = Money(currency_code="EUR", amount=1, scale=3)
PAST = Timestamp(seconds=1)
ROLES = admin_pb2.Role

# What is right about each request; "P", "G", "B", "I" and "O" are put in.
RIGHT: dict[type[Message], dict[str, Any]] = {
    players.RegisterPlayerRequest: {
        "brand_id": "B",
        "country_code": "MT",
        "jurisdiction": "MT",
        "currency_code": "EUR",
    },
    players.SetPlayerStatusRequest: {"player_id": "P", "status": 2, "reason": "r"},
    players.SetPlayerBlocksRequest: {"player_id": "P", "reason": "r"},
    players.OpenWalletRequest: {"player_id": "P", "currency_code": "USD"},
    players.GetPlayerRequest: {"player_id": "P"},
    kyc.RecordVerificationRequest: {
        "player_id": "P",
        "method": 1,
        "reference": "r",
        "level": 1,
    },
    sessions.CreateLaunchTokenRequest: {
        "player_id": "P",
        "game_id": "G",
        "currency_code": "EUR",
    },
    sessions.EndSessionRequest: {"player_id": "P"},
    gaming.SetLimitRequest: {
        "player_id": "P",
        "kind": 2,
        "period": 2,
        "origin": 1,
        "amount": Money(currency_code="EUR", amount=1, scale=2),
    },
    gaming.RemoveLimitRequest: {
        "player_id": "P",
        "kind": 2,
        "period": 2,
        "origin": 1,
        "currency_code": "EUR",
    },
    gaming.ConfirmLimitRequest: {
        "player_id": "P",
        "kind": 2,
        "period": 2,
        "origin": 1,
        "currency_code": "EUR",
    },
    gaming.ListLimitsRequest: {"player_id": "P"},
    cashier.AuthorizeDepositRequest: {
        "player_id": "P",
        "amount": Money(currency_code="EUR", amount=1, scale=2),
        "payment_method": "card",
    },
    cashier.CancelDepositRequest: {"player_id": "P", "payment_id": "x", "reason": "r"},
    admin.CreateOperatorRequest: {"operator_id": "fresh"},
    admin.CreateBrandRequest: {"brand_id": "fresh", "operator_id": "O"},
    admin.CreateGameRequest: {"game_id": "fresh", "studio_id": "S"},
    admin.UpdateBrandRequest: {"brand": {"brand_id": "B"}},
    admin.CreateCurrencyRequest: {"currency_code": "NEW"},
    admin.CreateApiKeyRequest: {
        "key_id": "fresh",
        "role": ROLES.ROLE_GAME,
        "integration_id": "I",
        "operator_ids": ["O"],
    },
    admin.RevokeApiKeyRequest: {"key_id": "x"},
    admin.ListAuditEntriesRequest: {},
    wallet.AuthenticateRequest: {"launch_token": "l.x.y"},
    wallet.ListTransactionsRequest: {"player_id": "P"},
    wallet.GetTransactionRequest: {"player_id": "P", "transaction_id": "first"},
}
# What is sent, what is wrong with it, the field that is named, another reason.
Case: TypeAlias = tuple[type[Message], dict[str, Any], str]
FIELDS: list[Case] = [
    (players.RegisterPlayerRequest, {"request_id": ""}, "request_id"),
    (players.RegisterPlayerRequest, {"request_id": LONG}, "request_id"),
    (players.RegisterPlayerRequest, {"request_id": "a\tb"}, "request_id"),
    (players.RegisterPlayerRequest, {"brand_id": ""}, "brand_id"),
    (players.RegisterPlayerRequest, {"brand_id": "x" * 65}, "brand_id"),
    (players.RegisterPlayerRequest, {"country_code": "mt"}, "country_code"),
    (players.RegisterPlayerRequest, {"country_code": "MLT"}, "country_code"),
    (players.RegisterPlayerRequest, {"jurisdiction": "m t"}, "jurisdiction"),
    (players.RegisterPlayerRequest, {"jurisdiction": ""}, "jurisdiction"),
    (players.RegisterPlayerRequest, {"language_code": "x" * 36}, "language_code"),
    (players.RegisterPlayerRequest, {"currency_code": "euro"}, "currency_code"),
    (players.RegisterPlayerRequest, {"display_name": "x" * 129}, "display_name"),
    (players.RegisterPlayerRequest, {"display_name": "a\0b"}, "display_name"),
    (players.SetPlayerStatusRequest, {"status": 0}, "status"),
    (players.SetPlayerStatusRequest, {"status": 99}, "status"),
    (players.SetPlayerStatusRequest, {"status": -1}, "status"),
    (players.SetPlayerStatusRequest, {"reason": ""}, "reason"),
    (players.SetPlayerBlocksRequest, {"reason": ""}, "reason"),
    (players.OpenWalletRequest, {"currency_code": ""}, "currency_code"),
    (players.OpenWalletRequest, {"currency_code": "usd"}, "currency_code"),
    *(
        (players.SetPlayerBlocksRequest, {"blocks": {"verticals": bad}}, field)
        for bad, field in (
            ([1] * 17, "blocks.verticals"),
            ([1, 0], "blocks.verticals[1]"),
            ([99], "blocks.verticals[0]"),
            ([-1], "blocks.verticals[0]"),
        )
    ),
    (admin.CreateGameRequest, {"vertical": 99}, "vertical"),
    (sessions.CreateLaunchTokenRequest, {"scope": 3}, "scope"),
    (players.SetPlayerStatusRequest, {"reason": "x" * 1_025}, "reason"),
    (players.GetPlayerRequest, {"player_id": ""}, "player_id"),
    (players.GetPlayerRequest, {"player_id": LONG}, "player_id"),
    (kyc.RecordVerificationRequest, {"method": 0}, "method"),
    (kyc.RecordVerificationRequest, {"method": 99}, "method"),
    (kyc.RecordVerificationRequest, {"level": 0}, "level"),
    (kyc.RecordVerificationRequest, {"level": 4}, "level"),
    (kyc.RecordVerificationRequest, {"reference": ""}, "reference"),
    (sessions.CreateLaunchTokenRequest, {"game_id": ""}, "game_id"),
    (sessions.CreateLaunchTokenRequest, {"currency_code": ""}, "currency_code"),
    (sessions.EndSessionRequest, {"player_id": LONG}, "player_id"),
    (gaming.SetLimitRequest, {"kind": 0}, "kind"),
    (gaming.SetLimitRequest, {"kind": 99}, "kind"),
    (gaming.SetLimitRequest, {"kind": 4}, "period"),
    (gaming.SetLimitRequest, {"period": 0}, "period"),
    (gaming.SetLimitRequest, {"period": 1}, "period"),
    (gaming.SetLimitRequest, {"origin": 0}, "origin"),
    (gaming.SetLimitRequest, {"amount": None}, "amount"),
    (gaming.SetLimitRequest, {"currency_rule": 99}, "currency_rule"),
    (gaming.RemoveLimitRequest, {"kind": 4}, "period"),
    (gaming.RemoveLimitRequest, {"currency_code": ""}, "currency_code"),
    (gaming.ConfirmLimitRequest, {"period": 1}, "period"),
    (gaming.ConfirmLimitRequest, {"origin": 99}, "origin"),
    (gaming.ListLimitsRequest, {"player_id": ""}, "player_id"),
    (cashier.AuthorizeDepositRequest, {"amount": None}, "amount"),
    (cashier.AuthorizeDepositRequest, {"payment_method": ""}, "payment_method"),
    (cashier.AuthorizeDepositRequest, {"payment_method": LONG}, "payment_method"),
    (cashier.CancelDepositRequest, {"reason": ""}, "reason"),
    (cashier.CancelDepositRequest, {"payment_id": ""}, "payment_id"),
    (admin.CreateOperatorRequest, {"operator_id": "Acme"}, "operator_id"),
    (admin.CreateOperatorRequest, {"operator_id": "a b"}, "operator_id"),
    (admin.CreateOperatorRequest, {"operator_id": "x" * 65}, "operator_id"),
    (admin.CreateOperatorRequest, {"operator_id": ""}, "operator_id"),
    (admin.CreateBrandRequest, {"operator_id": ""}, "operator_id"),
    (admin.CreateGameRequest, {"game_id": "caf\u00e9"}, "game_id"),
    (admin.UpdateBrandRequest, {"brand": None}, "brand"),
    (admin.UpdateBrandRequest, {"brand": {"brand_id": ""}}, "brand.brand_id"),
    (
        admin.UpdateBrandRequest,
        {"brand": {"brand_id": "B", "operator_id": "another"}},
        "brand.operator_id",
    ),
    (admin.CreateCurrencyRequest, {"currency_code": "new"}, "currency_code"),
    (admin.CreateCurrencyRequest, {"currency_code": "AB"}, "currency_code"),
    (admin.CreateCurrencyRequest, {"scale": 19}, "scale"),
    (admin.CreateApiKeyRequest, {"role": 0}, "role"),
    (admin.CreateApiKeyRequest, {"role": 99}, "role"),
    (admin.CreateApiKeyRequest, {"integration_id": ""}, "integration_id"),
    (admin.CreateApiKeyRequest, {"role": ROLES.ROLE_OPERATOR}, "integration_id"),
    (admin.CreateApiKeyRequest, {"operator_ids": []}, "operator_ids"),
    (admin.CreateApiKeyRequest, {"operator_ids": ["O", ""]}, "operator_ids[1]"),
    (
        admin.CreateApiKeyRequest,
        {"role": ROLES.ROLE_ADMIN, "integration_id": ""},
        "operator_ids",
    ),
    (admin.CreateApiKeyRequest, {"operator_ids": ["O"] * 1_001}, "operator_ids"),
    (admin.CreateApiKeyRequest, {"expire_time": PAST}, "expire_time"),
    (admin.RevokeApiKeyRequest, {"key_id": ""}, "key_id"),
    (admin.ListAuditEntriesRequest, {"noun_id": "x"}, "noun_id"),
    (admin.ListAuditEntriesRequest, {"noun": "x" * 65}, "noun"),
    (wallet.AuthenticateRequest, {"launch_token": ""}, "launch_token"),
    (wallet.AuthenticateRequest, {"launch_token": LONG}, "launch_token"),
    (wallet.ListTransactionsRequest, {"round_id": "r"}, "game_id"),
    (wallet.GetTransactionRequest, {"transaction_id": ""}, "transaction_id"),
    (wallet.GetTransactionRequest, {"kind": 99}, "kind"),
]
AMOUNTS: list[tuple[Money, str]] = [
    (NEGATIVE, "AMOUNT_OUT_OF_RANGE"),
    (ZERO, "AMOUNT_OUT_OF_RANGE"),
    (SCALELESS, "SCALE_MISMATCH"),
    (FINE, "SCALE_MISMATCH"),
]
LISTS = [m for m in methods() if "page_size" in m.request.DESCRIPTOR.fields_by_name]


def put_in(value: Any, names: dict[str, str]) -> Any:
    """Replace the placeholders in a request."""
    if isinstance(value, dict):
        return {key: put_in(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [put_in(each, names) for each in value]
    return names.get(value, value) if isinstance(value, str) else value


def build(player: Player, kind: type[Message], wrong: dict[str, Any]) -> Message:
    """Build a request that is right but for one thing."""
    casino = player.casino
    names = {
        "P": player.player_id,
        "G": casino.game_id,
        "B": casino.brand_id,
        "I": casino.integration_id,
        "O": casino.operator_id,
        "S": casino.studio_id,
    }
    has_id = "request_id" in kind.DESCRIPTOR.fields_by_name
    request_id = {"request_id": casino.deployment.name("request")} if has_id else {}
    return kind(**put_in(request_id | RIGHT.get(kind, {}) | wrong, names))


def key_for(player: Player, kind: type[Message]) -> str:
    """Return a key that may send a request."""
    casino, package = player.casino, kind.DESCRIPTOR.full_name.split(".")[1]
    keys = {"admin": casino.deployment.admin_key, "wallet": casino.studio_key}
    return keys.get(package, casino.operator_key)


async def refusal_of(player: Player, request: Message) -> Refusal:
    """Send a request and hold it to be refused without a trace."""
    deployment = player.casino.deployment
    before = digest(deployment.path)
    async with connected(deployment.address) as wire:
        answer = await wire.call(request, key_for(player, type(request)))

    assert isinstance(answer, Refusal), answer
    assert digest(deployment.path) == before

    return answer


@pytest.mark.parametrize(("kind", "wrong", "field"), FIELDS)
async def test_field(
    idle: Player, kind: type[Message], wrong: dict[str, Any], field: str
) -> None:
    """What is missing, malformed or unknown is named."""
    answer = await refusal_of(idle, build(idle, kind, wrong))

    assert answer.reason == "INVALID_FIELD"
    assert answer.metadata["field"] == field


@pytest.mark.parametrize(("amount", "reason"), AMOUNTS)
async def test_amount_of_a_deposit(idle: Player, amount: Money, reason: str) -> None:
    """A deposit is more than nothing, at a scale that fits."""
    kind = cashier.AuthorizeDepositRequest
    answer = await refusal_of(idle, build(idle, kind, {"amount": amount}))

    assert answer.reason == reason
    assert answer.metadata["field"] == "amount"


@pytest.mark.parametrize("method", LISTS, ids=lambda method: method.name)
async def test_page(idle: Player, method: Any) -> None:
    """Every list refuses sizes that are no size and tokens that are none."""
    for size in (-1, 1_001):
        answer = await refusal_of(
            idle, build(idle, method.request, {"page_size": size})
        )

        assert answer.metadata["field"] == "page_size"
    for token in ("none", "\u20ac", "A" * 5_000, "W10", "bnVsbA"):
        answer = await refusal_of(
            idle, build(idle, method.request, {"page_token": token})
        )

        assert answer.reason == "PAGE_TOKEN_INVALID"
