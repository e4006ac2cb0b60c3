"""Lists and reads show what was committed, page by page."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.control import (
    submit,
)
from tests.simulation.calls import bet, close_round, rollback
from tests.simulation.deployment import (
    Clock,
    fresh_database,
    open_writer,
)

from cage.app.wallet import WalletApp
from cage.core.wallet import KeySpace
from cage.storage import (
    SqliteStore,
    open_sqlite,
    verify,
)

LONG = 330


@pytest.fixture(scope="module")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write more than 600 transactions of one player in two wallets."""
    path = fresh_database(tmp_path_factory.mktemp("long"))
    with open_writer(path, Clock()) as writer:
        calls: list[Any] = []
        for number in range(LONG):
            # Refused in another currency, which opens the chain of a second wallet.
            calls.append(bet(f"u{number}", 1, currency_code="USD"))
            calls.append(bet(f"b{number}", 0, round_id=f"r{number % 7}"))
            calls.append(bet(f"o{number}", 0, player_id="bob"))
            if not number % 50:
                calls += (rollback(f"x{number}", f"n{number}"), close_round())
        for start in range(0, len(calls), 100):
            writer.apply(calls[start : start + 100])

    assert verify(path) == []

    return path


def all_of(path: Path, player_id: str) -> list[int]:
    """List the items of a player, whatever chains lead to them."""
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT item_no FROM transactions JOIN gates USING (lane, player_no)"
        " WHERE player_id = ? ORDER BY item_no",
        (player_id,),
    ).fetchall()
    connection.close()
    return [item_no for (item_no,) in rows]


@pytest.fixture
async def long_store(long_history: Path) -> AsyncIterator[SqliteStore]:
    """Open the long history for reading."""
    opened = open_sqlite(long_history, clock_us=Clock())
    yield opened
    await opened.drain()


@pytest.mark.parametrize(
    "size", [20, 100, 255, 256, 257, 330, 511, 512, 513, 664, 665, 666, 1000]
)
async def test_pages_follow_the_chains(long_store: SqliteStore, size: int) -> None:
    """Pages of any size hold every transaction of the player once, in order."""
    reads = long_store.reads
    gate = (await reads.player("ann")).gate  # type: ignore[union-attr]
    found: list[int] = []
    while True:
        after_no = found[-1] if found else 0
        page = await reads.transactions(gate, after_no=after_no, limit=size)
        found += [row.item_no for row in page]
        if len(page) < size:
            break

    assert len(found) > 600
    assert found == all_of(long_store.path, "ann")


async def test_page_from_any_place(long_store: SqliteStore) -> None:
    """A page may start at any place, also between two transactions."""
    reads = long_store.reads
    gate = (await reads.player("ann")).gate  # type: ignore[union-attr]
    everything = all_of(long_store.path, "ann")
    # Between two items now and then, and around the anchors of both chains.
    places = [*range(0, everything[-1] + 2, 97), *everything[505:515], *everything[-3:]]
    for place in places:
        for size in (1, 2, 3):
            page = await reads.transactions(gate, after_no=place, limit=size)
            expected = [item_no for item_no in everything if item_no > place][:size]

            assert [row.item_no for row in page] == expected


@pytest.mark.parametrize(
    ("size", "game_id", "round_id"),
    [
        *((size, "", "") for size in (0, 37, 250, 1000)),
        *((size, "slots", "r3") for size in (0, 1, 1000)),
    ],
)
async def test_tokens_lead_through_the_list(
    long_store: SqliteStore, size: int, game_id: str, round_id: str
) -> None:
    """Page tokens lead through all that the list shows, and then end."""
    app = WalletApp(writer=long_store.writer, reads=long_store.reads)
    key = long_store.writer.registry.keys["hub-key"]
    found: list[str] = []
    token = ""
    for _ in range(2 * LONG + 30):
        page = await app.list_transactions(
            key,
            player_id="ann",
            game_id=game_id,
            round_id=round_id,
            page_size=size,
            page_token=token,
        )
        found += [view.row.transaction_id for view in page.items]
        token = page.next_page_token
        if not token:
            break
    names = [f"{name}{n}" for n in range(LONG) for name in "ub"]
    if round_id:
        expected = {f"b{n}" for n in range(LONG) if n % 7 == 3}
    else:
        expected = {*names, "fund-Award", "fund-GrantBonus"}
        expected |= {f"x{n}" for n in range(0, LONG, 50)}
        # The round was closed by one call.
        expected.add(next(name for name in found if "/" in name))

    assert len(found) == len(set(found))
    assert set(found) == expected


async def test_other_reads(store: SqliteStore) -> None:
    """Players, wallets, rounds and single transactions are read as they stand."""
    reads = store.reads
    receipt = await submit(store, bet("b1", 7))
    ann = await reads.player("ann")

    assert ann is not None
    assert await reads.player("nobody") is None

    game_no = store.writer.registry.games["slots"].game_no
    (wallet,) = await reads.wallets(ann.gate)
    round_ = await reads.round(ann.gate, game_no, "r1")
    row = await reads.transaction(ann.gate, 7, KeySpace.MOVE, "b1")

    assert (wallet.cash, wallet.version) == (93, 3)
    assert round_ is not None
    assert (round_.bet_cash, round_.bet_count) == (7, 1)
    assert row == receipt.transaction
    assert await reads.transaction(ann.gate, 8, KeySpace.MOVE, "b1") is None
    assert await reads.transaction(ann.gate, None, KeySpace.MOVE, "b1") == row
    assert await reads.round(ann.gate, game_no, "r9") is None
    assert await reads.transactions_by_no(0, [row.item_no, 10**9]) == [row]
