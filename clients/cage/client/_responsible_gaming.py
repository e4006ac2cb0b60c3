"""Call ResponsibleGamingService: what protects a player."""

from __future__ import annotations

from cage.client._channel import Caller
from cage.client._ids import new_id
from cage.client._pages import Pager
from cage.player.v1.responsible_gaming_pb2 import (
    LIMIT_CURRENCY_RULE_UNSPECIFIED,
    Limit,
    LimitCurrencyRule,
    LimitKind,
    LimitOrigin,
    LimitPeriod,
)
from cage.player.v1.responsible_gaming_service_pb2 import (
    ConfirmLimitRequest,
    ConfirmLimitResponse,
    ListLimitsRequest,
    ListLimitsResponse,
    RemoveLimitRequest,
    RemoveLimitResponse,
    SetLimitRequest,
    SetLimitResponse,
)
from cage.type.v1.money_pb2 import Money


class ResponsibleGaming:
    """Call ResponsibleGamingService with a key of role OPERATOR."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def set_limit(
        self,
        *,
        player_id: str,
        kind: LimitKind.ValueType,
        period: LimitPeriod.ValueType,
        origin: LimitOrigin.ValueType,
        amount: Money,
        currency_rule: LimitCurrencyRule.ValueType = LIMIT_CURRENCY_RULE_UNSPECIFIED,
        request_id: str | None = None,
    ) -> SetLimitResponse:
        """Set a limit: a tighter one at once, the player's looser one later.

        ``period`` is BET for a stake and longer for everything else.
        ``currency_rule`` is REFUSE_OTHER for a new limit unless it says otherwise.

        Raises PlayerNotFoundError, CurrencyNotFoundError, CurrencyMismatchError,
        ScaleMismatchError, AmountOutOfRangeError, RequestMismatchError.
        """
        request = SetLimitRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            kind=kind,
            period=period,
            origin=origin,
            amount=amount,
            currency_rule=currency_rule,
        )
        return await self._caller.call(request, SetLimitResponse)

    async def remove_limit(
        self,
        *,
        player_id: str,
        kind: LimitKind.ValueType,
        period: LimitPeriod.ValueType,
        origin: LimitOrigin.ValueType,
        currency_code: str,
        request_id: str | None = None,
    ) -> RemoveLimitResponse:
        """Remove a limit: the operator's at once, the player's later.

        Raises PlayerNotFoundError, CurrencyNotFoundError, LimitNotFoundError,
        RequestMismatchError.
        """
        request = RemoveLimitRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            kind=kind,
            period=period,
            origin=origin,
            currency_code=currency_code,
        )
        return await self._caller.call(request, RemoveLimitResponse)

    async def confirm_limit(
        self,
        *,
        player_id: str,
        kind: LimitKind.ValueType,
        period: LimitPeriod.ValueType,
        origin: LimitOrigin.ValueType,
        currency_code: str,
        request_id: str | None = None,
    ) -> ConfirmLimitResponse:
        """Confirm, at the player's wish, a looser limit whose delay is over.

        Raises PlayerNotFoundError, CurrencyNotFoundError, LimitNotFoundError,
        LimitChangeNotDueError, RequestMismatchError.
        """
        request = ConfirmLimitRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            kind=kind,
            period=period,
            origin=origin,
            currency_code=currency_code,
        )
        return await self._caller.call(request, ConfirmLimitResponse)

    def list_limits(
        self, *, player_id: str, page_size: int = 0
    ) -> Pager[Limit, ListLimitsResponse]:
        """List a player's limits with what counts against them.

        ``page_size`` is 0 to 1,000 items; 0 leaves it to the server.

        Raises PlayerNotFoundError, PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListLimitsResponse:
            request = ListLimitsRequest(
                player_id=player_id, page_size=page_size, page_token=page_token
            )
            return await self._caller.call(request, ListLimitsResponse)

        return Pager(fetch, lambda page: page.limits)
