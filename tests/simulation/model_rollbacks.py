"""Say what a rollback has to answer: of one transaction, of a list, of a round."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from tests.simulation.deployment import GAME_KEYS, PLAYERS, SCALES
from tests.simulation.ledger import MAX, MIN, Ledger, RefusedError, RoundRows, Row
from tests.simulation.names import MOVE, PART, REVERSE

from cage.core.wallet import Kind, Rollback, RollbackList, RollbackRound

# What one step of several answers: the row that is stored, and its receipt.
Step = tuple[Row, dict[str, Any]]


class Rollbacks(Ledger):
    """Answer what takes transactions back."""

    def _Rollback(self, sent: Rollback) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(sent)
        earlier = self._find(sent, REVERSE, sent.transaction_id)
        if earlier is None:
            put = (REVERSE, sent.transaction_id)
            _, receipt = self._take(sent, put, sent.original_id, sent.original_kind, [])
            return self._judge_unknown(sent, receipt)
        space = self._space_of(sent, Kind(sent.original_kind).name)
        original = self._find(sent, space, sent.original_id)
        named = self._find(sent, earlier.space, earlier.reference)
        is_same = (space, sent.original_id) == (earlier.space, earlier.reference)
        in_unit = original and named and original.unit == named.unit != 0
        if earlier.span or not (is_same or in_unit):
            raise self._mismatch(sent.transaction_id, "original")
        return self._judge_unknown(sent, self._answer_again(player_id, earlier))

    def _RollbackList(self, sent: RollbackList) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(sent)
        earlier = self._find(sent, REVERSE, sent.transaction_id)
        names = [each.transaction_id for each in sent.originals]
        places = [
            (self._space_of(sent, Kind(each.kind).name), each.transaction_id)
            for each in sent.originals
        ]
        if earlier is not None:
            before = [(row.space, name) for name, _, row in earlier.parts]
            if earlier.span != "LIST" or before != places:
                raise self._mismatch(sent.transaction_id, "originals")
            return self._answer_all(player_id, earlier)
        rows: list[Row] = []

        def take(index: int) -> Step:
            each = sent.originals[index]
            put = (PART, f"2/{sent.transaction_id}/{index}")
            return self._take(sent, put, each.transaction_id, each.kind, rows)

        head = Row("ROLLBACK", "POSTED", span="LIST")
        steps = self._all_or_none(names, take, rows)
        if sent.round_closed:
            self._close_all(player_id, rows)
        return self._put_head(sent, REVERSE, head, steps)

    def _RollbackRound(self, sent: RollbackRound) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(sent)
        earlier = self._find(sent, REVERSE, sent.transaction_id)
        if earlier is not None:
            for name, fits in (
                ("whole_round", earlier.span == "ROUND"),
                ("round_id", earlier.round_id == sent.round_id),
                ("game_id", earlier.game_id == sent.game_id),
            ):
                if not fits:
                    raise self._mismatch(sent.transaction_id, name)
            return self._judge_round_unknown(sent, self._answer_all(player_id, earlier))
        self._game(sent)
        return self._judge_round_unknown(sent, self._take_round(player_id, sent))

    def _take_round(self, player_id: str, sent: RollbackRound) -> dict[str, Any]:
        """Take all back that stands of a round, or leave a tombstone for it."""
        key = (player_id, sent.game_id, sent.round_id)
        integration = GAME_KEYS[sent.key_id][0]
        state = "POSTED" if key in self.rounds else "TOMBSTONE"
        round_ = self.rounds.setdefault(key, RoundRows(PLAYERS[player_id][1]))
        units = [
            row
            for row in reversed(round_.rows)
            if row.kind in {"BET", "WIN", "AWARD"}
            and row.integration == integration
            and not row.rolled_back
            and row.place == 0
        ]
        head = Row("ROLLBACK", state, game_id=sent.game_id, round_id=sent.round_id,
                   currency=round_.currency, span="ROUND")  # fmt: skip
        own = [row for row in round_.cancellers if row.integration == integration]
        if own and not units:
            self._judge_second(sent)
            head.state, head.stands_for = "ALIAS", own[0]
            self._put(sent, REVERSE, sent.transaction_id, head)
            return self._answer_all(player_id, head)
        self._judge_reserves(round_, integration)
        rows: list[Row] = []

        def take(index: int) -> Step:
            put = (PART, f"2/{sent.transaction_id}/{index}")
            return self._reverse(sent, put, units[index], rows)

        names = [row.transaction_id for row in units]
        steps = self._all_or_none(names, take, rows)
        answer = self._put_head(sent, REVERSE, head, steps)
        round_.cancellers.append(head)
        if sent.round_closed:
            round_.close(head)
        return answer

    def _judge_reserves(self, round_: RoundRows, integration: str) -> None:
        """Let a round pass whose reserves were given back whole."""
        for row in round_.rows:
            is_own = row.kind == "RESERVE" and row.integration == integration
            if is_own and (row.release is None or row.captures):
                refusal = RefusedError("ROLLBACK_NOT_ALLOWED")
                refusal.about = row.transaction_id
                raise refusal

    def _all_or_none(
        self, names: Sequence[str], take: Callable[[int], Step], rows: list[Row]
    ) -> list[tuple[str, int, Row, dict[str, Any]]]:
        """Take one step after the other; none stays if one is refused.

        ``rows`` gets the rows that the steps before have stored.
        """
        before = copy.deepcopy(self.__dict__)
        steps = []
        for index, name in enumerate(names):
            try:
                row, receipt = take(index)
            except RefusedError as refusal:
                self.__dict__ = {**before, "reached": self.reached}
                refusal.about = name
                raise
            rows.append(row)
            kind = int(Kind[row.about_kind])
            steps.append((name, kind, row, receipt))
        return steps

    def _put_head(
        self,
        sent: Any,
        space: str,
        head: Row,
        steps: list[tuple[str, int, Row, dict[str, Any]]],
    ) -> dict[str, Any]:
        """Store what stands for several, after them, and answer them all."""
        player_id = sent.player_id
        moved = [row for _, _, row, _ in steps if row.state == "POSTED"]
        own = moved[0].currency if moved else PLAYERS[player_id][1]
        head.currency = head.currency or own
        head.parts = [(name, kind, row) for name, kind, row, _ in steps]
        self._put(sent, space, sent.transaction_id, head)
        for _, _, row, receipt in steps:
            receipt["current"] = tuple(self._wallet(player_id, row.currency))
        parts = [(name, kind, receipt) for name, kind, _, receipt in steps]
        return {
            "receipt": self._receipt(player_id, head),
            "parts": parts,
            "moved": [(row.cash, row.bonus) for row in moved],
        }

    def _answer_again(self, player_id: str, row: Row) -> dict[str, Any]:
        return self._receipt(player_id, row.stands_for or row, replayed=True)

    def _answer_all(self, player_id: str, head: Row) -> dict[str, Any]:
        """Answer several again; a second rollback of a round as the first."""
        head = head.stands_for or head
        return {
            "receipt": self._receipt(player_id, head, replayed=True),
            "parts": [
                (name, kind, self._answer_again(player_id, row))
                for name, kind, row in head.parts
            ],
            "moved": [
                (row.cash, row.bonus) for *_, row in head.parts if row.state == "POSTED"
            ],
        }

    def _close_all(self, player_id: str, rows: list[Row]) -> None:
        """Let the last reversal of each round close it."""
        last = {}
        for row in rows:
            if row.state == "POSTED":
                last[player_id, row.game_id, row.round_id] = row
        for key, row in last.items():
            self.rounds[key].close(row)

    def _judge_unknown(self, sent: Rollback, receipt: dict[str, Any]) -> dict[str, Any]:
        """Answer with a tombstone, which stands, or refuse where the rules do."""
        if receipt["tombstone"] and self._rule(sent, "unknown_rollback") == "REFUSE":
            name = sent.original_id
            raise RefusedError("TRANSACTION_NOT_FOUND", transaction_id=name)
        return receipt

    def _judge_round_unknown(
        self, sent: RollbackRound, answer: dict[str, Any]
    ) -> dict[str, Any]:
        is_unknown = answer["receipt"]["tombstone"]
        if is_unknown and self._rule(sent, "unknown_rollback") == "REFUSE":
            raise RefusedError("ROUND_NOT_FOUND", round_id=sent.round_id)
        return answer

    def _judge_second(self, sent: Any) -> None:
        if self._rule(sent, "second_rollback") == "REFUSE":
            raise RefusedError("ALREADY_ROLLED_BACK")

    def _judge_amount(self, sent: Any, original: Row) -> None:
        """Compare the amount, if any part of one was sent, with the original's."""
        if not isinstance(sent, Rollback):
            return
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

    def _take(
        self,
        sent: Any,
        put: tuple[str, str],
        original_id: str,
        kind: Kind,
        before: list[Row],
    ) -> Step:
        """Take one transaction back, whatever became of it.

        ``before`` are the rows that the same call has stored.
        """
        if kind in (Kind.ROLLBACK, Kind.REINSTATE):
            raise RefusedError("ROLLBACK_NOT_ALLOWED")
        space = self._space_of(sent, Kind(kind).name)
        row, receipt = self._take_from(sent, put, space, original_id, kind, before)
        row.space = space
        return row, receipt

    def _take_from(
        self,
        sent: Any,
        put: tuple[str, str],
        space: str,
        original_id: str,
        kind: Kind,
        before: list[Row],
    ) -> Step:
        original = self._find(sent, space, original_id)
        if original is None:
            return self._tombstone(sent, put, original_id, kind)
        if original.state == "TOMBSTONE":
            return self._alias(sent, put, original, original.stands_for)
        if kind and Kind(kind).name != original.kind:
            raise RefusedError("REFERENCE_MISMATCH", field="kind")
        if original.state == "REFUSED":
            return self._alias(sent, put, original, None)
        self._judge_amount(sent, original)
        if original.kind == "RESERVE":
            return self._release(sent, put, original)
        return self._reverse(sent, put, original, before)

    def _release(self, sent: Any, put: tuple[str, str], reserve: Row) -> Step:
        """Give the rest of a reserve back, once, by a call of its own."""
        is_single = isinstance(sent, Rollback)
        if not is_single or (reserve.captures and not sent.releases):
            raise RefusedError("ROLLBACK_NOT_ALLOWED")
        first = reserve.release
        if first is not None:
            if not first.is_due:
                self._judge_second(sent)
            return self._alias(sent, put, reserve, first)
        row = self._give_back(sent.player_id, reserve)
        row.reference = reserve.transaction_id
        self._put(sent, *put, row)
        if sent.round_closed:
            key = (sent.player_id, reserve.game_id, reserve.round_id)
            self.rounds[key].close(row)
        return row, self._receipt(sent.player_id, row)

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

    def _tombstone(
        self, sent: Any, put: tuple[str, str], original_id: str, kind: Kind
    ) -> Step:
        currency = PLAYERS[sent.player_id][1]
        name = Kind(kind).name
        row = Row("ROLLBACK", "TOMBSTONE", currency=currency, reference=original_id,
                  about_kind=name)  # fmt: skip
        self._put(sent, *put, row)
        taken = Row(name, "TOMBSTONE", currency=currency, stands_for=row)
        self._put(sent, self._space_of(sent, name), original_id, taken)
        return row, self._receipt(sent.player_id, row)

    def _alias(
        self, sent: Any, put: tuple[str, str], original: Row, first: Row | None
    ) -> Step:
        """Store a rollback that moves nothing; answer as the first, if any was."""
        row = Row(
            "ROLLBACK",
            "ALIAS",
            currency=original.currency,
            reference=original.transaction_id,
            about_kind=original.kind,
            stands_for=first,
        )
        self._put(sent, *put, row)
        is_first = first is not None
        return row, self._receipt(sent.player_id, first or row, replayed=is_first)

    def _reverse(
        self, sent: Any, put: tuple[str, str], original: Row, before: list[Row]
    ) -> Step:
        """Take every part of a transaction, or of a whole play, back."""
        key = (sent.player_id, original.game_id, original.round_id)
        round_ = self.rounds.get(key, RoundRows(""))
        unit = [
            row
            for row in round_.rows
            if row is original or (original.unit and row.unit == original.unit)
        ]
        wins = self._judge_wins(sent, unit)
        for row in self.ids.values():
            if any(each is original for each in row.reversed_rows) and not row.undone:
                if not any(each is row for each in before):
                    self._judge_second(sent)
                return self._alias(sent, put, original, row)
        self._judge_round(sent, round_, unit)
        cash, bonus, *_ = self._wallet(sent.player_id, original.currency)
        row = Row("ROLLBACK", "POSTED", currency=original.currency,
                  amount=original.amount, game_id=original.game_id,
                  round_id=original.round_id, reference=original.transaction_id,
                  about_kind=original.kind)  # fmt: skip
        row.cash = -sum(each.cash for each in unit)
        row.bonus = -sum(each.bonus for each in unit)
        if wins and (cash + row.cash < 0 or bonus + row.bonus < 0):
            self.reached.add(("spent", wins))
            if wins == "NO_OP":
                return self._alias(sent, put, original, None)
        self._judge_balances(sent.player_id, row)
        row.reversed_rows = unit
        for each in unit:
            each.rolled_back = True
        self._put(sent, *put, row)
        if isinstance(sent, Rollback) and sent.round_closed:
            round_.close(row)
        return row, self._receipt(sent.player_id, row)

    def _judge_balances(self, player_id: str, row: Row) -> None:
        """Keep what a row leaves within 64 bits."""
        cash, bonus, _, reserved = self._wallet(player_id, row.currency)
        cash, bonus = cash + row.cash, bonus + row.bonus
        least, most = min(cash, cash + bonus), max(cash, bonus, cash + bonus + reserved)
        if least < MIN or most > MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE")

    def _judge_wins(self, sent: Any, unit: list[Row]) -> str:
        """Return the rule of wins where nothing else is rolled back."""
        if any(row.kind == "BET" for row in unit):
            return ""
        rule = self._rule(sent, "win_rollback")
        # An award outside of any round is in no unit: it is never rolled back.
        if rule == "REJECT" or not unit or unit[0].kind == "ADJUST":
            raise RefusedError("ROLLBACK_NOT_ALLOWED")
        return rule

    def _judge_round(self, sent: Any, round_: RoundRows, unit: list[Row]) -> None:
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
            shows = (sent.player_id, unit[0].currency)
            raise RefusedError("ROUND_CLOSED", shows=shows)
