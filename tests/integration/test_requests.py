"""Every change that is no wallet call is made once, whoever repeats it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.books import digest
from tests.integration.deployment import Player

from cage.admin.v1 import admin_pb2
from cage.admin.v1 import admin_service_pb2 as admin
from cage.cashier.v1 import cashier_service_pb2 as cashier
from cage.client import Client, IdTakenError, RequestMismatchError, methods
from cage.player.v1 import kyc_service_pb2 as kyc
from cage.player.v1 import player_pb2
from cage.player.v1 import player_service_pb2 as players
from cage.player.v1 import responsible_gaming_pb2 as limits
from cage.player.v1 import responsible_gaming_service_pb2 as gaming
from cage.player.v1 import session_service_pb2 as sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A request without its id, and a field of it with another value.
Change: TypeAlias = tuple[Message, dict[str, Any]]
Case: TypeAlias = Callable[[Player], Awaitable[Change]]


def of_player(kind: type[Message], other: dict[str, Any], **fields: Any) -> Case:
    """Build a change of a player."""

    async def make(player: Player) -> Change:
        return kind(player_id=player.player_id, **fields), other

    return make


def created(kind: type[Message], noun: str, parent: str = "") -> Case:
    """Build the creation of something with an id."""

    async def make(player: Player) -> Change:
        ids = {f"{noun}_id": player.casino.deployment.name(noun)}
        if parent:
            ids[parent] = getattr(player.casino, parent)
        return kind(**ids), {"display_name": "other"}

    return make


def updated(kind: type[Message], noun: str) -> Case:
    """Build the update of something that exists."""

    async def make(player: Player) -> Change:
        casino = await player.casino.deployment.casino()
        row: Message = getattr(admin_pb2, noun.title())(enabled=True)
        setattr(row, f"{noun}_id", getattr(casino, f"{noun}_id"))
        other = type(row)()
        other.CopyFrom(row)
        other.enabled = False  # type: ignore[attr-defined]
        return kind(**{noun: row}), {noun: other}

    return make


async def new_currency(player: Player) -> Change:
    """Build the creation of a currency."""
    code = player.casino.deployment.name("N").replace("-", "").ljust(3, "X")
    return admin.CreateCurrencyRequest(currency_code=code, scale=2), {"scale": 3}


async def new_key(player: Player) -> Change:
    """Build the creation of a key."""
    key_id = player.casino.deployment.name("key")
    request = admin.CreateApiKeyRequest(key_id=key_id, role=admin_pb2.ROLE_ADMIN)
    return request, {"display_name": "other"}


async def revoked_key(player: Player) -> Change:
    """Build the revocation of a key."""
    key_id, _ = await player.casino.deployment.key(admin_pb2.ROLE_ADMIN)
    return admin.RevokeApiKeyRequest(key_id=key_id), {"key_id": "another"}


async def registration(player: Player) -> Change:
    """Build a registration."""
    request = players.RegisterPlayerRequest(
        brand_id=player.casino.brand_id,
        country_code="MT",
        jurisdiction="MT",
        currency_code="EUR",
    )
    return request, {"is_test": True}


async def launch(player: Player) -> Change:
    """Build a launch."""
    request = sessions.CreateLaunchTokenRequest(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        currency_code="EUR",
    )
    return request, {"game_id": "another"}


async def authorization(player: Player) -> Change:
    """Build the authorization of a deposit."""
    request = cashier.AuthorizeDepositRequest(
        player_id=player.player_id, amount=player.money("5.00"), payment_method="card"
    )
    return request, {"payment_method": "bank"}


async def cancellation(player: Player) -> Change:
    """Build the cancellation of a deposit."""
    request, _ = await authorization(player)
    request.request_id = player.casino.deployment.name("first")  # type: ignore[attr-defined]
    authorized: Any = await player.casino.operator.call(request)
    change = cashier.CancelDepositRequest(
        player_id=player.player_id,
        payment_id=authorized.payment.payment_id,
        reason="declined",
    )
    return change, {"reason": "another"}


async def limitation(player: Player) -> Change:
    """Build a limit."""
    name = player.limit(limits.LIMIT_KIND_LOSS)
    request = gaming.SetLimitRequest(**name, amount=player.money("5.00"))
    return request, {"amount": player.money("6.00")}


async def loosening(player: Player) -> Change:
    """Build the removal of a limit of the player's."""
    await player.set_limit(limits.LIMIT_KIND_LOSS, "5.00")
    name = player.limit(limits.LIMIT_KIND_LOSS)
    request = gaming.RemoveLimitRequest(**name, currency_code="EUR")
    return request, {"currency_code": "USD"}


