"""Hold what the model of the wallet knows: the rows under ids, and rounds of rows."""

from dataclasses import dataclass, field
from typing import Any

MAX = 2**63 - 1
MIN = -(2**63)

MOVE, REVERSE = "move", "reverse"


class RefusedError(Exception):
    """Refuse a call; ``is_state`` says that a bet has to remember it."""

    def __init__(
        self, reason: str, *, is_state: bool = False, shows: Any = None, **metadata: str
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_state = is_state
        self.shows = shows
        self.metadata = metadata


@dataclass(eq=False)
class Row:
    """Hold what is stored under one id."""

    kind: str
    state: str
    transaction_id: str = ""
    currency: str = ""
    amount: int = 0
    game_id: str = ""
    round_id: str = ""
    reference: str = ""
    campaign_id: str = ""
    cash: int = 0
    bonus: int = 0
    after: tuple[int, int, int] = (0, 0, 0)
    is_tip: bool = False
    unit: int = 0
    place: int = 0
    size: int = 0
    refusal: tuple[str, dict[str, str]] | None = None
    rolled_back: bool = False
    # Of a win: the bet that it names, if the player has it.
    bet: "Row | None" = None
    # Of a rollback: what it reversed, or as which rollback it answers.
    reversed_rows: list["Row"] = field(default_factory=list)
    stands_for: "Row | None" = None


@dataclass(eq=False)
class RoundRows:
    """Hold the rows of one round in order."""

    currency: str
    rows: list[Row] = field(default_factory=list)
    is_closed: bool = False
    # The last row of the call that closed it.
    closer: Row | None = None

    def close(self, row: Row) -> None:
        """Close the round by a call, unless it is closed."""
        if not self.is_closed:
            self.is_closed, self.closer = True, row

    def stakes(self) -> list[Row]:
        """Return the bets that count, rolled back ones too."""
        return [row for row in self.rows if row.kind == "BET" and not row.is_tip]

    def standing(self) -> list[Row]:
        """Return the bets that count and stand."""
        return [row for row in self.stakes() if not row.rolled_back]

    def wins(self) -> list[Row]:
        """Return the wins and awards, rolled back ones too."""
        return [row for row in self.rows if row.kind in {"WIN", "AWARD"}]

    def won(self) -> int:
        """Return the sum of the wins and awards that stand."""
        return sum(row.cash + row.bonus for row in self.wins() if not row.rolled_back)

    def state(self) -> str:
        """Return OPEN, CLOSED or CANCELLED."""
        if self.stakes() and not self.standing():
            return "CANCELLED"
        return "CLOSED" if self.is_closed else "OPEN"

    def is_settled(self, bet: Row) -> bool:
        """Say whether a win of another call, or a close, came after a bet."""
        later = self.rows[self.rows.index(bet) + 1 :]
        return any(
            row.kind == "CLOSE"
            or (_settles(row, bet) and not (bet.unit and row.unit == bet.unit))
            for row in later
        )

    def has_win(self, bet: Row | None) -> bool:
        """Say whether a win came after a bet, or stands in the round."""
        if bet is None:
            return any(row.kind == "WIN" and not row.rolled_back for row in self.rows)
        later = self.rows[self.rows.index(bet) + 1 :]
        return any(_settles(row, bet) for row in later)


def _settles(row: Row, bet: Row) -> bool:
    """Say whether a row is a win that stands and names a bet, or its round."""
    names_it = row.bet is bet or not row.reference
    return row.kind == "WIN" and names_it and not row.rolled_back
