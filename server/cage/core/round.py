"""Keep the totals of one round and say in which state it is."""

from dataclasses import dataclass, field
from enum import IntEnum

from cage.core.wallet import Kind, State, Transaction


class RoundState(IntEnum):
    """Whether a round takes bets; numbers as in ``cage.wallet.v1.RoundState``."""

    OPEN = 1
    CLOSED = 2
    CANCELLED = 3


@dataclass(slots=True)
class Round:
    """Hold the totals of one round of one player in one game.

    The sums are of what stands: rolled back bets and wins do not count.
    ``adjust_amount`` is signed from the player's view. Counts
    include them, except ``standing_count``, the bets that stand. ``open_no`` is
    the first of the round's transactions, ``last_no`` heads their chain.
    ``history`` is that chain as loaded, oldest first, or None when nobody needed it;
    ``added`` is what this batch adds.
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
    last_no: int = 0
    open_no: int = 0
    open_time_us: int = 0
    close_time_us: int = 0
    history: list[Transaction] | None = None
    added: list[Transaction] = field(default_factory=list)

    @property
    def state(self) -> RoundState:
        """Derive the state: cancelled when no bet stands, else closed or open."""
        if self.bet_count and not self.standing_count:
            return RoundState.CANCELLED
        return RoundState.CLOSED if self.closed else RoundState.OPEN

    def chain(self) -> list[Transaction]:
        """Return the round's transactions, oldest first."""
        if self.history is None:
            raise AssertionError(f"the chain of round {self.round_id} was not loaded")
        return [*self.history, *self.added]

    def rollback_of(self, original: Transaction) -> Transaction | None:
        """Return the posted rollback of a transaction or of its unit, if any."""
        if not self.rolled_back_count:
            return None
        for row in self.chain():
            if row.kind == Kind.ROLLBACK and row.state == State.POSTED:
                in_unit = original.unit_no and row.unit_no == original.unit_no
                if in_unit or row.reference_no == original.item_no:
                    return row
        return None

    def is_adjusted(self, item: Transaction) -> bool:
        """Say whether a later adjustment corrects an item, or its whole round."""
        return bool(self.adjust_count) and any(
            row.kind == Kind.ADJUST
            and row.item_no > item.item_no
            and row.reference_no in (0, item.item_no)
            for row in self.chain()
        )

    def settles(self, bet: Transaction) -> bool:
        """Say whether a later call of its own settled a bet.

        A win of another call that names the bet, or its round, or a separate close
        of the round (DESIGN section 3, wallet rules). Wins of the bet's own Play
        and wins that were rolled back do not count.
        """
        for row in self.chain():
            if row.item_no <= bet.item_no or row.state != State.POSTED:
                continue
            if row.kind == Kind.CLOSE_ROUND:
                return True
            own = bet.unit_no and row.unit_no == bet.unit_no
            if row.kind != Kind.WIN or own:
                continue
            names_it = row.reference_no in (0, bet.item_no)
            if names_it and self.rollback_of(row) is None:
                return True
        return False

    def has_win(self, bet: Transaction | None) -> bool:
        """Say whether a win that stands settles a bet, or any bet of the round."""
        for row in self.chain():
            if row.kind != Kind.WIN or row.state != State.POSTED:
                continue
            names_it = bet is None or row.reference_no in (0, bet.item_no)
            is_later = bet is None or row.item_no > bet.item_no
            if names_it and is_later and self.rollback_of(row) is None:
                return True
        return False
