"""The store commits all of a batch or one by one, in order, durably, or not at all."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.contract.control import (
    WAYS,
    Pause,
    Poison,
    decide_poison,
    held,
    pause,
    release,
    stored_ids,
    submit,
)
from tests.simulation.calls import award, bet, get_balance, rollback, win
from tests.simulation.databases import Database, connect
from tests.simulation.deployment import (
    DAY_US,
    NOW_US,
    Clock,
    contents,
    decided,
    open_writer,
    render,
)

from cage.core.errors import CageError, Reason
from cage.core.wallet import Receipt
from cage.storage import (
    DatabaseLockedError,
    SchemaError,
    SqliteStore,
    open_sqlite,
    verify,
)
from cage.storage import sqlite as module
from cage.storage.errors import DurabilityError
from cage.storage.file import connect_writer
from cage.storage.sqlite import SqliteWriter, run_at_once

# Atomicity


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", [0, 2, 5])
def test_poison_fails_alone(writer: Any, way: str, place: int) -> None:
    """A command that fails answers INTERNAL, leaves nothing, and stops no other."""
    calls: list[Any] = [
        bet("b1", 10),
        bet("b2", 500),
        win("w1", 5),
        bet("b1", 10),
        rollback("x1", "b9"),
    ]
    with decided(Poison, decide_poison), capture_logs() as logs:
        applied = writer.apply([*calls[:place], Poison(way), *calls[place:]])
    outcomes = applied.outcomes
    poisoned = outcomes.pop(place)

    assert isinstance(poisoned, CageError)
    assert poisoned.reason == Reason.INTERNAL
    assert [type(outcome) for outcome in outcomes] == [
        Receipt,
        CageError,
        Receipt,
        Receipt,
        Receipt,
    ]
    assert stored_ids(writer) == ["b1", "b2", "w1", "x1", "b9"]
    assert applied.is_rerun
    assert any(log["event"].startswith("batch failed") for log in logs)
    assert len(logs) > 1


def test_poison_may_not_stop_the_process_midway(file_writer: SqliteWriter) -> None:
    """What is no error of a command ends the transaction and goes up."""
    with decided(Poison, decide_poison), pytest.raises(KeyboardInterrupt):
        file_writer.apply([bet("b1", 10), Poison("leaves")])

    assert stored_ids(file_writer) == []
    assert isinstance(file_writer.apply([bet("b1", 10)]).outcomes[0], Receipt)


def test_full_disk_fails_without_a_trace(file_writer: SqliteWriter) -> None:
    """When nothing can be written all answer INTERNAL; later the same ids pass."""
    connection = file_writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}").fetchall()
    calls = [bet(f"b{n}", 0, extra={"details": "x" * 4000}) for n in range(20)]
    with capture_logs():
        outcomes = file_writer.apply(calls).outcomes
    failed = [
        call
        for call, outcome in zip(calls, outcomes, strict=True)
        if isinstance(outcome, CageError)
    ]
    stored = [call.transaction_id for call in calls if call not in failed]

    assert failed
    assert stored_ids(file_writer) == stored

    connection.execute("PRAGMA max_page_count=1000000").fetchall()

    assert all(isinstance(each, Receipt) for each in file_writer.apply(failed).outcomes)


def test_duplicates_of_one_batch(writer: Any) -> None:
    """Of the same call twice in one batch the second is a replay."""
    calls: list[Any] = [bet("b1", 10), win("w1", 5), rollback("x1", "b9"), award("a1")]
    outcomes = writer.apply([each for call in calls for each in (call, call)]).outcomes
    receipts = [each for each in outcomes if isinstance(each, Receipt)]

    assert len(receipts) == 8
    assert [each.replayed for each in receipts] == [False, True] * 4
    assert all(
        first.transaction is again.transaction
        for first, again in zip(receipts[::2], receipts[1::2], strict=True)
    )


def test_reads_write_nothing(writer: Any) -> None:
    """A batch of reads and of refusals without a record leaves every row alone."""
    before = contents(writer._connection)
    writer.apply([get_balance(), bet(player_id="nobody"), bet(scale=-1)])

    assert contents(writer._connection) == before
    assert not writer._connection.in_transaction


def test_refusals_are_stored(database: Database) -> None:
    """A stored refusal is the same after the process has ended."""
    call = bet("b1", 500, extra={"details": "caf\u00e9"})
    outcomes = []
    for cash in (0, 1000):
        with open_writer(database, Clock()) as writer:
            writer.apply([award(f"a{cash}", cash)])
            outcomes += writer.apply([call]).outcomes
    first, again = outcomes

    assert isinstance(first, CageError)
    assert isinstance(again, CageError)
    assert (first.reason, again.reason) == (Reason.INSUFFICIENT_FUNDS,) * 2
    assert verify(database) == []


def test_answers_survive_the_process(database: Database) -> None:
    """A retry after a restart gets the first receipt."""
    with open_writer(database, Clock()) as writer:
        (first,) = writer.apply([bet("b1", 120)]).outcomes
    with open_writer(database, Clock(NOW_US + 5)) as writer:
        (again,) = writer.apply([bet("b1", 120)]).outcomes

    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert again.replayed
    assert render(again.transaction) == render(first.transaction)


def test_time_never_goes_back(database: Database) -> None:
    """A clock that was set back does not date a commit before the last one."""
    clock = Clock(NOW_US + 50)
    with open_writer(database, clock) as writer:
        writer.apply([bet("b1", 1)])
        clock.now_us = NOW_US - 50
        (late,) = writer.apply([bet("b2", 1)]).outcomes

    assert isinstance(late, Receipt)
    assert late.transaction.commit_time_us == NOW_US + 50
    assert late.current.read_time_us == NOW_US + 50


# The file


def test_durability_is_read_back(path: Path) -> None:
    """The writing connection syncs every commit and checkpoints by itself alone."""
    connection = connect_writer(path)
    found = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint")
    }
    connection.close()

    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 0,
    }


def test_no_durability_no_database() -> None:
    """A database that cannot promise what was asked is refused."""
    with pytest.raises(DurabilityError, match="journal_mode") as caught:
        connect_writer(Path(":memory:"))

    assert caught.value.setting == "journal_mode"


def test_unknown_schema_is_refused(path: Path) -> None:
    """A database of another schema version is refused, and given up."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE deployment SET schema_version = 99")
    connection.close()
    for _ in range(2):
        with pytest.raises(SchemaError) as caught:
            open_sqlite(path)

        assert (caught.value.found, caught.value.known) == (99, 1)


