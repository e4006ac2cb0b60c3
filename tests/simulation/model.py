"""Say what the wallet has to answer, from the comments of its contract alone.

It shares the command values with the engine, and no rule.
"""

import copy
from fractions import Fraction
from typing import Any

from tests.simulation.deployment import GAME_KEYS, PLAYERS, SCALES, SESSIONS
from tests.simulation.ledger import (
    MAX,
    MIN,
    MOVE,
    REVERSE,
    Ledger,
    RefusedError,
    RoundRows,
    Row,
)

from cage.core.admin import UpdateGame, UpdateIntegration
from cage.core.player import SetPlayerStatus
from cage.core.session import EndSession
from cage.core.wallet import (
    Award,
    Bet,
    CloseRound,
    GetBalance,
    Kind,
    Play,
    Rollback,
    Win,
)


class Model(Ledger):
    """Answer commands from what was answered before."""

    def apply(self, command: Any) -> Any:
        """Return the answer to a command: a dictionary, or the refusal."""
        # Only a play may move something before it is refused.
        before = copy.deepcopy(self.__dict__) if isinstance(command, Play) else None
        try:
            return getattr(self, f"_{type(command).__name__}")(command)
        except RefusedError as refusal:
            self.__dict__ = before or self.__dict__
            if refusal.is_state:
                self._remember(command, refusal)
            shown = None
            if refusal.shows is not None:
                shown = tuple(self.wallets[refusal.shows])
            return ("refused", refusal.reason, refusal.metadata, shown)

    def _Bet(self, bet: Bet) -> dict[str, Any]:  # noqa: N802 - named after the call
        player_id = self._player(bet)
        amount = self._amount(bet, "amount")
        row = self._find(bet, MOVE, bet.transaction_id)
        if row is not None:
            self._compare(bet, amount, row, in_play=False)
            return self._again(player_id, row)
        self._game(bet)
        self._enter(bet, bet.currency_code)
        row = self._bet(bet, amount)
        self._put(bet, MOVE, bet.transaction_id, row)
        self._close_if(bet)
        return self._receipt(player_id, row)

    def _enter(self, command: Bet | Play, currency: str) -> None:
        """Let a call with a bet pass session, currency, switches and status."""
        player_id, integration = command.player_id, GAME_KEYS[command.key_id][0]
        digest = command.session_digest
        if digest:
            owner = SESSIONS.get(digest, ("",) * 4)[:2]
            if owner != (player_id, command.game_id) or integration != "hub":
                raise RefusedError("SESSION_NOT_FOUND", is_state=True)
            if self.over[digest]:
                raise RefusedError(self.over[digest], is_state=True)
            expected = SESSIONS[digest][2]
            if currency != expected:
                raise RefusedError(
                    "CURRENCY_MISMATCH", is_state=True, expected=expected, sent=currency
                )
        elif self.needs_session[integration]:
            raise RefusedError("SESSION_REQUIRED", is_state=True)
        self._account_currency(player_id, currency, is_state=True)
        if not self.enabled[command.game_id]:
            raise RefusedError(
                "GAME_UNAVAILABLE", is_state=True, game_id=command.game_id, by="game"
            )
        status = self.status[player_id]
        if status == "PENDING_VERIFICATION":
            raise RefusedError("KYC_REQUIRED", is_state=True)
        if status != "ACTIVE":
            raise RefusedError("PLAYER_BLOCKED", is_state=True, status=status)

    def _bet(self, bet: Bet, amount: int) -> Row:
        """Judge and debit one bet, cash before bonus."""
        key = (bet.player_id, bet.game_id, bet.round_id)
        round_ = self.rounds.get(key)
        if round_ is not None:
            if round_.is_closed:
                raise RefusedError("ROUND_CLOSED", is_state=True)
            self._round_currency(round_, bet.currency_code)
        if bet.campaign_id:
            raise RefusedError(
                "FREE_ROUNDS_UNAVAILABLE", is_state=True, campaign_id=bet.campaign_id
            )
        cash, bonus, _ = self._wallet(bet.player_id, bet.currency_code)
        if amount > max(cash, 0) + max(bonus, 0):
            shows = (bet.player_id, bet.currency_code)
            raise RefusedError("INSUFFICIENT_FUNDS", is_state=True, shows=shows)
        row = self._row(bet, amount)
        row.cash = -min(amount, max(cash, 0))
        row.bonus = -amount - row.cash
        staked = sum(each.amount for each in round_.standing()) if round_ else 0
        if staked + amount > MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE", is_state=True)
        new = RoundRows(bet.currency_code)
        self.rounds.setdefault(key, new).rows.append(row)
        return row

    def _round_currency(self, round_: RoundRows, sent: str) -> None:
        if round_.currency != sent:
            raise RefusedError(
                "CURRENCY_MISMATCH", is_state=True, expected=round_.currency, sent=sent
            )

    def _close_if(self, command: Any) -> None:
        if command.round_closed and command.round_id:
            key = (command.player_id, command.game_id, command.round_id)
            self.rounds[key].is_closed = True

    def _Win(self, win: Win) -> dict[str, Any]:  # noqa: N802 - named after the call
        player_id = self._player(win)
        amount = self._win_amount(win, "")
        row = self._find(win, MOVE, win.transaction_id)
        if row is not None:
            self._compare(win, amount, row, in_play=False)
            return self._again(player_id, row)
        self._game(win)
        try:
            row = self._win(win, amount)
        except RefusedError as refusal:
            refusal.is_state = False
            raise
        self._put(win, MOVE, win.transaction_id, row)
        self._close_if(win)
        return self._receipt(player_id, row)

    def _win(self, win: Win, amount: int) -> Row:
        """Judge and credit one win, split as its stake was."""
        round_ = self.rounds.get((win.player_id, win.game_id, win.round_id))
        if win.bet_transaction_id:
            stakes = [self._bet_of(win, round_)]
        else:
            if round_ is None or not round_.stakes():
                raise RefusedError("BET_NOT_FOUND", is_state=True)
            self._round_currency(round_, win.currency_code)
            if round_.state() == "CANCELLED":
                raise RefusedError("ALREADY_ROLLED_BACK", is_state=True)
            stakes = round_.standing()
        cash = -sum(stake.cash for stake in stakes)
        bonus = -sum(stake.bonus for stake in stakes)
        row = self._row(win, amount)
        row.bonus = int(Fraction(amount * bonus, cash + bonus)) if bonus > 0 else 0
        row.cash = amount - row.bonus
        self._judge_range(win, round_, amount)
        self.rounds[win.player_id, win.game_id, win.round_id].rows.append(row)
        return row

    def _bet_of(self, win: Win, round_: RoundRows | None) -> Row:
        """Return the bet that a win names."""
        bet = self._find(win, MOVE, win.bet_transaction_id)
        if bet is None or bet.state == "REFUSED":
            raise RefusedError("BET_NOT_FOUND", is_state=True)
        if bet.state == "TOMBSTONE":
            raise RefusedError("ALREADY_ROLLED_BACK", is_state=True)
        for name, fits in (
            ("kind", bet.kind == "BET" and not bet.is_tip),
            ("round_id", bet.round_id == win.round_id),
            ("game_id", bet.game_id == win.game_id),
        ):
            if not fits:
                raise RefusedError("REFERENCE_MISMATCH", is_state=True, field=name)
        if round_ is None:
            raise AssertionError("a bet that stands has a round")
        self._round_currency(round_, win.currency_code)
        if bet.rolled_back:
            raise RefusedError("ALREADY_ROLLED_BACK", is_state=True)
        return bet

    def _judge_range(self, command: Any, round_: RoundRows | None, amount: int) -> None:
        cash, bonus, _ = self._wallet(command.player_id, command.currency_code)
        won = round_.won() if round_ is not None else 0
        if max(cash + bonus, won) + amount > MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE", is_state=True)

    def _Play(self, play: Play) -> dict[str, Any]:  # noqa: N802 - named after the call
        if not play.actions:
            closed = self._CloseRound(play)
            return {"receipts": [], "current": None, "replayed": closed["replayed"]}
        player_id = self._player(play)
        amounts = self._amounts(play)
        rows = [self._find(play, MOVE, each.transaction_id) for each in play.actions]
        if any(row is not None for row in rows):
            return self._again_play(player_id, play, amounts, rows)
        self._game(play)
        has_bet = any(isinstance(each, Bet) for each in play.actions)
        try:
            receipts = self._act(player_id, play, amounts, has_bet=has_bet)
        except RefusedError as refusal:
            refusal.is_state = has_bet
            raise
        self._close_if(play)
        return self._play_answer(receipts, replayed=False)

    def _play_answer(
        self, receipts: list[dict[str, Any]], *, replayed: bool
    ) -> dict[str, Any]:
        current = receipts[-1]["current"]
        for receipt in receipts:
            receipt["current"] = current
        return {"receipts": receipts, "current": current, "replayed": replayed}

    def _amounts(self, play: Play) -> list[int]:
        amounts = []
        for index, each in enumerate(play.actions):
            path = f"actions[{index}]."
            if isinstance(each, Win):
                amounts.append(self._win_amount(each, path))
            else:
                amounts.append(self._amount(each, f"{path}amount"))
        return amounts

    def _act(
        self, player_id: str, play: Play, amounts: list[int], *, has_bet: bool
    ) -> list[dict[str, Any]]:
        """Apply the actions of a new play in order, as one unit."""
        if has_bet:
            self._enter(play, play.actions[0].currency_code)
        self.units += 1
        receipts = []
        for place, (each, amount) in enumerate(zip(play.actions, amounts, strict=True)):
            judge = self._bet if isinstance(each, Bet) else self._win
            row = judge(each, amount)  # type: ignore[arg-type]
            row.unit, row.place, row.size = self.units, place, len(play.actions)
            self._put(play, MOVE, each.transaction_id, row)
            receipts.append(self._receipt(player_id, row))
        return receipts

    def _again_play(
        self, player_id: str, play: Play, amounts: list[int], rows: list[Row | None]
    ) -> dict[str, Any]:
        """Compare every action of a play with the one unit that it has to be."""
        units = [row.unit for row in rows if row is not None]
        for place, (each, row) in enumerate(zip(play.actions, rows, strict=True)):
            if row is None:
                continue
            self._compare(each, amounts[place], row, in_play=True)
            if (row.unit, row.place, row.size) != (units[0], place, len(rows)):
                raise self._mismatch(each.transaction_id, "actions")
        known = [row for row in rows if row is not None]
        if len(known) < len(rows):
            new = play.actions[rows.index(None)]
            raise self._mismatch(new.transaction_id, "actions")
        receipts = [self._again(player_id, row) for row in known]
        return self._play_answer(receipts, replayed=True)

    def _Rollback(self, sent: Rollback) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(sent)
        original = self._find(sent, MOVE, sent.original_id)
        earlier = self._find(sent, REVERSE, sent.transaction_id)
        if earlier is not None:
            named = self._find(sent, MOVE, earlier.reference)
            in_unit = original and named and original.unit == named.unit != 0
            if sent.original_id != earlier.reference and not in_unit:
                raise self._mismatch(sent.transaction_id, "original")
            answers = earlier.stands_for or earlier
            return self._receipt(player_id, answers, replayed=True)
        if sent.original_kind == Kind.ROLLBACK:
            raise RefusedError("ROLLBACK_NOT_ALLOWED")
        if original is None:
            return self._tombstone(player_id, sent)
        if original.state == "TOMBSTONE":
            return self._alias(player_id, sent, original, original.stands_for)
        if sent.original_kind and Kind(sent.original_kind).name != original.kind:
            raise RefusedError("REFERENCE_MISMATCH", field="kind")
        if original.state == "REFUSED":
            return self._alias(player_id, sent, original, None)
        return self._reverse(player_id, sent, original)

    def _tombstone(self, player_id: str, sent: Rollback) -> dict[str, Any]:
        currency = PLAYERS[player_id][1]
        row = Row(
            "ROLLBACK", "TOMBSTONE", currency=currency, reference=sent.original_id
        )
        self._put(sent, REVERSE, sent.transaction_id, row)
        taken = Row("", "TOMBSTONE", currency=currency, stands_for=row)
        self._put(sent, MOVE, sent.original_id, taken)
        return self._receipt(player_id, row)

    def _alias(
        self, player_id: str, sent: Rollback, original: Row, first: Row | None
    ) -> dict[str, Any]:
        """Store a rollback that moves nothing; answer as the first, if any was."""
        row = Row(
            "ROLLBACK",
            "ALIAS",
            currency=original.currency,
            reference=sent.original_id,
            stands_for=first,
        )
        self._put(sent, REVERSE, sent.transaction_id, row)
        return self._receipt(player_id, first or row, replayed=first is not None)

    def _reverse(self, player_id: str, sent: Rollback, original: Row) -> dict[str, Any]:
        """Give every part of a bet, or of a whole play, back."""
        key = (player_id, original.game_id, original.round_id)
        round_ = self.rounds.get(key, RoundRows(""))
        unit = [
            row
            for row in round_.rows
            if row is original or (original.unit and row.unit == original.unit)
        ]
        bets = [row for row in unit if row.kind == "BET"]
        if not bets:
            raise RefusedError("ROLLBACK_NOT_ALLOWED")
        for row in self.ids.values():
            if any(each is original for each in row.reversed_rows):
                return self._alias(player_id, sent, original, row)
        if any(round_.is_settled(bet) for bet in bets):
            raise RefusedError("ALREADY_SETTLED")
        row = Row(
            "ROLLBACK", "POSTED", currency=original.currency, reference=sent.original_id
        )
        row.cash = -sum(each.cash for each in unit)
        row.bonus = -sum(each.bonus for each in unit)
        row.reversed_rows = unit
        cash, bonus, _ = self._wallet(player_id, original.currency)
        total = cash + bonus + row.cash + row.bonus
        if not MIN <= min(cash + row.cash, total) <= max(cash + row.cash, total) <= MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE")
        for each in unit:
            each.rolled_back = True
        self._put(sent, REVERSE, sent.transaction_id, row)
        if sent.round_closed:
            round_.is_closed = True
        return self._receipt(player_id, row)

    def _CloseRound(self, close: CloseRound | Play) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(close)
        self._game(close)
        key = (player_id, close.game_id, close.round_id)
        round_ = self.rounds.get(key)
        if round_ is None:
            raise RefusedError("ROUND_NOT_FOUND", round_id=close.round_id)
        replayed = round_.is_closed
        if not replayed:
            round_.rows.append(Row("CLOSE", "POSTED"))
            round_.is_closed = True
        return {**self.show(key), "replayed": replayed}

    def show(self, key: tuple[str, str, str]) -> dict[str, Any]:
        """Show the totals of a round."""
        round_ = self.rounds[key]
        rolled_back = [row for row in round_.rows if row.rolled_back]
        return {
            "state": round_.state(),
            "bet_amount": sum(row.amount for row in round_.standing()),
            "win_amount": round_.won(),
            "bet_count": len(round_.stakes()),
            "win_count": len(round_.wins()),
            "rolled_back_count": len(rolled_back),
        }

    def _Award(self, award: Award) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(award)
        amount = self._amount(award, "amount")
        row = self._find(award, MOVE, award.transaction_id)
        if row is not None:
            self._compare(award, amount, row, in_play=False)
            return self._again(player_id, row)
        self._game(award)
        self._account_currency(player_id, award.currency_code, is_state=False)
        row = self._row(award, amount)
        # An award refers to no bet: its kind stands there.
        row.reference = str(int(award.kind))
        row.cash = 0 if award.informational else amount
        key = (player_id, award.game_id, award.round_id)
        try:
            if key in self.rounds:
                self._round_currency(self.rounds[key], award.currency_code)
            self._judge_range(award, self.rounds.get(key), row.cash)
        except RefusedError as refusal:
            refusal.is_state = False
            raise
        if award.round_id:
            new = RoundRows(award.currency_code)
            self.rounds.setdefault(key, new).rows.append(row)
        self._put(award, MOVE, award.transaction_id, row)
        self._close_if(award)
        return self._receipt(player_id, row)

    def _GetBalance(self, read: GetBalance) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(read)
        currency = read.currency_code
        if currency not in SCALES:
            raise RefusedError("CURRENCY_NOT_FOUND", currency_code=currency)
        if read.game_id:
            self._game(read)
        known = {*SESSIONS}
        if read.session_digest:
            digest = read.session_digest
            if digest not in known or SESSIONS[digest][0] != player_id:
                raise RefusedError("SESSION_NOT_FOUND")
        self._account_currency(player_id, currency, is_state=False)
        return {"balance": tuple(self._wallet(player_id, currency))}

    # What bets are judged by.

    def _SetPlayerStatus(self, command: SetPlayerStatus) -> None:  # noqa: N802
        self.status[command.player_id] = command.status.name

    def _UpdateGame(self, command: UpdateGame) -> None:  # noqa: N802
        self.enabled[command.game_id] = command.enabled

    def _UpdateIntegration(self, command: UpdateIntegration) -> None:  # noqa: N802
        self.needs_session[command.integration_id] = command.bet_needs_session

    def _EndSession(self, command: EndSession) -> None:  # noqa: N802
        for digest, (player_id, *_) in SESSIONS.items():
            if player_id == command.player_id and self.over[digest] == "":
                self.over[digest] = "SESSION_ENDED"
