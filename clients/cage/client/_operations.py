"""Offer the operations of a wallet, however they travel.

A unary call and a frame of a stream take the same request and answer the same reply.
The signatures live in ``requests``; this module only says who answers what.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from google.protobuf.message import Message

from cage.client import requests
from cage.wallet.v1.wallet_service_pb2 import (
    AdjustResponse,
    AwardResponse,
    BetResponse,
    CaptureResponse,
    CloseRoundResponse,
    GetBalanceResponse,
    PlayResponse,
    ReinstateResponse,
    ReleaseResponse,
    ReserveResponse,
    RollbackResponse,
    WinResponse,
)

_Params = ParamSpec("_Params")
_Reply = TypeVar("_Reply", bound=Message)


def _operation(
    build: Callable[_Params, Message], reply: type[_Reply]
) -> Callable[Concatenate["Operations", _Params], Coroutine[Any, Any, _Reply]]:
    async def send(
        self: "Operations", /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> _Reply:
        return await self._execute(build(*args, **kwargs), reply)

    functools.update_wrapper(send, build)
    signature = inspect.signature(build)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    send.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[own, *signature.parameters.values()],
        return_annotation=reply.__name__,
    )
    return send


class Operations:
    """Hold one coroutine method for each operation; see ``requests`` for arguments.

    Every method returns once the operation is durable, after as many retries under
    one id as the RetryPolicy allows, and raises CageError when it is refused.
    """

    async def _execute(self, request: Message, reply: type[_Reply]) -> _Reply:
        raise NotImplementedError

    get_balance = _operation(requests.get_balance, GetBalanceResponse)
    bet = _operation(requests.bet, BetResponse)
    win = _operation(requests.win, WinResponse)
    play = _operation(requests.play, PlayResponse)
    rollback = _operation(requests.rollback, RollbackResponse)
    reinstate = _operation(requests.reinstate, ReinstateResponse)
    close_round = _operation(requests.close_round, CloseRoundResponse)
    award = _operation(requests.award, AwardResponse)
    adjust = _operation(requests.adjust, AdjustResponse)
    reserve = _operation(requests.reserve, ReserveResponse)
    capture = _operation(requests.capture, CaptureResponse)
    release = _operation(requests.release, ReleaseResponse)
