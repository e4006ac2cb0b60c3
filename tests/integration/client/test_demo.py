"""The demo is right against a right server, and sees what a wrong one does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest

from cage.cashier.v1.cashier_pb2 import Payment
from cage.cashier.v1.cashier_service_pb2 import (
    AuthorizeDepositRequest,
    AuthorizeDepositResponse,
    TransferDepositRequest,
    TransferDepositResponse,
)
from cage.client import InsufficientFundsError
from cage.client.testing import FakeServer
from cage.player.v1.kyc_service_pb2 import (
    RecordVerificationRequest,
    RecordVerificationResponse,
)
from cage.player.v1.player_pb2 import Player
from cage.player.v1.player_service_pb2 import (
    GetPlayerRequest,
    GetPlayerResponse,
    RegisterPlayerRequest,
    RegisterPlayerResponse,
)
from cage.player.v1.session_service_pb2 import (
    CreateLaunchTokenRequest,
    CreateLaunchTokenResponse,
)
from cage.type.v1.balance_pb2 import Balance
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import Receipt, Round, Transaction
from cage.wallet.v1.wallet_service_pb2 import (
    AuthenticateRequest,
    AuthenticateResponse,
    BetRequest,
    BetResponse,
    CloseRoundRequest,
    CloseRoundResponse,
    GetBalanceRequest,
    GetBalanceResponse,
    ListTransactionsRequest,
    ListTransactionsResponse,
    RollbackRequest,
    RollbackResponse,
    WinRequest,
    WinResponse,
)

Cagectl: TypeAlias = Callable[..., Awaitable[Any]]
BALANCE = Balance(
    currency_code="INR", scale=2, cash=123456, playable=123400, bonus=5, version=9
)


def units(amount: int) -> Money:
    """Build an amount that may be negative."""
    return Money(currency_code="INR", amount=amount, scale=2)


@dataclass
class Book:
    """Answer the demo as a right server does, in so few lines that it is no server."""

    cash: int = 0
    version: int = 0
    rows: list[Transaction] = field(default_factory=list)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    # Changes what it answers, so that tests can lie.
    lie: Callable[[Any], Any] = lambda reply: reply

    def balance(self) -> Balance:
        """Write the balance now."""
        cash, version = self.cash, self.version
        return Balance(
            currency_code="INR", scale=2, cash=cash, playable=cash, version=version
        )

    def move(self, kind: str, request: Any, amount: int) -> Receipt:
        """Move money once for each id."""
        known = self.receipts.get(request.transaction_id)
        if known is not None:
            again = Receipt()
            again.CopyFrom(known)
            again.replayed = True
            again.current.CopyFrom(self.balance())
            return again
        receipt = Receipt(
            transaction_id=request.transaction_id,
            ledger_id=f"ledger-{len(self.rows)}",
            cash=units(amount),
            bonus=units(0),
            before=self.balance(),
        )
        receipt.commit_time.GetCurrentTime()
        self.post(kind, amount, request.round_id)
        receipt.after.CopyFrom(self.balance())
        receipt.current.CopyFrom(self.balance())
        self.receipts[request.transaction_id] = receipt
        return receipt

    def post(self, kind: str, amount: int, round_id: str = "") -> None:
        """Write one line of the ledger."""
        self.cash += amount
        self.version += amount != 0
        row = Transaction(
            kind=f"TRANSACTION_KIND_{kind}",  # type: ignore[arg-type]
            state="TRANSACTION_STATE_POSTED",  # type: ignore[arg-type]
            round_id=round_id,
            cash=units(amount),
            after=self.balance(),
        )
        self.rows.append(row)

    def transfer(self, request: TransferDepositRequest) -> TransferDepositResponse:
        """Take a deposit in."""
        self.post("DEPOSIT", request.amount.amount)
        payment = Payment(
            state="PAYMENT_STATE_SUCCESSFUL",  # type: ignore[arg-type]
            amount=request.amount,
        )
        return TransferDepositResponse(payment=payment, balance=self.balance())

    def close(self, request: CloseRoundRequest) -> CloseRoundResponse:
        """Close round 1 as played, round 2 as taken back."""
        self.post("CLOSE_ROUND", 0, request.round_id)
        if request.round_id == "round-1":
            return CloseRoundResponse(
                round=Round(
                    state="ROUND_STATE_CLOSED",  # type: ignore[arg-type]
                    bet_amount=units(50000),
                    win_amount=units(120000),
                    bet_count=1,
                    win_count=1,
                )
            )
        return CloseRoundResponse(
            round=Round(
                state="ROUND_STATE_CANCELLED",  # type: ignore[arg-type]
                bet_amount=units(0),
                rolled_back_count=1,
            )
        )

    def page(self, request: ListTransactionsRequest) -> ListTransactionsResponse:
        """Give the ledger out in pages."""
        start = int(request.page_token or 0)
        end = start + request.page_size
        return ListTransactionsResponse(
            transactions=self.rows[start:end],
            next_page_token=str(end) if end < len(self.rows) else "",
        )

    def serve(self, server: FakeServer) -> None:
        """Script everything that the demo calls."""
        pending = Player(
            player_id="p",
            status="PLAYER_STATUS_PENDING_VERIFICATION",  # type: ignore[arg-type]
        )
        active = Player(
            player_id="p",
            kyc_level=1,
            status="PLAYER_STATUS_ACTIVE",  # type: ignore[arg-type]
        )
        opened: dict[str, Any] = {
            "player_id": "p",
            "brand_id": "demo-casino",
            "game_id": "demo-slots",
            "country_code": "IN",
            "currency_code": "INR",
            "scale": 2,
        }
        authorized = Payment(
            payment_id="pay",
            amount=units(500000),
            state="PAYMENT_STATE_AUTHORIZED",  # type: ignore[arg-type]
        )
        answers: dict[type[Any], Callable[[Any], Any]] = {
            RegisterPlayerRequest: lambda _: RegisterPlayerResponse(player=pending),
            RecordVerificationRequest: lambda _: RecordVerificationResponse(
                player=active
            ),
            AuthorizeDepositRequest: lambda _: AuthorizeDepositResponse(
                payment=authorized
            ),
            TransferDepositRequest: self.transfer,
            CreateLaunchTokenRequest: lambda _: CreateLaunchTokenResponse(
                launch_token="launch"
            ),
            AuthenticateRequest: lambda _: AuthenticateResponse(
                **opened, balance=self.balance(), session_token="s"
            ),
            BetRequest: lambda r: BetResponse(
                receipt=self.move("BET", r, -r.amount.amount)
            ),
            WinRequest: lambda r: WinResponse(
                receipt=self.move("WIN", r, r.amount.amount)
            ),
            RollbackRequest: lambda r: RollbackResponse(
                receipt=self.move("ROLLBACK", r, 30000)
            ),
            CloseRoundRequest: self.close,
            ListTransactionsRequest: self.page,
            GetBalanceRequest: lambda _: GetBalanceResponse(balance=self.balance()),
            GetPlayerRequest: lambda _: GetPlayerResponse(
                player=active, balances=[self.balance()]
            ),
        }
        for request, answer in answers.items():
            server.always(request, self.lying(answer))

    def lying(self, answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Wrap an answer in the lie."""
        return lambda request: self.lie(answer(request))


