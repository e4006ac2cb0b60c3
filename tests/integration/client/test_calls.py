"""Calls travel with a key, a deadline and one id, and fail with typed errors."""

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from cage.admin.v1.admin_service_pb2 import ListGamesRequest, ListGamesResponse
from cage.client import (
    CageError,
    InsufficientFundsError,
    KeyInvalidError,
    OverloadedError,
    PlayerNotFoundError,
    RetryPolicy,
    UnknownOutcomeError,
    methods,
    money,
    requests,
)
from cage.client.testing import FakeServer, never
from cage.player.v1.session_service_pb2 import (
    CreateLaunchTokenRequest,
    CreateLaunchTokenResponse,
)
from cage.type.v1.balance_pb2 import Balance
from cage.wallet.v1.wallet_pb2 import Receipt, Transaction
from cage.wallet.v1.wallet_service_pb2 import (
    BatchExecuteRequest,
    BetRequest,
    BetResponse,
    GetBalanceRequest,
    GetBalanceResponse,
    ListTransactionsRequest,
    ListTransactionsResponse,
    StreamExecuteRequest,
    WinRequest,
    WinResponse,
)

BET: dict[str, Any] = {
    "player_id": "p",
    "game_id": "g",
    "round_id": "r",
    "amount": money("INR", "5.00"),
}
BROKEN = UnknownOutcomeError("gone", code=grpc.StatusCode.UNAVAILABLE)
BALANCE = Balance(currency_code="INR", scale=2, cash=499, playable=499, version=7)


def receipt(request: BetRequest) -> BetResponse:
    """Answer a bet with a receipt of its id."""
    return BetResponse(receipt=Receipt(transaction_id=request.transaction_id))


async def test_call_carries_key_and_deadline(server: FakeServer) -> None:
    """A call names its caller and gives the server the time of one attempt."""
    server.always(BetRequest, receipt)

    async with server.connect(key="studio", timeout_s=1.5) as client:
        reply = await client.wallet.bet(**BET, transaction_id="t1")

    assert reply.receipt.transaction_id == "t1"
    (call,) = server.calls
    assert (call.rpc, call.request) == ("Bet", requests.bet(**BET, transaction_id="t1"))
    assert call.metadata["authorization"] == "Bearer studio"
    assert call.timeout_s is not None
    # gRPC rounds the time that is left up, by a hundredth at most.
    assert 0 < call.timeout_s < 1.52


async def test_retries_carry_one_id(server: FakeServer) -> None:
    """Every attempt of one call has one fresh id, and the next call another."""
    server.script(BetRequest, BROKEN, OverloadedError(retry_delay_s=0.01))
    server.always(BetRequest, receipt)

    async with server.connect() as client:
        first = await client.wallet.bet(**BET)
        second = await client.wallet.bet(**BET)

    ids = [request.transaction_id for request in server.requests(BetRequest)]
    assert ids == [first.receipt.transaction_id] * 3 + [second.receipt.transaction_id]
    assert ids[0] != ids[3]
    assert uuid.UUID(ids[0]).version == 7


async def test_late_answer_is_asked_again(server: FakeServer) -> None:
    """A call without an answer in time is sent again under its id."""
    server.script(BetRequest, never)
    server.always(BetRequest, receipt)

    async with server.connect(timeout_s=0.2) as client:
        await client.wallet.bet(**BET)

    first, second = server.requests(BetRequest)
    assert first == second


async def test_no_answer_is_unknown(server: FakeServer) -> None:
    """When time is up the outcome is unknown, and the error knows what was sent."""
    server.always(BetRequest, never)
    retry = RetryPolicy(attempts=2)

    async with server.connect(timeout_s=0.1, retry=retry) as client:
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.wallet.bet(**BET)

    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.request == server.requests(BetRequest)[0]
    assert len(server.calls) == 2


async def test_nobody_there_is_unknown() -> None:
    """An address where nobody listens is an unknown outcome, within the total."""
    async with FakeServer() as gone:
        client = gone.connect(retry=RetryPolicy(attempts=2))

    async with client:
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.wallet.get_balance(player_id="p", currency_code="INR")

    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "error",
    [
        InsufficientFundsError("low", balance=BALANCE, player_message="Deposit?"),
        PlayerNotFoundError("who", metadata={"player_id": "p"}),
        KeyInvalidError("no"),
    ],
    ids=lambda error: error.reason,
)
async def test_refusals_are_typed_and_final(
    server: FakeServer, error: CageError
) -> None:
    """A refusal is raised at once as its class, with all that the server said."""
    server.always(BetRequest, error)

    async with server.connect() as client:
        with pytest.raises(type(error)) as caught:
            await client.wallet.bet(**BET)

    got = caught.value
    assert len(server.calls) == 1
    assert (got.code, got.reason, got.advice) == (
        error.code,
        error.reason,
        error.advice,
    )
    assert (got.metadata, got.balance) == (error.metadata, error.balance)
    assert got.player_message == error.player_message
    assert got.request == server.requests(BetRequest)[0]


async def test_unscripted_call_fails_at_once(server: FakeServer) -> None:
    """The fake refuses what nobody scripted, without retries."""
    async with server.connect() as client:
        with pytest.raises(UnknownOutcomeError, match="nothing is scripted"):
            await client.wallet.bet(**BET)

    assert len(server.calls) == 1


