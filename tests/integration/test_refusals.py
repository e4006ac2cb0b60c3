"""What state refuses of a bet is refused for ever; of all else it is not kept."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused, is_replay
from tests.integration.deployment import Casino, Deployment, Player

from cage.client import CageError
from cage.player.v1.player_pb2 import PlayerStatus
from cage.type.v1.vertical_pb2 import Vertical
from cage.wallet.v1.wallet_pb2 import (
    RoundState,
    TransactionKind,
    TransactionState,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Brings a player and the bet's session token into a state, and out of it.
Step: TypeAlias = Callable[[Player, str], Awaitable[str]]


async def spend(player: Player, token: str) -> str:
    """Leave less than the bet."""
    await player.casino.studio.call(player.bet("95.00", None, "other"))
    return token


async def fund(player: Player, token: str) -> str:
    """Deposit more than the bet."""
    await player.deposit("50.00")
    return token


def status(value: PlayerStatus.ValueType) -> Step:
    """Set the player's status."""

    async def step(player: Player, token: str) -> str:
        await player.set_status(value)
        return token

    return step


def switch(noun: str, **switches: bool) -> Step:
    """Set the switches of a noun."""

    async def step(player: Player, token: str) -> str:
        await player.casino.switch(noun, **switches)
        return token

    return step


def block(*verticals: int, all_games: bool = False) -> Step:
    """Replace the blocks of the player."""

    async def step(player: Player, token: str) -> str:
        await player.block(*verticals, all_games=all_games)
        return token

    return step


async def end(player: Player, token: str) -> str:
    """End the session."""
    await player.end_sessions()
    return token


async def open_again(player: Player, _: str) -> str:
    """Open another session."""
    return await player.session()


async def forget(_: Player, __: str) -> str:
    """Lose the token."""
    return "s.bogus"


ACTIVE = status(PlayerStatus.PLAYER_STATUS_ACTIVE)
STORED: dict[str, tuple[str, Step, Step]] = {
    "funds": ("INSUFFICIENT_FUNDS", spend, fund),
    "blocked": (
        "PLAYER_BLOCKED",
        status(PlayerStatus.PLAYER_STATUS_SUSPENDED),
        ACTIVE,
    ),
    "unverified": (
        "KYC_REQUIRED",
        status(PlayerStatus.PLAYER_STATUS_PENDING_VERIFICATION),
        ACTIVE,
    ),
    "switched off": (
        "GAME_UNAVAILABLE",
        switch("studio", enabled=False),
        switch("studio", enabled=True),
    ),
    "in maintenance": (
        "MAINTENANCE",
        switch("operator", in_maintenance=True),
        switch("operator"),
    ),
    "blocked by vertical": (
        "GAME_UNAVAILABLE",
        block(Vertical.VERTICAL_CASINO),
        block(),
    ),
    "ended": ("SESSION_ENDED", end, open_again),
    "unknown session": ("SESSION_NOT_FOUND", forget, open_again),
}


@pytest.mark.parametrize("name", STORED)
async def test_refused_bet_stays_refused(
    deployment: Deployment, send: Send, name: str
) -> None:
    """The same id gets the same refusal, also when the bet would pass by now."""
    reason, hinder, mend = STORED[name]
    player = await (await deployment.casino()).player()
    token = await hinder(player, await player.session())
    first = await send(player, player.bet("10.00", "id", session_token=token))
    token = await mend(player, token)
    again = await send(player, player.bet("10.00", "id", session_token=token))
    other = await send(player, player.bet("9.00", "id", session_token=token))
    anew = await send(player, player.bet("10.00", "id-2", session_token=token))
    stored = await player.casino.studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id="id"
    )

    assert_refused(first, reason)
    assert_refused(again, reason, **first.metadata)
    assert_refused(other, "TRANSACTION_MISMATCH", field="amount")
    assert anew.receipt.cash.amount == -1_000
    assert stored.transaction.state == TransactionState.TRANSACTION_STATE_REFUSED
    assert stored.transaction.refusal_reason == reason
    assert stored.transaction.cash.amount == 0


async def test_refusal_for_funds_tells_the_balance_now(
    player: Player, send: Send
) -> None:
    """A repeated refusal for funds holds the balance of now, not that of then."""
    bet = player.bet("100.01", "id")
    first = await send(player, bet)
    await player.deposit("50.00")
    again = await send(player, bet)

    assert (first.balance.cash, again.balance.cash) == (10_000, 15_000)


async def test_refused_play_stays_refused(player: Player, send: Send) -> None:
    """A refused play keeps the id of each of its actions, and moves nothing."""
    play = player.play(
        player.stake("60.00", "a"),
        player.prize("1.00", "b"),
        player.stake("60.00", "c"),
    )
    first = await send(player, play)
    await player.deposit("100.00")
    again = await send(player, play)
    single = await send(player, player.bet("60.00", "c"))
    states = [
        await player.casino.studio.wallet.get_transaction(
            player_id=player.player_id, transaction_id=id_
        )
        for id_ in "abc"
    ]

    assert_refused(first, "INSUFFICIENT_FUNDS")
    assert_refused(again, "INSUFFICIENT_FUNDS")
    assert_refused(single, "TRANSACTION_MISMATCH", field="kind")
    assert {reply.transaction.refusal_reason for reply in states} == {
        "INSUFFICIENT_FUNDS"
    }
    assert await player.cash() == 20_000