async def test_demo_is_right(server: FakeServer, cagectl: Cagectl) -> None:
    """The demo passes against right answers, and its table adds up."""
    book = Book()
    book.serve(server)

    done = await cagectl("demo")

    assert (done.code, done.err) == (0, "")
    assert "checks passed" in done.out
    assert "FAILED" not in done.out
    for figure in ("5,000.00", "-500.00", "1,200.00", "-300.00", "300.00", "5,700.00"):
        assert f" {figure} " in done.out
    assert {call.metadata["authorization"] for call in server.calls} == {
        "Bearer studio",
        "Bearer operator",
    }


def forget_version(reply: Any) -> Any:
    """Skip a version in the balance after a bet."""
    if isinstance(reply, BetResponse):
        reply.receipt.after.version += 1
    return reply


def debit_again(reply: Any) -> Any:
    """Claim that the retry was a new bet."""
    if isinstance(reply, BetResponse):
        reply.receipt.replayed = False
    return reply


def lose_a_line(reply: Any) -> Any:
    """Leave the wins out of the ledger."""
    if isinstance(reply, ListTransactionsResponse):
        kept = [row for row in reply.transactions if row.kind != 2]
        del reply.transactions[:]
        reply.transactions.extend(kept)
    return reply


def steal_a_paisa(reply: Any) -> Any:
    """Show less to the operator than to the studio."""
    if isinstance(reply, GetPlayerResponse):
        reply.balances[0].cash -= 1
    return reply


def pay_as_bonus(reply: Any) -> Any:
    """Call the win bonus money."""
    if isinstance(reply, WinResponse):
        reply.receipt.bonus.CopyFrom(reply.receipt.cash)
        reply.receipt.cash.amount = 0
    return reply


@pytest.mark.parametrize(
    ("lie", "seen"),
    [
        (forget_version, "FAILED bet: after: version"),
        (debit_again, "FAILED bet sent again: replayed"),
        (lose_a_line, "FAILED ledger: kinds and movements"),
        (steal_a_paisa, "FAILED GetPlayer: cash"),
        (pay_as_bonus, "FAILED win: moved"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_demo_sees_what_is_wrong(
    server: FakeServer, cagectl: Cagectl, lie: Callable[[Any], Any], seen: str
) -> None:
    """A server that is wrong in one figure fails the demo, which names the figure."""
    Book(lie=lie).serve(server)

    done = await cagectl("demo")

    assert done.code == 1
    assert seen in done.out


async def test_demo_reports_a_refusal(server: FakeServer, cagectl: Cagectl) -> None:
    """A refusal in the middle of the demo is printed and fails it."""
    Book().serve(server)
    server.always(BetRequest, InsufficientFundsError("low", balance=BALANCE))

    done = await cagectl("demo")

    assert done.code == 1
    assert "error: INSUFFICIENT_FUNDS" in done.err
    assert '"cash": "123456"' in done.err
