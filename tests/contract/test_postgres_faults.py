"""Whatever breaks between the store and PostgreSQL, money moves once or not at all."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.contract.control import reason_of
from tests.contract.lanes import app_of, found, founded, running, send
from tests.contract.proxy import AtCommit, Proxy, proxied
from tests.postgres import Shell, make_database, new_cluster
from tests.simulation.calls import bet, get_balance
from tests.simulation.databases import open_store_of
from tests.simulation.deployment import Clock

from cage.core.errors import CageError, Reason
from cage.core.wallet import Receipt
from cage.storage import verify
from cage.storage.errors import UnusableDatabaseError
from cage.storage.postgres import connection
from cage.storage.postgres import lane as module
from cage.storage.postgres.store import PostgresStore, open_postgres

BETS = 100


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep the log of what was broken on purpose."""
    with capture_logs():
        yield


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Bring a database of several lanes; verify its books in the end."""
    address = await founded()
    yield address

    assert await asyncio.to_thread(verify, address) == []


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """Put a proxy before the database."""
    async with proxied(url) as made:
        yield made


@pytest.fixture
async def store(proxy: Proxy) -> AsyncIterator[PostgresStore]:
    """Run a store behind the proxy."""
    async with running(proxy.url) as made:
        yield made


# The COMMIT


@pytest.mark.parametrize("way", [AtCommit.LOSE_REQUEST, AtCommit.LOSE_REPLY])
async def test_connection_lost_at_commit(
    store: PostgresStore, proxy: Proxy, way: AtCommit
) -> None:
    """A COMMIT whose request or answer is lost is answered all the same, once."""
    for number in range(5):
        proxy.at_commit = way
        receipts = await asyncio.gather(
            *(send(store, bet(f"b{number}-{n}", 1)) for n in range(4))
        )

        # Of an orphan that committed the look-up finds the rows.
        assert {receipt.replayed for receipt in receipts} == {
            way == AtCommit.LOSE_REPLY
        }
    assert proxy.broken == 5
    assert (await send(store, get_balance())).playable == 80


async def test_answer_of_commit_never_comes(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that falls silent at the COMMIT is given up; the batch runs again."""
    monkeypatch.setattr(connection, "COMMAND_TIMEOUT_S", 0.5)
    async with running(proxy.url) as store:
        proxy.at_commit = AtCommit.SWALLOW_REPLY
        receipt = await send(store, bet("b1", 10))

        assert receipt.replayed
        assert (await send(store, get_balance())).playable == 90
    assert url


# The connection


async def test_cuts_under_load(store: PostgresStore, proxy: Proxy, seed: int) -> None:
    """Connections that are cut at any time lose no call and double none."""
    rng = Random(seed)
    app = app_of(store)

    async def cutting() -> None:
        for _ in range(25):
            await asyncio.sleep(rng.random() / 4)
            proxy.cut()

    cutter = asyncio.create_task(cutting())
    sent = 0
    reasons = set()
    while not cutter.done():
        calls = [bet(f"b{sent + n}", 1, player_id="bob") for n in range(4)]
        futures: list[Any] = [app.submit(call, timeout_s=None) for call in calls]
        for future in futures:
            (answer,) = await asyncio.gather(future, return_exceptions=True)
            if isinstance(answer, CageError):
                reasons.add(answer.reason)
            else:
                assert isinstance(answer, Receipt)
        sent += 4
        await asyncio.sleep(0.01)
    await cutter
    for number in range(sent):
        await insist(store, bet(f"b{number}", 1, player_id="bob"))
    balance = await insist(store, get_balance(player_id="bob"))

    assert reasons <= {Reason.INSUFFICIENT_FUNDS, Reason.DATABASE_UNAVAILABLE}
    assert sent > 20
    assert balance.playable == max(0, 100 - sent)


async def test_slow_network_is_only_slow(store: PostgresStore, proxy: Proxy) -> None:
    """Answers that come late are waited for."""
    proxy.delay_s = 0.05
    receipts = await asyncio.gather(*(send(store, bet(f"b{n}", 1)) for n in range(5)))

    assert not any(receipt.replayed for receipt in receipts)


