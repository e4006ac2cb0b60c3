"""Say what the wallet has to answer, from the comments of its contract alone.

It shares the command values with the engine, and no rule.
"""

import copy
from collections import Counter
from typing import Any

from tests.simulation.deployment import (
    GAME_KEYS,
    GAMES,
    LOBBIES,
    SCALES,
    SESSIONS,
    VERTICALS,
)
from tests.simulation.ledger import MAX, RefusedError, RoundRows, Row
from tests.simulation.model_adjusts import Adjusts
from tests.simulation.model_limits import Limits
from tests.simulation.model_reinstatements import Reinstatements
from tests.simulation.model_reserves import Reserves
from tests.simulation.model_wins import Wins
from tests.simulation.names import MOVE
from tests.simulation.rules import named
from tests.simulation.spoils import WALLET

from cage.core.admin import UpdateGame, UpdateIntegration
from cage.core.player import OpenWallet, SetPlayerBlocks, SetPlayerStatus
from cage.core.reservation import Reserve
from cage.core.session import EndSession
from cage.core.wallet import Bet, CloseRound, GetBalance, Play, Win


class Model(Wins, Reinstatements, Adjusts, Reserves, Limits):
    """Answer commands from what was answered before."""

    def apply(self, command: Any) -> Any:
        """Return the answer to a command: a dictionary, or the refusal."""
        # Beside what is about several, only a play may move before it is refused.
        before = copy.deepcopy(self.__dict__) if isinstance(command, Play) else None
        try:
            if isinstance(command, WALLET):
                self._judge_claims(command)
            return getattr(self, f"_{type(command).__name__}")(command)
        except RefusedError as refusal:
            self.__dict__ = {**(before or self.__dict__), "reached": self.reached}
            if refusal.is_state and self._rule(command, "refused_bet") == "STORE":
                self._remember(command, refusal)
            shown = None
            if refusal.shows is not None:
                shown = tuple(self.wallets[refusal.shows])
            told = (refusal.reason, refusal.metadata, shown, refusal.about)
            return ("refused", *told)

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
        self._close_if(bet, row)
        return self._receipt(player_id, row)

    def _enter(self, command: Bet | Play | Reserve, currency: str) -> None:
        """Let a call with a bet pass session, currency, switches and status."""
        player_id, integration = command.player_id, GAME_KEYS[command.key_id][0]
        digest = command.session_digest
        if digest:
            owner, game_id = SESSIONS.get(digest, ("",) * 4)[:2]
            if digest in LOBBIES and GAMES[command.game_id] == GAMES[game_id]:
                game_id = command.game_id
            place = (owner, game_id, integration)
            if place != (player_id, command.game_id, "hub"):
                raise RefusedError("SESSION_NOT_FOUND", is_state=True)
            if self.over[digest]:
                raise RefusedError(self.over[digest], is_state=True)
            expected = SESSIONS[digest][2]
            if currency != expected:
                raise RefusedError(
                    "CURRENCY_MISMATCH", is_state=True, expected=expected, sent=currency
                )
        elif self._rule(command, "bet_needs_session") == "REQUIRED":
            raise RefusedError("SESSION_REQUIRED", is_state=True)
        self._account_currency(player_id, currency, is_state=True)
        if not self.enabled[command.game_id]:
            raise RefusedError(
                "GAME_UNAVAILABLE", is_state=True, game_id=command.game_id, by="game"
            )
        if self.in_maintenance[command.game_id]:
            raise RefusedError(
                "MAINTENANCE", is_state=True, game_id=command.game_id, by="game"
            )
        blocks = self.blocks[player_id]
        if blocks == 1 or blocks >> VERTICALS[command.game_id] & 1:
            raise RefusedError(
                "GAME_UNAVAILABLE", is_state=True, game_id=command.game_id, by="player"
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
            if round_.cancellers:
                raise RefusedError("ALREADY_ROLLED_BACK", is_state=True)
            if round_.is_closed:
                shows = (bet.player_id, bet.currency_code)
                raise RefusedError("ROUND_CLOSED", is_state=True, shows=shows)
            self._round_currency(round_, bet.currency_code)
        if bet.campaign_id:
            raise RefusedError(
                "FREE_ROUNDS_UNAVAILABLE", is_state=True, campaign_id=bet.campaign_id
            )
        self._judge_limits(bet, amount)
        cash, bonus, *_ = self._wallet(bet.player_id, bet.currency_code)
        if amount > max(cash, 0) + max(bonus, 0):
            shows = (bet.player_id, bet.currency_code)
            raise RefusedError("INSUFFICIENT_FUNDS", is_state=True, shows=shows)
        row = self._row(bet, amount)
        row.cash = -min(amount, max(cash, 0))
        row.bonus = -amount - row.cash
        if self._staked(round_) + amount > MAX:
            raise RefusedError("BALANCE_OUT_OF_RANGE", is_state=True)
        new = RoundRows(bet.currency_code)
        self.rounds.setdefault(key, new).rows.append(row)
        return row

    def _Play(self, play: Play) -> dict[str, Any]:  # noqa: N802 - named after the call
        if not play.actions:
            closed = self._CloseRound(play)
            return {"receipts": [], "current": None, "replayed": closed["replayed"]}
        player_id = self._player(play)
        amounts = self._amounts(play)
        rows = [
            self._find(play, self._space(play, each), each.transaction_id)
            for each in play.actions
        ]
        if any(row is not None for row in rows):
            return self._again_play(player_id, play, amounts, rows)
        for place, each in enumerate(play.actions):
            if isinstance(each, Win):
                self._judge_form(each, f"actions[{place}].win.")
        self._game(play)
        has_bet = any(isinstance(each, Bet) for each in play.actions)
        try:
            receipts = self._act(player_id, play, amounts, has_bet=has_bet)
        except RefusedError as refusal:
            refusal.is_state = has_bet
            raise
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
            self._judge_funds(play, amounts)
        self.units += 1
        receipts = []
        for place, (each, amount) in enumerate(zip(play.actions, amounts, strict=True)):
            judge = self._bet if isinstance(each, Bet) else self._win
            row = judge(each, amount)  # type: ignore[arg-type]
            row.unit, row.place, row.size = self.units, place, len(play.actions)
            self._put(play, self._space(play, each), each.transaction_id, row)
            receipts.append(self._receipt(player_id, row))
        self._close_if(play, row)
        return receipts

    def _judge_funds(self, play: Play, amounts: list[int]) -> None:
        """Let the bets of a play pass that its wins may have to pay for."""
        bets = sum(
            amount
            for each, amount in zip(play.actions, amounts, strict=True)
            if isinstance(each, Bet) and not each.campaign_id
        )
        shows = (play.player_id, play.actions[0].currency_code)
        cash, bonus, *_ = self._wallet(*shows)
        if bets <= max(cash, 0) + max(bonus, 0):
            return
        if self._rule(play, "play_funds") == "BETS_FIRST":
            raise RefusedError("INSUFFICIENT_FUNDS", is_state=True, shows=shows)

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

    def _CloseRound(self, close: CloseRound | Play) -> dict[str, Any]:  # noqa: N802
        player_id = self._player(close)
        self._game(close)
        key = (player_id, close.game_id, close.round_id)
        round_ = self.rounds.get(key)
        if round_ is None:
            raise RefusedError("ROUND_NOT_FOUND", round_id=close.round_id)
        replayed = round_.is_closed
        if not replayed:
            row = Row("CLOSE", "POSTED")
            round_.rows.append(row)
            round_.close(row)
        return {**self.show(key), "replayed": replayed}

    def show(self, key: tuple[str, str, str]) -> dict[str, Any]:
        """Show the totals of a round."""
        round_ = self.rounds[key]
        rolled_back = [row for row in round_.rows if row.rolled_back]
        return {
            "state": round_.state(),
            "bet_amount": self._staked(round_),
            "win_amount": round_.won(),
            "adjust_amount": sum(row.amount for row in round_.adjustments()),
            "adjust_count": len(round_.adjustments()),
            "bet_count": len(round_.stakes()),
            "win_count": len(round_.wins()),
            "rolled_back_count": len(rolled_back),
        }

    def house(self) -> Counter[tuple[str, str, str]]:
        """Sum up what the other side of all that stands was given or gave."""
        sums: Counter[tuple[str, str, str]] = Counter()
        for row in self.ids.values():
            if row.kind in {"BET", "WIN", "AWARD", "ADJUST"} and not row.rolled_back:
                about = row
                while about.corrects:
                    about = about.corrects[0]
                account = "AWARD" if about.kind == "AWARD" else "GAME"
                account = "TIP" if about.is_tip else account
                sums[account, row.game_id, row.currency] -= row.cash + row.bonus
            elif row.kind == "CAPTURE":
                sums["GAME", row.game_id, row.currency] += row.amount
        return sums

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
        self.in_maintenance[command.game_id] = command.in_maintenance

    def _OpenWallet(self, command: OpenWallet) -> None:  # noqa: N802
        self.opened.add((command.player_id, command.currency_code))

    def _SetPlayerBlocks(self, command: SetPlayerBlocks) -> None:  # noqa: N802
        self.blocks[command.player_id] = command.blocks

    def _UpdateIntegration(self, command: UpdateIntegration) -> Any:  # noqa: N802
        name, rules = command.integration_id, named(command.rules)
        rules["ids_per_kind"] = self.rules[name]["ids_per_kind"]
        self.versions[name] += rules != self.rules[name]
        self.rules[name] = rules
        return {"rules": rules, "version": self.versions[name]}

    def _EndSession(self, command: EndSession) -> None:  # noqa: N802
        for digest, (player_id, *_) in SESSIONS.items():
            if player_id == command.player_id and self.over[digest] == "":
                self.over[digest] = "SESSION_ENDED"