HOLD = """
import sys
from cage.storage import open_sqlite
store = open_sqlite(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_other_process_is_named(path: Path) -> None:
    """A second process is told who holds the file, until that one is dead."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(DatabaseLockedError) as caught:
            open_sqlite(path)

        assert caught.value.holder == f"process {holder.pid}"
        assert str(holder.pid) in str(caught.value)
        assert verify(path) == []

        holder.kill()
        holder.wait(20)
    with open_writer(path, Clock()) as writer:
        assert isinstance(writer.apply([bet()]).outcomes[0], Receipt)


def test_same_process_is_refused_too(path: Path) -> None:
    """One process cannot open a database twice."""
    with open_writer(path, Clock()), pytest.raises(DatabaseLockedError):
        open_sqlite(path)


async def test_readers_cannot_write(store: SqliteStore) -> None:
    """The connections of the read pool are refused every write."""
    async with store.reads._engine.connect() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.execute(text("DELETE FROM wallets"))


async def test_readers_see_commits_only(store: SqliteStore) -> None:
    """A read sees what was answered, and nothing of a batch that is under way."""
    gate = (await store.reads.player("ann")).gate  # type: ignore[union-attr]
    await submit(store, bet("b1", 1))
    with held() as keeper:
        paused = await pause(store, keeper)
        before = await store.reads.transactions(gate, after_no=0, limit=100)
        second = store.writer.submit(0, Pause(), is_bet=False, timeout_s=None)
        waiting = submit(store, bet("b2", 1))
        keeper.entered.clear()
        release(keeper)
        await paused
        await asyncio.to_thread(keeper.entered.wait, 20)
        during = await store.reads.transactions(gate, after_no=0, limit=100)
        release(keeper)
        await asyncio.gather(second, waiting)
    after = await store.reads.transactions(gate, after_no=0, limit=100)

    assert [row.transaction_id for row in before][-1] == "b1"
    assert during == before
    assert [row.transaction_id for row in after][-1] == "b2"


