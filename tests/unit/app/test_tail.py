"""Test how a process learns that the journal has grown."""

import asyncio

import pytest
from tests.unit.app.following import FollowedWriter, World

from cage.core.errors import Reason


@pytest.fixture
def world() -> World:
    """Bring a journal that nobody follows yet."""
    return World()


async def test_heads_are_known_at_once(world: World) -> None:
    """Whoever begins to follow knows the heads of that moment."""
    world.journal.commit(1, "a")
    async with world.tail.following():
        assert list(world.tail.heads) == [0, 1, 0]


async def test_growth_wakes_followers(world: World) -> None:
    """A commit wakes everybody who waits, whoever made it."""
    async with world.tail.following():
        waiting = [
            asyncio.create_task(world.tail.moved([0, 0, 0], 60)) for _ in range(3)
        ]
        await asyncio.sleep(0)
        world.journal.commit(2, "a")
        world.tail.wake()
        async with asyncio.timeout(10):
            await asyncio.gather(*waiting)

        assert list(world.tail.heads) == [0, 0, 1]
        # What was not seen yet is no reason to wait.
        await world.tail.moved([0, 0, 0], 60)


async def test_waiting_ends_by_itself(world: World) -> None:
    """Whoever waits for a journal that does not grow goes on after a time."""
    async with world.tail.following():
        await world.tail.moved([0, 0, 0], 0.001)


async def test_nobody_follows(world: World) -> None:
    """The heads are read while somebody follows, and no longer."""
    async with world.tail.following(), world.tail.following():
        task = world.tail._task

    assert task is not None
    await asyncio.wait([task])
    assert task.cancelled()
    assert world.tail._task is None


async def test_failing_reads(world: World) -> None:
    """Heads that cannot be read once are read again."""
    async with world.tail.following():
        world.journal.failures = 2
        world.journal.commit(0, "a")
        async with asyncio.timeout(10):
            await world.tail.moved([0, 0, 0], 10)

        assert list(world.tail.heads) == [1, 0, 0]


async def test_registry_of_others_is_loaded(world: World) -> None:
    """A registry that another process changed is loaded, when the lane lets it."""
    world.journal.registry_version = 2
    world.writer.refusal = Reason.OVERLOADED
    async with world.tail.following():
        assert world.writer.registry.version == 1

        world.writer.refusal = None
        await world.tail.look()

        assert isinstance(world.writer, FollowedWriter)
        assert world.writer.registry.version == 2
