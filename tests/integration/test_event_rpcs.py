"""Events tell the journal: all of it that a key sees, once, in order, for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
import pytest_asyncio
from tests.integration.books import rows
from tests.integration.deployment import Casino, Deployment, Player, running
from tests.integration.wire import connected

from cage.admin.v1.admin_pb2 import Role
from cage.client import CageError, Client, EventType, connect
from cage.core.wallet import MOVE_SPACES
from cage.event.v1.event_pb2 import Event
from cage.event.v1.event_service_pb2 import SubscribeRequest, SubscribeResponse
from cage.server.serve import Server
from cage.wallet.v1.wallet_pb2 import TransactionKind

pytestmark = pytest.mark.asyncio(loop_scope="session")

POSTED = EventType.EVENT_TYPE_TRANSACTION_POSTED
REFUSED = EventType.EVENT_TYPE_TRANSACTION_REFUSED
TOMBSTONE = EventType.EVENT_TYPE_TRANSACTION_TOMBSTONE
ALIAS = EventType.EVENT_TYPE_TRANSACTION_ALIAS
PLAYER = EventType.EVENT_TYPE_PLAYER_CHANGED
SESSION = EventType.EVENT_TYPE_SESSION_CHANGED
PAYMENT = EventType.EVENT_TYPE_PAYMENT_CHANGED
OPERATOR = EventType.EVENT_TYPE_OPERATOR_CHANGED
DEPLOYMENT = EventType.EVENT_TYPE_DEPLOYMENT_CHANGED
PATIENCE_S = 20.0


async def take(client: Client, count: int, **filters: Any) -> list[Event]:
    """Read so many events from the beginning, or from a cursor."""
    found: list[Event] = []
    async with (
        asyncio.timeout(PATIENCE_S),
        client.events.subscribe(**filters) as events,
    ):
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


async def story(player: Player) -> None:
    """Let a player's integration do one of everything."""
    studio = player.casino.studio
    await studio.call(player.bet("1.00", "bet"))
    await studio.call(player.win("2.00", "win", bet_transaction_id="bet"))
    await studio.call(player.bet("1.00", "other", "second"))
    await studio.call(player.rollback("other", "back"))
    await studio.call(player.rollback("other", "again"))
    await studio.call(player.rollback("never", "early"))
    with pytest.raises(CageError):
        await studio.call(player.bet("9999.00", "dear", "third"))


@pytest_asyncio.fixture(loop_scope="session")
async def told(deployment: Deployment) -> Player:
    """Bring a player of a casino of its own, whose story is told."""
    player = await (await deployment.casino()).player()
    await story(player)
    return player


async def test_subscribe(told: Player) -> None:
    """A studio sees what its integration did, as it stands in the ledger."""
    casino = told.casino
    events = await take(casino.studio, 7)
    listed = [
        row
        async for row in casino.studio.wallet.list_transactions(
            player_id=told.player_id
        )
        if row.integration_id
    ]

    assert [event.type for event in events] == [
        *(POSTED, POSTED, POSTED, POSTED, ALIAS, TOMBSTONE, REFUSED),
    ]
    assert [event.transaction for event in events] == listed
    for event in events:
        assert event.player_id == told.player_id
        assert event.integration_id == casino.integration_id
        assert event.commit_time == event.transaction.commit_time
        assert not event.is_test
    places = [(e.position.lane, e.position.sequence, e.position.index) for e in events]
    assert places == sorted(set(places))


async def test_operator_sees_its_players(told: Player) -> None:
    """An operator sees transactions of every integration, its players and itself."""
    casino = told.casino
    events = await take(casino.operator, 7 + 7)
    changes = [event for event in events if event.HasField("change")]

    assert [(event.type, event.change.noun) for event in changes] == [
        (OPERATOR, "operator"),
        (OPERATOR, "brand"),
        (PLAYER, "player"),
        (PLAYER, "player"),
        (PAYMENT, "payment"),
        (PAYMENT, "payment"),
    ]
    assert changes[0].player_id == ""
    assert {event.player_id for event in events[2:]} == {told.player_id}
    assert events[5].transaction.kind == TransactionKind.TRANSACTION_KIND_DEPOSIT
    assert changes[2].change.action == "RegisterPlayer"
    assert changes[2].change.before_json == ""
    assert changes[2].change.actor == casino.operator_key_id


