"""Recompute rounds from their transactions, and hold reversals against originals."""

from dataclasses import dataclass, field

from cage.core.replay import stored_extra
from cage.core.reservation import Reservation
from cage.core.round import (
    Round,
    cancel,
    close_round,
    give_back,
    is_tip,
    take_back,
)
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    RESERVING,
    REVERSING,
    KeySpace,
    Kind,
    Span,
    State,
    Transaction,
    caller_id,
)
from cage.storage.finding import BrokenError, expect
from cage.storage.reservations import move_reservation

# Whose parts: player, integration, the key space and the id of the head.
_HeadKey = tuple[int, int, str, str]


@dataclass(slots=True)
class Rounds:
    """Follow the transactions of a lane in the order of its journal.

    ``gone`` is the rollback of each transaction that does not stand. ``parts`` counts
    the parts whose head has not come yet; it follows them in their own commit.
    """

    rounds: dict[tuple[int, int, str], Round] = field(default_factory=dict)
    by_no: dict[int, Transaction] = field(default_factory=dict)
    units: dict[int, list[Transaction]] = field(default_factory=dict)
    reservations: dict[int, Reservation] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)
    parts: dict[_HeadKey, int] = field(default_factory=dict)

    def follow(self, row: Transaction, place: str) -> None:
        """Apply one transaction."""
        if row.key_space == KeySpace.PART:
            space = row.transaction_id.partition("/")[0]
            key = (row.player_no, row.integration_no, space, caller_id(row))
            self.parts[key] = self.parts.get(key, 0) + 1
        is_head = row.kind in REVERSING and bool(row.variant)
        if is_head and (row.kind, row.state) != (Kind.ROLLBACK, State.ALIAS):
            space = str(row.key_space)
            key = (row.player_no, row.integration_no, space, row.transaction_id)
            named = len(stored_extra(row).get("originals", []))
            expect("missing part", place, named, self.parts.pop(key, 0))
        is_tombstone = is_head and row.state == State.TOMBSTONE
        if row.round_id and (row.state == State.POSTED or is_tombstone):
            self._move(row, place)

    def end(self) -> None:
        """Find parts that no head followed."""
        for (player_no, _, space, id_), count in self.parts.items():
            place = f"parts of {space}/{id_} of player {player_no}"
            raise BrokenError("missing head", place, "a head", count)

    def _move(self, row: Transaction, place: str) -> None:
        """Apply one transaction of a round to its totals."""
        key = (row.player_no, row.game_no, row.round_id)
        round_ = self.rounds.get(key)
        if round_ is None:
            round_ = Round(
                row.lane,
                *key,
                row.currency_no,
                open_no=row.item_no,
                open_time_us=row.commit_time_us,
            )
            self.rounds[key] = round_
        expect("wrong round chain", place, round_.last_no, row.round_previous_no)
        round_.last_no = row.item_no
        self.by_no[row.item_no] = row
        if row.unit_no and row.kind not in REVERSING:
            self.units.setdefault(row.unit_no, []).append(row)
        if row.kind == Kind.BET and not is_tip(row):
            round_.bet_count += 1
            round_.standing_count += 1
            round_.bet_cash -= row.cash
            round_.bet_bonus -= row.bonus
        elif row.kind in (Kind.WIN, Kind.AWARD):
            round_.win_count += 1
            round_.win_amount += row.cash + row.bonus
        elif row.kind == Kind.ADJUST:
            round_.adjust_count += 1
            round_.adjust_amount += row.amount
        elif row.kind in RESERVING:
            reserve = self.by_no.get(row.reference_no, row)
            moved = move_reservation(self.reservations, reserve, row, place)
            _capture(round_, moved)
        elif row.kind in REVERSING and row.variant == Span.ROUND:
            self._cancel(round_, row, place)
        elif row.kind == Kind.ROLLBACK:
            self._roll_back(round_, row, place)
        elif row.kind == Kind.REINSTATE:
            self._reinstate(round_, row, place)
        if row.kind == Kind.BET and round_.standing_count and not round_.closed:
            round_.close_time_us = 0
        if row.flags & FLAG_ROUND_CLOSED:
            close_round(round_, row.commit_time_us)

    def _cancel(self, round_: Round, row: Transaction, place: str) -> None:
        """Hold the rollback of a whole round, or the undo of one, against the round."""
        if row.kind == Kind.ROLLBACK:
            self.gone[row.item_no] = row.item_no
            cancel(round_, 1, row.commit_time_us)
            return
        rollback = self._original(row, place)
        stands = self.gone.pop(rollback.item_no, 0)
        expect("reversed twice", place, rollback.item_no, stands)
        cancel(round_, -1, row.commit_time_us)

    def _roll_back(self, round_: Round, row: Transaction, place: str) -> None:
        """Hold a rollback against the unit that it reverses."""
        unit = self._unit(self._original(row, place))
        back = (-sum(item.cash for item in unit), -sum(item.bonus for item in unit))
        expect("changed amount", place, back, (row.cash, row.bonus))
        for item in unit:
            expect("reversed twice", place, 0, self.gone.get(item.item_no, 0))
            self.gone[item.item_no] = row.item_no
        take_back(round_, unit, row.commit_time_us)

    def _reinstate(self, round_: Round, row: Transaction, place: str) -> None:
        """Hold the undo of a rollback against the rollback and its unit."""
        rollback = self._original(row, place)
        unit = self._unit(self._original(rollback, place))
        again = (-rollback.cash, -rollback.bonus)
        expect("changed amount", place, again, (row.cash, row.bonus))
        for item in unit:
            gone_by = self.gone.pop(item.item_no, 0)
            expect("reversed twice", place, rollback.item_no, gone_by)
        give_back(round_, unit, row.commit_time_us)

    def _original(self, row: Transaction, place: str) -> Transaction:
        """Return what a row of a round refers to."""
        original = self.by_no.get(row.reference_no)
        if original is None:
            raise BrokenError("missing original", place, row.reference_no, "none")
        return original

    def _unit(self, original: Transaction) -> list[Transaction]:
        """Return what is reversed together with a transaction."""
        if not original.unit_no:
            return [original]
        return self.units.get(original.unit_no, [original])


def _capture(round_: Round, captured: tuple[int, int, bool] | None) -> None:
    """Count what was captured as the stake of a round: cash, bonus, is it the first."""
    if captured is None:
        return
    cash, bonus, is_first = captured
    round_.bet_count += is_first
    round_.standing_count += is_first
    round_.bet_cash += cash
    round_.bet_bonus += bonus
    if not round_.closed:
        round_.close_time_us = 0
