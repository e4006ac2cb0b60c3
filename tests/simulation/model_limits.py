"""Say what the limits of a player let through, from all that was ever counted."""

from dataclasses import dataclass
from typing import Any

from tests.simulation.deployment import OFFICE_KEY, PLAYERS, SCALES
from tests.simulation.ledger import Ledger, RefusedError, Row

from cage.core.limit import RemoveLimit, SetLimit
from cage.core.wallet import Bet

ORDER = ("STAKE", "WAGER", "LOSS")
PLAYED = {"BET", "RESERVE", "WIN", "AWARD", "ADJUST"}
PERIODS = ("BET", "DAY", "WEEK", "MONTH")
# The ends of the periods around the one time of the tests, in universal time.
RESETS = {
    "DAY": "2023-11-15T00:00:00Z",
    "WEEK": "2023-11-20T00:00:00Z",
    "MONTH": "2023-12-01T00:00:00Z",
}


@dataclass
class ModelLimit:
    """Hold one limit; what waits never comes, because time stands still."""

    amount: int
    refuses_other: bool = True
    # The amount that waits, None for a removal; False when nothing does.
    pending: int | bool | None = False


class Limits(Ledger):
    """Answer changes of limits, and judge bets by them."""

    def _SetLimit(self, command: SetLimit) -> dict[str, Any]:  # noqa: N802
        self._known(command)
        scale = SCALES.get(command.currency_code)
        if scale is None:
            name = command.currency_code
            raise RefusedError("CURRENCY_NOT_FOUND", currency_code=name)
        self._account_currency(command.player_id, command.currency_code, is_state=False)
        amount = self._exact(command, scale, "amount")
        key = self._key(command)
        limit = self.limits.get(key)
        refuses = command.currency_rule != 2
        if limit is None:
            self.limits[key] = ModelLimit(amount, refuses)
            return self._shown(key)
        if limit.refuses_other and command.currency_rule == 2:
            problem = "must not become looser"
            raise RefusedError("INVALID_FIELD", field="currency_rule", problem=problem)
        if command.currency_rule == 1:
            limit.refuses_other = True
        if amount <= limit.amount or command.origin.name == "OPERATOR":
            limit.amount, limit.pending = amount, False
        else:
            limit.pending = amount
        return self._shown(key)

    def _RemoveLimit(self, command: RemoveLimit) -> dict[str, Any]:  # noqa: N802
        self._known(command)
        key = self._key(command)
        if key not in self.limits:
            raise RefusedError(
                "LIMIT_NOT_FOUND",
                kind=key[1],
                period=key[2],
                origin=key[4],
                currency_code=key[3],
            )
        if command.origin.name == "OPERATOR":
            del self.limits[key]
            return {"limits": []}
        self.limits[key].pending = None
        return self._shown(key)

    def _known(self, command: SetLimit | RemoveLimit) -> None:
        if command.key_id != OFFICE_KEY or command.player_id not in PLAYERS:
            raise RefusedError("PLAYER_NOT_FOUND", player_id=command.player_id)

    def _key(self, command: SetLimit | RemoveLimit) -> tuple[str, ...]:
        return (
            command.player_id,
            command.kind.name,
            command.period.name,
            command.currency_code,
            command.origin.name,
        )

    def _shown(self, key: tuple[str, ...]) -> dict[str, Any]:
        limit = self.limits[key]
        shown = (*key[1:], limit.amount, limit.pending, self._used(*key[:4]))
        return {"limits": [shown]}

    def _used(self, player_id: str, kind: str, period: str, currency: str) -> int:
        """Sum up what stands of all that was counted."""
        used = 0
        for (_, _, owner, _), row in self.ids.items():
            counts = (kind, period, currency) in row.counted and not row.rolled_back
            if owner == player_id and counts:
                if kind == "WAGER":
                    used += row.amount if row.kind in {"BET", "RESERVE"} else 0
                elif kind == "LOSS":
                    used -= row.cash + row.bonus
                if kind in {"WAGER", "LOSS"} and row.release is not None:
                    used += row.release.reserved
        return used

    def _judge_limits(self, bet: Bet, amount: int) -> None:
        """Let a bet pass every limit, as if it were lost."""
        own = [key for key in self.limits if key[0] == bet.player_id]
        places = {"PLAYER": 0, "OPERATOR": 1}
        own.sort(key=lambda key: (PERIODS.index(key[2]), key[3], places[key[4]]))
        for kind in ORDER:
            for key in own:
                if key[1] == kind and amount:
                    self._judge_limit(key, bet, amount)

    def _judge_limit(self, key: tuple[str, ...], bet: Bet, amount: int) -> None:
        limit = self.limits[key]
        player_id, kind, period, currency, origin = key
        left = limit.amount - self._used(player_id, kind, period, currency)
        if currency != bet.currency_code:
            if not limit.refuses_other:
                return
            left = 0
        if amount > left:
            told = {"origin": origin, "currency_code": currency}
            told["limit"] = f"{limit.amount // 100}.{limit.amount % 100:02}"
            if period != "BET":
                whole, cents = divmod(max(left, 0), 100)
                told["remaining"] = f"{whole}.{cents:02}"
                told |= {"period": period, "reset_time": RESETS[period]}
            raise RefusedError(
                f"{kind}_LIMIT",
                is_state=True,
                shows=(player_id, bet.currency_code),
                **told,
            )

    def _count(self, player_id: str, row: Row) -> None:
        """Remember which limits a row counts against."""
        if row.state == "POSTED" and row.kind in PLAYED:
            row.counted = {
                key[1:4]
                for key in self.limits
                if key[0] == player_id and key[3] == row.currency
            }
