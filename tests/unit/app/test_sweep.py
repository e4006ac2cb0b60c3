"""Test which rounds the sweeper finishes, when, and what it tries again."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.unit.app.test_round import FakeRounds, unfinished
from tests.unit.app.test_wallet import REGISTRY, row

from cage.app import sweep as app_sweep
from cage.app.ports import Writer
from cage.app.round import UnfinishedRound
from cage.app.sweep import RoundSweeper
from cage.core.errors import CageError, Reason
from cage.core.registry import Integration, Registry, UnfinishedRoundAction
from cage.core.wallet import CloseRound, Rollback, Transaction

HOUR_US = 3_600_000_000


def integration(
    number: int, action: UnfinishedRoundAction, hours: int = 1
) -> Integration:
    """Build an integration that says what becomes of its rounds."""
    return Integration(
        integration_no=number,
        integration_id=f"hub-{number}",
        display_name="",
        enabled=True,
        unfinished_round_action=action,
        unfinished_round_after_s=hours * 3_600,
    )


class Answering:
    """Answer commands: with a refusal when one is planned."""

    lanes = 2

    def __init__(self, *integrations: Integration) -> None:
        self.registry: Registry = replace(
            REGISTRY, integrations={each.integration_id: each for each in integrations}
        )
        self.submitted: list[tuple[int, Any]] = []
        self.refusals: list[Reason | None] = []

    def submit(
        self, lane: int, command: object, *, is_bet: bool, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Keep a command and answer it."""
        assert not is_bet
        assert timeout_s

        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        reason = self.refusals.pop(0) if self.refusals else None
        if reason is None:
            self.submitted.append((lane, command))
            future.set_result(None)
        else:
            future.set_exception(CageError(reason))
        return future


class Sweeps:
    """Hold a sweeper and what it works with; ``hours`` is the time."""

    def __init__(self, writer: Answering, *found: UnfinishedRound) -> None:
        self.writer = writer
        self.rounds = FakeRounds(*found)
        self.hours = 0
        self.sweeper = RoundSweeper(
            writer=cast(Writer, writer),
            rounds=self.rounds,
            now_us=lambda: self.hours * HOUR_US,
            interval_s=0.001,
        )

    async def at(self, hours: int) -> list[str]:
        """Sweep at a time; return the rounds that were closed then."""
        self.hours = hours
        self.writer.submitted.clear()
        await self.sweeper.sweep()
        return [
            command.round_id
            for _, command in self.writer.submitted
            if isinstance(command, CloseRound)
        ]


REPORT = integration(4, UnfinishedRoundAction.REPORT)
CLOSE = integration(5, UnfinishedRoundAction.CLOSE)
LATER = integration(6, UnfinishedRoundAction.CLOSE, hours=10)
VOID = integration(7, UnfinishedRoundAction.VOID)


async def test_only_what_is_due() -> None:
    """A round is finished once it is as old as its integration allows, in any lane."""
    sweeps = Sweeps(
        Answering(REPORT, CLOSE, LATER),
        unfinished(0, 1, 0, integration_no=4),
        unfinished(0, 2, 0, integration_no=6),
        unfinished(0, 3, 0),
        unfinished(1, 9, 0),
        unfinished(0, 4, 2 * HOUR_US),
    )

    assert await sweeps.at(0) == []
    assert await sweeps.at(2) == ["0-3", "1-9"]
    # The fake goes on listing what is closed.
    assert await sweeps.at(4) == ["0-3", "0-4"]
    assert await sweeps.at(11) == ["0-2", "0-3", "0-4"]
    assert await sweeps.at(12) == []


async def test_nobody_asks() -> None:
    """Without an integration that asks, no round is looked at."""
    sweeps = Sweeps(Answering(REPORT), unfinished(0, 1, 0, integration_no=4))

    assert await sweeps.at(100) == []
    assert sweeps.rounds.steps == 0


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        (Reason.OVERLOADED, True),
        (Reason.INTERNAL, True),
        (Reason.ROUND_NOT_FOUND, False),
    ],
)
async def test_refusals(reason: Reason, *, again: bool) -> None:
    """What passes by is tried again with the next sweep, what does not is left."""
    sweeps = Sweeps(Answering(CLOSE), unfinished(0, 1, 0), unfinished(0, 2, 0))
    sweeps.writer.refusals = [reason]

    assert await sweeps.at(2) == ["0-2"]
    assert await sweeps.at(2) == (["0-1", "0-2"] if again else [])
    assert sweeps.sweeper.counts.refused == 1


