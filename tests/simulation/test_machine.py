"""The wallet answers what a pure model of its contract answers, step by step.

PostgreSQL gets few of the histories, as each row is read back after each step there;
that its answers and rows are those of SQLite is what ``test_equivalence`` holds.
"""

import copy
import tempfile
from collections import Counter
from contextlib import ExitStack
from random import Random
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from structlog.testing import capture_logs
from tests.simulation.commands import (
    NUMBERS,
    again,
    draw_switch,
    expand,
    limit,
    require_session,
    wallet_command,
)
from tests.simulation.deployment import (
    OFFICE_KEY,
    Clock,
    contents,
    digest_of,
    fresh_database,
    open_writer,
    set_status,
)
from tests.simulation.model import Model
from tests.simulation.reversals import reversal
from tests.simulation.rules import VALUES, first_rules, switch_rules
from tests.simulation.spoils import WALLET

from cage.core.errors import CageError
from cage.core.jurisdiction import LimitPeriod
from cage.core.limit import REMOVAL, LimitAnswer, LimitKind, LimitOrigin, LimitView
from cage.core.player import PlayerStatus
from cage.core.registry import Integration
from cage.core.reservation import ExpireReserve
from cage.core.round import Round
from cage.core.rules import Rules
from cage.core.session import EndSession
from cage.core.wallet import (
    Account,
    Balance,
    Kind,
    PlayReceipt,
    Receipt,
    ReversalReceipt,
    State,
    Transaction,
    Wallet,
)
from cage.storage import verify

Tables = dict[str, list[tuple[Any, ...]]]

PLAYER_ACCOUNTS = {
    Account.PLAYER_CASH,
    Account.PLAYER_BONUS,
    Account.PLAYER_RESERVED,
}
HOUSE_ACCOUNTS = {Account.GAME, Account.AWARD, Account.TIP}
# What a stored refusal may touch: its rows, the chain of its wallet, the journal.
TOUCHED = {"transactions", "wallets", "batches", "lanes", "id_claims"}
# What a rollback leaves that the rules refuse because its original, or its round, is
# unknown.
UNKNOWN = {State.TOMBSTONE, State.ALIAS}
NOT_FOUND = {"TRANSACTION_NOT_FOUND", "ROUND_NOT_FOUND"}


def observed(outcome: object) -> Any:
    """Write an answer of the engine as the model writes it."""
    if isinstance(outcome, CageError):
        shown = outcome.balance
        balance = shown_balance(shown) if isinstance(shown, Balance) else None
        told = (outcome.reason.value, dict(outcome.metadata), balance)
        return ("refused", *told, outcome.transaction_id)
    if isinstance(outcome, Receipt):
        return shown_receipt(outcome)
    if isinstance(outcome, ReversalReceipt):
        return {
            "receipt": shown_receipt(outcome.receipt),
            "parts": [
                (part.transaction_id, part.kind, shown_receipt(part.receipt))
                for part in outcome.parts
            ],
            "moved": [(row.cash, row.bonus) for row in outcome.moved],
        }
    if isinstance(outcome, PlayReceipt):
        current = outcome.current
        return {
            "receipts": [shown_receipt(receipt) for receipt in outcome.receipts],
            "current": None if current is None else shown_balance(current),
            "replayed": outcome.replayed,
        }
    if isinstance(outcome, Balance):
        return {"balance": shown_balance(outcome)}
    if isinstance(outcome, tuple) and isinstance(outcome[0], Round):
        return {**shown_round(outcome[0]), "replayed": outcome[1]}
    if isinstance(outcome, Integration):
        return {"rules": shown_rules(outcome.rules), "version": outcome.rules.version}
    if isinstance(outcome, LimitAnswer):
        return {"limits": [shown_limit(view) for view in outcome.views]}
    return None


def shown_limit(view: LimitView) -> tuple[object, ...]:
    """Write a limit as the model does."""
    row = view.limit
    pending: object = None if row.pending_amount == REMOVAL else row.pending_amount
    return (
        LimitKind(row.kind).name,
        LimitPeriod(row.period).name,
        view.currency.currency_code,
        LimitOrigin(row.origin).name,
        row.amount,
        pending if row.pending_time_us else False,
        view.used,
    )


def shown_balance(balance: Balance) -> tuple[int, int, int, int]:
    """Write a balance as cash, bonus, version and what is reserved."""
    return (balance.cash, balance.bonus, balance.version, balance.reserved)


