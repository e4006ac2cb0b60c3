"""A player has several sessions at once, and one of a lobby covers many games."""

import asyncio

import pytest
from tests.integration.carriers import Send, assert_refused
from tests.integration.deployment import Casino, Player

from cage.client import SessionEndedError, money
from cage.wallet.v1.wallet_pb2 import SessionScope
from cage.wallet.v1.wallet_service_pb2 import AuthenticateResponse

pytestmark = pytest.mark.asyncio(loop_scope="session")

GAME, STUDIO = SessionScope.SESSION_SCOPE_GAME, SessionScope.SESSION_SCOPE_STUDIO


async def game_of(casino: Casino, studio_id: str = "") -> str:
    """Register another game, of the casino's studio or of another."""
    game_id = casino.deployment.name("game")
    await casino.deployment.admin.admin.create_game(
        game_id=game_id, studio_id=studio_id or casino.studio_id
    )
    return game_id


async def opened(
    player: Player, scope: SessionScope.ValueType = STUDIO
) -> AuthenticateResponse:
    """Open a session of some scope."""
    launch = await player.launch(scope=scope)
    return await player.casino.studio.wallet.authenticate(launch_token=launch)


async def test_e45_lobby_session_changes_games(player: Player, send: Send) -> None:
    """The session of a lobby bets in every game of its studio, a later one too."""
    lobby = await opened(player)
    token = lobby.session_token
    games = [player.casino.game_id, await game_of(player.casino)]
    answers = [
        await send(player, player.bet("1.00", game_id=game, session_token=token))
        for game in games
    ]
    stake = player.stake("1.00")
    answers += [
        (await send(player, player.play(stake, session_token=token))).receipts[0]
    ]

    assert lobby.session_scope == STUDIO
    assert lobby.game_id == player.casino.game_id
    assert [answer.receipt.cash.amount for answer in answers[:2]] == [-100, -100]
    assert answers[2].cash.amount == -100


async def test_e45_lobby_ends_at_its_studio(player: Player, send: Send) -> None:
    """A game of another studio is not of the session, and a game's own is no lobby."""
    studio_id = player.casino.deployment.name("studio")
    await player.casino.deployment.admin.admin.create_studio(studio_id=studio_id)
    foreign, sibling = (
        await game_of(player.casino, studio_id),
        await game_of(player.casino),
    )
    lobby, single = await opened(player), await opened(player, GAME)
    cases = ((lobby, foreign), (single, sibling))

    assert single.session_scope == GAME
    for session, game in cases:
        bet = player.bet("1", game_id=game, session_token=session.session_token)
        assert_refused(await send(player, bet), "SESSION_NOT_FOUND")


async def test_e45_switch_of_one_game_in_a_lobby(player: Player, send: Send) -> None:
    """A game that is switched off is refused inside a lobby by its own name."""
    other = await game_of(player.casino)
    await player.casino.deployment.admin.admin.update_game(
        game_id=other, display_name="", enabled=False
    )
    token = (await opened(player)).session_token
    off = await send(player, player.bet("1", game_id=other, session_token=token))
    on = await send(player, player.bet("1", session_token=token))

    assert_refused(off, "GAME_UNAVAILABLE", game_id=other, by="game")
    assert on.receipt.cash.amount == -100


async def test_e12_parallel_channels(player: Player, send: Send) -> None:
    """Sessions of one player run beside each other, each with rounds of its own."""
    channels = [await opened(player, GAME) for _ in range(4)]
    bets = [
        player.bet("1.00", None, f"r{n}", session_token=channel.session_token)
        for n, channel in enumerate(channels)
    ]
    answers = await asyncio.gather(*(send(player, bet) for bet in bets))
    wins = [
        await send(player, player.win("2.00", None, f"r{n}", round_closed=True))
        for n in range(len(channels))
    ]

    assert len({channel.session_id for channel in channels}) == 4
    assert {answer.receipt.cash.amount for answer in answers} == {-100}
    assert {win.receipt.cash.amount for win in wins} == {200}
    assert await player.cash() == 10_000 + 4 * 100


async def test_e12_rotation_of_one_channel(player: Player, send: Send) -> None:
    """A token that is rotated away in one channel leaves the others alive (E44)."""
    launch = await player.launch()
    wallet = player.casino.studio.wallet
    old = await wallet.authenticate(launch_token=launch)
    other = await opened(player, GAME)
    new = await wallet.authenticate(launch_token=launch, rotate=True)
    answers = {
        name: await send(player, player.bet("1", session_token=session.session_token))
        for name, session in (("old", old), ("new", new), ("other", other))
    }

    assert old.session_id == new.session_id != other.session_id
    assert_refused(answers["old"], "SESSION_ENDED")
    assert answers["new"].receipt.cash.amount == -100
    assert answers["other"].receipt.cash.amount == -100


async def test_e44_replaced_token_still_settles(player: Player, send: Send) -> None:
    """A replaced token is refused for bets only: what brings money back passes."""
    launch = await player.launch()
    wallet = player.casino.studio.wallet
    token = (await wallet.authenticate(launch_token=launch)).session_token
    for id_ in ("a", "b"):
        await send(player, player.bet("1.00", id_, id_, session_token=token))
    await wallet.authenticate(launch_token=launch, rotate=True)
    bet = await send(player, player.bet("1.00", session_token=token))
    win = await send(
        player,
        player.win("3.00", None, "a", bet_transaction_id="a", session_token=token),
    )
    back = await send(player, player.rollback("b", session_token=token))

    assert_refused(bet, "SESSION_ENDED")
    assert win.receipt.cash.amount == 300
    assert back.receipt.cash.amount == 100


async def test_e45_end_of_all_sessions_ends_lobbies(player: Player, send: Send) -> None:
    """The end of a player's sessions ends lobbies and games alike."""
    launch = await player.launch(scope=STUDIO)
    lobby = await player.casino.studio.wallet.authenticate(launch_token=launch)
    await opened(player, GAME)
    ended = await player.end_sessions()
    bet = player.bet("1.00", session_token=lobby.session_token)

    assert ended == 2
    assert_refused(await send(player, bet), "SESSION_ENDED")
    with pytest.raises(SessionEndedError):
        await player.casino.studio.wallet.authenticate(launch_token=launch)


async def test_e23_lobby_has_one_currency(player: Player, send: Send) -> None:
    """A lobby is fixed to one currency as every session is."""
    token = (await opened(player)).session_token
    other = await game_of(player.casino)
    bet = player.bet(money("USD", "1.00"), game_id=other, session_token=token)

    assert_refused(
        await send(player, bet), "CURRENCY_MISMATCH", expected="EUR", sent="USD"
    )
