"""Turn rollbacks and reinstatements into commands, and their answers into responses."""

from typing import Any

from cage.core.errors import invalid_field
from cage.core.registry import Registry
from cage.core.wallet import (
    Kind,
    Original,
    Receipt,
    Reinstate,
    ReversalReceipt,
    Rollback,
    RollbackList,
    RollbackRound,
    Transaction,
)
from cage.rpc.command import Extra, common_extra, scale_of
from cage.rpc.convert import fill_receipt
from cage.rpc.validation import checker_of
from cage.wallet.v1 import wallet_pb2
from cage.wallet.v1 import wallet_service_pb2 as pb

_check_rollback = checker_of(pb.RollbackRequest.DESCRIPTOR)
_check_reinstate = checker_of(pb.ReinstateRequest.DESCRIPTOR)


def to_rollback(
    request: pb.RollbackRequest, key_id: str, _registry: Registry
) -> Rollback | RollbackList | RollbackRound:
    """Read a rollback of one, of a list or of a round.

    What it repeats of an original is only recorded.
    """
    _check_rollback(request)
    _check_target(request)
    shared: dict[str, Any] = {
        "key_id": key_id,
        "player_id": request.player_id,
        "transaction_id": request.transaction_id,
        "round_closed": request.round_closed,
    }
    if request.whole_round:
        return RollbackRound(
            **shared,
            game_id=request.game_id,
            round_id=request.round_id,
            extra=common_extra(request) or None,
        )
    extra = _repeated(request) or None
    if request.originals:
        originals = tuple(
            Original(transaction_id=each.transaction_id, kind=Kind(each.kind))
            for each in request.originals
        )
        return RollbackList(**shared, originals=originals, extra=extra)
    return Rollback(
        **shared,
        original_id=request.original.transaction_id,
        original_kind=Kind(request.original.kind),
        currency_code=request.amount.currency_code,
        amount=request.amount.amount,
        scale=scale_of(request.amount),
        extra=extra,
    )


def _check_target(request: pb.RollbackRequest) -> None:
    """Want one target: an original, different ones, or a round that is named."""
    originals = request.originals
    targets = (request.HasField("original"), bool(originals), request.whole_round)
    if not any(targets):
        raise invalid_field("original", "is required")
    if sum(targets) > 1:
        name = "whole_round" if request.whole_round else "originals"
        raise invalid_field(name, "must be the only one to say what is reversed")
    seen: set[str] = set()
    for index, original in enumerate(originals):
        if original.transaction_id in seen:
            name = f"originals[{index}].transaction_id"
            raise invalid_field(name, "must differ between originals")
        seen.add(original.transaction_id)
    for name in ("game_id", "round_id"):
        if request.whole_round and not getattr(request, name):
            raise invalid_field(name, "is required with whole_round")


def to_reinstate(
    request: pb.ReinstateRequest, key_id: str, _registry: Registry
) -> Reinstate:
    """Read a reinstatement; what it repeats of the rollback is only recorded."""
    _check_reinstate(request)
    return Reinstate(
        key_id=key_id,
        player_id=request.player_id,
        transaction_id=request.transaction_id,
        rollback_id=request.rollback_transaction_id,
        round_closed=request.round_closed,
        extra=_repeated(request) or None,
    )


def _repeated(request: pb.RollbackRequest | pb.ReinstateRequest) -> Extra:
    """Return what is recorded of a call, with the game and the round it repeats."""
    extra = common_extra(request)
    if request.game_id:
        extra["game_id"] = request.game_id
    if request.round_id:
        extra["round_id"] = request.round_id
    return extra


def fill_rollback(
    response: pb.RollbackResponse,
    request: pb.RollbackRequest,
    answer: Receipt | ReversalReceipt,
    _: Registry,
) -> bool:
    """Write what a rollback came to; say whether it is a replay.

    An alias answers as another rollback does, but under the id that was sent.
    """
    if isinstance(answer, ReversalReceipt):
        _fill_parts(response, request.transaction_id, answer)
        receipt = answer.receipt
    else:
        fill_receipt(response.receipt, answer, request.transaction_id)
        receipt = answer
    response.tombstone = receipt.tombstone
    return receipt.replayed


def fill_reinstate(
    response: pb.ReinstateResponse,
    request: pb.ReinstateRequest,
    answer: ReversalReceipt,
    _: Registry,
) -> bool:
    """Write what a reinstatement came to; say whether it is a replay."""
    _fill_parts(response, request.transaction_id, answer)
    return answer.receipt.replayed


def _fill_parts(
    response: pb.RollbackResponse | pb.ReinstateResponse,
    transaction_id: str,
    answer: ReversalReceipt,
) -> None:
    """Write the receipt of the whole, and those of its parts."""
    fill_receipt(response.receipt, answer.receipt, transaction_id)
    head = answer.receipt.transaction
    currency_no = head.currency_no
    _add_moved(
        response.receipt,
        [row for row in answer.moved if row.currency_no == currency_no],
    )
    for part in answer.parts:
        message = response.reversals.add()
        message.original.kind = wallet_pb2.TransactionKind.ValueType(part.kind)
        message.original.transaction_id = part.transaction_id
        fill_receipt(message.receipt, part.receipt, transaction_id)
        message.tombstone = part.receipt.tombstone


def _add_moved(message: wallet_pb2.Receipt, rows: list[Transaction]) -> None:
    """Let the receipt of the whole say what its parts moved, and what was before."""
    before = message.before
    for row in rows:
        message.cash.amount += row.cash
        message.bonus.amount += row.bonus
        before.cash -= row.cash
        before.bonus -= row.bonus
        before.version -= 1 if row.cash or row.bonus else 0
    before.playable = max(0, before.cash) + max(0, before.bonus)
