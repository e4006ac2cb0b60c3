"""Say what the undo of a rollback has to answer."""

from typing import Any

from tests.simulation.ledger import MAX, RefusedError, RoundRows, Row
from tests.simulation.model_rollbacks import Rollbacks, Step
from tests.simulation.names import PART, REINSTATE, REVERSE

from cage.core.wallet import Reinstate


class Reinstatements(Rollbacks):
    """Answer what lets transactions stand again."""

    def _Reinstate(self, sent: Reinstate) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(sent)
        rollback = self._find(sent, REVERSE, sent.rollback_id)
        while rollback is not None and rollback.stands_for is not None:
            rollback = rollback.stands_for
        earlier = self._find(sent, REINSTATE, sent.transaction_id)
        if earlier is not None:
            if earlier.undoes is not rollback:
                raise self._mismatch(sent.transaction_id, "rollback_transaction_id")
            if earlier.span:
                return self._answer_all(player_id, earlier)
            receipt = self._answer_again(player_id, earlier)
            return {"receipt": receipt, "parts": [], "moved": []}
        if rollback is None:
            name = sent.rollback_id
            raise RefusedError("TRANSACTION_NOT_FOUND", transaction_id=name)
        if (rollback.kind, rollback.state) != ("ROLLBACK", "POSTED"):
            raise RefusedError("REINSTATE_NOT_ALLOWED")
        if rollback.span:
            return self._undo_all(sent, rollback)
        _, receipt = self._undo(sent, (REINSTATE, sent.transaction_id), rollback)
        return {"receipt": receipt, "parts": [], "moved": []}

    def _undo_all(self, sent: Reinstate, head: Row) -> dict[str, Any]:
        """Undo what the rollback of a list or a round moved, the last first."""
        parts = [part for part in head.parts if part[2].state == "POSTED"][::-1]
        round_ = self.rounds.get((sent.player_id, head.game_id, head.round_id))
        if round_ is None and not parts:
            raise RefusedError("REINSTATE_NOT_ALLOWED")
        if round_ is not None:
            is_again = head.undone is not None
        else:
            is_again = all(row.undone for *_, row in parts)
        rows: list[Row] = []

        def undo(index: int) -> Step:
            if round_ is not None and not is_again:
                self._forget_cancel(round_, head)
            put = (PART, f"5/{sent.transaction_id}/{index}")
            return self._undo(sent, put, parts[index][2])

        steps = self._all_or_none([name for name, *_ in parts], undo, rows)
        new = Row("REINSTATE", "ALIAS" if is_again else "POSTED", span=head.span,
                  undoes=head)  # fmt: skip
        if round_ is not None and not is_again:
            new.currency = head.currency
            self._forget_cancel(round_, head)
            head.undone = new
        if sent.round_closed and head.span == "LIST":
            self._close_all(sent.player_id, rows)
        answer = self._put_head(sent, REINSTATE, new, steps)
        if sent.round_closed and round_ is not None and not is_again:
            round_.close(new)
        return answer

    def _forget_cancel(self, round_: RoundRows, head: Row) -> None:
        round_.cancellers = [row for row in round_.cancellers if row is not head]

    def _undo(self, sent: Reinstate, put: tuple[str, str], rollback: Row) -> Step:
        """Let what one rollback took back stand again, with the same parts."""
        about = rollback.about_kind
        if rollback.undone is not None:
            row = Row("REINSTATE", "ALIAS", currency=rollback.currency, undoes=rollback,
                      about_kind=about, stands_for=rollback.undone)  # fmt: skip
            self._put(sent, *put, row)
            receipt = self._receipt(sent.player_id, rollback.undone, replayed=True)
            return row, receipt
        unit = rollback.reversed_rows
        round_ = self.rounds[sent.player_id, unit[0].game_id, unit[0].round_id]
        self._judge_return(sent, round_, unit, rollback)
        row = Row("REINSTATE", "POSTED", currency=rollback.currency, undoes=rollback,
                  game_id=unit[0].game_id, round_id=unit[0].round_id,
                  cash=-rollback.cash, bonus=-rollback.bonus,
                  about_kind=about)  # fmt: skip
        wallet = self._wallet(sent.player_id, row.currency)
        moves = zip(wallet, (row.cash, row.bonus), strict=False)
        if any(part < 0 and has + part < 0 for has, part in moves):
            rule = self._rule(sent, "win_rollback")
            self.reached.add(("gone again", rule))
            if rule != "ALLOW_NEGATIVE":
                shows = (sent.player_id, row.currency)
                raise RefusedError("INSUFFICIENT_FUNDS", shows=shows)
        self._judge_balances(sent.player_id, row)
        staked = sum(sum(each.taken()) for each in round_.standing())
        staked += sum(each.amount for each in unit if each in round_.stakes())
        won = sum(each.cash + each.bonus for each in unit if each.kind != "BET")
        if max(staked, round_.won() + won) > MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE")
        for each in unit:
            each.rolled_back = False
        rollback.undone = row
        self._put(sent, *put, row)
        if sent.round_closed and put[0] != PART:
            round_.close(row)
        return row, self._receipt(sent.player_id, row)

    def _judge_return(
        self, sent: Reinstate, round_: RoundRows, unit: list[Row], rollback: Row
    ) -> None:
        """Let a unit stand again, unless its round or the bets of its wins went."""
        rows = list(self.ids.values())
        later = rows[next(n for n, row in enumerate(rows) if row is rollback) :]
        if any(row in later for row in round_.cancellers):
            raise RefusedError("ALREADY_ROLLED_BACK")
        for row in later:
            if row.kind != "ADJUST" or row not in round_.rows:
                continue
            corrects = len(row.corrects) > 1 or row.corrects[0] in unit
            if corrects and self._rule(sent, "settled_rollback") == "REFUSE":
                raise RefusedError("ALREADY_SETTLED")
        has_stake = any(row in round_.stakes() for row in unit)
        for row in unit:
            if row.kind != "WIN":
                continue
            if row.bet is not None:
                is_gone = row.bet.rolled_back and row.bet not in unit
            else:
                is_over = round_.state() == "CANCELLED"
                is_gone = not row.reference and is_over and not has_stake
            if is_gone and self._rule(sent, "win_after_rollback") == "REFUSE":
                raise RefusedError("ALREADY_ROLLED_BACK")
            if round_.has_win(row.bet) and self._rule(sent, "wins_per_bet") == "ONE":
                raise RefusedError("ALREADY_SETTLED")
