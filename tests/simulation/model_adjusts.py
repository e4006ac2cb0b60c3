"""Say what an adjustment has to answer."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

from tests.simulation.ledger import MAX, MIN, Ledger, RefusedError, Row

from cage.core.adjust import Adjust, Reference
from cage.core.wallet import Kind


class Adjusts(Ledger):
    """Answer what corrects a transaction."""

    def _Adjust(self, sent: Adjust) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(sent)
        delta = self._delta(sent)
        names = [each.transaction_id for each in sent.references]
        space = self._space(sent, sent)
        earlier = self._find(sent, space, sent.transaction_id)
        if earlier is not None:
            self._compare_adjust(sent, delta, earlier, names)
            return self._receipt(player_id, earlier, replayed=True)
        self._game(sent)
        named = [self._named(sent, each) for each in sent.references]
        row = Row(
            "ADJUST",
            "POSTED",
            currency=sent.currency_code,
            amount=delta,
            game_id=sent.game_id,
            round_id=sent.round_id,
            corrects=named,
        )
        self._share(player_id, row)
        self._judge_adjust(sent, row)
        if sent.round_id:
            key = (player_id, sent.game_id, sent.round_id)
            self.rounds[key].rows.append(row)
        self._put(sent, space, sent.transaction_id, row)
        self._close_if(sent, row)
        return self._receipt(player_id, row)

    def _delta(self, sent: Adjust) -> int:
        size = SimpleNamespace(
            currency_code=sent.currency_code, amount=abs(sent.delta), scale=sent.scale
        )
        found = self._amount(size, "delta")
        return found if sent.delta > 0 else -found

    def _compare_adjust(
        self, sent: Adjust, delta: int, row: Row, names: list[str]
    ) -> None:
        if row.state == "TOMBSTONE":
            raise RefusedError("ALREADY_ROLLED_BACK")
        pairs = {
            "kind": ("ADJUST", row.kind),
            "currency_code": (sent.currency_code, row.currency),
            "delta": (delta, row.amount),
            "round_id": (sent.round_id, row.round_id),
            "references": (names, [each.transaction_id for each in row.corrects]),
            "game_id": (sent.game_id, row.game_id),
        }
        for name, (now, then) in pairs.items():
            if now != then:
                raise self._mismatch(sent.transaction_id, name)

    def _named(self, sent: Adjust, reference: Reference) -> Row:
        """Return what one reference names, which has to fit."""
        name = reference.transaction_id
        space = self._space_of(sent, Kind(reference.kind).name)
        row = self._find(sent, space, name)
        if row is None or row.state in {"REFUSED", "TOMBSTONE"}:
            raise RefusedError("TRANSACTION_NOT_FOUND", transaction_id=name)
        kind = Kind(reference.kind).name
        for field, fits in (
            ("kind", kind in {"UNSPECIFIED", row.kind}),
            ("round_id", row.round_id == sent.round_id),
            ("game_id", row.game_id == sent.game_id),
        ):
            if not fits:
                raise RefusedError("REFERENCE_MISMATCH", field=field)
        if row.currency != sent.currency_code:
            raise RefusedError(
                "CURRENCY_MISMATCH", expected=row.currency, sent=sent.currency_code
            )
        return row

    def _share(self, player_id: str, row: Row) -> None:
        """Split as what is corrected was split, as far as there is money."""
        bonus = sum(abs(each.bonus) for each in row.corrects)
        whole = sum(abs(each.cash) for each in row.corrects) + bonus
        size = abs(row.amount)
        part = int(Fraction(size * bonus, whole)) if bonus else 0
        if row.amount < 0:
            cash, own, *_ = self._wallet(player_id, row.currency)
            own = max(own, 0)
            part = max(min(part, own), min(own, size - max(cash, 0)))
        sign = 1 if row.amount > 0 else -1
        row.bonus, row.cash = sign * part, sign * (size - part)

    def _judge_adjust(self, sent: Adjust, row: Row) -> None:
        """Let an adjustment pass that the player, the rules and 64 bits can bear."""
        shows = (sent.player_id, row.currency)
        cash, bonus, _, reserved = self._wallet(*shows)
        if row.cash < 0 and -row.cash > max(cash, 0):
            if self._rule(sent, "adjust_overdraft") == "REJECT":
                raise RefusedError("INSUFFICIENT_FUNDS", shows=shows)
            self.reached.add(("overdrawn", "ALLOW_NEGATIVE"))
        key = (sent.player_id, sent.game_id, sent.round_id)
        total = row.amount
        if key in self.rounds:
            total += sum(each.amount for each in self.rounds[key].adjustments())
        after = cash + bonus + row.amount
        if (
            max(total, after + reserved) > MAX
            or min(total, after, cash + row.cash) < MIN
        ):
            raise RefusedError("BALANCE_OUT_OF_RANGE")
