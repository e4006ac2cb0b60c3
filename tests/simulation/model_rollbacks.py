"""Say what a rollback has to answer."""

from typing import Any

from tests.simulation.deployment import PLAYERS, SCALES
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

from cage.core.wallet import Kind, Rollback


class Rollbacks(Ledger):
    """Answer what takes a transaction back."""

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
            receipt = self._receipt(player_id, answers, replayed=True)
            return self._judge_unknown(sent, receipt)
        if sent.original_kind == Kind.ROLLBACK:
            raise RefusedError("ROLLBACK_NOT_ALLOWED")
        if original is None:
            return self._judge_unknown(sent, self._tombstone(player_id, sent))
        if original.state == "TOMBSTONE":
            receipt = self._alias(player_id, sent, original, original.stands_for)
            return self._judge_unknown(sent, receipt)
        if sent.original_kind and Kind(sent.original_kind).name != original.kind:
            raise RefusedError("REFERENCE_MISMATCH", field="kind")
        if original.state == "REFUSED":
            return self._alias(player_id, sent, original, None)
        self._judge_amount(sent, original)
        if original.kind == "RESERVE":
            return self._release(player_id, sent, original)
        return self._reverse(player_id, sent, original)

    def _release(self, player_id: str, sent: Rollback, reserve: Row) -> dict[str, Any]:
        """Give the rest of a reserve back, once."""
        if reserve.captures and not sent.releases:
            raise RefusedError("ROLLBACK_NOT_ALLOWED")
        first = reserve.release
        if first is not None:
            if not first.is_due:
                self._judge_second(sent)
            return self._alias(player_id, sent, reserve, first)
        row = self._give_back(player_id, reserve)
        row.reference = sent.original_id
        self._put(sent, REVERSE, sent.transaction_id, row)
        if sent.round_closed:
            key = (player_id, reserve.game_id, reserve.round_id)
            self.rounds[key].close(row)
        return self._receipt(player_id, row)

    def _give_back(self, player_id: str, reserve: Row) -> Row:
        cash, bonus = reserve.taken()
        row = Row("RELEASE", "POSTED", currency=reserve.currency)
        row.cash, row.bonus = -reserve.cash - cash, -reserve.bonus - bonus
        row.reserved = -row.cash - row.bonus
        reserve.release = row
        key = (player_id, reserve.game_id, reserve.round_id)
        self.rounds[key].rows.append(row)
        return row

    def expire(self, player_id: str, integration: str, name: str) -> bool:
        """Release a reserve whose life is over; say whether it was open."""
        reserve = self.ids[MOVE, integration, player_id, name]
        is_spent = bool(reserve.amount) and reserve.captured() == reserve.amount
        if not reserve.is_due or reserve.release is not None or is_spent:
            return False
        row = self._give_back(player_id, reserve)
        row.is_due = True
        self._post(player_id, row)
        return True

    def _judge_unknown(self, sent: Rollback, receipt: dict[str, Any]) -> dict[str, Any]:
        """Answer with a tombstone, which stands, or refuse where the rules do."""
        if receipt["tombstone"] and self._rule(sent, "unknown_rollback") == "REFUSE":
            name = sent.original_id
            raise RefusedError("TRANSACTION_NOT_FOUND", transaction_id=name)
        return receipt

    def _judge_second(self, sent: Rollback) -> None:
        if self._rule(sent, "second_rollback") == "REFUSE":
            raise RefusedError("ALREADY_ROLLED_BACK")

    def _judge_amount(self, sent: Rollback, original: Row) -> None:
        """Compare the amount, if any part of one was sent, with the original's."""
        if (sent.currency_code, sent.amount, sent.scale) == ("", 0, -1):
            return
        try:
            amount = self._exact(sent, SCALES[original.currency], "amount")
        except RefusedError:
            amount = -1
        if (sent.currency_code, amount) == (original.currency, original.amount):
            return
        if self._rule(sent, "rollback_amount") == "MATCH":
            raise RefusedError("REFERENCE_MISMATCH", field="amount")

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
        """Take every part of a transaction, or of a whole play, back."""
        key = (player_id, original.game_id, original.round_id)
        round_ = self.rounds.get(key, RoundRows(""))
        unit = [
            row
            for row in round_.rows
            if row is original or (original.unit and row.unit == original.unit)
        ]
        wins = self._judge_wins(sent, unit)
        for row in self.ids.values():
            if any(each is original for each in row.reversed_rows):
                self._judge_second(sent)
                return self._alias(player_id, sent, original, row)
        self._judge_round(sent, round_, unit)
        cash, bonus, _, reserved = self._wallet(player_id, original.currency)
        row = Row(
            "ROLLBACK", "POSTED", currency=original.currency, reference=sent.original_id
        )
        row.cash = -sum(each.cash for each in unit)
        row.bonus = -sum(each.bonus for each in unit)
        if wins and (cash + row.cash < 0 or bonus + row.bonus < 0):
            self.reached.add(("spent", wins))
            if wins == "NO_OP":
                return self._alias(player_id, sent, original, None)
        total = cash + bonus + row.cash + row.bonus
        least, most = min(cash + row.cash, total), max(cash + row.cash, total)
        if not MIN <= least <= max(most, total + reserved) <= MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE")
        row.reversed_rows = unit
        for each in unit:
            each.rolled_back = True
        self._put(sent, REVERSE, sent.transaction_id, row)
        if sent.round_closed:
            round_.close(row)
        return self._receipt(player_id, row)

    def _judge_wins(self, sent: Rollback, unit: list[Row]) -> str:
        """Return the rule of wins where nothing else is rolled back."""
        if any(row.kind == "BET" for row in unit):
            return ""
        rule = self._rule(sent, "win_rollback")
        # An award outside of any round is in no unit: it is never rolled back.
        if rule == "REJECT" or not unit or unit[0].kind == "ADJUST":
            raise RefusedError("ROLLBACK_NOT_ALLOWED")
        return rule

    def _judge_round(self, sent: Rollback, round_: RoundRows, unit: list[Row]) -> None:
        """Let a rollback pass the wins and the close that came after its bets."""
        bets = [row for row in unit if row.kind == "BET"]
        is_settled = any(round_.is_settled(bet) for bet in bets)
        is_settled = is_settled or any(round_.is_adjusted(row) for row in unit)
        if is_settled and self._rule(sent, "settled_rollback") == "REFUSE":
            raise RefusedError("ALREADY_SETTLED")
        closer = round_.closer
        is_own = closer in unit and (closer.unit or closer.kind == "BET")
        if not round_.is_closed or is_own:
            return
        if self._rule(sent, "late_rollback") == "REFUSE":
            raise RefusedError("ROUND_CLOSED")
