"""Finish rounds that were left open for too long, as their integration says.

The sweeper sends ordinary commands through the lanes, under a key that only the
process itself has, with ids that follow from the rounds: whoever sweeps again, or at
the same time, moves nothing twice. It only looks at integrations that ask for it, and
goes on where it was: a round that it left alone is not looked at again before its
time, or before the registry changes.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import structlog

from cage.app.ports import Writer
from cage.app.round import RoundReads, UnfinishedRound
from cage.core.errors import CageError, Reason
from cage.core.ids import public_id
from cage.core.registry import Integration, UnfinishedRoundAction, sweeper_key_id
from cage.core.round import Round
from cage.core.wallet import BetKind, CloseRound, Kind, Rollback, State, Transaction

# Rounds that are read at once.
_STEP = 200
# Rows of a round that are read at once.
_ROWS_STEP = 1_000
# How long a command of the sweeper may wait, in seconds.
_TIMEOUT_S = 10.0
# Refusals that pass by: the round is looked at again with the next sweep.
_PASSING = frozenset(
    {
        Reason.OVERLOADED,
        Reason.DEADLINE_TOO_SHORT,
        Reason.SHUTTING_DOWN,
        Reason.INTERNAL,
    }
)
_VOID = UnfinishedRoundAction.VOID

_log = structlog.get_logger("cage.app")


@dataclass(slots=True)
class SweepCounts:
    """Count what the sweeper did: rounds closed, and of those the voided ones.

    ``rolled_back`` counts bets given back, ``refused`` commands that were refused.
    """

    closed: int = 0
    voided: int = 0
    rolled_back: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Progress:
    """Hold how far the sweeps of one lane have come.

    ``after_no`` is where the next sweep begins: before the first round that it has to
    look at again.
    """

    after_no: int = 0
    is_held: bool = field(default=False)

    def pass_by(self, open_no: int) -> None:
        """Go past a round, unless one before it has to be looked at again."""
        if not self.is_held:
            self.after_no = open_no


class RoundSweeper:
    """Finish rounds every now and then."""

    def __init__(
        self,
        *,
        writer: Writer,
        rounds: RoundReads,
        now_us: Callable[[], int],
        interval_s: float,
    ) -> None:
        self._writer = writer
        self._rounds = rounds
        self._now_us = now_us
        self._interval_s = interval_s
        self._progress: dict[int, _Progress] = {}
        self._version = -1
        self.counts = SweepCounts()

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            try:
                await self.sweep()
            except Exception:  # noqa: BLE001 - a failure must not end the sweeps
                _log.exception("rounds cannot be swept")
            await asyncio.sleep(self._interval_s)

    async def sweep(self) -> None:
        """Finish every round that is due now."""
        registry = self._writer.registry
        if registry.version != self._version:
            self._version, self._progress = registry.version, {}
        asking = {
            each.integration_no: each
            for each in registry.integrations.values()
            if each.unfinished_round_action != UnfinishedRoundAction.REPORT
        }
        if asking:
            for lane in range(self._writer.lanes):
                await self._sweep_lane(lane, asking)

    async def _sweep_lane(self, lane: int, asking: Mapping[int, Integration]) -> None:
        """Finish the rounds of one lane, oldest first."""
        now_us = self._now_us()
        before_us = now_us - min(map(_life_us, asking.values()))
        progress = self._progress.setdefault(lane, _Progress())
        progress.is_held = False
        after_no = progress.after_no
        while True:
            found = await self._rounds.unfinished_rounds(
                lane, after_no=after_no, before_us=before_us, limit=_STEP
            )
            for each in found:
                after_no = each.round_.open_no
                integration = asking.get(each.integration_no)
                is_done = integration is None
                if integration is not None:
                    due_us = each.round_.open_time_us + _life_us(integration)
                    is_done = due_us <= now_us and await self._finish(each, integration)
                progress.is_held = progress.is_held or not is_done
                progress.pass_by(after_no)
            if len(found) < _STEP:
                return

    async def _finish(self, found: UnfinishedRound, integration: Integration) -> bool:
        """Void or close a round; return False when it has to be tried again."""
        is_void = integration.unfinished_round_action == _VOID
        key_id = sweeper_key_id(integration.integration_id)
        game = self._writer.registry.games_by_no[found.round_.game_no]
        extra: dict[str, object] = {
            "details": f"unfinished for {integration.unfinished_round_after_s} s",
            "resolution": integration.unfinished_round_action.name,
        }
        try:
            if is_void:
                await self._give_back(found, key_id, extra)
            close = CloseRound(
                key_id=key_id,
                player_id=found.gate.player_id,
                game_id=game.game_id,
                round_id=found.round_.round_id,
                extra=extra,
            )
            await self._submit(found.round_.lane, close)
        except CageError as error:
            self.counts.refused += 1
            _log.warning("round not finished", reason=error.reason.value)
            return error.reason not in _PASSING
        self.counts.closed += 1
        self.counts.voided += is_void
        return True

    async def _give_back(
        self, found: UnfinishedRound, key_id: str, extra: dict[str, object]
    ) -> None:
        """Roll back every bet of a round that stands and that nothing settled."""
        round_ = found.round_
        round_.history = await self._rows(round_)
        for bet in list(_standing(round_)):
            ledger_id = public_id(bet.commit_time_us, bet.lane, bet.item_no)
            rollback = Rollback(
                key_id=key_id,
                player_id=found.gate.player_id,
                transaction_id=f"void-{ledger_id}",
                original_id=bet.transaction_id,
                extra=extra,
            )
            try:
                await self._submit(round_.lane, rollback)
            except CageError as error:
                if error.reason in _PASSING:
                    raise
                self.counts.refused += 1
                _log.warning("bet not given back", reason=error.reason.value)
            else:
                self.counts.rolled_back += 1

    async def _rows(self, round_: Round) -> list[Transaction]:
        """Return all transactions of a round, oldest first."""
        rows: list[Transaction] = []
        place = round_.last_no
        while place:
            part = await self._rounds.round_rows(round_.lane, place, limit=_ROWS_STEP)
            rows += part
            place = part[-1].round_previous_no
        return rows[::-1]

    async def _submit(self, lane: int, command: object) -> None:
        await self._writer.submit(lane, command, is_bet=False, timeout_s=_TIMEOUT_S)


def _life_us(integration: Integration) -> int:
    return integration.unfinished_round_after_s * 1_000_000


def _standing(round_: Round) -> Iterator[Transaction]:
    """Yield a stake of each unit that stands and that no other call settled."""
    units: set[int] = set()
    for row in round_.chain():
        is_stake = row.kind == Kind.BET and row.variant != BetKind.TIP
        if not is_stake or row.state != State.POSTED or row.unit_no in units:
            continue
        if round_.rollback_of(row) is None and not round_.settles(row):
            units.add(row.unit_no or -row.item_no)
            yield row
