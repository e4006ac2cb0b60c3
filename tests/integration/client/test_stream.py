"""A stream matches replies to operations, whatever their order, and survives breaks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from cage.client import (
    Client,
    InsufficientFundsError,
    KeyInvalidError,
    OverloadedError,
    RetryPolicy,
    ShuttingDownError,
    UnknownOutcomeError,
    money,
)
from cage.client.testing import FakeServer, never
from cage.type.v1.balance_pb2 import Balance
from cage.wallet.v1.wallet_pb2 import Receipt
from cage.wallet.v1.wallet_service_pb2 import (
    BetRequest,
    BetResponse,
    RollbackRequest,
    RollbackResponse,
    StreamExecuteRequest,
)

BET: dict[str, Any] = {
    "player_id": "p",
    "game_id": "g",
    "round_id": "r",
    "amount": money("INR", "5.00"),
}
BALANCE = Balance(currency_code="INR", scale=2, cash=1, playable=1, version=2)


def receipt(request: BetRequest) -> BetResponse:
    """Answer a bet with a receipt of its id."""
    return BetResponse(receipt=Receipt(transaction_id=request.transaction_id))


@pytest.fixture
async def server(server: FakeServer) -> FakeServer:
    """Answer bets."""
    server.always(BetRequest, receipt)
    return server


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[Client]:
    """Connect with a deadline that tests can wait for."""
    async with server.connect(timeout_s=0.5) as connected:
        yield connected


async def test_replies_find_their_operations(
    server: FakeServer, client: Client
) -> None:
    """Replies that overtake each other reach the operation that they answer."""

    async def later_first(request: BetRequest) -> BetResponse:
        await asyncio.sleep(0.1 - int(request.transaction_id) / 500)
        return receipt(request)

    server.always(BetRequest, later_first)

    async with client.wallet.stream() as stream, asyncio.TaskGroup() as group:
        bets = [
            group.create_task(stream.bet(**BET, transaction_id=str(number)))
            for number in range(50)
        ]

    answered = [bet.result().receipt.transaction_id for bet in bets]
    assert answered == [str(number) for number in range(50)]
    sent = [request.transaction_id for request in server.requests(BetRequest)]
    assert sent == answered
    assert {call.rpc for call in server.calls} == {"StreamExecute"}


async def test_refusal_leaves_the_stream_open(
    server: FakeServer, client: Client
) -> None:
    """A refused operation raises its own error and the others go on."""
    server.script(BetRequest, InsufficientFundsError("low", balance=BALANCE))
    server.always(RollbackRequest, RollbackResponse(tombstone=True))

    async with client.wallet.stream() as stream:
        with pytest.raises(InsufficientFundsError) as caught:
            await stream.bet(**BET, transaction_id="a")
        undone = await stream.rollback(player_id="p", original_transaction_id="a")
        await stream.bet(**BET)

    assert caught.value.balance == BALANCE
    assert caught.value.request == server.requests(BetRequest)[0]
    assert undone.tombstone


async def test_operations_are_retried_by_advice(
    server: FakeServer, client: Client
) -> None:
    """An operation that may be repeated is sent again under its id."""
    server.script(BetRequest, OverloadedError(retry_delay_s=0.01))

    async with client.wallet.stream() as stream:
        await stream.bet(**BET)

    first, second = server.requests(BetRequest)
    assert first == second


@pytest.mark.parametrize(
    "end",
    [
        UnknownOutcomeError(code=grpc.StatusCode.UNAVAILABLE),
        ShuttingDownError("drains", retry_delay_s=0.01),
    ],
    ids=["broken", "drained"],
)
async def test_broken_stream_is_opened_again(
    server: FakeServer, client: Client, end: UnknownOutcomeError
) -> None:
    """What waits when the stream ends is sent again, under its id, on a new one."""
    server.script(StreamExecuteRequest, end)

    async with client.wallet.stream() as stream:
        reply = await stream.bet(**BET, transaction_id="a")
        again = await stream.bet(**BET, transaction_id="b")

    assert reply.receipt.transaction_id == "a"
    assert again.receipt.transaction_id == "b"


async def test_revoked_key_ends_it(server: FakeServer, client: Client) -> None:
    """A stream that is refused as a whole refuses what waits, without retries."""
    server.script(StreamExecuteRequest, KeyInvalidError("revoked"))

    async with client.wallet.stream() as stream:
        with pytest.raises(KeyInvalidError):
            await stream.bet(**BET)

    assert server.calls == []


async def test_silence_is_an_unknown_outcome(server: FakeServer) -> None:
    """An operation without a reply in time has an unknown outcome."""
    server.always(BetRequest, never)
    retry = RetryPolicy(attempts=2)

    async with server.connect(timeout_s=0.1, retry=retry) as client:
        stream = client.wallet.stream()
        with pytest.raises(UnknownOutcomeError) as caught:
            async with stream:
                await stream.bet(**BET)

    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.request == server.requests(BetRequest)[0]
    assert len(server.calls) == 2


async def test_late_reply_is_nobodys(server: FakeServer) -> None:
    """A reply that comes after its time is dropped and confuses no other."""

    async def slow(request: BetRequest) -> BetResponse:
        await asyncio.sleep(0.3)
        return receipt(request)

    server.script(BetRequest, slow)
    retry = RetryPolicy(attempts=1)

    async with (
        server.connect(timeout_s=0.2, retry=retry) as client,
        client.wallet.stream() as stream,
    ):
        with pytest.raises(UnknownOutcomeError):
            await stream.bet(**BET, transaction_id="slow")
        for number in range(20):
            reply = await stream.bet(**BET, transaction_id=str(number))
            assert reply.receipt.transaction_id == str(number)
            await asyncio.sleep(0.01)


async def test_closed_stream_says_so(client: Client) -> None:
    """A stream that was left refuses operations; leaving an unused one is nothing."""
    async with client.wallet.stream() as stream:
        pass

    with pytest.raises(RuntimeError, match="closed"):
        await stream.bet(**BET)


async def test_client_closed_first(server: FakeServer) -> None:
    """Closing the client under an open stream breaks it, and cancels nobody."""
    client = server.connect(timeout_s=0.5)
    async with client.wallet.stream() as stream:
        await stream.bet(**BET)
        await client.close()
        with pytest.raises(RuntimeError, match="closed"):
            await stream.bet(**BET)


async def test_cancelled_operation_leaves_the_stream_open(
    server: FakeServer, client: Client
) -> None:
    """Cancelling who waits for one operation does not touch the others."""
    arrived = asyncio.Event()

    async def arrive(request: BetRequest) -> Message:
        arrived.set()
        return await never(request)

    server.script(BetRequest, arrive)

    async with client.wallet.stream() as stream:
        waiting = asyncio.create_task(stream.bet(**BET))
        await arrived.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        reply = await stream.bet(**BET, transaction_id="next")

    assert reply.receipt.transaction_id == "next"