async def test_admin_sees_everything(deployment: Deployment) -> None:
    """An administrator sees the events of the whole journal, and no secret."""
    kept = "SELECT state, key_space FROM transactions"
    changed = (
        "SELECT item_no FROM changes"
        " WHERE noun NOT IN ('session_token', 'launch_token', 'request')"
    )
    posted = [
        (state, space)
        for state, space in rows(deployment.path, kept)
        if state != 3 or space not in MOVE_SPACES
    ]
    expected = len(posted) + len(rows(deployment.path, changed))
    events = await take(deployment.admin, expected)
    digests = [
        str(row[0]) for row in rows(deployment.path, "SELECT digest FROM api_keys")
    ]

    assert {DEPLOYMENT, POSTED, PLAYER} <= {event.type for event in events}
    text = "".join(str(event) for event in events)
    assert digests
    assert not [digest for digest in digests if digest in text]
    # No column of numbers is shown. A cursor is drawn, and may hold any letters.
    named = "".join(str(event).replace(event.cursor, "") for event in events)
    assert "_no" not in named.replace("_not", "")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"types": [REFUSED]}, ["dear"]),
        ({"types": [ALIAS, TOMBSTONE]}, ["again", "early"]),
        (
            {"transaction_kinds": [TransactionKind.TRANSACTION_KIND_WIN]},
            ["win"],
        ),
        (
            {
                "types": [POSTED],
                "transaction_kinds": [
                    TransactionKind.TRANSACTION_KIND_ROLLBACK,
                    TransactionKind.TRANSACTION_KIND_BET,
                ],
            },
            ["bet", "other", "back"],
        ),
    ],
)
async def test_filters(
    told: Player, filters: dict[str, Any], expected: list[str]
) -> None:
    """A filter keeps some types and kinds."""
    events = await take(told.casino.studio, len(expected), **filters)

    assert [event.transaction.transaction_id for event in events] == expected


async def test_filter_of_a_player(told: Player) -> None:
    """A filter keeps one player: transactions and changes."""
    other = await told.casino.player()
    await other.casino.studio.call(other.bet("1.00", "others"))
    own = await take(told.casino.operator, 5 + 7, player_id=told.player_id)
    others = await take(told.casino.operator, 6, player_id=other.player_id)

    assert {event.player_id for event in own} == {told.player_id}
    assert {event.player_id for event in others} == {other.player_id}
    assert others[-1].transaction.transaction_id == "others"


async def test_filter_of_an_integration(told: Player) -> None:
    """A filter keeps one integration, and with it no change."""
    casino = told.casino
    events = await take(casino.operator, 7, integration_id=casino.integration_id)

    assert {event.integration_id for event in events} == {casino.integration_id}


async def test_start_time(told: Player) -> None:
    """A subscription may begin at a time, and one in the future at the present."""
    casino = told.casino
    every = await take(casino.studio, 7)
    middle = every[3].commit_time.ToDatetime(UTC)
    later = await take(casino.studio, 4, start_time=middle)
    future = casino.studio.events.subscribe(
        start_time=datetime.now(UTC) + timedelta(days=1)
    )
    async with asyncio.timeout(PATIENCE_S), future:
        frames = future.frames()
        first = await anext(frames)
        await casino.studio.call(told.bet("1.00", "new", "fourth"))
        second = await anext(frames)
        await frames.aclose()

    assert later == every[3:]
    assert first == SubscribeResponse(cursor=first.cursor)
    assert [event.transaction.transaction_id for event in second.events] == ["new"]


async def test_cursor_goes_on(told: Player) -> None:
    """Every cursor, of an event or a response, leads to what comes after it."""
    studio = told.casino.studio
    every = await take(studio, 7)
    for index, event in enumerate(every[:-1]):
        after = await take(studio, 6 - index, cursor=event.cursor)

        assert after == every[index + 1 :]


async def test_cursor_of_other_filters(told: Player) -> None:
    """A cursor is a place of the journal: it leads on under other filters too."""
    casino = told.casino
    (first,) = await take(casino.studio, 1, types=[REFUSED])
    await casino.studio.call(told.bet("1.00", "next", "fifth"))
    (event,) = await take(casino.operator, 1, cursor=first.cursor)

    assert event.transaction.transaction_id == "next"


async def refusal(client: Client, **filters: Any) -> CageError:
    """Return what a subscription fails with."""
    with pytest.raises(CageError) as caught:
        await take(client, 1_000_000, **filters)
    return caught.value


