"""Say what a win and an award have to answer."""

from fractions import Fraction
from typing import Any

from tests.simulation.ledger import Ledger, RefusedError, RoundRows, Row
from tests.simulation.names import MOVE

from cage.core.wallet import Award, Win


class Wins(Ledger):
    """Answer what brings money to a player."""

    def _Win(self, win: Win) -> dict[str, Any]:  # noqa: N802 - named after the call
        player_id = self._player(win)
        amount = self._win_amount(win, "")
        row = self._find(win, self._space(win, win), win.transaction_id)
        if row is not None:
            self._compare(win, amount, row, in_play=False)
            return self._again(player_id, row)
        self._judge_form(win, "")
        self._game(win)
        try:
            row = self._win(win, amount)
        except RefusedError as refusal:
            refusal.is_state = False
            raise
        self._put(win, self._space(win, win), win.transaction_id, row)
        self._close_if(win, row)
        return self._receipt(player_id, row)

    def _judge_form(self, win: Win, path: str) -> None:
        """Let a win name a bet, or only its round, as the rules have it."""
        settlement = self._rule(win, "settlement")
        if settlement == "BET" and not win.bet_transaction_id:
            problem = "is required by the rules"
        elif settlement == "ROUND" and win.bet_transaction_id:
            problem = "must be empty by the rules"
        else:
            return
        name = f"{path}bet_transaction_id"
        raise RefusedError("INVALID_FIELD", field=name, problem=problem)

    def _win(self, win: Win, amount: int) -> Row:
        """Judge and credit one win, split as its stake was."""
        key = (win.player_id, win.game_id, win.round_id)
        round_ = self.rounds.get(key)
        bet = None
        if win.bet_transaction_id:
            bet = self._bet_of(win)
        elif round_ is None or not (round_.stakes() or round_.cancellers):
            self._without_bet(win)
        if round_ is None:
            self._account_currency(win.player_id, win.currency_code, is_state=True)
        else:
            self._round_currency(round_, win.currency_code)
            self._judge_past(win, round_, bet)
        row = self._row(win, amount)
        row.bet = bet
        row.bonus = self._bonus_part(win, amount, round_, bet)
        row.cash = amount - row.bonus
        self._judge_range(win, round_, amount)
        new = RoundRows(win.currency_code)
        self.rounds.setdefault(key, new).rows.append(row)
        return row

    def _bonus_part(
        self, win: Win, amount: int, round_: RoundRows | None, bet: Row | None
    ) -> int:
        """Return what of a win is bonus: as in its stake, nothing without one."""
        stakes = [] if bet is None else [bet]
        if round_ is not None and not win.bet_transaction_id:
            stakes = round_.standing()
        if bet is not None:
            parts = [(-bet.cash, -bet.bonus)]
        else:
            parts = [stake.taken() for stake in stakes]
        bonus = sum(part[1] for part in parts)
        staked = sum(part[0] for part in parts) + bonus
        return int(Fraction(amount * bonus, staked)) if bonus > 0 else 0

    def _bet_of(self, win: Win) -> Row | None:
        """Return the bet that a win names; None where the rules do without it."""
        bet = self._find(win, MOVE, win.bet_transaction_id)
        if bet is None or bet.state == "REFUSED":
            self._without_bet(win)
            return None
        if bet.state == "TOMBSTONE":
            self._after_rollback(win)
            return None
        for name, fits in (
            ("kind", bet.kind in {"BET", "RESERVE"} and not bet.is_tip),
            ("round_id", bet.round_id == win.round_id),
            ("game_id", bet.game_id == win.game_id),
        ):
            if not fits:
                raise RefusedError("REFERENCE_MISMATCH", field=name)
        if bet.kind == "RESERVE" and not bet.captures:
            if bet.release is None:
                self._without_bet(win)
            else:
                self._after_rollback(win)
            return None
        return bet

    def _without_bet(self, win: Win) -> None:
        if self._rule(win, "win_without_bet") == "REFUSE":
            raise RefusedError("BET_NOT_FOUND")

    def _after_rollback(self, win: Win) -> None:
        if self._rule(win, "win_after_rollback") == "REFUSE":
            raise RefusedError("ALREADY_ROLLED_BACK")

    def _judge_past(self, win: Win, round_: RoundRows, bet: Row | None) -> None:
        """Let a win pass a rollback, the close of its round and another win."""
        if bet is not None:
            is_gone = bet.rolled_back
        else:
            is_gone = not win.bet_transaction_id and round_.state() == "CANCELLED"
        if is_gone:
            self._after_rollback(win)
        if round_.is_closed and self._rule(win, "late_win") == "REFUSE":
            shows = (win.player_id, win.currency_code)
            raise RefusedError("ROUND_CLOSED", shows=shows)
        if round_.has_win(bet) and self._rule(win, "wins_per_bet") == "ONE":
            raise RefusedError("ALREADY_SETTLED")

    def _Award(self, award: Award) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(award)
        amount = self._amount(award, "amount")
        row = self._find(award, self._space(award, award), award.transaction_id)
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
        self._put(award, self._space(award, award), award.transaction_id, row)
        self._close_if(award, row)
        return self._receipt(player_id, row)
