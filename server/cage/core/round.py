"""Keep the totals of one round and say in which state it is."""

from dataclasses import dataclass, field
from enum import IntEnum

from cage.core.wallet import REVERSING, BetKind, Kind, Span, State, Transaction


class RoundState(IntEnum):
    """Whether a round takes bets; numbers as in ``cage.wallet.v1.RoundState``."""

    OPEN = 1
    CLOSED = 2
    CANCELLED = 3


@dataclass(slots=True)
class Round:
    """Hold the totals of one round of one player in one game.

    The sums are of what stands: rolled back bets and wins do not count.
    ``adjust_amount`` is signed from the player's view. Counts include them, except
    ``standing_count``, the bets that stand. ``cancelled`` counts the rollbacks of the
    whole round that stand: with one the round takes no bet. ``open_no`` is the first
    of the round's transactions, ``last_no`` heads their chain. ``history`` is that
    chain as loaded, oldest first, or None when nobody needed it; ``added`` is what
    this batch adds.
    """

    lane: int
    player_no: int
    game_no: int
    round_id: str
    currency_no: int
    bet_count: int = 0
    win_count: int = 0
    rolled_back_count: int = 0
    standing_count: int = 0
    bet_cash: int = 0
    bet_bonus: int = 0
    win_amount: int = 0
    adjust_count: int = 0
    adjust_amount: int = 0
    closed: int = 0
    cancelled: int = 0
    last_no: int = 0
    open_no: int = 0
    open_time_us: int = 0
    close_time_us: int = 0
    history: list[Transaction] | None = None
    added: list[Transaction] = field(default_factory=list)

    @property
    def state(self) -> RoundState:
        """Derive the state: cancelled when no bet stands, else closed or open."""
        if self.cancelled or (self.bet_count and not self.standing_count):
            return RoundState.CANCELLED
        return RoundState.CLOSED if self.closed else RoundState.OPEN

    def chain(self) -> list[Transaction]:
        """Return the round's transactions, oldest first."""
        if self.history is None:
            raise AssertionError(f"the chain of round {self.round_id} was not loaded")
        return [*self.history, *self.added]

    def reversals(self) -> dict[int, Transaction]:
        """Map what does not stand, by its item number, to the rollback of it."""
        gone: dict[int, Transaction] = {}
        if not self.rolled_back_count:
            return gone
        units: dict[int, list[int]] = {}
        for row in self.chain():
            if row.variant and row.kind in REVERSING:
                # Of a whole round: what it did is in rows of their own.
                continue
            if row.kind == Kind.ROLLBACK:
                own = units.get(row.unit_no, [row.reference_no])
                gone |= dict.fromkeys(own, row)
            elif row.kind == Kind.REINSTATE:
                for item_no in units.get(row.unit_no, list(gone)):
                    if gone[item_no].item_no == row.reference_no:
                        del gone[item_no]
            elif row.unit_no:
                units.setdefault(row.unit_no, []).append(row.item_no)
        return gone

    def rollback_of(self, original: Transaction) -> Transaction | None:
        """Return the rollback that stands of a transaction or of its unit, if any."""
        return self.reversals().get(original.item_no)

    def reinstatement_of(self, rollback: Transaction) -> Transaction | None:
        """Return what undid a rollback, if anything did."""
        for row in self.chain():
            if row.kind == Kind.REINSTATE and row.reference_no == rollback.item_no:
                return row
        return None

    def is_adjusted(self, item: Transaction, since_no: int = 0) -> bool:
        """Say whether a later adjustment corrects an item, or its whole round.

        ``since_no`` leaves out the adjustments up to an item number.
        """
        return bool(self.adjust_count) and any(
            row.kind == Kind.ADJUST
            and row.item_no > max(item.item_no, since_no)
            and row.reference_no in (0, item.item_no)
            for row in self.chain()
        )

    def cancellations(self) -> list[Transaction]:
        """Return the rollbacks of the whole round that stand."""
        if not self.cancelled:
            return []
        chain = self.chain()
        undone = {row.reference_no for row in chain if row.kind == Kind.REINSTATE}
        return [
            row
            for row in chain
            if row.kind == Kind.ROLLBACK
            and row.variant == Span.ROUND
            and row.item_no not in undone
        ]

    def unit_of(self, original: Transaction) -> list[Transaction]:
        """Return what is reversed together: a whole Play, or one transaction alone."""
        if not original.unit_no:
            return [original]
        return [
            row
            for row in self.chain()
            if row.unit_no == original.unit_no and row.kind not in REVERSING
        ]

    def settles(self, bet: Transaction) -> bool:
        """Say whether a later call of its own settled a bet.

        A win of another call that names the bet, or its round, or a separate close
        of the round (DESIGN section 3, wallet rules). Wins of the bet's own Play
        and wins that were rolled back do not count.
        """
        gone = self.reversals()
        for row in self.chain():
            if row.item_no <= bet.item_no or row.state != State.POSTED:
                continue
            if row.kind == Kind.CLOSE_ROUND:
                return True
            own = bet.unit_no and row.unit_no == bet.unit_no
            if row.kind != Kind.WIN or own:
                continue
            if row.reference_no in (0, bet.item_no) and row.item_no not in gone:
                return True
        return False

    def has_win(self, bet: Transaction | None) -> bool:
        """Say whether a win that stands settles a bet, or any bet of the round."""
        gone = self.reversals()
        for row in self.chain():
            if row.kind != Kind.WIN or row.item_no in gone:
                continue
            names_it = bet is None or row.reference_no in (0, bet.item_no)
            is_later = bet is None or row.item_no > bet.item_no
            if names_it and is_later:
                return True
        return False


def close_round(round_: Round, now_us: int) -> None:
    """Close a round that is still open."""
    if not round_.closed:
        round_.closed = 1
        round_.close_time_us = round_.close_time_us or now_us


def is_tip(row: Transaction) -> bool:
    """Say whether a transaction is a tip, which is in no total of its round."""
    return row.kind == Kind.BET and row.variant == BetKind.TIP


def take_back(round_: Round, unit: list[Transaction], now_us: int) -> None:
    """Take a unit out of the totals of its round."""
    _move(round_, unit, -1)
    _set_close_time(round_, now_us)


def give_back(round_: Round, unit: list[Transaction], now_us: int) -> None:
    """Put a unit that was taken back into the totals of its round again."""
    _move(round_, unit, 1)
    _set_close_time(round_, now_us)


def cancel(round_: Round, by: int, now_us: int) -> None:
    """Count one more rollback of the whole round (1), or one less (-1)."""
    round_.cancelled += by
    _set_close_time(round_, now_us)


def _move(round_: Round, unit: list[Transaction], sign: int) -> None:
    for row in unit:
        round_.rolled_back_count -= sign
        if row.kind in (Kind.WIN, Kind.AWARD):
            round_.win_amount += sign * (row.cash + row.bonus)
        elif not is_tip(row):
            round_.standing_count += sign
            round_.bet_cash -= sign * row.cash
            round_.bet_bonus -= sign * row.bonus


def _set_close_time(round_: Round, now_us: int) -> None:
    """Let a round have a time of its close exactly while it is not open."""
    if round_.state == RoundState.OPEN:
        round_.close_time_us = 0
    elif not round_.close_time_us:
        round_.close_time_us = now_us
