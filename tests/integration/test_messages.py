"""A refused player is told why in the language of the account."""

from typing import Any

import grpc
import pytest
from tests.integration.carriers import Send, assert_refused
from tests.integration.deployment import Casino, Player

from cage.client import (
    CageError,
    DepositLimitError,
    LossLimitError,
    RealityCheckDueError,
    SessionTimeLimitError,
    StakeLimitError,
    WagerLimitError,
)
from cage.client.testing import FakeServer
from cage.error.v1.error_detail_pb2 import ADVICE_DISCARD
from cage.player.v1.player_pb2 import PlayerStatus
from cage.type.v1.balance_pb2 import Balance
from cage.wallet.v1.wallet_service_pb2 import BetRequest

pytestmark = pytest.mark.asyncio(loop_scope="session")

FUNDS = {
    "": "Your balance is too low for this bet.",
    "de-AT": "Ihr Guthaben reicht für diesen Einsatz nicht aus.",
    "sv": "Ditt saldo räcker inte till den här insatsen.",
    "hi-IN": "इस दाँव के लिए आपका बैलेंस कम है।",
    "xx": "Your balance is too low for this bet.",
}


async def speaking(casino: Casino, language_code: str) -> Player:
    """Register a player with a language."""
    registered = await casino.operator.players.register_player(
        brand_id=casino.brand_id,
        country_code="MT",
        jurisdiction="MT",
        currency_code="EUR",
        language_code=language_code,
    )
    player_id = registered.player.player_id
    player = Player(casino=casino, player_id=player_id, currency="EUR")
    await player.verify()
    return player


@pytest.mark.parametrize("language_code", FUNDS)
async def test_e39_refusal_in_the_players_language(
    casino: Casino, send: Send, language_code: str
) -> None:
    """Funds, a retry and a play are refused in one language; a balance is there."""
    player = await speaking(casino, language_code)
    answers = [await send(player, player.bet("1.00", "id")) for _ in range(2)]
    answers.append(await send(player, player.play(player.stake("1.00"))))

    for answer in answers:
        assert_refused(answer, "INSUFFICIENT_FUNDS")
        assert answer.player_message == FUNDS[language_code]
        assert answer.balance.currency_code == "EUR"


async def test_status_session_and_launch(casino: Casino, send: Send) -> None:
    """Status, session and launch speak the language too; engineers read English."""
    player = await speaking(casino, "de")
    lost = await send(player, player.bet("0", session_token="s.none"))
    launch = await player.launch()
    await player.set_status(PlayerStatus.PLAYER_STATUS_SELF_EXCLUDED)
    blocked = await send(player, player.bet("0"))
    with pytest.raises(CageError) as opened:
        await casino.studio.wallet.authenticate(launch_token=launch)

    assert lost.player_message == "Bitte öffnen Sie das Spiel erneut."
    assert blocked.player_message == "Sie haben sich vom Spiel ausgeschlossen."
    assert opened.value.player_message == blocked.player_message
    assert blocked.message == "the player's status is SELF_EXCLUDED"


async def test_what_no_player_reads_is_empty(casino: Casino, send: Send) -> None:
    """A refusal about the caller's data tells the player nothing."""
    player = await speaking(casino, "de")
    answer = await send(player, player.win("1.00", bet_transaction_id="none"))

    assert_refused(answer, "BET_NOT_FOUND")
    assert answer.player_message == ""


LIMITS: dict[str, tuple[type[CageError], dict[str, str]]] = {
    "STAKE_LIMIT": (StakeLimitError, {"limit": "5.00", "currency_code": "EUR"}),
    "LOSS_LIMIT": (
        LossLimitError,
        {"period": "DAY", "limit": "9.00", "currency_code": "EUR"},
    ),
    "WAGER_LIMIT": (
        WagerLimitError,
        {"period": "WEEK", "limit": "9.00", "currency_code": "EUR"},
    ),
    "DEPOSIT_LIMIT": (
        DepositLimitError,
        {"period": "MONTH", "limit": "9.00", "currency_code": "EUR"},
    ),
    "SESSION_TIME_LIMIT": (SessionTimeLimitError, {"period": "DAY", "limit": "60"}),
    "REALITY_CHECK_DUE": (RealityCheckDueError, {}),
}


@pytest.mark.parametrize("reason", LIMITS)
async def test_limits_are_typed(reason: str) -> None:
    """A regulatory refusal reaches a client as its class, with all that it carries."""
    kind, metadata = LIMITS[reason]
    content: dict[str, Any] = {
        "code": grpc.StatusCode.FAILED_PRECONDITION,
        "reason": reason,
        "advice": ADVICE_DISCARD,
        "metadata": metadata,
        "player_message": "Enough.",
        "balance": Balance(currency_code="EUR", cash=500, scale=2),
    }
    async with FakeServer() as server:
        server.script(BetRequest, kind("refused", **content))
        async with server.connect() as client:
            with pytest.raises(kind) as refusal:
                await client.call(BetRequest(player_id="p"))

    assert refusal.value.metadata == metadata
    assert refusal.value.player_message == "Enough."
    assert refusal.value.balance is not None
    assert refusal.value.balance.cash == 500
