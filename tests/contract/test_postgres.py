"""Several lanes and several processes write one set of books."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.contract.control import reason_of
from tests.contract.lanes import LANES, app_of, founded, running, send
from tests.postgres import Shell
from tests.simulation.calls import award, bet, get_balance, rollback, win
from tests.simulation.databases import Applier, restored
from tests.simulation.deployment import (
    LATE_KEY,
    PLAYERS,
    Clock,
    create_key,
    open_writer,
    prepare,
)

from cage.app.journal import START, Wanted
from cage.core.admin import LOCAL_ACTOR, UpdateGame
from cage.core.errors import CageError, Reason
from cage.core.ids import lane_of
from cage.core.key import RevokeApiKey
from cage.core.wallet import Receipt
from cage.storage import verify
from cage.storage.postgres import lane as module
from cage.storage.postgres.store import PostgresStore

EVERYTHING = Wanted(nouns=None)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Bring a database of several lanes; verify its books in the end."""
    address = await founded()
    yield address

    assert await asyncio.to_thread(verify, address) == []


@pytest.fixture
async def stores(url: str) -> AsyncIterator[list[PostgresStore]]:
    """Run two stores over one database, as two processes would."""
    async with running(url) as one, running(url) as two:
        yield [one, two]


# Statements


def count(applier: Applier, commands: list[Any]) -> list[str]:
    """Return the statements of a batch, without their parameters."""
    connection = applier._lane._connection
    seen: list[str] = []

    def note(record: Any) -> None:
        seen.append(record.query)

    connection.add_query_logger(note)
    outcomes = applier.apply(commands).outcomes
    applier._run(asyncio.sleep(0))
    connection.remove_query_logger(note)

    assert not any(isinstance(outcome, CageError) for outcome in outcomes)

    return seen


def test_statements_are_constant() -> None:
    """A batch is BEGIN, lock, load, write, COMMIT, with one text whatever its size."""
    url = restored("statements", prepare)
    with open_writer(url, Clock()) as applier:
        applier.apply([award("a0", 10_000)])
        seen = []
        for size in (1, 2, 7, 64, 256):
            calls = [bet(f"b{size}-{n}", 1, round_id=f"r{n}") for n in range(size)]
            seen.append(count(applier, calls))
        reads = count(applier, [get_balance()])

    assert {len(texts) for texts in seen} == {5}
    assert len({tuple(texts) for texts in seen}) == 1
    assert (seen[0][0], seen[0][-1]) == ("BEGIN", "COMMIT")
    assert "FOR NO KEY UPDATE" in seen[0][1]
    assert (len(reads), reads[-1]) == (4, "ROLLBACK")


def test_rows_are_found_through_indexes() -> None:
    """The load of a batch reads no more than its keys, whatever the tables hold."""
    url = restored("statements", prepare)
    with open_writer(url, Clock()) as applier:
        connection = applier._lane._connection
        for part in range(4):
            applier.apply([award(f"a{part}-{n}", 1) for n in range(250)])
        text = next(
            text
            for text in count(applier, [award("a9", 1)])
            if "json_agg" in text and "FOR NO KEY" not in text
        )
        lane, name = 0, ["a1-1"]
        plan = applier._run(
            connection.fetch(f"EXPLAIN {text}", *_arguments(text, lane, name))
        )

    assert not [row for (row,) in plan if "Join Filter" in row or "Rows Rem" in row]


def _arguments(text: str, lane: int, names: list[str]) -> list[object]:
    """Return one key for each parameter of a text."""
    values: list[object] = []
    number = 1
    while f"${number}::" in text:
        kind = text.split(f"${number}::", 1)[1]
        if kind.startswith("TEXT[]"):
            values.append(names)
        else:
            values.append([17] if kind.startswith("BIGINT[]") else lane)
        number += 1
    return values


# Lanes


async def test_players_are_in_their_lanes(url: str) -> None:
    """A player's rows are in the lane of the player's id, and reads find them."""
    async with running(url, lanes=9) as store:
        lanes = {}
        for player_id in PLAYERS:
            row = await store.reads.player(player_id)

            assert row is not None

            lanes[player_id] = row.gate.lane
        # What a new database would get does not matter to an old one.
        assert store.writer.lanes == LANES
    assert lanes == {name: lane_of(name, LANES) for name in PLAYERS}
    assert len(set(lanes.values())) > 1


