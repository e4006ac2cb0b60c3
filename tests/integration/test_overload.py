"""An overloaded server sheds bets first, and never starts what came too late."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message
from tests.integration.carriers import is_replay
from tests.integration.deployment import Player, running
from tests.integration.plugs import in_flight, plugged, until, waiting
from tests.integration.wire import (
    CARRIERS,
    METHODS,
    Refusal,
    Wire,
    bearer,
    connected,
    read_result,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Four fifths of them may be bets.
QUEUE_CAPACITY = 5
IN_FLIGHT_MAX = 10

Build: TypeAlias = Callable[[Player], Message]
BETS: dict[str, Build] = {
    "bet": lambda p: p.bet("1.00"),
    "play with a bet": lambda p: p.play(p.prize("0"), p.stake("1.00")),
    "reserve": lambda p: p.reserve("1.00"),
}
OTHERS: dict[str, Build] = {
    "win": lambda p: p.win("0"),
    "play of a win": lambda p: p.play(p.prize("0")),
    "rollback": lambda p: p.rollback("never"),
    "close": lambda p: p.close("done"),
    "award": lambda p: p.award("0"),
    "adjust": lambda p: p.adjust("0", "bet"),
    "capture": lambda p: p.capture("0", "hold"),
    "release": lambda p: p.release("never"),
    "read": lambda p: p.read(),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Player]:
    """Bring a player of a server that holds little, with bets to win and close."""
    async with running(
        tmp_path_factory.mktemp("small"), queue_capacity=QUEUE_CAPACITY
    ) as deployment:
        player = await (await deployment.casino()).player("1000.00")
        await player.casino.studio.call(player.bet("1.00", "bet"))
        await player.casino.studio.call(player.bet("1.00", None, "done"))
        await player.casino.studio.call(player.reserve("1.00", "hold"))
        yield player


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def narrow(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Player]:
    """Bring a player of a server that runs few calls at once."""
    async with running(
        tmp_path_factory.mktemp("narrow"), in_flight_max=IN_FLIGHT_MAX
    ) as deployment:
        player = await (await deployment.casino()).player("1000.00")
        await player.casino.studio.call(player.bet("1.00", "bet"))
        await player.casino.studio.call(player.bet("1.00", None, "done"))
        await player.casino.studio.call(player.reserve("1.00", "hold"))
        yield player


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("bet", BETS)
async def test_full_queue_sheds_bets_first(small: Player, bet: str, other: str) -> None:
    """Bets are shed from four fifths of the queue on, the rest when it is full."""
    key = small.casino.studio_key
    operations = [
        *(BETS[bet](small) for _ in range(QUEUE_CAPACITY)),
        *(OTHERS[other](small) for _ in range(2)),
    ]
    before = await small.cash()
    async with connected(small.casino.deployment.address) as wire:
        async with plugged(small):
            batch = asyncio.create_task(wire.batch(*operations, key=key))
            await until(lambda: waiting(small.casino.deployment) == QUEUE_CAPACITY)
        answers = await batch
    shed = [n for n, answer in enumerate(answers) if isinstance(answer, Refusal)]

    assert shed == [QUEUE_CAPACITY - 1, QUEUE_CAPACITY + 1]
    assert {answers[n].reason for n in shed} == {"OVERLOADED"}
    assert await small.cash() == before - 400


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_shed_bet_is_sent_again(small: Player, carrier: str) -> None:
    """A shed operation says when to come back, stores nothing, and passes then."""
    deployment, key = small.casino.deployment, small.casino.studio_key
    bet = small.bet("1.00")
    async with connected(deployment.address) as wire:
        async with plugged(small):
            bets = wire.batch(*(small.bet("0") for _ in range(4)), key=key)
            full = asyncio.create_task(bets)
            await until(lambda: waiting(deployment) == 4)
            shed = await wire.send(carrier, bet, key)
        await full
        again = await wire.send(carrier, bet, key)

    assert shed.reason == "OVERLOADED"
    assert not shed.metadata
    assert 0 < shed.retry_s <= 1
    assert not is_replay(again)


async def fill(wire: Wire, player: Player, key: str, count: int) -> list[Any]:
    """Leave a number of calls in flight."""
    deployment = player.casino.deployment
    before = in_flight(deployment)
    calls = [asyncio.create_task(wire.call(player.bet("0"), key)) for _ in range(count)]
    await until(lambda: in_flight(deployment) == before + count)
    return calls


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("bet", BETS)
async def test_many_calls_shed_bets_first(narrow: Player, bet: str, other: str) -> None:
    """Bets are shed from four fifths of the calls in flight on, the rest later."""
    key = narrow.casino.studio_key
    async with connected(narrow.casino.deployment.address) as wire:
        async with plugged(narrow):
            # The plug is a call too.
            running_calls = await fill(wire, narrow, key, IN_FLIGHT_MAX * 4 // 5 - 1)
            shed = await wire.call(BETS[bet](narrow), key)
            for _ in range(2):
                call = asyncio.create_task(wire.call(OTHERS[other](narrow), key))
                running_calls.append(call)
            await until(lambda: in_flight(narrow.casino.deployment) == IN_FLIGHT_MAX)
            full = await wire.call(OTHERS[other](narrow), key)
        answers = await asyncio.gather(*running_calls)

    assert (shed.reason, full.reason) == ("OVERLOADED", "OVERLOADED")
    assert [answer for answer in answers if isinstance(answer, Refusal)] == []


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_rate_of_one_key(
    tmp_path_factory: pytest.TempPathFactory, carrier: str
) -> None:
    """A key past its rate has its bets shed, its wins later, and stops nobody else."""
    folder = tmp_path_factory.mktemp("rate")
    async with running(folder, rate_max_per_s=20) as deployment:
        player = await (await deployment.casino()).player()
        other = await (await deployment.casino()).player()
        key = player.casino.studio_key
        async with connected(deployment.address) as wire:
            bets = await asyncio.gather(
                *(wire.send(carrier, player.bet("0"), key) for _ in range(60))
            )
            win = await wire.send(carrier, player.win("0"), key)
            own = await wire.send(carrier, other.bet("0"), other.casino.studio_key)
    reasons = {getattr(bet, "reason", "") for bet in bets}

    assert reasons == {"", "OVERLOADED"}
    assert not isinstance(win, Refusal)
    assert not isinstance(own, Refusal)


async def test_deadline_of_a_frame(small: Player) -> None:
    """A frame that cannot start in its time is refused, stores nothing, moves none."""
    key, bet = small.casino.studio_key, small.bet("1.00")
    before = await small.balance()
    async with (
        connected(small.casino.deployment.address) as wire,
        wire.stream(key) as stream,
    ):
        async with plugged(small):
            await stream.write("late", bet, timeout_ns=1_000_000)
            await asyncio.sleep(0.01)
        late = await stream.read()
        middle = await small.balance()
        await stream.write("again", bet)
        again = await stream.read()

    assert late.reason == "DEADLINE_TOO_SHORT"
    assert late.retry_s is None
    assert (middle.cash, middle.version) == (before.cash, before.version)
    assert not is_replay(again)


@pytest.mark.parametrize("carrier", ["call", "batch"])
async def test_deadline_of_a_call(small: Player, carrier: str) -> None:
    """A call that cannot start before its deadline never moves money."""
    key, bet = small.casino.studio_key, small.bet("1.00")
    request: Message = bet
    before = await small.cash()
    async with connected(small.casino.deployment.address) as wire:
        if carrier == "batch":
            request = batch_of(bet)
        data, metadata = request.SerializeToString(), bearer(key)
        async with plugged(small):
            with pytest.raises((AssertionError, grpc.aio.AioRpcError)):
                await wire.raw(METHODS[type(request)], data, metadata, timeout_s=0.2)
            await until(lambda: in_flight(small.casino.deployment) == 1)
        middle = await small.cash()
        again = await wire.send(carrier, bet, key)

    assert middle == before
    assert not is_replay(again)


@pytest.mark.parametrize("carrier", ["call", "batch"])
async def test_deadline_is_told(small: Player, carrier: str) -> None:
    """A caller whose own clock runs later hears that its deadline was too short."""
    # The caller waits, while the server is told that a microsecond is left. Mostly
    # the server's grpc ends the call before the server can say so.
    metadata = (*bearer(small.casino.studio_key), ("grpc-timeout", "1u"))
    told, bet = None, small.bet("0")
    async with connected(small.casino.deployment.address) as wire:
        for _ in range(500):
            bet = small.bet("0")
            request = bet if carrier == "call" else batch_of(bet)
            method, data = METHODS[type(request)], request.SerializeToString()
            with suppress(AssertionError):
                told = await wire.raw(method, data, metadata, timeout_s=None)
                if carrier == "batch":
                    told = read_result(told.results[0])
            if isinstance(told, Refusal):
                break
        again = await wire.call(bet, small.casino.studio_key)

    assert isinstance(told, Refusal)
    assert told.reason == "DEADLINE_TOO_SHORT"
    assert not is_replay(again)


def batch_of(bet: Message) -> Message:
    """Wrap a bet as a batch of its own."""
    kind = next(kind for kind in METHODS if kind.DESCRIPTOR.name.startswith("Batch"))
    return kind(operations=[{"bet": bet}])
