"""Calls at the same time move money once, in order, and never below zero."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import first_answer, is_replay
from tests.integration.deployment import NO_RETRY, TIMEOUT_S, Player
from tests.integration.plugs import in_flight, plugged, until, waiting
from tests.integration.wire import CARRIERS, connected

from cage.admin.v1.admin_pb2 import Role
from cage.client import CageError, Client, KeyInvalidError, connect

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHANNELS = 4


def channels(player: Player) -> Client:
    """Connect as the player's studio over several connections."""
    casino = player.casino
    return connect(
        casino.deployment.address,
        key=casino.studio_key,
        retry=NO_RETRY,
        timeout_s=TIMEOUT_S,
        channels=CHANNELS,
    )


async def at_once(player: Player, carrier: str, bets: Sequence[Message]) -> list[Any]:
    """Send all requests at the same time; return their answers in order."""
    async with channels(player) as client:
        if carrier == "call":
            calls = [client.call(bet) for bet in bets]
            return await asyncio.gather(*calls, return_exceptions=True)
        if carrier == "batch":
            halves = (bets[::2], bets[1::2])
            batches = [client.wallet.batch_execute(half) for half in halves]  # type: ignore[arg-type]
            found = await asyncio.gather(*batches)
            return [answer for half in found for answer in half]
        async with client.wallet.stream() as one, client.wallet.stream() as two:
            frames = [
                (one, two)[number % 2].bet(**arguments(bet))
                for number, bet in enumerate(bets)
            ]
            return list(await asyncio.gather(*frames, return_exceptions=True))


def arguments(bet: Any) -> dict[str, Any]:
    """Return what builds a bet."""
    names = ("player_id", "game_id", "round_id", "transaction_id", "amount")
    return {name: getattr(bet, name) for name in names}


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_one_bet_64_times(player: Player, carrier: str) -> None:
    """Of 64 equal bets at once one moves money, and all answer its receipt."""
    bet = player.bet("10.00", "bet")
    answers = await at_once(player, carrier, [bet] * 64)
    firsts = {str(first_answer(answer)) for answer in answers}

    assert Counter(map(is_replay, answers)) == {False: 1, True: 63}
    assert len(firsts) == 1
    assert await player.cash() == 9_000


async def test_one_bet_on_every_way(player: Player) -> None:
    """Equal bets as calls, frames and items at once move money once."""
    bets = [player.bet("10.00", "bet")] * 20
    answers = await asyncio.gather(*(at_once(player, way, bets) for way in CARRIERS))
    replays = [is_replay(answer) for of_way in answers for answer in of_way]

    assert Counter(replays) == {False: 1, True: 59}
    assert await player.cash() == 9_000


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_50_bets_against_funds_for_10(player: Player, carrier: str) -> None:
    """Of 50 bets of 10.00 at once against 100.00 exactly ten are accepted."""
    answers = await at_once(player, carrier, [player.bet("10.00") for _ in range(50)])
    refused = [answer for answer in answers if isinstance(answer, CageError)]
    accepted = [answer for answer in answers if not isinstance(answer, CageError)]

    assert len(accepted) == 10
    assert {answer.reason for answer in refused} == {"INSUFFICIENT_FUNDS"}
    assert sorted(answer.receipt.after.cash for answer in accepted) == [
        *range(0, 10_000, 1_000)
    ]
    assert await player.cash() == 0


async def test_stream_keeps_the_order_of_a_player(player: Player) -> None:
    """Frames of one player are applied as they were sent, whoever else sends."""
    other = await player.casino.player()
    key = player.casino.studio_key
    async with (
        connected(player.casino.deployment.address) as wire,
        wire.stream(key) as stream,
    ):
        for number in range(100):
            await stream.write(f"p{number}", player.bet("0.01"))
            await stream.write(f"o{number}", other.bet("0.01"))
        answers = await stream.rest()
        by_name = dict(zip(stream.names, answers, strict=True))

    for who in "po":
        versions = [by_name[f"{who}{n}"].receipt.after.version for n in range(100)]

        assert versions == list(range(2, 102))


async def test_stream_survives_refusals(player: Player) -> None:
    """Refused frames are answered each with its own error, and the rest goes on."""
    frames: list[Message] = [
        player.bet("100.01"),
        player.bet("1.00", ""),
        player.bet("1.00", player_id="nobody"),
        player.win("1.00", None, "nowhere"),
        player.bet("1.00", "x" * 200),
        player.bet("1.00", "good"),
        player.bet("2.00", "good"),
        player.read(),
    ]
    frames[1].ClearField("transaction_id")
    key = player.casino.studio_key
    async with (
        connected(player.casino.deployment.address) as wire,
        wire.stream(key) as stream,
    ):
        for number, frame in enumerate(frames):
            await stream.write(str(number), frame)
        answers = await stream.rest()
        by_name = dict(zip(stream.names, answers, strict=True))
    reasons = [getattr(by_name[str(n)], "reason", "") for n in range(len(frames))]

    assert reasons == [
        "INSUFFICIENT_FUNDS",
        "INVALID_FIELD",
        "PLAYER_NOT_FOUND",
        "BET_NOT_FOUND",
        "INVALID_FIELD",
        "",
        "TRANSACTION_MISMATCH",
        "",
    ]
    assert by_name["7"].balance.cash == 9_900


