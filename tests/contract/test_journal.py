"""Pages of the journal hold every item once, in order, whatever their size."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.simulation.calls import bet, close_round, play, rollback, win
from tests.simulation.deployment import Clock, fresh_database, open_writer

from cage.app.journal import START, JournalItem, Place, Wanted
from cage.core.book import Change
from cage.core.errors import CageError, Reason
from cage.core.wallet import Kind, State, Transaction
from cage.storage import SqliteStore, open_sqlite

EVERYTHING = Wanted(nouns=None)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Path:
    """Write batches of many sizes, some with a play of many items."""
    path = fresh_database(tmp_path_factory.mktemp("journal"))
    rng = Random(f"{seed}-journal")
    clock = Clock()
    with open_writer(path, clock) as writer:
        calls: list[Any] = []
        for n in range(120):
            player_id = rng.choice(["ann", "bob"])
            calls += [
                bet(f"b{n}", 1, player_id=player_id, round_id=f"r{n // 3}"),
                win(f"w{n}", 1, player_id=player_id, round_id=f"r{n // 3}"),
                rollback(f"x{n}", f"{rng.choice('bwn')}{n}", player_id=player_id),
                close_round(player_id=player_id, round_id=f"r{n // 3}"),
            ]
            if not n % 10:
                actions = [bet(f"p{n}-{i}", 0) for i in range(30)]
                calls.append(play(*actions, round_id=f"p{n}"))
        while calls:
            size = rng.choice([1, 1, 2, 5, 40])
            # Several batches may share a time.
            clock.now_us += rng.choice([0, 1, 1_000])
            writer.apply(calls[:size])
            del calls[:size]
    return path


@pytest.fixture
async def store(history: Path) -> AsyncIterator[SqliteStore]:
    """Open the history for reading."""
    opened = open_sqlite(history, clock_us=Clock())
    yield opened
    await opened.drain()


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Read the file with plain SQL."""
    connection = sqlite3.connect(path)
    found = connection.execute(statement).fetchall()
    connection.close()
    return found


def all_items(path: Path) -> list[int]:
    """List the items that are events, whatever pages say."""
    found = rows(
        path,
        "SELECT item_no FROM transactions WHERE state <> 3 OR key_space <> 1"
        " UNION ALL SELECT item_no FROM changes"
        " WHERE noun NOT IN ('session_token', 'launch_token', 'request')",
    )
    return sorted(item_no for (item_no,) in found)


async def walk(
    store: SqliteStore, wanted: Wanted, limit: int, place: Place = START
) -> list[JournalItem]:
    """Read page after page from a place to the end."""
    found: list[JournalItem] = []
    while True:
        span, items = await store.reads.journal(0, place, wanted, limit=limit)
        found += items
        if span.is_last:
            return found
        place = span.place


def numbers(items: Sequence[JournalItem]) -> list[int]:
    """List the numbers of items."""
    return [item.row.item_no for item in items]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 40, 100, 10_000])
async def test_pages_hold_everything(store: SqliteStore, limit: int) -> None:
    """Pages of any size hold every event once, in order, with its player."""
    items = await walk(store, EVERYTHING, limit)

    assert numbers(items) == all_items(store.path)
    for item in items:
        if isinstance(item.row, Transaction):
            assert item.gate is not None
            assert item.gate.player_no == item.row.player_no


async def test_place_of_an_item_is_right_after_it(store: SqliteStore) -> None:
    """Whoever goes on from an item's place sees the next one first."""
    items = await walk(store, EVERYTHING, 50)
    for index in range(0, len(items), 9):
        span, after = await store.reads.journal(
            0, items[index].place, EVERYTHING, limit=60
        )
        expected = numbers(items[index + 1 :])[: len(after)]

        assert numbers(after) == expected
        assert after or span.is_last


async def test_end_of_the_journal(store: SqliteStore) -> None:
    """At the end there is nothing, and the place stays."""
    end, _ = await store.reads.journal(0, START, EVERYTHING, limit=10_000)
    span, items = await store.reads.journal(0, end.place, EVERYTHING, limit=10)
    heads = await store.reads.heads()

    assert end.is_last
    assert (span.place, span.is_last, list(items)) == (end.place, True, [])
    assert heads.sequences == [end.place.sequence]


