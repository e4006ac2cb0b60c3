"""Serve ``cage.player.v1.ResponsibleGamingService``."""

from cage.app.limit import LimitApp
from cage.core.jurisdiction import LimitPeriod
from cage.core.limit import (
    ConfirmLimit,
    LimitKind,
    LimitOrigin,
    RemoveLimit,
    SetLimit,
)
from cage.player.v1 import responsible_gaming_service_pb2 as service_pb2
from cage.rpc.interceptor import Call
from cage.rpc.limit import to_limit, to_limit_or_none


class ResponsibleGamingServicer:
    """Answer the rpcs of limits; the guard has judged key, role and form."""

    def __init__(self, app: LimitApp) -> None:
        self._app = app

    async def SetLimit(
        self, request: service_pb2.SetLimitRequest, call: Call
    ) -> service_pb2.SetLimitResponse:
        """Set a limit or change its amount."""
        command = SetLimit(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            kind=LimitKind(request.kind),
            period=LimitPeriod(request.period),
            origin=LimitOrigin(request.origin),
            currency_code=request.amount.currency_code,
            amount=request.amount.amount,
            scale=request.amount.scale if request.amount.HasField("scale") else -1,
            currency_rule=int(request.currency_rule),
        )
        view = await self._app.change(command, timeout_s=call.timeout_s)
        return service_pb2.SetLimitResponse(limit=to_limit_or_none(view))

    async def RemoveLimit(
        self, request: service_pb2.RemoveLimitRequest, call: Call
    ) -> service_pb2.RemoveLimitResponse:
        """Remove a limit, now or later."""
        command = RemoveLimit(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            kind=LimitKind(request.kind),
            period=LimitPeriod(request.period),
            origin=LimitOrigin(request.origin),
            currency_code=request.currency_code,
        )
        view = await self._app.change(command, timeout_s=call.timeout_s)
        return service_pb2.RemoveLimitResponse(limit=to_limit_or_none(view))

    async def ConfirmLimit(
        self, request: service_pb2.ConfirmLimitRequest, call: Call
    ) -> service_pb2.ConfirmLimitResponse:
        """Let a looser limit take effect."""
        command = ConfirmLimit(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            kind=LimitKind(request.kind),
            period=LimitPeriod(request.period),
            origin=LimitOrigin(request.origin),
            currency_code=request.currency_code,
        )
        view = await self._app.change(command, timeout_s=call.timeout_s)
        return service_pb2.ConfirmLimitResponse(limit=to_limit_or_none(view))

    async def ListLimits(
        self, request: service_pb2.ListLimitsRequest, call: Call
    ) -> service_pb2.ListLimitsResponse:
        """List a player's limits."""
        page = await self._app.list(
            call.key,
            player_id=request.player_id,
            page_size=request.page_size,
            page_token=request.page_token,
            timeout_s=call.timeout_s,
        )
        return service_pb2.ListLimitsResponse(
            limits=[to_limit(view, with_use=True) for view in page.items],
            next_page_token=page.next_page_token,
        )
