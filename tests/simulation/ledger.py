"""Hold what the model knows: who is who, what was stored, what everybody has.

It shares the command values with the engine, and no rule.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.simulation.deployment import (
    BONUS,
    BRANDS,
    CASH,
    GAME_KEYS,
    GAMES,
    INTEGRATIONS,
    PLAYERS,
    SCALES,
    SEPARATING,
    SESSIONS,
)
from tests.simulation.names import MOVE, REVERSE, names_of
from tests.simulation.rules import named

from cage.core.wallet import (
    Award,
    Bet,
    BetKind,
    Play,
    Win,
)

MAX = 2**63 - 1
MIN = -(2**63)

# Refusals that show the balance.
MONEY_REASONS = {
    "INSUFFICIENT_FUNDS",
    "ROUND_CLOSED",
    "STAKE_LIMIT",
    "WAGER_LIMIT",
    "LOSS_LIMIT",
}


class RefusedError(Exception):
    """Refuse a call; ``is_state`` says that a bet has to remember it."""

    def __init__(
        self, reason: str, *, is_state: bool = False, shows: Any = None, **metadata: str
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_state = is_state
        self.shows = shows
        # Which of several transactions is refused.
        self.about = ""
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
    reserved: int = 0
    after: tuple[int, ...] = (0, 0, 0, 0)
    is_tip: bool = False
    unit: int = 0
    place: int = 0
    size: int = 0
    refusal: tuple[str, dict[str, str]] | None = None
    rolled_back: bool = False
    # Kind, period and currency of the limits that it counts against.
    counted: set[tuple[str, ...]] = field(default_factory=set)
    # Of a win: the bet that it names, if the player has it.
    bet: "Row | None" = None
    # Of a reserve: its captures, whether its life is over, what gave the rest back.
    captures: list["Row"] = field(default_factory=list)
    is_due: bool = False
    release: "Row | None" = None
    # Of an adjustment: what it corrects.
    corrects: list["Row"] = field(default_factory=list)
    # Of a rollback: what it reversed, or as which rollback it answers.
    reversed_rows: list["Row"] = field(default_factory=list)
    stands_for: "Row | None" = None
    # Of a rollback: what undid it. Of a reinstatement: the rollback that it undoes.
    undone: "Row | None" = None
    undoes: "Row | None" = None
    # Of a rollback or a reinstatement: the kind of the transaction it is about, or
    # whether it is about several, and then what became of each: id, kind, row.
    about_kind: str = ""
    # Of a rollback of one: where the ids of what it names are.
    space: str = ""
    span: str = ""
    parts: list[tuple[str, int, "Row"]] = field(default_factory=list)
    integration: str = ""

    def captured(self) -> int:
        """Return what was captured of a reserve."""
        return sum(row.amount for row in self.captures)

    def taken(self) -> tuple[int, int]:
        """Return the cash and the bonus that a bet, or the captures of a reserve, took.

        What was captured is split as the reserve was, bonus rounded down.
        """
        if self.kind != "RESERVE":
            return -self.cash, -self.bonus
        captured = self.captured()
        bonus = int(Fraction(captured * -self.bonus, self.amount)) if captured else 0
        return captured - bonus, bonus


@dataclass(eq=False)
class RoundRows:
    """Hold the rows of one round in order."""

    currency: str
    rows: list[Row] = field(default_factory=list)
    is_closed: bool = False
    # The last row of the call that closed it.
    closer: Row | None = None
    # The rollbacks of the whole round that stand.
    cancellers: list[Row] = field(default_factory=list)

    def close(self, row: Row) -> None:
        """Close the round by a call, unless it is closed."""
        if not self.is_closed:
            self.is_closed, self.closer = True, row

    def stakes(self) -> list[Row]:
        """Return the bets that count, rolled back ones too."""
        bets = [row for row in self.rows if row.kind == "BET" and not row.is_tip]
        return bets + [row for row in self.rows if row.captures]

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
        if self.cancellers or (self.stakes() and not self.standing()):
            return "CANCELLED"
        return "CLOSED" if self.is_closed else "OPEN"

    def adjustments(self) -> list[Row]:
        """Return the adjustments."""
        return [row for row in self.rows if row.kind == "ADJUST"]

    def is_adjusted(self, row: Row) -> bool:
        """Say whether an adjustment after a row corrects it, or several at once."""
        later = self.rows[self.rows.index(row) + 1 :]
        return any(
            len(each.corrects) > 1 or row in each.corrects
            for each in later
            if each.kind == "ADJUST"
        )

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


class Ledger:
    """Keep wallets, ids and rounds, and what bets are judged by."""

    def __init__(self) -> None:
        self.wallets: dict[tuple[str, str], list[int]] = {}
        self.ids: dict[tuple[str, str, str, str], Row] = {}
        # Who has an id among all players of an integration, and for what.
        self.claims: dict[tuple[str, str, str], tuple[str, str]] = {}
        self.rounds: dict[tuple[str, str, str], RoundRows] = {}
        # Player, kind, period, currency and origin to a limit.
        self.limits: dict[tuple[str, ...], Any] = {}
        self.units = 0
        self.status = dict.fromkeys(PLAYERS, "ACTIVE")
        self.enabled = dict.fromkeys(GAMES, True)
        self.in_maintenance = dict.fromkeys(GAMES, False)
        self.blocks = dict.fromkeys(PLAYERS, 0)
        # Currencies that players have beside that of the account.
        self.opened: set[tuple[str, str]] = set()
        self.rules = {
            name: named(
                {
                    "bet_needs_session": 1 + needs,
                    "ids_per_kind": 1 + (name in SEPARATING),
                }
            )
            for name, needs in INTEGRATIONS.items()
        }
        # A rule that is no default counts as the first change.
        self.versions = {name: int(needs) for name, needs in INTEGRATIONS.items()}
        # Which values of which rules decided something.
        self.reached: set[tuple[str, str]] = set()
        self.over = {digest: meets for digest, (*_, meets) in SESSIONS.items()}
        for player_id, (_, currency) in PLAYERS.items():
            self.wallets[player_id, currency] = [CASH, BONUS, 2, 0]

    def _rule(self, command: Any, name: str) -> str:
        """Return a rule of the calling integration, where something hangs on it."""
        value = self.rules[GAME_KEYS[command.key_id][0]][name]
        self.reached.add((name, value))
        return value

    # Who, what, how much.

    def _player(self, command: Any) -> str:
        if command.key_id not in GAME_KEYS:
            raise RefusedError("KEY_INVALID")
        _, operators = GAME_KEYS[command.key_id]
        brand, _ = PLAYERS.get(command.player_id, ("", ""))
        if BRANDS.get(brand) not in operators:
            raise RefusedError("PLAYER_NOT_FOUND", player_id=command.player_id)
        return str(command.player_id)

    def _amount(self, sent: Any, field_name: str) -> int:
        scale = SCALES.get(sent.currency_code)
        if scale is None:
            raise RefusedError("CURRENCY_NOT_FOUND", currency_code=sent.currency_code)
        return self._exact(sent, scale, field_name)

    def _exact(self, sent: Any, scale: int, field_name: str) -> int:
        """Write an amount at the ledger scale, or refuse it."""
        if sent.amount < 0:
            problem = "must not be negative"
            raise RefusedError("AMOUNT_OUT_OF_RANGE", field=field_name, problem=problem)
        exact = Fraction(sent.amount) * Fraction(10) ** (scale - sent.scale)
        if sent.scale < 0 or exact.denominator != 1:
            raise RefusedError(
                "SCALE_MISMATCH",
                field=field_name,
                currency_code=sent.currency_code,
                ledger_scale=str(scale),
                sent_scale="missing" if sent.scale < 0 else str(sent.scale),
            )
        if exact > MAX:
            problem = "leaves 64 bits at the ledger scale"
            raise RefusedError("AMOUNT_OUT_OF_RANGE", field=field_name, problem=problem)
        return int(exact)

    def _win_amount(self, win: Win, path: str) -> int:
        left = amount = self._amount(win, f"{path}amount")
        inside = f"{path}win." if path else ""
        for index, jackpot in enumerate(win.jackpot_wins):
            if jackpot.currency_code != win.currency_code:
                raise RefusedError(
                    "CURRENCY_MISMATCH",
                    expected=win.currency_code,
                    sent=jackpot.currency_code,
                )
            name = f"{inside}jackpot_wins[{index}].amount"
            left -= self._amount(jackpot, name)
        if left < 0:
            problem = "sum up to more than the amount"
            raise RefusedError(
                "INVALID_FIELD", field=f"{inside}jackpot_wins", problem=problem
            )
        return amount

    def _game(self, command: Any) -> None:
        if command.game_id not in GAMES:
            raise RefusedError("GAME_NOT_FOUND", game_id=command.game_id)

    def _wallet(self, player_id: str, currency: str) -> list[int]:
        return self.wallets.setdefault((player_id, currency), [0, 0, 0, 0])

    def _account_currency(
        self, player_id: str, currency: str, *, is_state: bool
    ) -> None:
        own = PLAYERS[player_id][1]
        is_open = (player_id, currency) in self.opened
        if currency != own and not is_open and not self._wallet(player_id, currency)[2]:
            raise RefusedError(
                "CURRENCY_MISMATCH", is_state=is_state, expected=own, sent=currency
            )

    # Moving.

    def _count(self, player_id: str, row: Row) -> None:
        """Count a row against the limits of its player."""

    def _post(self, player_id: str, row: Row) -> None:
        self._count(player_id, row)
        wallet = self._wallet(player_id, row.currency)
        wallet[0] += row.cash
        wallet[1] += row.bonus
        wallet[2] += bool(row.cash or row.bonus or row.reserved)
        wallet[3] += row.reserved
        row.after = tuple(wallet)

    def _put(self, command: Any, space: str, transaction_id: str, row: Row) -> Row:
        row.transaction_id = transaction_id
        row.integration = integration = GAME_KEYS[command.key_id][0]
        self._post(command.player_id, row)
        self.ids[space, integration, command.player_id, transaction_id] = row
        if self._rule(command, "id_scope") == "INTEGRATION":
            # A rollback that takes the id of an unknown original may name its kind.
            kind = "" if row.kind == "UNSPECIFIED" else row.kind
            claim = (command.player_id, kind)
            self.claims.setdefault((space, integration, transaction_id), claim)
        return row

    def _judge_claims(self, command: Any) -> None:
        """Let a call pass whose ids are no other player's."""
        if command.key_id not in GAME_KEYS:
            return
        if self._rule(command, "id_scope") == "PLAYER":
            return
        self._player(command)
        own, named = names_of(command)
        own = [
            (self._space_of(command, kind) if space == MOVE else space, id_, kind)
            for space, id_, kind in own
        ]
        if any(self._find(command, space, id_) for space, id_, _ in own):
            return
        integration = GAME_KEYS[command.key_id][0]
        for space, id_, kind in own:
            player_id, other = self.claims.get((space, integration, id_), ("", ""))
            if player_id not in ("", command.player_id):
                is_same = space == REVERSE or other in ("", kind)
                name = "player_id" if is_same else "kind"
                raise self._mismatch(id_, name)
        for kind, id_ in named:
            space = self._space_of(command, kind)
            player_id, _ = self.claims.get((space, integration, id_), ("", ""))
            is_own = self._find(command, space, id_) is not None
            if player_id not in ("", command.player_id) and not is_own:
                raise RefusedError("REFERENCE_MISMATCH", field="player_id")

    def _space_of(self, command: Any, kind: str) -> str:
        """Return where the ids of a kind of move are."""
        is_apart = self._rule(command, "ids_per_kind") == "SEPARATE"
        return kind if is_apart and kind in {"WIN", "AWARD", "ADJUST"} else MOVE

    def _space(self, command: Any, move: Any) -> str:
        """Return where the id of a move of a command is."""
        return self._space_of(command, type(move).__name__.upper())

    def _find(self, command: Any, space: str, transaction_id: str) -> Row | None:
        integration = GAME_KEYS[command.key_id][0]
        return self.ids.get((space, integration, command.player_id, transaction_id))

    def _receipt(
        self, player_id: str, row: Row, *, replayed: bool = False
    ) -> dict[str, Any]:
        wallet = self._wallet(player_id, row.currency)
        return {
            "cash": row.cash,
            "bonus": row.bonus,
            "after": row.after,
            "current": tuple(wallet),
            "replayed": replayed,
            "tombstone": row.state == "TOMBSTONE",
        }

    # Retries.

    def _mismatch(self, transaction_id: str, name: str) -> RefusedError:
        return RefusedError(
            "TRANSACTION_MISMATCH", transaction_id=transaction_id, field=name
        )

    def _compare(self, sent: Any, amount: int, row: Row, *, in_play: bool) -> None:
        """Refuse a retry that differs from what is stored, or that came too late."""
        if row.state == "TOMBSTONE":
            raise RefusedError("ALREADY_ROLLED_BACK")
        kind = type(sent).__name__.upper()
        if isinstance(sent, Award):
            kind += str(sent.kind)
        pairs = {
            "kind": ((kind, in_play), (row.kind + row.reference * (row.kind == "AWARD"),
                                       bool(row.unit))),
            "currency_code": (sent.currency_code, row.currency),
            "amount": (amount, row.amount),
            "round_id": (sent.round_id, row.round_id),
            "bet_transaction_id": (
                getattr(sent, "bet_transaction_id", ""),
                row.reference if row.kind == "WIN" else "",
            ),
            "reserve_transaction_id": (
                getattr(sent, "reserve_transaction_id", ""),
                row.reference if row.kind == "CAPTURE" else "",
            ),
            "game_id": (sent.game_id, row.game_id),
            "campaign_id": (getattr(sent, "campaign_id", ""), row.campaign_id),
        }  # fmt: skip
        for name, (now, then) in pairs.items():
            if now != then:
                raise self._mismatch(sent.transaction_id, name)

    def _again(self, player_id: str, row: Row) -> dict[str, Any]:
        """Answer as the first time, with the balance of now."""
        if row.refusal is not None:
            reason, metadata = row.refusal
            is_money = reason in MONEY_REASONS
            shows = (player_id, row.currency) if is_money else None
            raise RefusedError(reason, shows=shows, **metadata)
        return self._receipt(player_id, row, replayed=True)

    def _remember(self, command: Any, refusal: RefusedError) -> None:
        """Store a refusal under the ids of a bet, or of all actions of a play."""
        actions = command.actions if isinstance(command, Play) else (command,)
        if isinstance(command, Play):
            self.units += 1
        for place, action in enumerate(actions):
            row = self._row(action, self._amount(action, ""))
            row.state, row.refusal = "REFUSED", (refusal.reason, refusal.metadata)
            if isinstance(command, Play):
                row.unit, row.place, row.size = self.units, place, len(actions)
            space = self._space(command, action)
            self._put(command, space, action.transaction_id, row)

    def _row(self, sent: Bet | Win | Award, amount: int) -> Row:
        return Row(
            kind=type(sent).__name__.upper(),
            state="POSTED",
            currency=sent.currency_code,
            amount=amount,
            game_id=sent.game_id,
            round_id=sent.round_id,
            reference=getattr(sent, "bet_transaction_id", ""),
            campaign_id=getattr(sent, "campaign_id", ""),
            is_tip=isinstance(sent, Bet) and sent.kind == BetKind.TIP,
        )

    # Rounds.

    def _round_currency(self, round_: RoundRows, sent: str) -> None:
        if round_.currency != sent:
            raise RefusedError(
                "CURRENCY_MISMATCH", is_state=True, expected=round_.currency, sent=sent
            )

    def _close_if(self, command: Any, row: Row) -> None:
        if command.round_closed and command.round_id:
            key = (command.player_id, command.game_id, command.round_id)
            self.rounds[key].close(row)

    def _judge_range(self, command: Any, round_: RoundRows | None, amount: int) -> None:
        cash, bonus, _, reserved = self._wallet(
            command.player_id, command.currency_code
        )
        won = round_.won() if round_ is not None else 0
        if max(cash + bonus + reserved, won) + amount > MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE", is_state=True)
