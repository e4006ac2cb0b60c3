"""Every reason that only single calls know is as documented."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.books import digest
from tests.integration.deployment import Casino, Player
from tests.integration.wire import Refusal, connected

from cage.admin.v1 import admin_pb2
from cage.admin.v1 import admin_service_pb2 as admin
from cage.cashier.v1 import cashier_service_pb2 as cashier
from cage.client import new_id
from cage.player.v1 import player_service_pb2 as players
from cage.player.v1 import session_service_pb2 as sessions
from cage.wallet.v1 import wallet_service_pb2 as wallet
from cage.wallet.v1.wallet_pb2 import TransactionKind

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What is sent with whose key, the reason, and its variables.
Scene: TypeAlias = tuple[Message, str, str, dict[str, str]]
Case: TypeAlias = Callable[[Player], Awaitable[Scene]]
CASES: list[Case] = []


def case(make: Case) -> Case:
    """List what leads to a refusal."""
    CASES.append(make)
    return make


async def foreign(player: Player) -> Casino:
    """Bring a casino that the player's operator does not hold."""
    return await player.casino.deployment.casino()


def registration(brand_id: str, request_id: str = "") -> players.RegisterPlayerRequest:
    """Build a registration."""
    return players.RegisterPlayerRequest(
        request_id=request_id or new_id(),
        brand_id=brand_id,
        country_code="MT",
        jurisdiction="MT",
        currency_code="EUR",
    )


async def payment(player: Player) -> str:
    """Authorize a deposit of 5.00."""
    authorized = await player.casino.operator.cashier.authorize_deposit(
        player_id=player.player_id, amount=player.money("5.00"), payment_method="card"
    )
    return authorized.payment.payment_id


@case
async def transaction_unknown(player: Player) -> Scene:
    """Read a transaction that nobody sent."""
    request = wallet.GetTransactionRequest(
        player_id=player.player_id, transaction_id="nothing"
    )
    key = player.casino.studio_key
    return request, key, "TRANSACTION_NOT_FOUND", {"transaction_id": "nothing"}


@case
async def transaction_of_another_kind(player: Player) -> Scene:
    """Read a bet as a win."""
    await player.casino.studio.call(player.bet("1.00", "bet"))
    request = wallet.GetTransactionRequest(
        player_id=player.player_id,
        transaction_id="bet",
        kind=TransactionKind.TRANSACTION_KIND_WIN,
    )
    key = player.casino.studio_key
    return request, key, "TRANSACTION_NOT_FOUND", {"transaction_id": "bet"}


@case
async def round_unknown(player: Player) -> Scene:
    """Read a round that nobody opened."""
    request = wallet.GetRoundRequest(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="nothing"
    )
    key = player.casino.studio_key
    return request, key, "ROUND_NOT_FOUND", {"round_id": "nothing"}


@case
async def player_of_another_operator(player: Player) -> Scene:
    """Read a player with the key of another operator."""
    other = await foreign(player)
    request = players.GetPlayerRequest(player_id=player.player_id)
    expected = {"player_id": player.player_id}
    return request, other.operator_key, "PLAYER_NOT_FOUND", expected


@case
async def operator_unknown(player: Player) -> Scene:
    """Create a brand of nobody."""
    request = admin.CreateBrandRequest(
        request_id=new_id(), brand_id="brand", operator_id="nobody"
    )
    key = player.casino.deployment.admin_key
    return request, key, "OPERATOR_NOT_FOUND", {"operator_id": "nobody"}


@case
async def brand_of_another_operator(player: Player) -> Scene:
    """Register a player at a brand of another operator."""
    brand_id = (await foreign(player)).brand_id
    key = player.casino.operator_key
    return registration(brand_id), key, "BRAND_NOT_FOUND", {"brand_id": brand_id}


@case
async def integration_unknown(player: Player) -> Scene:
    """Create a key of an integration that does not exist."""
    request = admin.CreateApiKeyRequest(
        request_id=new_id(),
        key_id="spare",
        role=admin_pb2.ROLE_GAME,
        integration_id="nobody",
        operator_ids=[player.casino.operator_id],
    )
    key = player.casino.deployment.admin_key
    return request, key, "INTEGRATION_NOT_FOUND", {"integration_id": "nobody"}


@case
async def studio_unknown(player: Player) -> Scene:
    """Create a game of a studio that does not exist."""
    request = admin.CreateGameRequest(
        request_id=new_id(), game_id="game", studio_id="nobody"
    )
    key = player.casino.deployment.admin_key
    return request, key, "STUDIO_NOT_FOUND", {"studio_id": "nobody"}


@case
async def game_unknown(player: Player) -> Scene:
    """Switch a game off that does not exist."""
    request = admin.UpdateGameRequest(
        request_id=new_id(), game=admin_pb2.Game(game_id="chess")
    )
    key = player.casino.deployment.admin_key
    return request, key, "GAME_NOT_FOUND", {"game_id": "chess"}


