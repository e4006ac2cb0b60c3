"""Test how events are told from a journal of several lanes."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.app.following import ADMIN_KEY, LANES, OPERATOR_KEY, World
from tests.unit.app.test_wallet import GAME_KEY

from cage.app import event as app_event
from cage.app.event import EventApp, EventFrame, EventView, Query
from cage.app.journal import START, Place, decode_cursor, encode_cursor
from cage.core.book import Change
from cage.core.errors import CageError, Reason
from cage.core.event import EventType
from cage.core.registry import ApiKey


@pytest.fixture
def world() -> World:
    """Bring three lanes with some commits."""
    made = World()
    made.journal.commit(0, "a1", "a2", time_us=10)
    made.journal.commit(0, "a3", time_us=30)
    made.journal.commit(2, "c1", time_us=20)
    made.journal.commit(2, "c2", "c3", time_us=40)
    return made


async def frames(
    world: World, count: int, key: ApiKey = OPERATOR_KEY, **query: Any
) -> list[EventFrame]:
    """Read frames until so many events have come."""
    found: list[EventFrame] = []
    events = 0
    subscription = EventApp(world.reader).subscribe(key, Query(**query))
    async with asyncio.timeout(10), aclosing(subscription):
        async for frame in subscription:
            found.append(frame)
            events += len(frame.events)
            if events >= count:
                break
    return found


def views(found: list[EventFrame]) -> list[EventView]:
    """List the events of frames."""
    return [view for frame in found for view in frame.events]


def ids(found: list[EventFrame]) -> list[str]:
    """List the ids of the transactions of frames."""
    return [view.row.transaction_id for view in views(found)]  # type: ignore[union-attr]


def by_lane(names: list[str]) -> dict[str, list[str]]:
    """List ids by the letter of their lane."""
    return {letter: [name for name in names if name[0] == letter] for letter in "abc"}


ALL = {"a": ["a1", "a2", "a3"], "b": [], "c": ["c1", "c2", "c3"]}


async def test_every_lane_is_told(world: World) -> None:
    """Events of all lanes come, each lane's in order, the first frame without any."""
    found = await frames(world, 6)

    assert by_lane(ids(found)) == ALL
    assert found[0] == EventFrame(events=(), cursor=encode_cursor([START] * LANES))


async def test_every_cursor_leads_on(world: World) -> None:
    """From the cursor of any event on comes what was not told before, and only that."""
    every = views(await frames(world, 6))
    for number, view in enumerate(every[:-1]):
        seen = [each.row.transaction_id for each in every[: number + 1]]  # type: ignore[union-attr]
        rest = ids(await frames(world, 5 - number, cursor=view.cursor))

        assert by_lane(seen + rest) == ALL


async def test_cursor_of_a_frame_is_the_last_ones_or_further(world: World) -> None:
    """The cursor of a frame covers its events, and what was skipped after them."""
    found = [frame for frame in await frames(world, 6) if frame.events]
    for frame in found:
        places = decode_cursor(frame.cursor, LANES)
        last = frame.events[-1]

        assert places[last.lane] == last.place