async def test_change_of_the_registry_begins_anew() -> None:
    """After a change of the registry every round is looked at again."""
    sweeps = Sweeps(Answering(CLOSE), unfinished(0, 1, 0))

    assert await sweeps.at(2) == ["0-1"]
    assert await sweeps.at(2) == []

    sweeps.writer.registry = replace(sweeps.writer.registry, version=2)

    assert await sweeps.at(2) == ["0-1"]


async def test_long_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds are read in parts, and all of them are finished."""
    monkeypatch.setattr(app_sweep, "_STEP", 2)
    sweeps = Sweeps(Answering(CLOSE), *(unfinished(0, no, 0) for no in range(1, 6)))

    assert await sweeps.at(2) == [f"0-{no}" for no in range(1, 6)]


def voided(commands: Sequence[tuple[int, Any]]) -> list[str]:
    """List the originals that were rolled back."""
    return [c.original_id for _, c in commands if isinstance(c, Rollback)]


def rows_of(*rows: Transaction) -> list[Transaction]:
    """List the rows of a round, newest first, each chained to the one before."""
    chained = [
        replace(each, round_previous_no=rows[index - 1].item_no if index else 0)
        for index, each in enumerate(rows)
    ]
    return chained[::-1]


async def test_void(monkeypatch: pytest.MonkeyPatch) -> None:
    """A voided round is read in parts; a unit is rolled back once, refusals pass."""
    sweeps = Sweeps(Answering(VOID), unfinished(0, 1, 0, integration_no=7))
    sweeps.rounds.found[0].round_.last_no = 5
    sweeps.rounds.rows = rows_of(
        row(1), row(2, unit_no=2), row(3, unit_no=2), row(4), row(5)
    )

    async def part(_: int, last_no: int, *, limit: int) -> Sequence[Transaction]:
        assert limit == 1_000

        return [r for r in sweeps.rounds.rows if r.item_no <= last_no][:2]

    monkeypatch.setattr(sweeps.rounds, "round_rows", part)
    sweeps.writer.refusals = [Reason.ALREADY_SETTLED]

    assert await sweeps.at(2) == ["0-1"]
    assert voided(sweeps.writer.submitted) == ["2", "4", "5"]
    counts = sweeps.sweeper.counts
    assert (counts.closed, counts.voided, counts.rolled_back, counts.refused) == (
        *(1, 1, 3, 1),
    )


async def test_void_that_cannot_go_on() -> None:
    """A void that meets overload is tried again as a whole, under the same ids."""
    sweeps = Sweeps(Answering(VOID), unfinished(0, 1, 0, integration_no=7))
    sweeps.rounds.found[0].round_.last_no = 1
    sweeps.rounds.rows = rows_of(row(1))
    monkeyed = FakeOnce(sweeps.rounds.rows)
    sweeps.rounds.round_rows = monkeyed.round_rows  # type: ignore[method-assign]
    sweeps.writer.refusals = [Reason.OVERLOADED]

    assert await sweeps.at(2) == []
    assert await sweeps.at(2) == ["0-1"]
    assert voided(sweeps.writer.submitted) == ["1"]


class FakeOnce:
    """Answer the rows of one round."""

    def __init__(self, rows: Sequence[Transaction]) -> None:
        self.rows = rows

    async def round_rows(
        self, lane: int, last_no: int, *, limit: int
    ) -> Sequence[Transaction]:
        """List the rows."""
        assert (lane, last_no, limit) == (0, 1, 1_000)

        return self.rows


async def test_failure_does_not_end_the_sweeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sweep that fails is logged, and the next one follows."""
    sweeps = Sweeps(Answering(CLOSE), unfinished(0, 1, 0))
    calls = 0
    done = asyncio.Event()

    async def fail() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            done.set()
        raise RuntimeError("planted")

    monkeypatch.setattr(sweeps.sweeper, "sweep", fail)
    run = asyncio.create_task(sweeps.sweeper.run())
    async with asyncio.timeout(10):
        await done.wait()
    run.cancel()
    await asyncio.wait([run])

    assert run.cancelled()
