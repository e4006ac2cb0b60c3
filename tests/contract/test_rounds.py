"""Unfinished rounds are those that take bets and have some, oldest first."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.simulation.calls import award, bet, close_round, play, rollback, win
from tests.simulation.deployment import Clock, fresh_database, open_writer

from cage.storage import SqliteStore, open_sqlite, verify


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave rounds in every state."""
    path = fresh_database(tmp_path_factory.mktemp("rounds"))
    calls: list[Any] = [
        bet("b1", 1, round_id="open"),
        bet("b2", 1, round_id="closed at once", round_closed=True),
        bet("b3", 1, round_id="closed later"),
        bet("b4", 1, round_id="rolled back"),
        bet("b5", 1, round_id="won and open", player_id="bob"),
        award("a1", 1, round_id="award alone"),
        play(bet("b6", 1), win("w6", 1), round_id="play"),
        bet("b7", 1, round_id="back again"),
        win("w5", 2, round_id="won and open", player_id="bob"),
        close_round(round_id="closed later"),
        rollback("b4", "b4"),
        rollback("b7", "b7"),
        bet("b8", 1, round_id="back again"),
    ]
    clock = Clock()
    with open_writer(path, clock) as writer:
        for call in calls[:5]:
            clock.now_us += 1_000
            writer.apply([call])
        writer.apply(calls[5:])

    assert verify(path) == []

    return path


@pytest.fixture
async def store(history: Path) -> AsyncIterator[SqliteStore]:
    """Open the history for reading."""
    opened = open_sqlite(history, clock_us=Clock())
    yield opened
    await opened.drain()


UNFINISHED = ["open", "won and open", "play", "back again"]


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
async def test_unfinished_rounds(store: SqliteStore, limit: int) -> None:
    """Pages of any size hold the unfinished rounds by their first transaction."""
    found: list[str] = []
    after_no = 0
    while True:
        page = await store.reads.unfinished_rounds(
            0, after_no=after_no, before_us=2**62, limit=limit
        )
        found += [each.round_.round_id for each in page]
        if len(page) < limit:
            break
        after_no = page[-1].round_.open_no
        assert page[-1].gate.player_no == page[-1].round_.player_no
        assert page[-1].integration_no

    assert found == UNFINISHED


async def test_age(store: SqliteStore) -> None:
    """Rounds that were opened at a time or later are left out."""
    every = await store.reads.unfinished_rounds(
        0, after_no=0, before_us=2**62, limit=10
    )
    before = await store.reads.unfinished_rounds(
        0, after_no=0, before_us=every[1].round_.open_time_us, limit=10
    )

    assert [each.round_.round_id for each in before] == ["open"]


async def test_index_is_used(store: SqliteStore) -> None:
    """Only the index of the unfinished is read, whatever else is stored."""
    async with store.reads._transaction() as connection:
        plan = (
            await connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT * FROM rounds WHERE lane = 0"
                " AND open_no > 0 AND closed = 0 AND standing_count > 0"
                " ORDER BY open_no"
            )
        ).all()

    assert len(plan) == 1
    assert "USING INDEX rounds_unfinished" in str(plan[0])


async def test_rows_of_a_round(store: SqliteStore) -> None:
    """The rows of a round are its chain, newest first, as many as are asked for."""
    (found,) = [
        each
        for each in await store.reads.unfinished_rounds(
            0, after_no=0, before_us=2**62, limit=10
        )
        if each.round_.round_id == "back again"
    ]
    last_no = found.round_.last_no
    rows = await store.reads.round_rows(0, last_no, limit=10)
    part = await store.reads.round_rows(0, last_no, limit=2)

    assert [row.transaction_id for row in rows] == ["b8", "b7", "b7"]
    assert list(part) == list(rows)[:2]
    assert rows[-1].item_no == found.round_.open_no