@pytest.mark.parametrize("is_play", [False, True])
async def test_refused_id_is_rolled_back(
    player: Player, send: Send, *, is_play: bool
) -> None:
    """The rollback of a refused id succeeds without money, and so does its retry."""
    bet = player.bet("100.01", "id")
    play = player.play(player.stake("100.01", "id"))
    assert_refused(await send(player, play if is_play else bet), "INSUFFICIENT_FUNDS")
    first = await send(player, player.rollback("id", "back"))
    again = await send(player, player.rollback("id", "back"))
    late = await send(player, play if is_play else bet)
    stored = await player.casino.studio.wallet.get_transaction(
        player_id=player.player_id,
        transaction_id="back",
        kind=TransactionKind.TRANSACTION_KIND_ROLLBACK,
    )

    assert not first.tombstone
    assert (first.receipt.cash.amount, first.receipt.after.cash) == (0, 10_000)
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert_refused(late, "INSUFFICIENT_FUNDS")
    assert stored.transaction.state == TransactionState.TRANSACTION_STATE_ALIAS


async def test_refused_win_is_judged_anew(player: Player, send: Send) -> None:
    """A win that came before its bet is paid when it is sent after it."""
    win = player.win("5.00", "win", bet_transaction_id="bet")
    early = await send(player, win)
    await send(player, player.bet("10.00", "bet"))
    late = await send(player, win)

    assert_refused(early, "BET_NOT_FOUND")
    assert late.receipt.cash.amount == 500


BLOCKING = [
    value
    for value in PlayerStatus.values()
    if value
    not in {
        PlayerStatus.PLAYER_STATUS_UNSPECIFIED,
        PlayerStatus.PLAYER_STATUS_ACTIVE,
    }
]
NOUNS = ("operator", "brand", "integration", "studio", "game")
HINDRANCES: dict[str, Step] = {
    **{PlayerStatus.Name(value): status(value) for value in BLOCKING},
    **{noun: switch(noun, enabled=False) for noun in NOUNS},
    **{f"maintenance of {noun}": switch(noun, in_maintenance=True) for noun in NOUNS},
    "blocked vertical": block(Vertical.VERTICAL_CASINO),
    "blocked": block(all_games=True),
    "ended session": end,
}


def bringing_money(player: Player, token: str) -> list[Message]:
    """List what has to pass for every known player, after bets "a" and "b"."""
    return [
        player.win("1.00", None, "a", bet_transaction_id="a", session_token=token),
        player.win("0", None, "a", session_token=token),
        player.play(player.prize("1.00"), round_id="a"),
        player.rollback("b", session_token=token),
        player.rollback("never"),
        player.award("1.00", None, "a", session_token=token),
        player.close("a"),
        player.play(round_id="b", round_closed=True),
        player.win("1.00", None, "a"),
        player.read(session_token=token),
    ]


@pytest.mark.parametrize("name", HINDRANCES)
async def test_e24_e26_money_comes_back_whatever_stops_bets(
    deployment: Deployment, send: Send, name: str
) -> None:
    """Wins, rollbacks, awards and closes pass where the next bet is refused (C5)."""
    player = await (await deployment.casino()).player()
    token = await player.session()
    for id_ in ("a", "b"):
        await player.casino.studio.call(player.bet("5.00", id_, id_))
    await HINDRANCES[name](player, token)
    bet = await send(player, player.bet("1.00", session_token=token))
    play = await send(player, player.play(player.stake("1"), session_token=token))
    answers = [await send(player, r) for r in bringing_money(player, token)]
    closed = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="a"
    )

    assert isinstance(bet, CageError)
    assert_refused(play, bet.reason, **bet.metadata)
    assert [answer for answer in answers if isinstance(answer, CageError)] == []
    assert closed.round.state == RoundState.ROUND_STATE_CLOSED
    assert await player.cash() == 10_000 - 1_000 + 100 + 100 + 500 + 100 + 100


@pytest.mark.parametrize("noun", NOUNS)
async def test_kill_switch(deployment: Deployment, send: Send, noun: str) -> None:
    """A switch stops the next bet and launch, by its name, until it is on again."""
    casino = await deployment.casino()
    player = await casino.player()
    launch = await player.launch()
    await casino.switch(noun, enabled=False)
    bet = await send(player, player.bet("1.00"))
    with pytest.raises(CageError) as opened:
        await casino.studio.wallet.authenticate(launch_token=launch)
    launched = await launch_reason(player)
    await casino.switch(noun, enabled=True)
    after = await send(player, player.bet("1.00"))

    assert_refused(bet, "GAME_UNAVAILABLE", by=noun, game_id=casino.game_id)
    assert_refused(opened.value, "GAME_UNAVAILABLE", by=noun)
    # A launch token is not bound to an integration yet.
    assert launched == ("" if noun == "integration" else noun)
    assert after.receipt.cash.amount == -100
    assert await player.session()


async def launch_reason(player: Player) -> str:
    """Create a launch token; return which switch forbids it, if any."""
    try:
        await player.launch()
    except CageError as refusal:
        return refusal.metadata["by"]
    return ""


async def test_switch_of_one_stops_nobody_else(casino: Casino, send: Send) -> None:
    """A casino that is switched off leaves the others alone."""
    other = await casino.deployment.casino()
    for noun in NOUNS:
        await other.switch(noun, enabled=False)
    player = await casino.player()

    assert (await send(player, player.bet("1.00"))).receipt.cash.amount == -100