async def test_bounded_pages(store: SqliteStore) -> None:
    """A page that is bounded ends with the batch of its bound."""
    items = await walk(store, EVERYTHING, 1_000)
    bound = items[len(items) // 2].place.sequence
    span, found = await store.reads.journal(
        0, START, EVERYTHING, limit=10_000, last_sequence=bound
    )
    _, beyond = await store.reads.journal(
        0, items[-1].place, EVERYTHING, limit=10, last_sequence=bound
    )

    assert numbers(found) == [
        item.row.item_no for item in items if item.place.sequence <= bound
    ]
    assert (span.is_last, span.place.sequence) == (True, bound)
    assert not beyond


async def test_time_is_found_by_halving(store: SqliteStore) -> None:
    """The place before a time is after everything committed earlier, exactly."""
    items = await walk(store, EVERYTHING, 1_000)
    times = sorted({item.row.commit_time_us for item in items})
    for time in (0, times[0], times[1], times[len(times) // 2], times[-1], 2**60):
        place = await store.reads.place_before(0, time)
        after = await walk(store, EVERYTHING, 1_000, place)

        assert numbers(after) == [
            item.row.item_no for item in items if item.row.commit_time_us >= time
        ]


@pytest.mark.parametrize(
    ("wanted", "keep"),
    [
        (Wanted(), lambda row: isinstance(row, Transaction)),
        (Wanted(nouns=("player",)), lambda row: not isinstance(row, Change)
         or row.noun == "player"),
        (Wanted(kinds=[Kind.WIN]), lambda row: isinstance(row, Transaction)
         and row.kind == Kind.WIN),
        (Wanted(states=[State.ALIAS]), lambda row: isinstance(row, Transaction)
         and row.state == State.ALIAS),
        (Wanted(states=[]), lambda _: False),
        (Wanted(brand_nos=[]), lambda _: False),
        (Wanted(integration_no=99), lambda _: False),
    ],
)  # fmt: skip
async def test_filters(store: SqliteStore, wanted: Wanted, keep: Any) -> None:
    """A page holds what is wanted, and moves past the rest."""
    everything = await walk(store, EVERYTHING, 1_000)
    found = await walk(store, wanted, 17)

    assert numbers(found) == [item.row.item_no for item in everything if keep(item.row)]


async def test_many_filters(store: SqliteStore) -> None:
    """Filters of several values hold together."""
    gates = [await store.reads.player(name) for name in ("ann", "bob")]
    wanted = Wanted(
        brand_nos=[gate.gate.brand_no for gate in gates if gate] * 2,
        integration_no=next(
            item.row.integration_no
            for item in await walk(store, EVERYTHING, 1_000)
            if isinstance(item.row, Transaction) and item.row.integration_no
        ),
        player_nos=[gate.gate.player_no for gate in gates if gate],
        states=[State.POSTED, State.ALIAS, State.TOMBSTONE],
        kinds=[Kind.WIN, Kind.ROLLBACK],
    )
    found = await walk(store, wanted, 23)

    assert numbers(found) == [
        item.row.item_no
        for item in await walk(store, EVERYTHING, 1_000)
        if isinstance(item.row, Transaction)
        and item.row.integration_no == wanted.integration_no
        and item.row.player_no in (wanted.player_nos or ())
        and item.row.state in (wanted.states or ())
        and item.row.kind in (wanted.kinds or ())
    ]
    assert found


async def test_one_player(store: SqliteStore) -> None:
    """A player's pages hold the transactions and the changes of the player."""
    gate = (await store.reads.player("bob")).gate  # type: ignore[union-attr]
    wanted = Wanted(player_nos=[gate.player_no], nouns=("player", "session", "payment"))
    found = await walk(store, wanted, 13)
    expected = rows(
        store.path,
        "SELECT item_no FROM transactions JOIN gates USING (lane, player_no)"
        " WHERE player_id = 'bob' AND (state <> 3 OR key_space <> 1)"
        " UNION ALL SELECT item_no FROM changes"
        " JOIN gates ON gates.player_no = json_extract(after, '$.player_no')"
        " WHERE player_id = 'bob' AND noun IN ('player', 'session', 'payment')",
    )

    assert numbers(found) == sorted(item_no for (item_no,) in expected)


async def test_place_that_is_none(store: SqliteStore) -> None:
    """A place of another journal, or beyond this one, answers CURSOR_INVALID."""
    items = await walk(store, EVERYTHING, 1_000)
    place, last = items[len(items) // 2].place, items[-1].place
    for wrong in (
        replace(place, mark=place.mark ^ 1),
        replace(place, taken=10_000),
        replace(place, taken=0),
        replace(last, sequence=last.sequence + 1),
        Place(0, 1, 0),
        Place(0, 0, 1),
    ):
        with pytest.raises(CageError) as caught:
            await store.reads.journal(0, wrong, EVERYTHING, limit=10)

        assert caught.value.reason == Reason.CURSOR_INVALID