async def test_every_unary_rpc_reaches_its_handler(server: FakeServer) -> None:
    """The generic call sends each unary request to its rpc and answers its reply."""
    unary = [m for m in methods() if m.is_unary]
    async with server.connect() as client:
        for method in unary:
            server.always(method.request, method.reply())

            reply = await client.call(method.request())

            assert type(reply) is method.reply
        with pytest.raises(TypeError, match="StreamExecute"):
            await client.call(StreamExecuteRequest())

    reached = [call.rpc for call in server.calls]
    assert reached == [m.name for m in unary if m.name != "BatchExecute"]


async def test_items_walk_all_pages(server: FakeServer) -> None:
    """A pager gives every item, page by page, and single pages on demand."""
    pages = {
        "": ListTransactionsResponse(
            transactions=[Transaction(ledger_id="1"), Transaction(ledger_id="2")],
            next_page_token="more",
        ),
        "more": ListTransactionsResponse(
            transactions=[Transaction(ledger_id="3")],
        ),
    }
    server.script(ListTransactionsRequest, BROKEN)
    server.always(ListTransactionsRequest, lambda request: pages[request.page_token])

    async with server.connect() as client:
        pager = client.wallet.list_transactions(player_id="p", page_size=2)
        items = [item.ledger_id async for item in pager]
        again = [len(page.transactions) async for page in pager.pages()]
        second = await pager.page("more")

    assert items == ["1", "2", "3"]
    assert again == [2, 1]
    assert second == pages["more"]
    sent = server.requests(ListTransactionsRequest)
    assert {(request.player_id, request.page_size) for request in sent} == {("p", 2)}


async def test_page_errors_are_typed(server: FakeServer) -> None:
    """A page that is refused raises where it is fetched."""
    server.script(ListGamesRequest, ListGamesResponse(next_page_token="t"))
    server.always(ListGamesRequest, KeyInvalidError("revoked"))

    async with server.connect() as client:
        with pytest.raises(KeyInvalidError):
            async for _ in client.admin.list_games():
                pass


async def test_batch_answers_each_item(server: FakeServer) -> None:
    """A batch gives replies and errors in the order of its items."""
    server.always(BetRequest, InsufficientFundsError("low", balance=BALANCE))
    server.always(WinRequest, WinResponse(receipt=Receipt(transaction_id="w")))
    server.always(GetBalanceRequest, GetBalanceResponse(balance=BALANCE))
    server.script(BatchExecuteRequest, BROKEN)
    bet = requests.bet(**BET)

    async with server.connect() as client:
        refused, won, read = await client.wallet.batch_execute(
            [
                bet,
                requests.win(**BET),
                requests.get_balance(player_id="p", currency_code="INR"),
            ]
        )

    assert isinstance(refused, InsufficientFundsError)
    assert (refused.balance, refused.request) == (BALANCE, bet)
    assert won == WinResponse(receipt=Receipt(transaction_id="w"))
    assert read == GetBalanceResponse(balance=BALANCE)
    assert [call.rpc for call in server.calls] == ["BatchExecute"] * 3


async def test_lost_launch_token_is_asked_again(server: FakeServer) -> None:
    """A token lost with its reply is replaced, unless the caller chose the id."""
    lost = CreateLaunchTokenResponse(replayed=True)
    fresh = CreateLaunchTokenResponse(launch_token="token")
    server.script(CreateLaunchTokenRequest, lost, fresh, lost)
    launch = {"player_id": "p", "game_id": "g", "currency_code": "INR"}

    async with server.connect() as client:
        own = await client.sessions.create_launch_token(**launch)
        chosen = await client.sessions.create_launch_token(**launch, request_id="mine")

    assert (own.launch_token, chosen.launch_token) == ("token", "")
    first, second, third = server.requests(CreateLaunchTokenRequest)
    assert first.request_id != second.request_id
    assert third.request_id == "mine"


async def test_channels_spread_calls(server: FakeServer) -> None:
    """Several channels serve one client, whose options views share them."""
    server.always(GetBalanceRequest, GetBalanceResponse(balance=BALANCE))

    async with server.connect(channels=3) as client:
        other = client.with_options(key="other")
        async with asyncio.TaskGroup() as group:
            for caller in (client, other) * 6:
                read = caller.wallet.get_balance(player_id="p", currency_code="INR")
                group.create_task(read)
        await other.close()
        await client.wallet.get_balance(player_id="p", currency_code="INR")

    keys = [call.metadata["authorization"] for call in server.calls]
    assert sorted(keys) == ["Bearer other"] * 6 + ["Bearer test-key"] * 7


async def test_closed_client_says_so(server: FakeServer) -> None:
    """A closed client refuses calls instead of opening channels again."""
    client = server.connect()
    await client.close()

    with pytest.raises(RuntimeError, match="closed"):
        await client.wallet.bet(**BET)


async def test_cancelling_the_caller_cancels_the_call(server: FakeServer) -> None:
    """A cancelled caller gets its cancellation, not an error to retry."""
    arrived = asyncio.Event()

    async def arrive(request: BetRequest) -> Message:
        arrived.set()
        return await never(request)

    server.always(BetRequest, arrive)

    async with server.connect(timeout_s=5) as client:
        task = asyncio.create_task(client.wallet.bet(**BET))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert len(server.calls) == 1