def test_writer_checkpoints(file_writer: SqliteWriter, path: Path) -> None:
    """The WAL stays aside until it is large, then the writer moves it over."""
    (pages,) = file_writer._connection.execute("PRAGMA page_count").fetchone()
    size = path.stat().st_size
    for number in range(40):
        file_writer.apply([bet(f"b{number}", 0, extra={"details": "x" * 4000})])
    run_at_once(file_writer._checkpoint(1 << 30))

    assert path.stat().st_size == size

    run_at_once(file_writer._checkpoint(1))

    assert path.stat().st_size > size
    assert file_writer._connection.execute("PRAGMA page_count").fetchone()[0] > pages


async def test_idle_writer_checkpoints(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that waits for work moves the WAL over meanwhile."""
    monkeypatch.setattr(module, "WAL_PAGES_IDLE", 1)
    monkeypatch.setattr(module, "IDLE_S", 0.01)
    store = open_sqlite(path, clock_us=Clock())
    before = await asyncio.to_thread(path.read_bytes)
    await store.start(asyncio.get_running_loop())
    await submit(store, bet("b1", 1))
    for _ in range(200):
        after = await asyncio.to_thread(path.read_bytes)
        if after != before:
            break
        await asyncio.sleep(0.05)

    assert after != before
    await store.drain()


def purge(writer: Any) -> None:
    """Forget old answers now."""
    if isinstance(writer, SqliteWriter):
        writer._purge_time = 0.0
        writer._purge()
    else:
        writer.purge()


def test_old_requests_are_forgotten(database: Database) -> None:
    """Answers of requests are kept for 30 days; transactions are for ever."""
    clock = Clock(NOW_US + 29 * DAY_US)
    with open_writer(database, clock) as writer:
        before = contents(writer._connection)
        purge(writer)

        assert contents(writer._connection) == before

        clock.now_us = NOW_US + 31 * DAY_US
        purge(writer)
        after = contents(writer._connection)

    assert before.pop("requests")
    assert after.pop("requests") == []
    assert after == before
    assert verify(database) == []


def test_registry_is_read_again(writer: Any, database: Database) -> None:
    """A change of the registry by another connection is obeyed by the next batch."""
    known = writer.registry
    writer.apply([bet("b1", 1)])

    assert writer.registry is known

    with connect(database) as connection:
        connection.execute("UPDATE games SET enabled = 0 WHERE game_id = 'slots'")
        connection.execute(
            "UPDATE deployment SET registry_version = registry_version + 1"
        )
    (refused,) = writer.apply([bet("b2", 1)]).outcomes

    assert isinstance(refused, CageError)
    assert refused.reason == Reason.GAME_UNAVAILABLE
    assert writer.registry.version == known.version + 1

    # Undone, so that the journal explains the rows again.
    with connection:
        connection.execute("UPDATE games SET enabled = 1 WHERE game_id = 'slots'")
        connection.execute("UPDATE deployment SET registry_version = 99")
    connection.close()

    assert isinstance(writer.apply([bet("b3", 1)]).outcomes[0], Receipt)