SUSPENDED = player_pb2.PLAYER_STATUS_SUSPENDED
CASES: dict[type[Message], Case] = {
    players.RegisterPlayerRequest: registration,
    players.SetPlayerStatusRequest: of_player(
        players.SetPlayerStatusRequest, {"reason": "b"}, status=SUSPENDED, reason="a"
    ),
    players.SetPlayerBlocksRequest: of_player(
        players.SetPlayerBlocksRequest, {"reason": "b"}, reason="a"
    ),
    players.OpenWalletRequest: of_player(
        players.OpenWalletRequest, {"currency_code": "MIL"}, currency_code="USD"
    ),
    sessions.CreateLaunchTokenRequest: launch,
    # Its content is the player alone, so another player is another content.
    sessions.EndSessionRequest: of_player(
        sessions.EndSessionRequest, {"player_id": "another"}
    ),
    kyc.RecordVerificationRequest: of_player(
        kyc.RecordVerificationRequest, {"level": 3}, method=1, reference="r", level=2
    ),
    gaming.SetLimitRequest: limitation,
    gaming.RemoveLimitRequest: loosening,
    cashier.AuthorizeDepositRequest: authorization,
    cashier.CancelDepositRequest: cancellation,
    admin.CreateOperatorRequest: created(admin.CreateOperatorRequest, "operator"),
    admin.CreateBrandRequest: created(admin.CreateBrandRequest, "brand", "operator_id"),
    admin.CreateIntegrationRequest: created(
        admin.CreateIntegrationRequest, "integration"
    ),
    admin.CreateStudioRequest: created(admin.CreateStudioRequest, "studio"),
    admin.CreateGameRequest: created(admin.CreateGameRequest, "game", "studio_id"),
    admin.CreateCurrencyRequest: new_currency,
    admin.CreateApiKeyRequest: new_key,
    admin.RevokeApiKeyRequest: revoked_key,
    admin.UpdateOperatorRequest: updated(admin.UpdateOperatorRequest, "operator"),
    admin.UpdateBrandRequest: updated(admin.UpdateBrandRequest, "brand"),
    admin.UpdateIntegrationRequest: updated(
        admin.UpdateIntegrationRequest, "integration"
    ),
    admin.UpdateStudioRequest: updated(admin.UpdateStudioRequest, "studio"),
    admin.UpdateGameRequest: updated(admin.UpdateGameRequest, "game"),
}
SECRETS = {"api_key", "launch_token", "replayed"}


def caller(player: Player, kind: type[Message]) -> Client:
    """Return who may send a request."""
    is_admin = kind.DESCRIPTOR.full_name.startswith("cage.admin.")
    return player.casino.deployment.admin if is_admin else player.casino.operator


def shown(reply: Message) -> str:
    """Write a reply without what is shown once."""
    copy = type(reply)()
    copy.CopyFrom(reply)
    for name in SECRETS & {field.name for field in copy.DESCRIPTOR.fields}:
        copy.ClearField(name)
    return str(copy)


async def test_every_change_is_listed() -> None:
    """The cases below are all the requests that carry a request id.

    A confirmation needs a clock that moves; its retry is in test_limits.
    """
    kinds = {
        method.request
        for method in methods()
        if "request_id" in method.request.DESCRIPTOR.fields_by_name
    }

    assert kinds - {gaming.ConfirmLimitRequest} == set(CASES)


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.DESCRIPTOR.name)
async def test_retry_changes_nothing(player: Player, kind: type[Message]) -> None:
    """The same id gets the first answer, another content is refused."""
    deployment, client = player.casino.deployment, caller(player, kind)
    request, other = await CASES[kind](player)
    request.request_id = deployment.name("request")  # type: ignore[attr-defined]
    first = await client.call(request)
    before = digest(deployment.path)
    again = await client.call(request)
    changed = kind(
        **{
            **{field.name: value for field, value in request.ListFields()},
            **other,
        }
    )
    with pytest.raises(RequestMismatchError) as refusal:
        await client.call(changed)

    assert shown(again) == shown(first)
    assert refusal.value.metadata == {"request_id": request.request_id}  # type: ignore[attr-defined]
    assert digest(deployment.path) == before


@pytest.mark.parametrize(
    "kind",
    [k for k in CASES if k.DESCRIPTOR.full_name.startswith("cage.admin.v1.Create")],
    ids=lambda kind: kind.DESCRIPTOR.name,
)
async def test_new_request_meets_the_id(player: Player, kind: type[Message]) -> None:
    """Another request for an id that is taken is refused, and creates nothing."""
    deployment, client = player.casino.deployment, caller(player, kind)
    request, _ = await CASES[kind](player)
    request.request_id = deployment.name("request")  # type: ignore[attr-defined]
    await client.call(request)
    before = digest(deployment.path)
    request.request_id = deployment.name("request")  # type: ignore[attr-defined]
    with pytest.raises(IdTakenError):
        await client.call(request)

    assert digest(deployment.path) == before