def shown_receipt(receipt: Receipt) -> dict[str, Any]:
    """Write a receipt as the model does."""
    row = receipt.transaction
    return {
        "cash": row.cash,
        "bonus": row.bonus,
        "after": (row.cash_after, row.bonus_after, row.version, row.reserved_after),
        "current": shown_balance(receipt.current),
        "replayed": receipt.replayed,
        "tombstone": receipt.tombstone,
    }


def shown_rules(rules: Rules) -> dict[str, str]:
    """Write rules as the model does."""
    return {name: values[getattr(rules, name) - 1] for name, values in VALUES.items()}


def shown_round(round_: Round) -> dict[str, Any]:
    """Write a round as the model does."""
    return {
        "state": round_.state.name,
        "bet_amount": round_.bet_cash + round_.bet_bonus,
        "win_amount": round_.win_amount,
        "adjust_amount": round_.adjust_amount,
        "adjust_count": round_.adjust_count,
        "bet_count": round_.bet_count,
        "win_count": round_.win_count,
        "rolled_back_count": round_.rolled_back_count,
    }


class WalletMachine(RuleBasedStateMachine):
    """Send commands to the engine and to the model."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.logs = self.stack.enter_context(capture_logs())
        self.path = fresh_database(folder, "machine.db", kind=self.kind)
        self.writer = self.stack.enter_context(open_writer(self.path, Clock()))
        self.tables = contents(self.writer._connection)
        self.model = Model()
        self.house = self.read_house()
        self.history: list[Any] = []
        self.changes = 0

    def teardown(self) -> None:
        """Look the books over and close the database."""
        with self.stack:
            assert self.logs == []
            assert verify(self.path) == []

    def send(self, *commands: Any) -> None:
        """Send a batch; hold its answers and its effects against the model."""
        self.history += [copy.deepcopy(c) for c in commands if isinstance(c, WALLET)]
        known = len(self.model.ids)
        expected = [self.model.apply(command) for command in commands]
        stored = len(self.model.ids) - known
        outcomes = [observed(each) for each in self.writer.apply(commands).outcomes]

        assert outcomes == expected

        tables = contents(self.writer._connection)
        if all(isinstance(each, tuple) for each in expected):
            self.check_refusal(tables, stored, {each[1] for each in expected})
        self.tables = tables

    def check_refusal(self, tables: Tables, stored: int, reasons: set[str]) -> None:
        """Hold what refusals left against what they may leave."""
        before = self.tables
        if not stored:
            assert digest_of(tables) == digest_of(before)
        changed = {name for name, rows in tables.items() if rows != before[name]}
        count = len(before["transactions"])

        assert changed <= TOUCHED | ({"rounds"} if reasons & NOT_FOUND else set())
        assert tables["transactions"][:count] == before["transactions"]
        assert len(tables["transactions"]) == count + stored
        states = {row[7] for row in tables["transactions"][count:]}
        assert states <= {State.REFUSED} | (UNKNOWN if reasons & NOT_FOUND else set())

    @initialize(number=NUMBERS)
    def choose_rules(self, number: int) -> None:
        """Let the integrations start with rules that differ."""
        self.send(*first_rules(number))

    @rule(number=NUMBERS)
    def call(self, number: int) -> None:
        """Send one call, or a recent one again."""
        self.send(*self.draw([number]))

    @rule(numbers=st.lists(NUMBERS, min_size=2, max_size=12))
    def batch(self, numbers: list[int]) -> None:
        """Send several calls in one batch."""
        self.send(*self.draw(numbers))

    @rule(numbers=st.lists(NUMBERS, min_size=4, max_size=12))
    def reverse(self, numbers: list[int]) -> None:
        """Send a batch of calls that reverse and reinstate one another."""
        self.send(*expand(numbers, reversal, self.history))

    @rule(number=NUMBERS)
    def change(self, number: int) -> None:
        """Change what bets are judged by."""
        self.changes += 1
        self.send(draw_change(Random(number), f"change-{self.changes}"))

    @rule(number=NUMBERS)
    def expire(self, number: int) -> None:
        """Sweep one reserve, whatever became of it."""
        rows = [Transaction(*values) for values in self.tables["transactions"]]
        kind, state = Kind.RESERVE, State.POSTED
        rows = [row for row in rows if (row.kind, row.state) == (kind, state)]
        if not rows:
            return
        row = Random(number).choice(rows)
        players = {gate[1]: str(gate[2]) for gate in self.tables["gates"]}
        integrations = self.writer.registry.integrations_by_no
        player_id = players[row.player_no]
        expected = self.model.expire(
            player_id,
            integrations[row.integration_no].integration_id,
            row.transaction_id,
        )
        expire = ExpireReserve(player_id=player_id, reserve_no=row.item_no)

        assert self.writer.apply([expire]).outcomes == [expected]

        self.tables = contents(self.writer._connection)

    def draw(self, numbers: list[int]) -> list[Any]:
        """Draw calls that follow those sent before."""
        return expand(numbers, call_or_again, self.history)

    @invariant()
    def money_is_conserved(self) -> None:
        """Every item sums to zero, and players and house hold the same together."""
        sums: Counter[tuple[object, object]] = Counter()
        held: Counter[object] = Counter()
        for _, item_no, account, _, currency_no, amount, *_ in self.tables["entries"]:
            sums[item_no, currency_no] += amount
            if account in PLAYER_ACCOUNTS:
                held[currency_no] += amount
        for values in self.tables["wallets"]:
            wallet = Wallet(*values)
            whole = wallet.cash + wallet.bonus + wallet.reserved
            held[wallet.currency_no] -= whole
            assert wallet.reserved >= 0

        assert not any(sums.values())
        assert not any(held.values())

    def read_house(self) -> Counter[tuple[str, str, str]]:
        """Sum up the house's side of the books, by account, game and currency."""
        registry = self.writer.registry
        sums: Counter[tuple[str, str, str]] = Counter()
        for _, _, account, game_no, currency_no, amount, *_ in self.tables["entries"]:
            if account in HOUSE_ACCOUNTS:
                game = registry.games_by_no[game_no].game_id
                currency = registry.currencies_by_no[currency_no].currency_code
                sums[Account(account).name, game, currency] += amount
        return sums

    @invariant()
    def house_adds_up(self) -> None:
        """Every account of the house holds what stands, and what it held before."""
        expected = self.model.house()
        expected.update(self.house)

        # Counters are equal that differ by zeros only.
        assert self.read_house() == expected

    @invariant()
    def bets_never_overdraw(self) -> None:
        """No bet leaves cash or bonus lower than zero and lower than before."""
        for values in self.tables["transactions"]:
            row = Transaction(*values)
            if row.kind in (Kind.BET, Kind.RESERVE):
                assert row.cash == 0 or row.cash_after >= 0
                assert row.bonus == 0 or row.bonus_after >= 0

    @invariant()
    def versions_are_contiguous(self) -> None:
        """The versions of a wallet's entries are 1, 2, 3 up to its own."""
        seen: dict[object, set[int]] = {}
        for _, _, account, owner, currency_no, *_, version in self.tables["entries"]:
            if account in PLAYER_ACCOUNTS:
                seen.setdefault((owner, currency_no), set()).add(version)
        for _, owner, currency_no, _, _, _, _, version, *_ in self.tables["wallets"]:
            found = seen.get((owner, currency_no), set())

            assert found == set(range(1, version + 1))

    @invariant()
    def rounds_add_up(self) -> None:
        """Every stored round has the totals that follow from its rows."""
        registry = self.writer.registry
        players = {row[1]: row[2] for row in self.tables["gates"]}
        found = {}
        for row in self.tables["rounds"]:
            round_ = Round(*row)
            game_id = registry.games_by_no[round_.game_no].game_id
            key = (players[round_.player_no], game_id, round_.round_id)
            found[key] = shown_round(round_)

        assert found == {key: self.model.show(key) for key in self.model.rounds}


