"""Sessions and launch tokens bind a bet to who opened which game, and for how long."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from tests.integration.carriers import Send, assert_refused, is_replay
from tests.integration.deployment import Casino, Deployment, Player, running
from tests.integration.wire import CARRIERS, connected

from cage.admin.v1.admin_pb2 import Role
from cage.client import (
    BetSessionRule,
    CageError,
    LaunchTokenInvalidError,
    SessionEndedError,
    WalletRules,
    money,
)
from cage.player.v1.player_pb2 import PlayerStatus

REQUIRED = BetSessionRule.BET_SESSION_RULE_REQUIRED
pytestmark = pytest.mark.asyncio(loop_scope="session")

# Long enough for a busy machine to open a game and bet.
SESSION_LIFE_S = 2
LAUNCH_LIFE_S = 2


async def other_game(casino: Casino) -> str:
    """Register another game of the casino's studio."""
    game_id = casino.deployment.name("game")
    await casino.deployment.admin.admin.create_game(
        game_id=game_id, studio_id=casino.studio_id
    )
    return game_id


async def other_integration(casino: Casino) -> str:
    """Create a key of another integration with the same players."""
    integration_id = casino.deployment.name("integration")
    await casino.deployment.admin.admin.create_integration(
        integration_id=integration_id
    )
    _, key = await casino.deployment.key(
        Role.ROLE_GAME, integration_id=integration_id, operator_ids=[casino.operator_id]
    )
    return key


async def test_repeated_token_opens_the_same_session(
    player: Player, send: Send
) -> None:
    """A launch token gives a new token for the same session; both work."""
    launch = await player.launch()
    wallet = player.casino.studio.wallet
    first = await wallet.authenticate(launch_token=launch)
    second = await wallet.authenticate(launch_token=launch)
    bets = [
        await send(player, player.bet("1.00", session_token=opened.session_token))
        for opened in (first, second)
    ]

    assert first.session_token != second.session_token
    assert first.expire_time == second.expire_time
    assert first.session_id == second.session_id
    assert [bet.receipt.cash.amount for bet in bets] == [-100, -100]
    assert await player.end_sessions() == 1


async def test_e44_rotation_ends_older_tokens(player: Player, send: Send) -> None:
    """Rotation ends the tokens given before, and only those."""
    launch = await player.launch()
    wallet = player.casino.studio.wallet
    old = await wallet.authenticate(launch_token=launch)
    new = await wallet.authenticate(launch_token=launch, rotate=True)
    refused = await send(player, player.bet("1", session_token=old.session_token))
    posted = await send(player, player.bet("1", session_token=new.session_token))

    assert_refused(refused, "SESSION_ENDED")
    assert posted.receipt.cash.amount == -100


async def test_token_of_an_ended_session(player: Player) -> None:
    """A launch token whose session was ended opens no other one."""
    launch = await player.launch()
    await player.casino.studio.wallet.authenticate(launch_token=launch)
    await player.end_sessions()

    with pytest.raises(SessionEndedError):
        await player.casino.studio.wallet.authenticate(launch_token=launch)


async def test_session_is_of_one_player(player: Player, send: Send) -> None:
    """A token of another player is not found, for bets and for balances."""
    other = await player.casino.player()
    token = await player.session()
    bet = await send(other, other.bet("1.00", session_token=token))
    read = await send(other, other.read(session_token=token))

    assert_refused(bet, "SESSION_NOT_FOUND")
    assert_refused(read, "SESSION_NOT_FOUND")


async def test_session_is_of_one_game(player: Player, send: Send) -> None:
    """A token of another game is not found."""
    token = await player.session(await other_game(player.casino))

    assert_refused(
        await send(player, player.bet("1.00", session_token=token)),
        "SESSION_NOT_FOUND",
    )


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_session_is_of_one_integration(player: Player, carrier: str) -> None:
    """A token, and a launch token once used, is of the integration that opened it."""
    key = await other_integration(player.casino)
    launch = await player.launch()
    opened = await player.casino.studio.wallet.authenticate(launch_token=launch)
    bet = player.bet("1.00", session_token=opened.session_token)
    async with connected(player.casino.deployment.address) as wire:
        answer = await wire.send(carrier, bet, key)

    assert answer.reason == "SESSION_NOT_FOUND"
    with pytest.raises(LaunchTokenInvalidError):
        await player.casino.deployment.client(key).wallet.authenticate(
            launch_token=launch
        )


