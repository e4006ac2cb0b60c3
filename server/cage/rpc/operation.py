"""Begin and finish the operations of the wallet: the one path to the money.

Single calls, streams and batches all begin an operation here, which turns its
request into a command and queues it, and finish it here, which turns the answer
into the response.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from cage.app.wallet import WalletApp, WalletCommand
from cage.core.errors import CageError, Reason, invalid_field
from cage.core.registry import Registry
from cage.core.round import Round
from cage.core.wallet import Balance, PlayReceipt, Receipt
from cage.rpc import command, reserve, reversal
from cage.rpc.convert import fill_balance, fill_receipt, fill_round
from cage.rpc.meter import OK, Meter
from cage.rpc.rate import Rate, holds_bet
from cage.rpc.status import to_status
from cage.wallet.v1 import wallet_service_pb2 as pb

# Writes the result for a request into a response; says whether it is a replay.
Fill = Callable[[Any, Any, Any, Registry], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Describe one operation by its name in ``Operation`` and ``OperationResult``."""

    name: str
    to_command: Callable[[Any, str, Registry], WalletCommand]
    response: type[Message]
    fill: Fill


def _fill_receipt(response: Any, request: Any, receipt: Receipt, _: Registry) -> bool:
    fill_receipt(response.receipt, receipt, request.transaction_id)
    return receipt.replayed


def _fill_play(
    response: pb.PlayResponse, _: pb.PlayRequest, play: PlayReceipt, __: Registry
) -> bool:
    for receipt in play.receipts:
        fill_receipt(
            response.receipts.add(), receipt, receipt.transaction.transaction_id
        )
    if play.current is not None:
        fill_balance(response.balance, play.current)
    response.replayed = play.replayed
    return play.replayed


def _fill_close_round(
    response: pb.CloseRoundResponse,
    request: pb.CloseRoundRequest,
    closed: tuple[Round, bool],
    registry: Registry,
) -> bool:
    round_, replayed = closed
    fill_round(
        response.round,
        round_,
        registry,
        player_id=request.player_id,
        game_id=request.game_id,
    )
    response.replayed = replayed
    return replayed


def _fill_balance(
    response: pb.GetBalanceResponse,
    _: pb.GetBalanceRequest,
    balance: Balance,
    __: Registry,
) -> bool:
    fill_balance(response.balance, balance)
    return False


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation(
            name="bet",
            to_command=command.to_bet,
            response=pb.BetResponse,
            fill=_fill_receipt,
        ),
        Operation(
            name="win",
            to_command=command.to_win,
            response=pb.WinResponse,
            fill=_fill_receipt,
        ),
        Operation(
            name="play",
            to_command=command.to_play,
            response=pb.PlayResponse,
            fill=_fill_play,
        ),
        Operation(
            name="rollback",
            to_command=reversal.to_rollback,
            response=pb.RollbackResponse,
            fill=reversal.fill_rollback,
        ),
        Operation(
            name="close_round",
            to_command=command.to_close_round,
            response=pb.CloseRoundResponse,
            fill=_fill_close_round,
        ),
        Operation(
            name="award",
            to_command=command.to_award,
            response=pb.AwardResponse,
            fill=_fill_receipt,
        ),
        Operation(
            name="adjust",
            to_command=command.to_adjust,
            response=pb.AdjustResponse,
            fill=_fill_receipt,
        ),
        Operation(
            name="reserve",
            to_command=reserve.to_reserve,
            response=pb.ReserveResponse,
            fill=reserve.fill_reserve,
        ),
        Operation(
            name="capture",
            to_command=reserve.to_capture,
            response=pb.CaptureResponse,
            fill=_fill_receipt,
        ),
        Operation(
            name="release",
            to_command=reserve.to_release,
            response=pb.ReleaseResponse,
            fill=reversal.fill_rollback,
        ),
        Operation(
            name="get_balance",
            to_command=command.to_get_balance,
            response=pb.GetBalanceResponse,
            fill=_fill_balance,
        ),
        Operation(
            name="reinstate",
            to_command=reversal.to_reinstate,
            response=pb.ReinstateResponse,
            fill=reversal.fill_reinstate,
        ),
    )
}