@case
async def key_unknown(player: Player) -> Scene:
    """Revoke a key that does not exist."""
    request = admin.RevokeApiKeyRequest(request_id=new_id(), key_id="nothing")
    key = player.casino.deployment.admin_key
    return request, key, "KEY_NOT_FOUND", {"key_id": "nothing"}


@case
async def payment_of_another_player(player: Player) -> Scene:
    """Transfer somebody else's deposit."""
    other = await player.casino.player()
    payment_id = await payment(other)
    request = cashier.TransferDepositRequest(
        player_id=player.player_id,
        payment_id=payment_id,
        amount=player.money("5.00"),
        psp_reference="psp",
    )
    key = player.casino.operator_key
    return request, key, "PAYMENT_NOT_FOUND", {"payment_id": payment_id}


@case
async def payment_cancelled(player: Player) -> Scene:
    """Transfer a deposit that was given up."""
    payment_id = await payment(player)
    await player.casino.operator.cashier.cancel_deposit(
        player_id=player.player_id, payment_id=payment_id, reason="declined"
    )
    request = cashier.TransferDepositRequest(
        player_id=player.player_id,
        payment_id=payment_id,
        amount=player.money("5.00"),
        psp_reference="psp",
    )
    return request, player.casino.operator_key, "PAYMENT_STATE", {"state": "CANCELLED"}


@case
async def payment_transferred_otherwise(player: Player) -> Scene:
    """Transfer a deposit again with another amount."""
    payment_id = await payment(player)
    request = cashier.TransferDepositRequest(
        player_id=player.player_id,
        payment_id=payment_id,
        amount=player.money("5.00"),
        psp_reference="psp",
    )
    await player.casino.operator.call(request)
    request.amount.amount = 499
    key = player.casino.operator_key
    return request, key, "REQUEST_MISMATCH", {"request_id": payment_id}


@case
async def request_of_other_content(player: Player) -> Scene:
    """Send another registration under a request id that was used."""
    first = registration(player.casino.brand_id)
    await player.casino.operator.call(first)
    first.country_code = "DE"
    expected = {"request_id": first.request_id}
    return first, player.casino.operator_key, "REQUEST_MISMATCH", expected


@case
async def id_taken(player: Player) -> Scene:
    """Create a brand under the id of one that exists."""
    request = admin.CreateBrandRequest(
        request_id=new_id(),
        brand_id=player.casino.brand_id,
        operator_id=player.casino.operator_id,
    )
    key = player.casino.deployment.admin_key
    expected = {"noun": "brand", "id": player.casino.brand_id}
    return request, key, "ID_TAKEN", expected


@case
async def launch_token_unknown(player: Player) -> Scene:
    """Open a game with a token that nobody made."""
    request = wallet.AuthenticateRequest(launch_token=f"l.{player.player_id}.abc")
    return request, player.casino.studio_key, "LAUNCH_TOKEN_INVALID", {}


@case
async def launch_token_of_another_operator(player: Player) -> Scene:
    """Open a game with the key of a studio that may not see the player."""
    other = await foreign(player)
    request = wallet.AuthenticateRequest(launch_token=await player.launch())
    return request, other.studio_key, "LAUNCH_TOKEN_INVALID", {}


@case
async def launch_in_another_currency(player: Player) -> Scene:
    """Create a launch token in a currency that is not the account's."""
    request = sessions.CreateLaunchTokenRequest(
        request_id=new_id(),
        player_id=player.player_id,
        game_id=player.casino.game_id,
        currency_code="USD",
    )
    expected = {"expected": "EUR", "sent": "USD"}
    return request, player.casino.operator_key, "CURRENCY_MISMATCH", expected


@case
async def page_token_malformed(player: Player) -> Scene:
    """Ask for a page with a token that is none."""
    request = players.ListPlayersRequest(page_token="none")
    return request, player.casino.operator_key, "PAGE_TOKEN_INVALID", {}


@case
async def page_token_of_other_filters(player: Player) -> Scene:
    """Ask for a page of one player with the token of another's list."""
    other = await player.casino.player()
    await player.casino.studio.call(other.bet("1.00"))
    pager = player.casino.studio.wallet.list_transactions(
        player_id=other.player_id, page_size=1
    )
    request = wallet.ListTransactionsRequest(
        player_id=player.player_id, page_token=(await pager.page()).next_page_token
    )
    return request, player.casino.studio_key, "PAGE_TOKEN_INVALID", {}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
async def test_reason(player: Player, make: Case) -> None:
    """A refusal carries code, advice and variables, and changes nothing."""
    request, key, reason, metadata = await make(player)
    deployment = player.casino.deployment
    before = digest(deployment.path)
    async with connected(deployment.address) as wire:
        answer = await wire.call(request, key)

    assert isinstance(answer, Refusal), answer
    assert (answer.reason, answer.metadata) == (reason, metadata)
    assert digest(deployment.path) == before
