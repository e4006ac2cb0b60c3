"""Tell the whole story of a player through real calls, and check every figure.

Register, verify, deposit 5,000, open a game, bet 500, win 1,200, send the bet again,
bet 300 and take it back, close the rounds: 5,700 must be left, in every place that
knows.
"""

from dataclasses import dataclass, field

from rich.console import Console

from cage.cashier.v1.cashier_pb2 import PaymentState
from cage.client import Client, money, new_id
from cage.ctl.checks import Checks
from cage.ctl.output import amount_text, balance_table, closing, moved, statement_table
from cage.ctl.settings import OPERATOR_KEY, STUDIO_KEY, Settings
from cage.player.v1.kyc_service_pb2 import VerificationMethod
from cage.player.v1.player_pb2 import PlayerStatus
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import (
    Receipt,
    RoundState,
    Transaction,
    TransactionKind,
)

BRAND = "demo-casino"
GAME = "demo-slots"
CURRENCY = "INR"
SCALE = 2


def rupees(text: str) -> Money:
    """Build an amount of the demo's currency at its ledger scale."""
    return money(CURRENCY, text, scale=SCALE)


DEPOSIT, STAKE, PRIZE = rupees("5000"), rupees("500"), rupees("1200")
SECOND_STAKE = rupees("300")
_MOVEMENTS = (
    (TransactionKind.TRANSACTION_KIND_DEPOSIT, DEPOSIT.amount),
    (TransactionKind.TRANSACTION_KIND_BET, -STAKE.amount),
    (TransactionKind.TRANSACTION_KIND_WIN, PRIZE.amount),
    (TransactionKind.TRANSACTION_KIND_BET, -SECOND_STAKE.amount),
    (TransactionKind.TRANSACTION_KIND_ROLLBACK, SECOND_STAKE.amount),
)


@dataclass(slots=True, kw_only=True)
class Story:
    """Carry what later steps need from earlier ones."""

    # Calls with the studio's key.
    studio: Client
    # Calls with the operator's key.
    operator: Client
    # Where the story is told.
    console: Console
    # Everything that was compared.
    checks: Checks
    # Cage's id of the player.
    player_id: str = ""
    # Session of the game. Secret.
    session_token: str = field(default="", repr=False)
    # Cash that must be there, in units of the ledger scale.
    cash: int = 0
    # Number of the wallet's last change.
    version: int = 0

    def tell(self, text: str) -> None:
        """Write one line of the story."""
        self.console.print(text, markup=False)

    def moved(self, what: str, receipt: Receipt, units: int) -> None:
        """Check a receipt that follows everything so far, and tell it."""
        self.cash += units
        self.version += 1
        self.checks.receipt(
            what, receipt, moved=units, after=self.cash, version=self.version
        )
        self.checks.equal(f"{what}: replayed", receipt.replayed, False)
        self.checks.balance(
            f"{what}: current", receipt.current, self.cash, self.version
        )
        self.tell(f"{what}: {amount_text(units, SCALE)}, cash {self.cash_text}")

    @property
    def cash_text(self) -> str:
        """Write the cash that must be there."""
        return f"{CURRENCY} {amount_text(self.cash, SCALE)}"


async def run(settings: Settings, console: Console) -> bool:
    """Run the story; return whether every check passed. Raises CageError."""
    async with settings.connect(STUDIO_KEY) as studio:
        operator = studio.with_options(key=settings.key_for(OPERATOR_KEY))
        story = Story(
            studio=studio, operator=operator, console=console, checks=Checks(console)
        )
        await _register(story)
        await _deposit(story)
        await _launch(story)
        await _play(story)
        await _take_back(story)
        await _balance_the_books(story)
    checks = story.checks
    if checks.failed:
        story.tell(f"{checks.failed} of {checks.passed + checks.failed} checks FAILED")
    else:
        story.tell(f"all {checks.passed} checks passed")
    return checks.failed == 0


async def _register(story: Story) -> None:
    registered = await story.operator.players.register_player(
        brand_id=BRAND,
        country_code="IN",
        jurisdiction="MT",
        currency_code=CURRENCY,
        display_name="Demo player",
    )
    story.player_id = registered.player.player_id
    pending = PlayerStatus.PLAYER_STATUS_PENDING_VERIFICATION
    story.checks.equal("registered: status", registered.player.status, pending)
    story.tell(f"registered: player {story.player_id}")
    verified = await story.operator.kyc.record_verification(
        player_id=story.player_id,
        method=VerificationMethod.VERIFICATION_METHOD_DOCUMENT,
        reference="cagectl-demo",
        level=1,
    )
    active = PlayerStatus.PLAYER_STATUS_ACTIVE
    story.checks.equal("verified: status", verified.player.status, active)
    story.checks.equal("verified: level", verified.player.kyc_level, 1)
    story.tell("verified: level 1")


async def _deposit(story: Story) -> None:
    cashier = story.operator.cashier
    authorized = await cashier.authorize_deposit(
        player_id=story.player_id, amount=DEPOSIT, payment_method="card"
    )
    payment = authorized.payment
    state = PaymentState.PAYMENT_STATE_AUTHORIZED
    story.checks.equal("authorized: state", payment.state, state)
    story.checks.equal("authorized: amount", payment.amount, DEPOSIT)
    done = await cashier.transfer_deposit(
        player_id=story.player_id,
        payment_id=payment.payment_id,
        amount=DEPOSIT,
        psp_reference=new_id(),
    )
    story.cash, story.version = DEPOSIT.amount, 1
    state = PaymentState.PAYMENT_STATE_SUCCESSFUL
    story.checks.equal("deposit: state", done.payment.state, state)
    story.checks.equal("deposit: replayed", done.replayed, False)
    story.checks.balance("deposit", done.balance, story.cash, story.version)
    story.tell(f"deposit: {amount_text(DEPOSIT.amount, SCALE)}, cash {story.cash_text}")