async def test_lists_lead_through_all_lanes(stores: list[PostgresStore]) -> None:
    """Players and changes come page by page, once each, lane after lane in order."""
    reads = stores[0].reads
    brands = [b.brand_no for b in stores[0].writer.registry.brands.values()]
    seen, names = [0] * LANES, []
    while page := await reads.players(brands, after=seen, limit=1):
        names += [row.gate.player_id for row in page]
        seen[page[0].gate.lane] = page[0].gate.player_no
    seen, changes = [0] * LANES, []
    while found := await reads.changes("", "", after=seen, limit=3):
        changes += [(row.lane, row.item_no) for row in found]
        for row in found:
            seen[row.lane] = row.item_no

    assert sorted(names) == sorted(PLAYERS)
    assert len(changes) == len(set(changes)) > 20
    for lane in range(LANES):
        items = [item_no for at, item_no in changes if at == lane]
        assert items == sorted(items)


async def test_registry_holds_in_every_lane(stores: list[PostgresStore]) -> None:
    """A game that is switched off takes no bet in any lane of any process."""
    one, two = stores
    for player_id in ("ann", "bob"):
        await send(two, get_balance(player_id=player_id))
    off = UpdateGame(
        key_id=LOCAL_ACTOR,
        request_id="off",
        studio_id="north",
        game_id="slots",
        display_name="",
        enabled=False,
    )
    await send(one, off)
    for number, player_id in enumerate(("ann", "bob")):
        for store in stores:
            call = bet(f"off-{number}", 1, player_id=player_id)
            with pytest.raises(CageError) as caught:
                await send(store, call)

            assert caught.value.reason == Reason.GAME_UNAVAILABLE


async def test_revoked_key_is_dead_everywhere(stores: list[PostgresStore]) -> None:
    """A key that one process revokes is refused by the next batch of another."""
    one, two = stores
    await send(two, bet("before", 1))
    revoke = RevokeApiKey(
        key_id=LOCAL_ACTOR, request_id="revoke", revoked_key_id="hub-key"
    )
    await send(one, revoke)
    for player_id in PLAYERS:
        with pytest.raises(CageError) as caught:
            await send(two, bet("after", 1, player_id=player_id))

        assert caught.value.reason == Reason.KEY_INVALID


async def test_change_is_seen_without_a_batch(stores: list[PostgresStore]) -> None:
    """A process that commits nothing loads what another one has registered."""
    one, two = stores
    await send(one, create_key(LATE_KEY, "hub", ("acme",)))
    async with asyncio.timeout(20):
        while LATE_KEY not in two.writer.registry.keys:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    assert two.writer.registry.version == one.writer.registry.version


async def test_journal_is_read_in_every_lane(stores: list[PostgresStore]) -> None:
    """Followers find every item of every lane, and sweepers what is open and due."""
    reads = stores[0].reads
    await send(stores[1], bet("b1", 1))
    heads = await reads.heads()
    found = 0
    for lane, sequence in enumerate(heads.sequences):
        place, is_last = START, not sequence
        while not is_last:
            span, items = await reads.journal(lane, place, EVERYTHING, limit=7)
            found += len(items)
            place, is_last = span.place, span.is_last
        due = await reads.due_reserves(lane, now_us=2**62, after=(0, 0), limit=9)
        open_rounds = await reads.unfinished_rounds(
            lane, after_no=0, before_us=2**62, limit=9
        )
        assert due == []
        assert len(open_rounds) == (lane == lane_of("ann", LANES))
    shell = await asyncio.to_thread(Shell, stores[0].url)
    count = (
        "SELECT (SELECT count(*) FROM transactions) + (SELECT count(*) FROM changes)"
    )
    (stored,) = (await asyncio.to_thread(shell.execute, count)).fetchone()
    await asyncio.to_thread(shell.close)

    assert len(heads.sequences) == LANES
    assert found == stored


# Processes


