"""Turn the requests of two-phase bets into commands, and answer them."""

from typing import Any

from cage.core.registry import Registry
from cage.core.replay import stored_extra
from cage.core.reservation import Capture, Reserve
from cage.core.wallet import Kind, Receipt, Rollback
from cage.rpc.command import common_extra, digest, scale_of
from cage.rpc.convert import fill_receipt, fill_time
from cage.rpc.validation import checker_of
from cage.wallet.v1 import wallet_service_pb2 as pb

_check_reserve = checker_of(pb.ReserveRequest.DESCRIPTOR)
_check_capture = checker_of(pb.CaptureRequest.DESCRIPTOR)
_check_release = checker_of(pb.ReleaseRequest.DESCRIPTOR)


def to_reserve(request: pb.ReserveRequest, key_id: str, _registry: Registry) -> Reserve:
    """Read a reserve; without a life the rules say how long."""
    _check_reserve(request)
    life = request.life
    return Reserve(
        key_id=key_id,
        player_id=request.player_id,
        game_id=request.game_id,
        round_id=request.round_id,
        transaction_id=request.transaction_id,
        currency_code=request.amount.currency_code,
        amount=request.amount.amount,
        scale=scale_of(request.amount),
        session_digest=digest(request.session_token),
        life_us=life.seconds * 1_000_000 + life.nanos // 1_000,
        extra=common_extra(request) or None,
    )


def to_capture(request: pb.CaptureRequest, key_id: str, _registry: Registry) -> Capture:
    """Read a capture."""
    _check_capture(request)
    return Capture(
        key_id=key_id,
        player_id=request.player_id,
        game_id=request.game_id,
        round_id=request.round_id,
        transaction_id=request.transaction_id,
        reserve_transaction_id=request.reserve_transaction_id,
        currency_code=request.amount.currency_code,
        amount=request.amount.amount,
        scale=scale_of(request.amount),
        round_closed=request.round_closed,
        extra=common_extra(request) or None,
    )


def to_release(
    request: pb.ReleaseRequest, key_id: str, _registry: Registry
) -> Rollback:
    """Read a release: the rollback of a reserve, of which captures stay."""
    _check_release(request)
    extra = common_extra(request)
    if request.game_id:
        extra["game_id"] = request.game_id
    if request.round_id:
        extra["round_id"] = request.round_id
    return Rollback(
        key_id=key_id,
        player_id=request.player_id,
        transaction_id=request.transaction_id,
        original_id=request.reserve_transaction_id,
        original_kind=Kind.RESERVE,
        releases=True,
        round_closed=request.round_closed,
        extra=extra or None,
    )


def fill_reserve(response: Any, request: Any, receipt: Receipt, _: Registry) -> bool:
    """Write the receipt of a reserve, and when it expires."""
    fill_receipt(response.receipt, receipt, request.transaction_id)
    expire_time_us = stored_extra(receipt.transaction)["expire_time_us"]
    fill_time(response.expire_time, expire_time_us)
    return receipt.replayed