async def test_refusals(deployment: Deployment, told: Player) -> None:
    """What cannot be followed is refused by name, and the stream ends."""
    casino, foreign = told.casino, await deployment.casino()
    (event,) = await take(casino.studio, 1)
    cases: list[tuple[Client, dict[str, Any], str]] = [
        (casino.studio, {"cursor": "none"}, "CURSOR_INVALID"),
        (casino.studio, {"cursor": event.cursor[:-2] + "AA"}, "CURSOR_INVALID"),
        (casino.studio, {"player_id": "nobody"}, "PLAYER_NOT_FOUND"),
        (foreign.operator, {"player_id": told.player_id}, "PLAYER_NOT_FOUND"),
        (
            casino.studio,
            {"integration_id": foreign.integration_id},
            "INTEGRATION_NOT_FOUND",
        ),
        (casino.operator, {"integration_id": "none"}, "INTEGRATION_NOT_FOUND"),
        (casino.studio, {"types": [0]}, "INVALID_FIELD"),
        (casino.studio, {"types": [99]}, "INVALID_FIELD"),
        (casino.studio, {"transaction_kinds": [0]}, "INVALID_FIELD"),
        (casino.studio, {"types": [POSTED] * 101}, "INVALID_FIELD"),
        (casino.studio, {"player_id": "x" * 129}, "INVALID_FIELD"),
        (deployment.client("cage_none"), {}, "KEY_INVALID"),
    ]
    for client, filters, reason in cases:
        assert (await refusal(client, **filters)).reason == reason, filters
    both = SubscribeRequest(cursor=event.cursor)
    both.start_time.GetCurrentTime()
    async with connected(deployment.address) as wire:
        (answer,) = [each async for each in wire.feed(both, casino.studio_key)]

    assert answer.reason == "INVALID_FIELD"
    assert answer.metadata["field"] == "start_time"


async def test_others_are_not_seen(deployment: Deployment, told: Player) -> None:
    """Neither a studio nor an operator sees what is of others."""
    other = await (await deployment.casino()).player()
    await story(other)
    studio = await take(other.casino.studio, 7)
    operator = await take(other.casino.operator, 14)

    assert {event.player_id for event in studio} == {other.player_id}
    assert {event.player_id for event in operator} == {"", other.player_id}
    assert told.player_id not in "".join(map(str, operator))


async def test_revoked_key_ends_the_stream(casino: Casino) -> None:
    """A key that is revoked, or expires, ends its subscriptions at once."""
    deployment = casino.deployment
    expire_time = datetime.now(UTC) + timedelta(seconds=2)
    ids = [casino.operator_id]
    key_id, revoked = await deployment.key(Role.ROLE_OPERATOR, operator_ids=ids)
    _, expiring = await deployment.key(
        Role.ROLE_OPERATOR, operator_ids=ids, expire_time=expire_time
    )
    future = datetime.now(UTC) + timedelta(days=1)
    ends = [
        asyncio.create_task(refusal(deployment.client(key), start_time=future))
        for key in (revoked, expiring)
    ]
    await asyncio.sleep(0.2)
    assert not any(end.done() for end in ends)
    await deployment.admin.admin.revoke_api_key(key_id=key_id)

    assert [(await end).reason for end in ends] == ["KEY_INVALID", "KEY_INVALID"]


async def test_progress(told: Player) -> None:
    """A consumer that wants nothing of what happens still gets on."""
    casino = told.casino
    events = casino.operator.events.subscribe(types=[SESSION])
    async with asyncio.timeout(PATIENCE_S), events:
        frames = events.frames()
        first = await anext(frames)
        await casino.studio.call(told.bet("1.00", round_id="sixth"))
        second = await anext(frames)
        await frames.aclose()
    again = await take(casino.operator, 1, cursor=first.cursor)

    assert (list(first.events), list(second.events)) == ([], [])
    assert first.cursor != second.cursor
    assert again[0].change.noun == "operator"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def busy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """Run a server of this module's own."""
    async with running(tmp_path_factory.mktemp("busy")) as deployment:
        yield deployment


async def bets(player: Player, count: int, name: str) -> None:
    """Send bets in batches of many sizes."""
    calls = [player.bet("0.01", f"{name}-{i}", f"{name}-{i}") for i in range(count)]
    for start in range(0, count, 37):
        await player.casino.studio.wallet.batch_execute(calls[start : start + 37])


def transaction_ids(events: list[Event]) -> dict[str, list[str]]:
    """List the bets of each player, in the order in which they came."""
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(event.player_id, []).append(event.transaction.transaction_id)
    return found