async def test_identical_bets_of_two_processes(stores: list[PostgresStore]) -> None:
    """Of 64 identical bets sent to two processes one moves money."""
    apps = [app_of(store) for store in stores]
    receipts: list[Receipt] = await asyncio.gather(
        *(apps[n % 2].submit(bet("b1", 30), timeout_s=None) for n in range(64))  # type: ignore[arg-type]
    )

    assert sum(not receipt.replayed for receipt in receipts) == 1
    assert len({receipt.transaction.item_no for receipt in receipts}) == 1
    assert (await send(stores[1], get_balance())).playable == 70


async def test_funds_are_spent_once_by_two_processes(
    stores: list[PostgresStore],
) -> None:
    """Of 50 bets of 10 against 100, in two processes, ten are accepted."""
    apps = [app_of(store) for store in stores]
    answers = await asyncio.gather(
        *(apps[n % 2].submit(bet(f"b{n}", 10), timeout_s=None) for n in range(50)),
        return_exceptions=True,
    )
    refused = [each for each in answers if isinstance(each, CageError)]

    assert len(refused) == 40
    assert {refusal.reason for refusal in refused} == {Reason.INSUFFICIENT_FUNDS}


async def test_two_processes_share_all_lanes(stores: list[PostgresStore]) -> None:
    """Calls of every player through both processes all commit, in one order a lane."""
    apps = [app_of(store) for store in stores]
    calls: list[Any] = []
    for number in range(60):
        player_id = ("ann", "bob")[number % 2]
        calls.append(bet(f"b{number}", 1, round_id=f"r{number}", player_id=player_id))
        calls.append(
            win(f"w{number}", 2, round_id=f"r{number + 1}", player_id=player_id)
            if number % 3
            else rollback(f"x{number}", f"b{number}", player_id=player_id)
        )
    futures = [app.submit(call, timeout_s=None) for call in calls for app in apps]
    answers = await asyncio.gather(*futures, return_exceptions=True)

    for first, again in zip(answers[::2], answers[1::2], strict=True):
        assert type(first) is type(again)
        if isinstance(first, Receipt):
            assert isinstance(again, Receipt)
            assert first.transaction.item_no == again.transaction.item_no


async def test_two_processes_create_one_schema() -> None:
    """Processes that start at once over an empty database create it once."""
    from tests.postgres import new_database  # noqa: PLC0415

    url = await asyncio.to_thread(new_database)
    async with running(url) as one, running(url, lanes=7) as two:
        assert one.writer.lanes == two.writer.lanes


# Locks


async def test_held_lane_is_waited_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that gets no lock is told so after a while; the same id passes later."""
    monkeypatch.setattr(module, "WAIT_MAX", 1)
    lane = lane_of("ann", LANES)
    async with running(url) as store:
        await store.writer._lanes[lane]._connection.execute("SET lock_timeout = 100")
        holder = await asyncio.to_thread(Shell, url)
        await asyncio.to_thread(holder.script, "BEGIN")
        await asyncio.to_thread(
            holder.execute, "SELECT 1 FROM lanes WHERE lane = ? FOR UPDATE", [lane]
        )
        with capture_logs():
            refused = store.writer.submit(lane, bet("b1", 1), is_bet=True, timeout_s=9)

            assert await reason_of(refused) == Reason.DATABASE_UNAVAILABLE
        await asyncio.to_thread(holder.script, "ROLLBACK")
        receipt = await send(store, bet("b1", 1))
        await asyncio.to_thread(holder.close)

        assert not receipt.replayed


async def test_gates_are_locked(url: str) -> None:
    """A batch locks the gates of its players before it reads anything else."""
    lane = lane_of("ann", LANES)
    async with running(url) as store:
        holder = await asyncio.to_thread(Shell, url)
        await asyncio.to_thread(holder.script, "BEGIN")
        await asyncio.to_thread(
            holder.script,
            "UPDATE gates SET status = 3 WHERE player_id = 'ann'",
        )
        waiting = store.writer.submit(lane, bet("b1", 1), is_bet=True, timeout_s=None)
        await asyncio.sleep(0.3)

        assert not waiting.done()

        await asyncio.to_thread(holder.script, "COMMIT")

        assert await reason_of(waiting) == Reason.PLAYER_BLOCKED

        await asyncio.to_thread(
            holder.script, "UPDATE gates SET status = 2 WHERE player_id = 'ann'"
        )
        await asyncio.to_thread(holder.close)