def call_or_again(rng: Random) -> Any:
    """Draw a call, or the repetition of a recent one."""
    return again(rng) if rng.random() < 0.25 else wallet_command(rng)


def draw_change(rng: Random, name: str) -> Any:
    """Draw a change of a status, a switch, a policy or of sessions."""
    player_id = rng.choice(["ann", "ann", "bob"])
    status = rng.choice([PlayerStatus.ACTIVE] * 6 + list(PlayerStatus))
    return rng.choice(
        [
            set_status(name, player_id, status),
            draw_switch(rng, name, player_id),
            require_session(name, "hub", bet_needs_session=rng.random() < 0.2),
            *[switch_rules(rng, name) for _ in range(3)],
            *[limit(rng, name, player_id) for _ in range(3)],
            EndSession(key_id=OFFICE_KEY, request_id=name, player_id="ann"),
        ]
    )


class TestWalletMachine(WalletMachine.TestCase):
    """The engine and the model agree on every history."""

    settings = settings(max_examples=80, stateful_step_count=30)


class PostgresMachine(WalletMachine):
    """Send commands to the engine on PostgreSQL and to the model."""

    kind = "postgres"


class TestPostgresMachine(PostgresMachine.TestCase):
    """The engine on PostgreSQL and the model agree on every history."""

    # To shrink a failure there outlasts the time of a test.
    settings = settings(
        max_examples=6,
        stateful_step_count=20,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
    )