async def test_consumer_that_is_killed(busy: Deployment, seed: int) -> None:
    """A consumer killed at random points and resumed sees every event exactly once."""
    rng = Random(f"{seed}-killed")
    casino = await busy.casino()
    players = [await casino.player() for _ in range(4)]
    kept: list[Event] = []
    cursor = ""

    async def consume(limit: int) -> None:
        nonlocal cursor
        async for event in casino.studio.events.subscribe(cursor=cursor):
            # Both at once, as a consumer's own database does.
            kept.append(event)
            cursor = event.cursor
            if len(kept) >= limit:
                return
            if rng.random() < 0.05:
                await asyncio.sleep(0)

    writing = asyncio.gather(*(bets(p, 300, p.player_id) for p in players))
    async with asyncio.timeout(PATIENCE_S):
        while len(kept) < 1_200:
            run = asyncio.create_task(consume(1_200))
            await asyncio.wait({run}, timeout=rng.uniform(0.0, 0.1))
            run.cancel()
            await asyncio.wait({run})
        await writing

    assert transaction_ids(kept) == {
        p.player_id: [f"{p.player_id}-{i}" for i in range(300)] for p in players
    }
    orders = [(e.position.sequence, e.position.index) for e in kept]
    assert all(one < other for one, other in pairwise(orders))


async def test_slow_consumer(busy: Deployment) -> None:
    """A consumer that takes nothing holds back nobody, and finds everything later."""
    casino = await busy.casino()
    player = await casino.player("1000.00")
    details = "x" * 4_000
    slow = casino.studio.events.subscribe()
    async with asyncio.timeout(2 * PATIENCE_S), slow:
        frames = slow.frames()
        await anext(frames)
        # Far more than HTTP/2 takes on its way.
        for start in range(0, 3_000, 500):
            await casino.studio.wallet.batch_execute(
                [
                    player.bet("0.01", f"{n}", f"{n}", details=details)
                    for n in range(start, start + 500)
                ]
            )
        quick = await take(casino.studio, 3_000)
        found: list[Event] = []
        while len(found) < 3_000:
            found += (await anext(frames)).events
        await frames.aclose()

    assert found == quick


async def test_drain(tmp_path: Path) -> None:
    """A server that stops ends its streams by name; their cursors stay good."""
    async with running(tmp_path) as first:
        casino = await first.casino()
        player = await casino.player()
        await story(player)
        kept = await take(casino.studio, 3)
        request = SubscribeRequest(cursor=kept[-1].cursor)
        async with connected(first.address) as wire:
            feed = wire.feed(request, casino.studio_key)
            more: list[Event] = []
            while len(more) < 4:
                more += (await anext(feed)).events
            await first.drain()
            (end,) = [each async for each in feed]

    assert end.reason == "SHUTTING_DOWN"
    assert [e.transaction.transaction_id for e in [*kept, *more]] == [
        *("bet", "win", "other", "back", "again", "early", "dear"),
    ]

    second = Server(first.server.config)
    await second.open()
    await second.listen()
    async with connect(second.address, key=casino.studio_key) as studio:
        await studio.call(player.bet("1.00", "after", "fourth"))
        (event,) = await take(studio, 1, cursor=more[-1].cursor)
    await second.drain()

    assert event.transaction.transaction_id == "after"


async def test_drain_beside_a_stuck_reader(tmp_path: Path) -> None:
    """A reader that takes nothing does not keep a server from stopping.

    What it finds later and what follows its last cursor is everything, once.
    """
    async with running(tmp_path, drain_grace_s=1.0) as first:
        casino = await first.casino()
        player = await casino.player("1000.00")
        for start in range(0, 3_000, 500):
            await casino.studio.wallet.batch_execute(
                [
                    player.bet("0.01", f"{n}", f"{n}", details="x" * 4_000)
                    for n in range(start, start + 500)
                ]
            )
        found: list[Event] = []
        frames = aiter(casino.studio._caller.open_feed(SubscribeRequest()))
        cursor = (await anext(frames)).cursor
        await first.drain()
        with suppress(grpc.aio.AioRpcError):
            async for frame in frames:
                found += frame.events
                cursor = frame.cursor

    second = Server(first.server.config)
    await second.open()
    await second.listen()
    async with connect(second.address, key=casino.studio_key) as studio:
        rest = await take(studio, 3_000 - len(found), cursor=cursor)
    await second.drain()

    names = [event.transaction.transaction_id for event in [*found, *rest]]
    assert names == [str(number) for number in range(3_000)]
