"""Whatever callers do at once, the outcome is that of one order: the journal's."""

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.simulation.calls import (
    bet,
    capture,
    get_balance,
    release,
    reserve,
    rollback,
    win,
)
from tests.simulation.commands import Again, expand
from tests.simulation.deployment import Clock, contents, fresh_database
from tests.simulation.model import Model
from tests.simulation.names import CAPTURE, MOVE, PART, REINSTATE, REVERSE
from tests.simulation.rules import switch_rules
from tests.simulation.spoils import WALLET
from tests.simulation.test_machine import call_or_again, observed

from cage.app.wallet import WalletApp
from cage.core.errors import CageError, Reason
from cage.core.wallet import KeySpace, Kind, Receipt, Transaction
from cage.storage import SqliteStore, open_sqlite, verify
from cage.storage.sqlite import Applied

CALLERS = 24
CALLS = 30


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Run the writer of a fresh deployment; verify the books in the end."""
    path = fresh_database(tmp_path)
    opened = open_sqlite(path, clock_us=Clock())
    await opened.start(asyncio.get_running_loop())
    yield opened
    await opened.drain()

    assert verify(path) == []


@pytest.fixture
def app(store: SqliteStore) -> WalletApp:
    """Return the use cases of the wallet over the store."""
    return WalletApp(writer=store.writer, reads=store.reads)


async def send(app: WalletApp, *commands: Any) -> list[Any]:
    """Send commands at once and return their answers and refusals."""
    futures = [app.submit(command, timeout_s=None) for command in commands]
    return await asyncio.gather(*futures, return_exceptions=True)


async def test_identical_bets_move_once(app: WalletApp) -> None:
    """Of 64 identical bets one moves money, and all get its answer."""
    receipts = await send(app, *(bet("b1", 30) for _ in range(64)))
    (balance,) = await send(app, get_balance())

    assert sum(not receipt.replayed for receipt in receipts) == 1
    assert len({receipt.transaction.item_no for receipt in receipts}) == 1
    assert balance.playable == 120


async def test_funds_are_spent_once(app: WalletApp) -> None:
    """Of 50 bets of 10 against 100 exactly ten are accepted."""
    await send(app, bet("b0", 50))
    answers = await send(app, *(bet(f"b{n}", 10) for n in range(1, 51)))
    refused = [each for each in answers if isinstance(each, CageError)]
    (balance,) = await send(app, get_balance())

    assert len(refused) == 40
    assert {refusal.reason for refusal in refused} == {Reason.INSUFFICIENT_FUNDS}
    assert balance.playable == 0


async def test_bet_and_rollback_race(app: WalletApp) -> None:
    """Whichever of a bet and its rollback comes first, no money stays away."""
    pairs = [(bet(f"b{n}", 1), rollback(f"b{n}", f"b{n}")) for n in range(40)]
    calls = [call for n, pair in enumerate(pairs) for call in pair[:: (-1) ** n]]
    await send(app, *calls)
    (balance,) = await send(app, get_balance())

    assert balance.playable == 150


async def test_wins_and_rollbacks_race(app: WalletApp) -> None:
    """A bet is settled or rolled back, never both."""
    await send(app, *(bet(f"b{n}", 1, round_id=f"r{n}") for n in range(40)))
    calls = [
        call
        for n in range(40)
        for call in (
            win(f"w{n}", 1, round_id=f"r{n}", bet_transaction_id=f"b{n}"),
            rollback(f"b{n}", f"b{n}"),
        )
    ]
    answers = await send(app, *calls)

    for won, rolled_back in zip(answers[::2], answers[1::2], strict=True):
        assert isinstance(won, Receipt) != isinstance(rolled_back, Receipt)


async def test_captures_take_a_reserve_once(app: WalletApp) -> None:
    """Of 40 captures of 5 against a reserve of 100 exactly twenty are accepted."""
    await send(app, reserve("h1", 100))
    answers = await send(app, *(capture(f"c{n}", 5) for n in range(40)))
    refused = [each for each in answers if isinstance(each, CageError)]
    (balance,) = await send(app, get_balance())

    assert {refusal.reason for refusal in refused} == {Reason.RESERVE_EXCEEDED}
    assert len(refused) == 20
    assert (balance.playable, balance.reserved) == (50, 0)


async def test_captures_and_releases_race(app: WalletApp) -> None:
    """Each reserve is captured or released, never both, and no money stays away."""
    await send(app, *(reserve(f"h{n}", 3, round_id=f"r{n}") for n in range(30)))
    pairs = [
        (capture(f"c{n}", 3, f"h{n}", round_id=f"r{n}"), release(f"x{n}", f"h{n}"))
        for n in range(30)
    ]
    calls = [call for n, pair in enumerate(pairs) for call in pair[:: (-1) ** n]]
    answers = await send(app, *calls)
    captured = sum(
        isinstance(each, Receipt) and each.transaction.kind == Kind.CAPTURE
        for each in answers
    )
    (balance,) = await send(app, get_balance())

    assert (balance.playable, balance.reserved) == (150 - 3 * captured, 0)


class Recorder:
    """Keep what the writer applied, in its order."""

    def __init__(self, store: SqliteStore) -> None:
        self.commands: list[Any] = []
        self.outcomes: list[object] = []
        self._apply = store.writer._apply
        store.writer._apply = self.apply  # type: ignore[method-assign]

    async def apply(self, commands: Sequence[object]) -> Applied:
        """Apply a batch and keep it."""
        sent = copy.deepcopy(commands)
        applied = await self._apply(commands)
        self.commands += sent
        self.outcomes += applied.outcomes
        return applied


def submit(app: WalletApp, command: Any) -> "asyncio.Future[object]":
    """Queue a call of the wallet, or a switch of the rules."""
    if isinstance(command, WALLET):
        return app.submit(command, timeout_s=None)
    return app._writer.submit(0, command, is_bet=False, timeout_s=None)


def call_or_switch(rng: Random) -> Any:
    """Draw a call, the repetition of one, or now and then other rules."""
    if rng.random() < 0.03:
        return switch_rules(rng, f"switch {rng.randrange(2**40)}")
    return call_or_again(rng)


async def call(app: WalletApp, rng: Random, sent: list[tuple[Any, Any]]) -> None:
    """Send one call after the other; now and then go away before the answer."""
    while len(sent) < CALLS:
        number = rng.randrange(2**24)
        earlier = [each for each, _ in sent if isinstance(each, WALLET)]
        (command,) = expand([number], call_or_switch, earlier) or [0]
        if command == 0 or isinstance(command, Again):
            continue
        future = submit(app, copy.deepcopy(command))
        if rng.random() < 0.1:
            await asyncio.sleep(0)
            future.cancel()
        (answer,) = await asyncio.gather(future, return_exceptions=True)
        sent.append((command, answer))
        if rng.random() < 0.3:
            await asyncio.sleep(rng.random() / 500)


@pytest.mark.parametrize("number", range(5))
async def test_history_has_one_order(
    store: SqliteStore, app: WalletApp, seed: int, number: int
) -> None:
    """The model, given the order of the journal, gives every answer that was given."""
    recorder, model = Recorder(store), Model()
    callers: list[list[tuple[Any, Any]]] = [[] for _ in range(CALLERS)]
    await asyncio.gather(
        *(
            call(app, Random(f"{seed} {number} {index}"), sent)
            for index, sent in enumerate(callers)
        )
    )
    await store.writer.drain()
    expected = [model.apply(command) for command in recorder.commands]

    assert [observed(outcome) for outcome in recorder.outcomes] == expected
    assert in_order(model) == journalled(store)
    for sent in callers:
        check_caller(recorder, sent)


def check_caller(recorder: Recorder, sent: list[tuple[Any, Any]]) -> None:
    """Hold what one caller saw against what was applied, in the caller's order."""
    place = 0
    known = [id(outcome) for outcome in recorder.outcomes]
    for command, answer in sent:
        if isinstance(answer, asyncio.CancelledError):
            continue
        place = known.index(id(answer), place)

        assert recorder.commands[place] == command


def in_order(model: Model) -> list[tuple[int, str]]:
    """List what the model stored, in its order."""
    spaces = {
        MOVE: KeySpace.MOVE,
        REVERSE: KeySpace.REVERSE,
        CAPTURE: KeySpace.CAPTURE,
        REINSTATE: KeySpace.REINSTATE,
        PART: KeySpace.PART,
        "WIN": KeySpace.WIN,
        "AWARD": KeySpace.AWARD,
        "ADJUST": KeySpace.ADJUST,
    }
    return [(spaces[space], name) for space, _, _, name in model.ids]


def journalled(store: SqliteStore) -> list[tuple[int, str]]:
    """List what the journal holds after the funding, but for closes of rounds."""
    rows = contents(store.writer._connection)["transactions"]
    found = [Transaction(*row) for row in rows]
    return [
        (row.key_space, row.transaction_id)
        for row in found
        if row.key_space != KeySpace.CLOSE and not row.transaction_id.startswith("fund")
    ]
