"""A feed hides broken connections: no item is lost, and none comes twice."""

import asyncio
from typing import Any

import grpc
import pytest

from cage.client import (
    CageError,
    CursorInvalidError,
    KeyInvalidError,
    RetryPolicy,
    ShuttingDownError,
    UnknownOutcomeError,
    sync,
)
from cage.client.testing import FakeServer, never
from cage.event.v1.event_pb2 import Event
from cage.event.v1.event_service_pb2 import SubscribeRequest, SubscribeResponse
from cage.type.v1.balance_pb2 import Balance
from cage.wallet.v1.wallet_pb2 import Transaction
from cage.wallet.v1.wallet_service_pb2 import (
    BetRequest,
    ExportTransactionsRequest,
    ExportTransactionsResponse,
    WatchBalanceRequest,
    WatchBalanceResponse,
)

QUICK = RetryPolicy(initial_backoff_s=0.001, max_backoff_s=0.002)
BROKEN = UnknownOutcomeError("gone", code=grpc.StatusCode.UNAVAILABLE)


def frame(*names: str, cursor: str = "") -> SubscribeResponse:
    """Build a message of events, whose cursors are their names."""
    events = [Event(cursor=name, player_id=name) for name in names]
    return SubscribeResponse(events=events, cursor=cursor or names[-1])


def cursors(server: FakeServer) -> list[str]:
    """List from where on the server was asked."""
    return [request.cursor for request in server.requests(SubscribeRequest)]


@pytest.mark.parametrize("break_", [BROKEN, ShuttingDownError("later"), None])
async def test_resumes(server: FakeServer, break_: CageError | None) -> None:
    """A feed that breaks, or ends, goes on from the last item that was handed out."""
    ends = [] if break_ is None else [break_]
    server.script(
        SubscribeRequest,
        [frame("a", "b"), frame("c"), SubscribeResponse(cursor="idle"), *ends],
        ends,
        [frame("d", cursor="e"), *ends],
    )
    server.always(SubscribeRequest, never)
    found = []
    async with (
        server.connect(retry=QUICK) as client,
        client.events.subscribe(cursor="start") as events,
    ):
        async for event in events:
            found.append((event.player_id, events.cursor))
            if event.player_id == "d":
                break

    assert events.cursor == "d"
    assert found == [(name, name) for name in "abcd"]
    assert cursors(server) == ["start", "idle", "idle"]


async def test_goes_on_where_it_was_left(server: FakeServer) -> None:
    """A loop that was left and entered again misses nothing of the message."""
    server.script(SubscribeRequest, [frame("a", "b", "c")])
    found = []
    async with server.connect() as client:
        events = client.events.subscribe()
        async for event in events:
            found.append(event.player_id)
            break
        async for event in events:
            found.append(event.player_id)
            if event.player_id == "c":
                break
        await events.aclose()
        await events.aclose()

    assert found == ["a", "b", "c"]
    assert cursors(server) == [""]


@pytest.mark.parametrize("error", [CursorInvalidError("no"), KeyInvalidError("no")])
async def test_raises_what_cannot_be_helped(
    server: FakeServer, error: CageError
) -> None:
    """A refusal that a repetition cannot help ends the feed; its cursor stays."""
    server.script(SubscribeRequest, [frame("a"), error], [frame("b")])
    async with server.connect(retry=QUICK) as client:
        events = client.events.subscribe()
        first = await anext(events)
        with pytest.raises(type(error)):
            await anext(events)
        second = await anext(events)
        await events.aclose()

    assert (first.player_id, second.player_id) == ("a", "b")
    assert cursors(server) == ["", "a"]


async def test_unscripted_feed(server: FakeServer) -> None:
    """A feed that nobody serves is no reason to go on asking."""
    async with server.connect(retry=QUICK) as client:
        with pytest.raises(UnknownOutcomeError):
            await anext(client.events.subscribe())


async def test_filters_travel(server: FakeServer) -> None:
    """Filters are sent with every attempt, the start only without a cursor."""
    server.script(SubscribeRequest, [frame("a"), BROKEN])
    server.always(SubscribeRequest, never)
    wanted: dict[str, Any] = {
        "player_id": "p",
        "integration_id": "i",
        "types": [1, 2],
        "transaction_kinds": [3],
    }
    async with server.connect(retry=QUICK) as client:
        events = client.events.subscribe(**wanted)
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        while len(cursors(server)) < 2:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.001)
        waiting.cancel()
        await asyncio.wait([waiting])

    first, second = server.requests(SubscribeRequest)
    assert first == SubscribeRequest(**wanted)
    assert second == SubscribeRequest(cursor="a", **wanted)


def test_blocking_feed() -> None:
    """Blocking code iterates over a feed, and over its messages."""
    with FakeServer() as server:
        server.script(
            SubscribeRequest, [frame("a", "b"), BROKEN], [frame("c")], [frame("d")]
        )
        with sync.connect(server.address, key="k", retry=QUICK) as client:
            found = []
            with client.events.subscribe() as events:
                for event in events:
                    found.append((event.player_id, events.cursor))
                    if event.player_id == "c":
                        break
            frames = client.events.subscribe(cursor=events.cursor).frames()

            assert next(frames) == frame("d")

        assert cursors(server) == ["", "b", "c"]
    assert found == [("a", "a"), ("b", "b"), ("c", "c")]


async def test_an_export_ends(server: FakeServer) -> None:
    """An export ends with the server's end, and after too many failures in a row."""
    page = ExportTransactionsResponse(
        transactions=[Transaction(transaction_id="t")], cursor="1"
    )
    server.script(ExportTransactionsRequest, [page, BROKEN], [page])
    retry = RetryPolicy(attempts=3, initial_backoff_s=0.001)
    async with server.connect(retry=retry) as client:
        rows = [row async for row in client.wallet.export_transactions()]
        server.always(ExportTransactionsRequest, BROKEN)
        with pytest.raises(UnknownOutcomeError):
            await anext(client.wallet.export_transactions(cursor="2"))

    asked = server.requests(ExportTransactionsRequest)
    assert [row.transaction_id for row in rows] == ["t", "t"]
    assert [request.cursor for request in asked] == ["", "1", "2", "2", "2"]


async def test_a_watch_begins_again(server: FakeServer) -> None:
    """A watch that breaks begins again, with the balance of then."""
    told = [
        WatchBalanceResponse(balance=Balance(currency_code="EUR", version=version))
        for version in range(3)
    ]
    server.script(WatchBalanceRequest, [told[0], told[1], BROKEN], [told[2]])
    async with (
        server.connect(retry=QUICK) as client,
        client.wallet.watch_balance(player_id="p", currency_code="EUR") as watch,
    ):
        versions = [(await anext(watch)).version for _ in told]

    assert versions == [0, 1, 2]
    assert len(server.requests(WatchBalanceRequest)) == 2


async def test_only_feeds_are_followed(server: FakeServer) -> None:
    """A feed cannot be called, and a call cannot be followed."""
    async with server.connect() as client:
        with pytest.raises(TypeError):
            await client.call(SubscribeRequest())
        with pytest.raises(TypeError):
            client._caller.open_feed(BetRequest())
