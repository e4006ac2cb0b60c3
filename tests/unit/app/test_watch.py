"""Test that a watch tells the balance now, each that follows, and always the last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.app.following import OPERATOR_KEY, World
from tests.unit.app.test_wallet import REGISTRY, row

from cage.app import watch as app_watch
from cage.app.watch import WatchApp
from cage.core.errors import CageError, Reason
from cage.core.registry import Currency
from cage.core.wallet import Balance, GetBalance

EUR = Currency(currency_no=1, currency_code="EUR", scale=2)
QUERY = GetBalance(key_id="k", player_id="ann", game_id="", currency_code="EUR")


@pytest.fixture
def world() -> World:
    """Bring a journal, and a balance of 100 at version 3."""
    made = World()
    made.writer.registry = replace(REGISTRY, currencies={"EUR": EUR})
    made.writer.answer = Balance(EUR, 100, 0, 0, 3, 1)
    return made


def moved(world: World, *balances: tuple[int, int], **fields: Any) -> None:
    """Commit rows that left an amount of cash at a version."""
    first = 1 + sum(len(batch.items) for batch in world.journal.lanes[0])
    rows = [
        row(first + index, cash_after=cash, version=version, **fields)
        for index, (cash, version) in enumerate(balances)
    ]
    world.journal.commit(0)
    world.journal.lanes[0][-1].items = [*rows]
    world.tail.wake()


@asynccontextmanager
async def watching(app: WatchApp) -> AsyncIterator[Any]:
    """Open a watch of ann's and take the balance now."""
    balances = app.watch(OPERATOR_KEY, QUERY, timeout_s=3)
    async with asyncio.timeout(10), aclosing(balances):
        first = await anext(balances)

        assert first.cash == 100

        yield balances


async def test_changes_follow(world: World) -> None:
    """Each change is told once, whatever does not change the balance is not."""
    world.journal.commit(0, "before")
    app = WatchApp(world.reader)
    async with watching(app) as balances:
        # What the balance now showed already, what left it as it was, and others'.
        moved(world, (90, 2), (100, 3))
        moved(world, (5, 9), player_no=2)
        moved(world, (5, 9), currency_no=2)
        moved(world, (80, 4), (70, 5))
        told = [(await anext(balances)).cash for _ in range(2)]

    assert told == [80, 70]


async def test_slow_watcher_gets_the_last(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who does not take balances misses some, never the newest."""
    monkeypatch.setattr(app_watch, "BALANCES_MAX", 2)
    app = WatchApp(world.reader)
    async with watching(app) as balances:
        moved(world, *((100 - number, 3 + number) for number in range(1, 10)))
        async with asyncio.timeout(10):
            while world.journal.pages < 1:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        told = [(await anext(balances)).cash for _ in range(2)]

    assert told == [92, 91]


async def test_watchers_share_the_reading(world: World) -> None:
    """Several watch one wallet, and when the last one goes nothing is left."""
    app = WatchApp(world.reader)
    async with watching(app) as one, watching(app) as other:
        moved(world, (80, 4))

        assert ((await anext(one)).cash, (await anext(other)).cash) == (80, 80)
        assert world.journal.pages == 1
        task = app._task

    assert task is not None
    await asyncio.wait([task])
    assert task.cancelled()
    assert (app._task, app._watchers, app._places) == (None, {}, {})


async def test_many_players(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From many watched players on, all rows are read and most left out."""
    monkeypatch.setattr(app_watch, "PLAYERS_MAX", 0)
    async with watching(WatchApp(world.reader)) as balances:
        moved(world, (5, 9), player_no=2)
        moved(world, (80, 4))
        told = (await anext(balances)).cash

    assert told == 80
    assert {wanted.player_nos for wanted in world.journal.wanted} == {None}


async def test_failing_reads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that cannot be read once is read again."""
    monkeypatch.setattr(app_watch, "PROGRESS_S", 0.001)
    read, failures = world.journal.journal, 2

    async def fail(*arguments: Any, **named: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise TimeoutError
        return await read(*arguments, **named)

    monkeypatch.setattr(world.journal, "journal", fail)
    async with watching(WatchApp(world.reader)) as balances:
        moved(world, (80, 4))

        assert (await anext(balances)).cash == 80


async def test_key_that_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is revoked ends its watch, also when nothing changes."""
    monkeypatch.setattr(app_watch, "PROGRESS_S", 0.001)
    async with watching(WatchApp(world.reader)) as balances:
        ended = replace(OPERATOR_KEY, revoke_time_us=5)
        world.writer.registry = replace(world.writer.registry, keys={"k": ended})
        with pytest.raises(CageError) as caught:
            await anext(balances)

    assert caught.value.reason is Reason.KEY_INVALID
