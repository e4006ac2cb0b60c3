"""Say what a reserve and its captures have to answer."""

from typing import Any

from tests.simulation.ledger import MAX, Ledger, RefusedError, Row
from tests.simulation.ledger import RoundRows as Rows
from tests.simulation.names import CAPTURE, MOVE

from cage.core.reservation import Capture, Reserve


class Reserves(Ledger):
    """Answer what sets a stake aside and takes it."""

    def _Reserve(self, sent: Reserve) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(sent)
        amount = self._amount(sent, "amount")
        row = self._find(sent, MOVE, sent.transaction_id)
        if row is not None:
            self._compare(sent, amount, row, in_play=False)
            return self._again(player_id, row)
        self._game(sent)
        self._enter(sent, sent.currency_code)  # type: ignore[attr-defined]
        row = self._row(sent, amount)
        self._set_aside(sent, row)
        self._put(sent, MOVE, sent.transaction_id, row)
        return self._receipt(player_id, row)

    def _set_aside(self, sent: Reserve, row: Row) -> None:
        """Judge a reserve as the bet that it is, and split it, cash before bonus."""
        key = (sent.player_id, sent.game_id, sent.round_id)
        round_ = self.rounds.get(key)
        if round_ is not None:
            if round_.cancellers:
                raise RefusedError("ALREADY_ROLLED_BACK", is_state=True)
            if round_.is_closed:
                shows = (sent.player_id, sent.currency_code)
                raise RefusedError("ROUND_CLOSED", is_state=True, shows=shows)
            self._round_currency(round_, sent.currency_code)
        self._judge_limits(sent, row.amount)  # type: ignore[attr-defined]
        shows = (sent.player_id, sent.currency_code)
        cash, bonus, *_ = self._wallet(*shows)
        if row.amount > max(cash, 0) + max(bonus, 0):
            raise RefusedError("INSUFFICIENT_FUNDS", is_state=True, shows=shows)
        if self._staked(round_) + row.amount > MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE", is_state=True)
        row.cash = -min(row.amount, max(cash, 0))
        row.bonus = -row.amount - row.cash
        row.reserved = row.amount
        row.is_due = sent.life_us < 0
        self.rounds.setdefault(key, Rows(sent.currency_code)).rows.append(row)

    def _staked(self, round_: Rows | None) -> int:
        return sum(sum(each.taken()) for each in round_.standing()) if round_ else 0

    def _Capture(self, sent: Capture) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(sent)
        amount = self._amount(sent, "amount")
        earlier = self._find(sent, CAPTURE, sent.transaction_id)
        if earlier is not None:
            self._compare(sent, amount, earlier, in_play=False)
            return self._receipt(player_id, earlier, replayed=True)
        self._game(sent)
        reserve = self._reserve_of(sent)
        round_ = self.rounds[player_id, sent.game_id, sent.round_id]
        self._judge_capture(sent, reserve, round_, amount)
        row = self._row(sent, amount)
        row.reference = sent.reserve_transaction_id
        row.reserved = -amount
        reserve.captures.append(row)
        round_.rows.append(row)
        self._put(sent, CAPTURE, sent.transaction_id, row)
        self._close_if(sent, row)
        return self._receipt(player_id, row)

    def _reserve_of(self, sent: Capture) -> Row:
        """Return the reserve that a capture names, which has to fit."""
        reserve = self._find(sent, MOVE, sent.reserve_transaction_id)
        if reserve is None or reserve.state == "REFUSED":
            raise RefusedError("RESERVE_NOT_FOUND")
        if reserve.state == "TOMBSTONE":
            raise RefusedError("RESERVE_RELEASED")
        for name, fits in (
            ("kind", reserve.kind == "RESERVE"),
            ("round_id", reserve.round_id == sent.round_id),
            ("game_id", reserve.game_id == sent.game_id),
        ):
            if not fits:
                raise RefusedError("REFERENCE_MISMATCH", field=name)
        if reserve.currency != sent.currency_code:
            raise RefusedError(
                "CURRENCY_MISMATCH", expected=reserve.currency, sent=sent.currency_code
            )
        return reserve

    def _judge_capture(
        self, sent: Capture, reserve: Row, round_: Rows, amount: int
    ) -> None:
        """Let a capture pass that its reserve and its round still bear."""
        if reserve.release is not None:
            is_own = not reserve.release.is_due
            raise RefusedError("RESERVE_RELEASED" if is_own else "RESERVE_EXPIRED")
        if round_.is_closed:
            shows = (sent.player_id, reserve.currency)
            raise RefusedError("ROUND_CLOSED", shows=shows)
        left = reserve.amount - reserve.captured()
        if amount > left:
            raise RefusedError("RESERVE_EXCEEDED", left=str(left))
        if self._staked(round_) + amount > MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE")