async def test_e23_session_has_one_currency(player: Player, send: Send) -> None:
    """A bet in another currency than its session is refused by what would fit."""
    token = await player.session()
    bet = player.bet(money("USD", "1.00"), session_token=token)
    play = player.play(player.stake(money("USD", "1.00")), session_token=token)

    for request in (bet, play):
        answer = await send(player, request)
        assert_refused(answer, "CURRENCY_MISMATCH", expected="EUR", sent="USD")


async def test_policy_needs_a_session(deployment: Deployment, send: Send) -> None:
    """With the policy a bet needs a token; what brings money back does not."""
    player = await (
        await deployment.casino(rules=WalletRules(bet_needs_session=REQUIRED))
    ).player()
    opened = await player.casino.studio.wallet.authenticate(
        launch_token=await player.launch()
    )
    token = opened.session_token
    without = [
        await send(player, player.bet("1.00")),
        await send(player, player.play(player.stake("1.00"))),
    ]
    passing = [
        await send(player, player.bet("2.00", "bet", session_token=token)),
        await send(player, player.play(player.stake("1"), session_token=token)),
        await send(player, player.rollback("bet")),
        await send(player, player.win("1.00")),
        await send(player, player.play(player.prize("1.00"))),
        await send(player, player.award("1.00")),
        await send(player, player.close()),
    ]

    assert opened.policies.bet_needs_session
    assert opened.policies.rules.bet_needs_session == REQUIRED
    for answer in without:
        assert_refused(answer, "SESSION_REQUIRED")
    assert not any(isinstance(answer, CageError) for answer in passing)


@pytest.mark.parametrize("is_verified", [True, False])
async def test_launch_judges_the_player(casino: Casino, *, is_verified: bool) -> None:
    """A player who may not bet opens no game, with an old launch token either."""
    player = await casino.player("")
    launch = await player.launch()
    status, reason = PlayerStatus.PLAYER_STATUS_SUSPENDED, "PLAYER_BLOCKED"
    if not is_verified:
        status = PlayerStatus.PLAYER_STATUS_PENDING_VERIFICATION
        reason = "KYC_REQUIRED"
    await player.set_status(status)
    with pytest.raises(CageError) as opened:
        await casino.studio.wallet.authenticate(launch_token=launch)
    with pytest.raises(CageError) as launched:
        await player.launch()

    assert (opened.value.reason, launched.value.reason) == (reason, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """Hold a player whose session and launch token are past their lives."""

    player: Player
    session_token: str
    launch_token: str
    used_launch_token: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def late(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Late]:
    """Let a session that has bet, and a launch token, expire."""
    async with running(
        tmp_path_factory.mktemp("late"),
        session_life_s=SESSION_LIFE_S,
        launch_token_life_s=LAUNCH_LIFE_S,
    ) as deployment:
        player = await (await deployment.casino()).player()
        launch = await player.launch()
        opened = await player.casino.studio.wallet.authenticate(launch_token=launch)
        bet = player.bet("10.00", "bet", session_token=opened.session_token)
        await player.casino.studio.call(bet)
        unused = await player.launch()
        wait_s = opened.expire_time.ToMicroseconds() / 1e6 - time.time()
        await asyncio.sleep(max(wait_s, LAUNCH_LIFE_S) + 0.05)
        yield Late(
            player=player,
            session_token=opened.session_token,
            launch_token=unused,
            used_launch_token=launch,
        )


async def test_expired_session(late: Late, send: Send) -> None:
    """An expired session takes no bet, and stands in no other way."""
    player, token = late.player, {"session_token": late.session_token}
    bet = await send(player, player.bet("1.00", **token))
    play = await send(player, player.play(player.stake("1.00"), **token))
    replay = await send(player, player.bet("10.00", "bet", **token))
    win = await send(player, player.win("1.00", bet_transaction_id="bet", **token))
    read = await send(player, player.read(**token))

    assert_refused(bet, "SESSION_EXPIRED")
    assert_refused(play, "SESSION_EXPIRED")
    assert bet.player_message
    assert is_replay(replay)
    assert win.receipt.cash.amount == 100
    assert read.balance.cash == win.receipt.after.cash


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("launch_token", "LAUNCH_TOKEN_EXPIRED"),
        ("used_launch_token", "LAUNCH_TOKEN_EXPIRED"),
    ],
)
async def test_expired_launch_token(late: Late, token: str, reason: str) -> None:
    """A launch token past its life opens nothing, used before or not."""
    with pytest.raises(CageError) as refusal:
        await late.player.casino.studio.wallet.authenticate(
            launch_token=getattr(late, token)
        )

    assert refusal.value.reason == reason
    assert refusal.value.player_message


async def test_expired_session_is_not_ended_again(late: Late) -> None:
    """An expired session is no open one."""
    assert await late.player.end_sessions() == 0