async def test_frames_are_small(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is cut by the number of events and by their size."""
    monkeypatch.setattr(app_event, "FRAME_EVENTS", 2)
    world.journal.commit(1, *(f"b{number}" for number in range(5)))
    counts = [len(f.events) for f in await frames(world, 11) if f.events[:1]]

    monkeypatch.setattr(app_event, "FRAME_BYTES", 1)
    single = [len(f.events) for f in await frames(world, 11) if f.events]

    assert max(counts) == 2
    assert set(single) == {1}


async def test_what_comes_later_is_told(world: World) -> None:
    """What is committed while somebody follows is told as well."""
    subscription = EventApp(world.reader).subscribe(OPERATOR_KEY, Query())
    found: list[EventFrame] = []
    async with asyncio.timeout(10), aclosing(subscription):
        async for frame in subscription:
            found.append(frame)
            names = ids(found)
            if len(names) == 6:
                world.journal.commit(1, "b1")
                world.tail.wake()
            if len(names) == 7:
                break

    assert names[-1] == "b1"


async def test_start_time(world: World) -> None:
    """A start skips what was committed before it, in every lane."""
    found = await frames(world, 3, start_time_us=30)

    assert by_lane(ids(found)) == {"a": ["a3"], "b": [], "c": ["c2", "c3"]}


async def test_progress_is_told(world: World) -> None:
    """Who wants nothing of what there is hears every second how far it has come."""
    subscription = EventApp(world.reader).subscribe(
        OPERATOR_KEY, Query(types=[EventType.TRANSACTION_ALIAS])
    )
    async with asyncio.timeout(10), aclosing(subscription):
        first = await anext(subscription)
        world.clock_s += 1
        second = await anext(subscription)

    assert (list(first.events), list(second.events)) == ([], [])
    assert decode_cursor(second.cursor, LANES)[0] != START


@pytest.mark.parametrize(
    ("key", "nouns", "integration_no"),
    [(GAME_KEY, (), 5), (OPERATOR_KEY, None, None), (ADMIN_KEY, None, None)],
)
async def test_scope_of_a_key(
    world: World, key: ApiKey, nouns: Any, integration_no: int | None
) -> None:
    """A studio wants its integration's transactions; others want their brands'."""
    await frames(world, 6, key)
    wanted = world.journal.wanted[0]

    assert wanted.integration_no == integration_no
    assert wanted.brand_nos == (None if key is ADMIN_KEY else [1])
    if key is ADMIN_KEY:
        assert wanted.nouns is None
    else:
        assert (list(wanted.nouns or ()) == []) == (nouns == ())


@pytest.mark.parametrize(
    ("key", "operator_no", "count"), [(OPERATOR_KEY, 1, 1), (OPERATOR_KEY, 2, 0)]
)
async def test_changes_of_an_operator(
    world: World, key: ApiKey, operator_no: int, count: int
) -> None:
    """A change of an operator is told to those who see the operator."""
    after = f'{{"operator_no":{operator_no}}}'
    change = Change(1, 1, "k", "operator", "o", "UpdateOperator", "", after, 1)
    world.journal.commit_change(1, change)
    found = views(await frames(world, 6 + count, key))
    world.journal.commit_change(1, replace(change, noun="game", after="{}"))
    everything = views(await frames(world, 8, ADMIN_KEY))

    assert len([view for view in found if view.gate is None]) == count
    assert {view.type for view in everything if view.gate is None} == {
        EventType.OPERATOR_CHANGED,
        EventType.DEPLOYMENT_CHANGED,
    }


async def test_one_player(world: World) -> None:
    """Who follows a player reads the lane of the player only."""
    await frames(world, 3, player_id="ann")

    assert {tuple(wanted.player_nos or ()) for wanted in world.journal.wanted} == {(1,)}
    assert world.journal.pages == 2


async def test_newer_registry_is_loaded_first(world: World) -> None:
    """A page that was read from a newer registry is read again by it."""
    world.journal.registry_version = 5
    world.tail.look = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
    world.tail._heads = [2, 0, 2]
    await frames(world, 6)

    assert world.writer.registry.version == 5
    assert world.journal.pages > 2 + LANES


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"cursor": "none"}, Reason.CURSOR_INVALID),
        ({"cursor": encode_cursor([Place(9, 1, 7)] * 3)}, Reason.CURSOR_INVALID),
        ({"player_id": "nobody"}, Reason.PLAYER_NOT_FOUND),
        ({"integration_id": "none"}, Reason.INTEGRATION_NOT_FOUND),
    ],
)
async def test_refusals(world: World, query: Any, reason: Reason) -> None:
    """What cannot be followed is refused."""
    with pytest.raises(CageError) as caught:
        await frames(world, 7, **query)

    assert caught.value.reason is reason


@pytest.mark.parametrize("way", ["revoked", "expired"])
async def test_key_that_ends(world: World, way: str) -> None:
    """A key that is revoked, or past its life, is told so."""
    ended = (
        replace(OPERATOR_KEY, revoke_time_us=5)
        if way == "revoked"
        else replace(OPERATOR_KEY, expire_time_us=world.now_us)
    )
    world.writer.registry = replace(world.writer.registry, keys={"k": ended})
    with pytest.raises(CageError) as caught:
        await frames(world, 1)

    assert caught.value.reason is Reason.KEY_INVALID
