"""What waits for the writer is bounded, in time, and served in order."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs
from tests.contract.control import (
    Pause,
    Poison,
    decide_poison,
    held,
    pause,
    reason_of,
    refused_at_once,
    release,
    submit,
)
from tests.simulation.calls import award, bet
from tests.simulation.deployment import (
    Clock,
    decided,
)

from cage.app.ports import BatchStats
from cage.core.errors import Reason
from cage.storage import (
    SqliteStore,
    open_sqlite,
    verify,
)


async def test_deadline_before_the_start(store: SqliteStore) -> None:
    """A call that cannot start in its time is refused and never runs."""
    with held() as keeper:
        await pause(store, keeper)
        late = submit(store, bet("b1", 10), timeout_s=0.01)
        in_time = submit(store, bet("b2", 10), timeout_s=20)
        await asyncio.sleep(0.05)
        release(keeper)

        assert await reason_of(late) == Reason.DEADLINE_TOO_SHORT
        assert (await in_time).moved
    assert not (await submit(store, bet("b1", 10))).replayed


async def test_no_time_at_all(store: SqliteStore) -> None:
    """A call without any time left is refused at once."""
    reason = refused_at_once(lambda: submit(store, bet(), timeout_s=0))

    assert reason == Reason.DEADLINE_TOO_SHORT


async def test_cancelled_before_the_start(store: SqliteStore) -> None:
    """A call whose caller went away before it started never runs."""
    with held() as keeper:
        await pause(store, keeper)
        gone, other = submit(store, bet("b1", 10)), submit(store, bet("b2", 10))
        gone.cancel()
        release(keeper)

        assert (await other).moved
    assert not (await submit(store, bet("b1", 10))).replayed


async def test_cancelled_after_the_start(store: SqliteStore) -> None:
    """What has started commits, also when its caller goes away."""
    with held() as keeper:
        first = await pause(store, keeper)
        started = submit(store, bet("b1", 10))
        second = store.writer.submit(0, Pause(), is_bet=False, timeout_s=None)
        keeper.entered.clear()
        release(keeper)
        await first
        await asyncio.to_thread(keeper.entered.wait, 20)
        started.cancel()
        release(keeper)
        await second
    again = await submit(store, bet("b1", 10))

    assert started.cancelled()
    assert again.replayed


async def test_bets_are_shed_first(store: SqliteStore) -> None:
    """A queue that is nearly full refuses bets, then all, and serves what it took."""
    with held() as keeper:
        await pause(store, keeper)
        bets = [submit(store, bet(f"b{n}", 1)) for n in range(8)]
        too_many = refused_at_once(lambda: submit(store, bet("b8", 1)))
        others = [submit(store, award(f"a{n}", 1)) for n in range(2)]
        full = refused_at_once(lambda: submit(store, award("a2", 1)))

        assert store.writer.queue_depth() == 10
        release(keeper)
        receipts = await asyncio.gather(*bets, *others)

    assert (too_many, full) == (Reason.OVERLOADED, Reason.OVERLOADED)
    assert all(receipt.moved for receipt in receipts)
    assert (await submit(store, bet("b8", 1))).moved


async def test_drain_commits_what_waits(path: Path) -> None:
    """A store that drains refuses what comes and answers what it took."""
    store = open_sqlite(path, clock_us=Clock())
    await store.start(asyncio.get_running_loop())
    with held() as keeper:
        await pause(store, keeper)
        waiting = [submit(store, bet(f"b{n}", 1)) for n in range(100)]
        draining = asyncio.ensure_future(store.drain())
        await asyncio.sleep(0)
        refused = refused_at_once(lambda: submit(store, bet("late", 1)))
        release(keeper)
        receipts = await asyncio.gather(*waiting)
        await draining

    assert refused == Reason.SHUTTING_DOWN
    assert all(receipt.moved for receipt in receipts)
    assert verify(path) == []


async def test_nothing_is_taken_before_the_start(path: Path) -> None:
    """A store that was not started refuses every call, and closes."""
    store = open_sqlite(path)

    assert refused_at_once(lambda: submit(store, bet())) == Reason.SHUTTING_DOWN
    await store.drain()


async def test_batches_are_observed(path: Path) -> None:
    """Every batch is reported with its size, its waits and whether it ran again."""
    seen: list[BatchStats] = []
    store = open_sqlite(path, clock_us=Clock(), observe=seen.append)
    await store.start(asyncio.get_running_loop())
    with held() as keeper, decided(Poison, decide_poison), capture_logs():
        await pause(store, keeper)
        futures = [submit(store, bet(f"b{n}", 1)) for n in range(9)]
        poison = store.writer.submit(0, Poison("raises"), is_bet=False, timeout_s=None)
        release(keeper)
        await asyncio.gather(*futures)

        assert await reason_of(poison) == Reason.INTERNAL
    await store.drain()

    assert [(stats.size, stats.is_rerun) for stats in seen] == [(1, False), (10, True)]
    assert all(min(s.wait_s, s.run_s, s.commit_s) >= 0 for s in seen)