async def test_correlation_id_in_use(player: Player) -> None:
    """A second frame of a name in flight is refused; later the name is free."""
    key = player.casino.studio_key
    async with (
        connected(player.casino.deployment.address) as wire,
        wire.stream(key) as stream,
    ):
        async with plugged(player):
            await stream.write("one", player.bet("1.00", "a"))
            await stream.write("one", player.bet("2.00", "b"))
            refused = await stream.read()
        first = await stream.read()
        await stream.write("one", player.bet("3.00", "c"))
        third = await stream.read()

    assert refused.reason == "INVALID_FIELD"
    assert refused.metadata["field"] == "correlation_id"
    assert [a.receipt.cash.amount for a in (first, third)] == [-100, -300]


async def revocable(player: Player) -> tuple[str, str]:
    """Create another key of the player's studio."""
    casino = player.casino
    return await casino.deployment.key(
        Role.ROLE_GAME,
        integration_id=casino.integration_id,
        operator_ids=[casino.operator_id],
    )


async def test_stream_ends_with_its_key(player: Player) -> None:
    """A revoked key ends its stream at the next frame, which moves nothing."""
    deployment = player.casino.deployment
    key_id, key = await revocable(player)
    async with connected(deployment.address) as wire, wire.stream(key) as stream:
        await stream.write("1", player.bet("1.00"))
        posted = await stream.read()
        await deployment.admin.admin.revoke_api_key(key_id=key_id)
        await stream.write("2", player.bet("2.00"))
        ended = await stream.read()

    assert posted.receipt.cash.amount == -100
    assert ended.reason == "KEY_INVALID"
    assert stream.names == ["1"]
    assert await player.cash() == 9_900


async def test_key_is_judged_in_the_batch_of_a_frame(player: Player) -> None:
    """A frame that waits behind its key's revocation is refused, then the stream."""
    deployment = player.casino.deployment
    key_id, key = await revocable(player)
    async with connected(deployment.address) as wire, wire.stream(key) as stream:
        await stream.write("0", player.bet("1.00"))
        await stream.read()
        async with plugged(player):
            revoked = asyncio.create_task(
                deployment.admin.admin.revoke_api_key(key_id=key_id)
            )
            await until(lambda: waiting(deployment) == 1)
            await stream.write("1", player.bet("2.00"))
            await until(lambda: waiting(deployment) == 2)
        await revoked
        refused, ended = await stream.read(), await stream.read()

    assert (refused.reason, ended.reason) == ("KEY_INVALID", "KEY_INVALID")
    assert stream.names == ["0", "1"]
    assert await player.cash() == 9_900


async def test_client_learns_that_its_key_is_revoked(player: Player) -> None:
    """The client's stream raises KeyInvalidError from then on."""
    deployment = player.casino.deployment
    key_id, key = await revocable(player)
    async with deployment.client(key).wallet.stream() as stream:
        await stream.bet(**arguments(player.bet("1.00", "one")))
        await deployment.admin.admin.revoke_api_key(key_id=key_id)
        with pytest.raises(KeyInvalidError):
            await stream.bet(**arguments(player.bet("1.00", "two")))

    assert await player.cash() == 9_900


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_cancelled_callers(player: Player, carrier: str) -> None:
    """What started commits although its caller has gone; what waited never starts."""
    deployment, client = player.casino.deployment, player.casino.studio
    started, waited = player.bet("1.00", "started"), player.bet("2.00", "waited")
    async with plugged(player, send(client, carrier, started)) as first:
        second = asyncio.create_task(send(client, carrier, waited))
        await until(lambda: waiting(deployment) == 1)
        first.cancel()
        second.cancel()
        await until(lambda: not in_flight(deployment))
    await asyncio.wait([first, second])
    cash = await player.cash()
    again = [await send(client, carrier, bet) for bet in (started, waited)]

    assert cash == 9_900
    assert [is_replay(answer) for answer in again] == [True, False]
    assert await player.cash() == 9_700


async def send(client: Client, carrier: str, bet: Any) -> Any:
    """Send a bet in one of the three ways."""
    if carrier == "call":
        return await client.call(bet)
    if carrier == "batch":
        (answer,) = await client.wallet.batch_execute([bet])
        return answer
    async with client.wallet.stream() as stream:
        return await stream.bet(**arguments(bet))
