"""Fail, wait and call on purpose, so that a test knows when the store does what."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.simulation.deployment import (
    contents,
    decided,
)

from cage.app.wallet import WalletApp
from cage.core.book import Book, Request
from cage.core.errors import CageError, Reason
from cage.core.wallet import KeySpace, Kind, State, Transaction
from cage.storage import (
    SqliteStore,
)
from cage.storage.disk import DiskThread


@dataclass
class Poison:
    """Fail in one of several ways; ``player_id`` lets the book load the player."""

    way: str
    player_id: str = "ann"


def decide_poison(book: Book, poison: Any) -> object:
    """Record something, then fail, now or when it is written."""
    gate = book.gates[poison.player_id]
    wallet = book.wallet(gate, gate.currency_no)
    book.record(
        gate,
        wallet,
        integration_no=7,
        key_space=KeySpace.MOVE,
        # Is stored already, which nobody looked up: the index of ids refuses it.
        transaction_id="fund-Award" if poison.way == "taken id" else "poison",
        kind=Kind.AWARD,
        state=State.POSTED,
        amount=2**70 if poison.way == "too large" else 1,
        extra="\ud800" if poison.way == "no text" else None,
        cash=1,
    )
    if poison.way == "raises":
        raise RuntimeError("poison")
    if poison.way == "leaves":
        raise KeyboardInterrupt
    return None


WAYS = ["raises", "taken id", "too large", "no text"]


def submit(
    store: SqliteStore, command: Any, timeout_s: float | None = None
) -> "asyncio.Future[Any]":
    """Queue a wallet call as the use cases do."""
    app = WalletApp(writer=store.writer, reads=store.reads)
    return app.submit(command, timeout_s=timeout_s)


def stored_ids(writer: Any) -> list[str]:
    """List the ids of all transactions but the funding, in order."""
    rows = contents(writer._connection)["transactions"]
    ids = [Transaction(*row).transaction_id for row in rows]  # type: ignore[arg-type]
    return [name for name in ids if not name.startswith("fund")]


class Gatekeeper:
    """Let a test hold the writer between its decisions and their COMMIT."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()
        self.disk: DiskThread | None = None
        self._numbers = itertools.count()

    def decide(self, book: Book, _command: object) -> object:
        """Have something to commit, and the disk busy until the test lets go."""
        request = Request(0, "test", str(next(self._numbers)), "", "{}", 0)
        book.new_requests.append(request)
        assert self.disk is not None
        self.disk.put(self._hold, lambda _: None)
        return None

    def _hold(self) -> None:
        self.entered.set()
        self.released.wait(20)
        self.released.clear()


@dataclass
class Pause:
    """Hold the writer."""


@contextmanager
def held() -> Iterator[Gatekeeper]:
    """Register the command that holds the writer."""
    keeper = Gatekeeper()
    with decided(Pause, keeper.decide):
        yield keeper
        keeper.released.set()


async def pause(store: SqliteStore, keeper: Gatekeeper) -> "asyncio.Future[Any]":
    """Hold the writer from now on."""
    keeper.disk = store.writer._disk
    keeper.entered.clear()
    future = store.writer.submit(0, Pause(), is_bet=False, timeout_s=None)
    await asyncio.to_thread(keeper.entered.wait, 20)
    return future


def release(keeper: Gatekeeper) -> None:
    """Let the writer go on."""
    keeper.released.set()


async def reason_of(future: "asyncio.Future[Any]") -> Reason:
    """Return the reason for which a call was refused."""
    with pytest.raises(CageError) as caught:
        await future
    return caught.value.reason


def refused_at_once(call: Callable[[], object]) -> Reason:
    """Return the reason for which a call was not even queued."""
    with pytest.raises(CageError) as caught:
        call()
    return caught.value.reason