async def test_database_that_cannot_be_reached(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are refused until the database is back, and whoever watches hears of it."""
    monkeypatch.setattr(module, "LOST_MAX_S", 0.3)
    heard: list[bool] = []
    store = open_postgres(
        proxy.url,
        capacity=100,
        lanes=1,
        clock_us=Clock(),
        observe=None,
        watch=heard.append,
    )
    await store.start(asyncio.get_running_loop())
    proxy.is_open = False
    proxy.cut()
    refused = app_of(store).submit(bet("b1", 10), timeout_s=None)

    assert await reason_of(refused) == Reason.DATABASE_UNAVAILABLE  # type: ignore[arg-type]
    assert heard == [False]
    with pytest.raises(CageError) as caught:
        await store.reads.player("ann")
    assert caught.value.reason == Reason.DATABASE_UNAVAILABLE

    proxy.is_open = True
    async with asyncio.timeout(20):
        while heard != [False, True]:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.01)
    assert not (await send(store, bet("b1", 10))).replayed

    await store.drain()
    assert url


async def test_database_that_takes_no_writes(url: str, proxy: Proxy) -> None:
    """A read-only server refuses calls without a retry, and is used when it writes."""
    shell = await asyncio.to_thread(Shell, url)
    name = url.rpartition("/")[2]
    heard: list[bool] = []
    store = open_postgres(
        proxy.url,
        capacity=100,
        lanes=1,
        clock_us=Clock(),
        observe=None,
        watch=heard.append,
    )
    await store.start(asyncio.get_running_loop())
    for lane in store.writer._lanes:
        await lane._connection.execute("SET default_transaction_read_only = on")
    await asyncio.to_thread(
        shell.execute, f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    )
    refused = app_of(store).submit(bet("b1", 10), timeout_s=None)

    assert await reason_of(refused) == Reason.DATABASE_UNAVAILABLE  # type: ignore[arg-type]
    assert heard == [False]

    await asyncio.to_thread(
        shell.execute, f"ALTER DATABASE {name} RESET default_transaction_read_only"
    )
    async with asyncio.timeout(20):
        while heard != [False, True]:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.01)
    assert not (await send(store, bet("b1", 10))).replayed

    await store.drain()
    await asyncio.to_thread(shell.close)


async def test_nothing_to_connect_to() -> None:
    """An address without a database is refused, and the password is not told."""
    url = "postgresql://cage:secret@127.0.0.1:1/cage"
    store = open_store_of(url, Clock())
    with pytest.raises(UnusableDatabaseError) as caught:
        await store.start(asyncio.get_running_loop())

    assert "secret" not in str(caught.value)
    await store.drain()


# The server


async def insist(store: PostgresStore, command: Any) -> Any:
    """Return the answer or the refusal of a call, once the database can be used."""
    async with asyncio.timeout(30):
        while True:
            future = asyncio.ensure_future(send(store, command))
            (answer,) = await asyncio.gather(future, return_exceptions=True)
            unavailable = isinstance(answer, CageError) and (
                answer.reason == Reason.DATABASE_UNAVAILABLE
            )
            if not unavailable:
                return answer
            await asyncio.sleep(0.1)


async def test_restart_under_load() -> None:
    """A server that crashes and comes back loses nothing that was answered."""
    cluster = await asyncio.to_thread(new_cluster)
    try:
        url = await asyncio.to_thread(make_database, cluster.url)
        async with running(url) as store:
            await found(store)
            answers: dict[str, Any] = {}
            app = app_of(store)

            async def call(name: str) -> None:
                future: Any = app.submit(bet(name, 0, round_id=name), timeout_s=None)
                (answers[name],) = await asyncio.gather(future, return_exceptions=True)

            tasks = []
            for number in range(BETS):
                tasks.append(asyncio.create_task(call(f"b{number}")))
                if number == BETS // 3:
                    await asyncio.to_thread(cluster.stop, signal.SIGQUIT)
                    starting = asyncio.create_task(asyncio.to_thread(cluster.start))
                await asyncio.sleep(0.005)
            await asyncio.gather(starting, *tasks)
            again = [
                await insist(store, bet(name, 0, round_id=name)) for name in answers
            ]

            for receipt, first in zip(again, answers.values(), strict=True):
                if isinstance(first, Receipt):
                    assert receipt.replayed
                    assert first.transaction.item_no == receipt.transaction.item_no
                else:
                    assert first.reason == Reason.DATABASE_UNAVAILABLE
        assert await asyncio.to_thread(verify, url) == []
    finally:
        await asyncio.to_thread(cluster.remove)