async def _launch(story: Story) -> None:
    launch = await story.operator.sessions.create_launch_token(
        player_id=story.player_id, game_id=GAME, currency_code=CURRENCY
    )
    opened = await story.studio.wallet.authenticate(launch_token=launch.launch_token)
    story.session_token = opened.session_token
    facts = (opened.player_id, opened.brand_id, opened.game_id, opened.country_code)
    expected = (story.player_id, BRAND, GAME, "IN")
    story.checks.equal("authenticate: player, brand, game, country", facts, expected)
    currency = (opened.currency_code, opened.scale)
    story.checks.equal("authenticate: currency, scale", currency, (CURRENCY, SCALE))
    story.checks.balance("authenticate", opened.balance, story.cash, story.version)
    story.tell(f"game opened: {GAME}")


async def _play(story: Story) -> None:
    wallet, checks = story.studio.wallet, story.checks
    first = await _bet(story, round_id="round-1", amount=STAKE, transaction_id="bet-1")
    story.moved("bet", first, -STAKE.amount)
    checks.equal("bet: transaction_id", first.transaction_id, "bet-1")
    won = await wallet.win(
        player_id=story.player_id,
        game_id=GAME,
        round_id="round-1",
        amount=PRIZE,
        transaction_id="win-1",
        bet_transaction_id="bet-1",
    )
    story.moved("win", won.receipt, PRIZE.amount)
    again = await _bet(story, round_id="round-1", amount=STAKE, transaction_id="bet-1")
    checks.replay("bet sent again", again, first)
    checks.balance("bet sent again: now", again.current, story.cash, story.version)
    story.tell(f"bet sent again: nothing moved, cash {story.cash_text}")
    closed = await wallet.close_round(
        player_id=story.player_id, game_id=GAME, round_id="round-1"
    )
    state = RoundState.ROUND_STATE_CLOSED
    sums = (closed.round.bet_amount, closed.round.win_amount)
    counts = (closed.round.bet_count, closed.round.win_count)
    checks.equal("round 1: state", closed.round.state, state)
    checks.equal("round 1: bet and win", sums, (STAKE, PRIZE))
    checks.equal("round 1: number of bets and wins", counts, (1, 1))
    story.tell("round 1 closed")


async def _bet(
    story: Story, *, round_id: str, amount: Money, transaction_id: str
) -> Receipt:
    reply = await story.studio.wallet.bet(
        player_id=story.player_id,
        game_id=GAME,
        round_id=round_id,
        amount=amount,
        transaction_id=transaction_id,
        session_token=story.session_token,
    )
    return reply.receipt


async def _take_back(story: Story) -> None:
    wallet, checks = story.studio.wallet, story.checks
    bet = await _bet(
        story, round_id="round-2", amount=SECOND_STAKE, transaction_id="bet-2"
    )
    story.moved("second bet", bet, -SECOND_STAKE.amount)
    undone = await wallet.rollback(
        player_id=story.player_id,
        original_transaction_id="bet-2",
        original_kind=TransactionKind.TRANSACTION_KIND_BET,
        transaction_id="rollback-2",
    )
    story.moved("rollback", undone.receipt, SECOND_STAKE.amount)
    checks.equal("rollback: tombstone", undone.tombstone, False)
    closed = await wallet.close_round(
        player_id=story.player_id, game_id=GAME, round_id="round-2"
    )
    open_state = RoundState.ROUND_STATE_OPEN
    checks.equal("round 2: is open", closed.round.state == open_state, False)
    checks.equal("round 2: bet", closed.round.bet_amount, rupees("0"))
    checks.equal("round 2: rolled back", closed.round.rolled_back_count, 1)
    story.tell("round 2 closed")


async def _balance_the_books(story: Story) -> None:
    checks = story.checks
    pager = story.operator.wallet.list_transactions(
        player_id=story.player_id, page_size=2
    )
    ledger = [transaction async for transaction in pager]
    _check_ledger(story, ledger)
    read = await story.studio.wallet.get_balance(
        player_id=story.player_id, currency_code=CURRENCY, game_id=GAME
    )
    checks.balance("GetBalance", read.balance, story.cash, story.version)
    player = await story.operator.players.get_player(player_id=story.player_id)
    checks.equal("GetPlayer: number of balances", len(player.balances), 1)
    for balance in player.balances:
        checks.equal("GetPlayer: currency", balance.currency_code, CURRENCY)
        checks.balance("GetPlayer", balance, story.cash, story.version)
    checks.equal("what must be left", story.cash, rupees("5700").amount)
    if ledger:
        story.console.print(statement_table(ledger))
    story.console.print(balance_table(player.balances))


def _check_ledger(story: Story, ledger: list[Transaction]) -> None:
    checks = story.checks
    cash, version = 0, 0
    for number, row in enumerate(ledger, 1):
        what = f"ledger line {number}"
        checks.equal(f"{what}: opening", closing(row) - moved(row), cash)
        cash, version = cash + moved(row), version + (moved(row) != 0)
        checks.balance(f"{what}: closing", row.after, cash, version)
    close = TransactionKind.TRANSACTION_KIND_CLOSE_ROUND
    movements = tuple((row.kind, moved(row)) for row in ledger if row.kind != close)
    checks.equal("ledger: kinds and movements", movements, _MOVEMENTS)
    checks.equal("ledger: sum", sum(map(moved, ledger)), story.cash)
    checks.equal("ledger: last version", version, story.version)