@dataclass(slots=True)
class Item:
    """Hold one operation of a stream or a batch until its answer is written.

    It takes the answer as a future would, and calls ``on_done`` at once instead of
    through the loop: a commit answers many. ``outcome`` is a result of the core or
    the CageError that refuses.
    """

    operation: Operation | None
    request: Any
    on_done: "Callable[[Item], None]"
    outcome: object = None
    is_done: bool = False
    is_abandoned: bool = False
    name: str = ""

    def cancelled(self) -> bool:
        """Say whether nobody waits any more; what has started still commits."""
        return self.is_abandoned

    def done(self) -> bool:
        """Say whether it is answered, or nobody waits any more."""
        return self.is_done or self.is_abandoned

    def set_result(self, result: object, /) -> None:
        """Take the answer and say so."""
        self.outcome = result
        self.is_done = True
        self.on_done(self)

    set_exception = set_result

    def refuse(self, refusal: CageError) -> "Item":
        """Take a refusal that came before anything was queued."""
        self.outcome = refusal
        self.is_done = True
        return self


class Executor:
    """Begin and finish operations, and count what becomes of them.

    ``fail`` logs the exception being handled and returns what the caller hears.
    """

    def __init__(
        self,
        wallet: WalletApp,
        *,
        meter: Meter,
        fail: Callable[[str], CageError],
        rate: Rate,
    ) -> None:
        self._wallet = wallet
        self._rate = rate
        self._meter = meter
        self._fail = fail

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        return self._wallet.registry

    def begin(
        self, operation: Operation, request: Any, *, key_id: str, timeout_s: float
    ) -> "asyncio.Future[object]":
        """Queue an operation.

        Raises INVALID_FIELD, SCALE_MISMATCH, AMOUNT_OUT_OF_RANGE, CURRENCY_MISMATCH,
        OVERLOADED, DEADLINE_TOO_SHORT or SHUTTING_DOWN.
        """
        wallet = self._wallet
        command = operation.to_command(request, key_id, wallet.registry)
        return wallet.submit(command, timeout_s=timeout_s)

    async def execute(
        self, operation: Operation, request: Any, *, key_id: str, timeout_s: float
    ) -> Any:
        """Run an operation to its response, or raise what refuses it."""
        try:
            result = await self.begin(
                operation, request, key_id=key_id, timeout_s=timeout_s
            )
        except CageError as refusal:
            self._count(operation, refusal)
            raise
        response = operation.response()
        self._fill(response, operation, request, result)
        return response

    def begin_item(
        self,
        requested: pb.Operation,
        on_done: Callable[[Item], None],
        *,
        key_id: str,
        timeout_s: float,
        name: str = "",
    ) -> Item:
        """Queue one operation of several. A refused one is done already.

        ``name`` is the caller's own, for its replies.
        """
        kind = requested.WhichOneof("operation")
        if kind is None:
            item = Item(None, None, on_done, name=name)
            return item.refuse(invalid_field("operation", "is required"))
        operation, request = OPERATIONS[kind], getattr(requested, kind)
        item = Item(operation, request, on_done, name=name)
        wallet = self._wallet
        try:
            self._rate.take(key_id, is_bet=holds_bet(request))
            command = operation.to_command(request, key_id, wallet.registry)
            wallet.submit_into(command, item, timeout_s=timeout_s)
        except CageError as refusal:
            return item.refuse(refusal)
        except Exception:  # noqa: BLE001 - the edge: one operation fails, not its call
            return item.refuse(self._fail(operation.name))
        return item

    def fill_result(self, message: pb.OperationResult, item: Item) -> Reason | None:
        """Write what became of an item that is done; return why it was refused."""
        outcome, operation = item.outcome, item.operation
        if operation is not None and not isinstance(outcome, CageError):
            try:
                response = getattr(message, operation.name)
                self._fill(response, operation, item.request, outcome)
            except Exception:  # noqa: BLE001 - the edge: one operation fails
                outcome = self._fail(operation.name)
            else:
                return None
        return self._refuse(message, operation, outcome)

    def _refuse(
        self, message: pb.OperationResult, operation: Operation | None, outcome: object
    ) -> Reason:
        """Write a refusal as the result of an operation."""
        if not isinstance(outcome, CageError):
            raise TypeError("an item is neither queued nor refused")
        self._count(operation, outcome)
        message.error.CopyFrom(to_status(outcome))
        return outcome.reason

    def _fill(
        self, response: Any, operation: Operation, request: Any, result: object
    ) -> None:
        meter = self._meter
        if operation.fill(response, request, result, self._wallet.registry):
            meter.replays[operation.name] += 1
        meter.operations[operation.name, OK] += 1

    def _count(self, operation: Operation | None, refusal: CageError) -> None:
        name = operation.name if operation is not None else ""
        self._meter.operations[name, refusal.reason.value] += 1
