"""Reserves are swept from committed state, in the order of their expiry."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.control import submit
from tests.simulation.calls import capture, release, reserve
from tests.simulation.deployment import NOW_US, Clock

from cage.app.reserve import ReserveSweeper
from cage.core.reservation import ExpireReserve, Reservation
from cage.storage import SqliteStore, open_sqlite, verify
from cage.storage.reservations import due_reserves
from cage.storage.sqlite import SqliteWriter
from cage.storage.statements import DIALECT

SECOND_US = 1_000_000


@pytest.fixture
def clock() -> Clock:
    """Return the time of the books, which the test moves."""
    return Clock()


@pytest.fixture
async def timed(path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    """Run a store by the test's clock; verify in the end."""
    opened = open_sqlite(path, clock_us=clock)
    await opened.start(asyncio.get_running_loop())
    yield opened
    await opened.drain()

    assert verify(path) == []


async def held(store: SqliteStore, *lives_s: int) -> list[int]:
    """Reserve a cent for each life; return the items."""
    calls = [
        reserve(f"h{index}", 1, life_us=life_s * SECOND_US)
        for index, life_s in enumerate(lives_s)
    ]
    answers: list[Any] = [await submit(store, call) for call in calls]
    return [answer.transaction.item_no for answer in answers]


async def pages(store: SqliteStore, seconds: int, limit: int) -> list[int]:
    """Walk over the pages of what is due after some seconds."""
    now_us, after, found = NOW_US + seconds * SECOND_US, (0, 0), []
    while True:
        page = await store.reads.due_reserves(
            0, now_us=now_us, after=after, limit=limit
        )
        found += [row.reserve_no for row in page]
        if len(page) < limit:
            return found
        after = (page[-1].expire_time_us, page[-1].reserve_no)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_due_reserves_come_in_order(timed: SqliteStore, limit: int) -> None:
    """Those that expire first come first, and of one instant the older."""
    first, second, third, fourth, _ = await held(timed, 5, 3, 5, 3, 9)

    assert await pages(timed, 2, limit) == []
    assert await pages(timed, 3, limit) == [second, fourth]
    assert await pages(timed, 5, limit) == [second, fourth, first, third]


async def test_what_is_over_is_not_due(timed: SqliteStore) -> None:
    """A reserve that was captured whole or released is looked at no more."""
    items = await held(timed, 1, 1, 1)
    await submit(timed, capture("c0", 1, "h0"))
    await submit(timed, release("x1", "h1"))

    assert await pages(timed, 9, 10) == items[2:]


async def test_sweep_releases_what_is_due(timed: SqliteStore, clock: Clock) -> None:
    """A sweep releases what is due and leaves nothing due behind."""
    sweeper = ReserveSweeper(writer=timed.writer, reads=timed.reads, now_us=clock)
    await held(timed, *[1 + index % 4 for index in range(100)], 3, 3)
    swept = []
    for seconds in (0, 2, 3, 3, 9):
        clock.now_us = NOW_US + seconds * SECOND_US
        result = await sweeper.sweep()
        swept.append((result.expired, result.failed))

    assert swept == [(0, 0), (50, 0), (27, 0), (0, 0), (25, 0)]
    assert await pages(timed, 99, 10) == []


async def test_two_sweepers_release_once(timed: SqliteStore, clock: Clock) -> None:
    """Sweepers that run at once, and captures beside them, spend nothing twice."""
    await held(timed, *[1] * 30)
    clock.now_us += SECOND_US
    sweepers = [
        ReserveSweeper(writer=timed.writer, reads=timed.reads, now_us=clock)
        for _ in range(3)
    ]
    sent = [submit(timed, capture(f"c{n}", 1, f"h{n}")) for n in range(0, 30, 3)]
    results = await asyncio.gather(
        *(sweeper.sweep() for sweeper in sweepers), *sent, return_exceptions=True
    )
    captured = [each for each in results[3:] if not isinstance(each, Exception)]
    expired = sum(each.expired for each in results[:3])  # type: ignore[union-attr]

    assert expired + len(captured) == 30


def test_reservation_row(writer: SqliteWriter) -> None:
    """A reservation is one row, written over by what becomes of it."""
    writer.apply([reserve("h1", 10), capture("c1", 4), capture("c2", 1)])
    writer.apply([release()])
    rows = writer._connection.execute("SELECT * FROM reservations").fetchall()
    (row,) = [Reservation(*values) for values in rows]

    assert (row.amount, row.captured, row.released, row.left) == (10, 5, 5, 0)
    assert (row.capture_count, row.state) == (2, 3)
    assert row.release_no > row.reserve_no


def test_sweep_walks_the_index(path: Path) -> None:
    """What is due is found along the index of open reservations, in its order."""
    text = due_reserves(0, 5, (0, 0), 10).compile(
        dialect=DIALECT, compile_kwargs={"literal_binds": True}
    )
    connection = sqlite3.connect(path)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {text}").fetchall()
    connection.close()
    steps = " ".join(str(step[3]) for step in plan)

    assert "reservations_due" in steps
    assert "TEMP B-TREE" not in steps


def test_unknown_reserve_does_not_expire(writer: SqliteWriter) -> None:
    """What is no reserve, or of another player, is answered with no."""
    (held_,) = writer.apply([reserve("h1", 10, life_us=-1)]).outcomes
    item_no = held_.transaction.item_no  # type: ignore[attr-defined]
    commands = [
        ExpireReserve(player_id="bob", reserve_no=item_no),
        ExpireReserve(player_id="nobody", reserve_no=item_no),
        ExpireReserve(player_id="ann", reserve_no=1),
        ExpireReserve(player_id="ann", reserve_no=99_999),
        ExpireReserve(player_id="ann", reserve_no=item_no),
    ]

    assert writer.apply(commands).outcomes == [False] * 4 + [True]
