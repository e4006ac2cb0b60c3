"""Test that an export holds a range of every lane, and goes on from any frame."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from tests.unit.app.following import LANES, OPERATOR_KEY, World
from tests.unit.app.test_wallet import GAME_KEY

from cage.app import export as app_export
from cage.app.export import ExportApp, ExportFrame, ExportQuery
from cage.core.admin import ReadRegistry
from cage.core.errors import CageError, Reason


@pytest.fixture
def world() -> World:
    """Bring three lanes with some commits."""
    made = World()
    made.journal.commit(0, "a1", "a2", time_us=10)
    made.journal.commit(0, "a3", time_us=30)
    made.journal.commit(2, "c1", time_us=20)
    made.journal.commit(2, "c2", "c3", time_us=40)
    return made


async def export(world: World, **query: Any) -> list[ExportFrame[Any]]:
    """Export transactions to the end."""
    exported = ExportApp(world.reader).transactions(
        OPERATOR_KEY, ExportQuery(**query), timeout_s=3
    )
    async with asyncio.timeout(10), aclosing(exported):
        return [frame async for frame in exported]


def ids(frames: list[ExportFrame[Any]]) -> list[str]:
    """List the ids of the transactions of frames."""
    return [view.row.transaction_id for frame in frames for view in frame.rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "a1 a2 a3 c1 c2 c3"),
        ({"start_time_us": 11}, "a3 c1 c2 c3"),
        ({"end_time_us": 30}, "a1 a2 c1"),
        ({"start_time_us": 20, "end_time_us": 40}, "a3 c1"),
        ({"start_time_us": 41}, ""),
        ({"end_time_us": 10}, ""),
        ({"end_time_us": 2**60}, "a1 a2 a3 c1 c2 c3"),
    ],
)
async def test_range(world: World, query: dict[str, int], expected: str) -> None:
    """A range is cut in every lane, from its first instant to before its last."""
    frames = await export(world, **query)

    assert ids(frames) == expected.split()
    assert not frames[-1].rows


@pytest.mark.parametrize("size", [1, 2, 125])
async def test_every_frame_leads_on(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """From the cursor of any frame on comes the rest; from the last one, nothing."""
    monkeypatch.setattr(app_export, "FRAME_ROWS", size)
    frames = await export(world)
    for number, frame in enumerate(frames):
        rest = await export(world, cursor=frame.cursor)

        assert ids(rest) == ids(frames[number + 1 :])
    world.journal.commit(1, "b1")
    assert ids(await export(world, cursor=frames[-1].cursor)) == ["b1"]


async def test_large_rows_take_frames_of_their_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame ends before it grows too large for a client."""
    monkeypatch.setattr(app_export, "FRAME_BYTES", 1)

    assert {len(frame.rows) for frame in await export(world)} == {0, 1}


async def test_every_lane_is_passed_first(world: World) -> None:
    """A command through each lane lets what has begun to commit be there."""
    await export(world)

    assert [lane for lane, _ in world.writer.submitted] == list(range(LANES))
    assert {type(command) for _, command in world.writer.submitted} == {ReadRegistry}


async def test_progress(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that finds nothing for long tells how far it has come."""
    read = world.journal.journal

    async def nothing(*arguments: Any, **named: Any) -> Any:
        world.clock_s += 2
        span, _ = await read(*arguments, **named)
        return span, ()

    monkeypatch.setattr(world.journal, "journal", nothing)
    frames = await export(world)

    assert ids(frames) == []
    assert len({frame.cursor for frame in frames}) == len(frames) == 3


async def test_rounds(world: World) -> None:
    """Rounds are exported as their last transactions are."""
    exported = ExportApp(world.reader).rounds(GAME_KEY, ExportQuery(), timeout_s=3)
    async with asyncio.timeout(10), aclosing(exported):
        views = [view async for frame in exported for view in frame.rows]

    assert [view.round_.round_id for view in views] == "a1 a2 a3 c1 c2 c3".split()
    assert {view.integration_no for view in views} == {5}


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"cursor": "none"}, Reason.CURSOR_INVALID),
        ({"integration_id": "none"}, Reason.INTEGRATION_NOT_FOUND),
    ],
)
async def test_refusals(world: World, query: Any, reason: Reason) -> None:
    """What cannot be exported is refused."""
    with pytest.raises(CageError) as caught:
        await export(world, **query)

    assert caught.value.reason is reason
