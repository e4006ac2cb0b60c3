"""cagectl shows and changes limits through the SDK."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cage.client import Limit, LimitKind, LimitOrigin, LimitPeriod, money
from cage.client.testing import FakeServer
from cage.player.v1.responsible_gaming_pb2 import PendingLimit
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

Cagectl: TypeAlias = Callable[..., Awaitable[Any]]
LIMIT = Limit(
    kind=LimitKind.LIMIT_KIND_LOSS,
    period=LimitPeriod.LIMIT_PERIOD_DAY,
    origin=LimitOrigin.LIMIT_ORIGIN_PLAYER,
    amount=money("EUR", "50.00"),
    used=money("EUR", "12.34"),
    pending=PendingLimit(due_time=Timestamp(seconds=1_800_000_000)),
)


async def test_limit_commands(server: FakeServer, cagectl: Cagectl) -> None:
    """Limits are listed, set, removed and confirmed."""
    server.always(ListLimitsRequest, ListLimitsResponse(limits=[LIMIT]))
    server.always(SetLimitRequest, SetLimitResponse(limit=LIMIT))
    server.always(RemoveLimitRequest, RemoveLimitResponse())
    server.always(ConfirmLimitRequest, ConfirmLimitResponse(limit=LIMIT))
    which = ("loss", "day")
    done = [
        await cagectl("player", "limits", "p-1"),
        await cagectl("player", "limit", "p-1", *which, "50.00", "EUR"),
        await cagectl("player", "remove-limit", "p-1", *which, "EUR", "--operator"),
        await cagectl("player", "confirm-limit", "p-1", *which, "EUR"),
    ]
    (request,) = server.requests(SetLimitRequest)
    (removed,) = server.requests(RemoveLimitRequest)

    assert [each.code for each in done] == [0] * 4
    assert "12.34" in done[0].out
    assert "removal until 2027-01-15" in done[0].out
    assert request.amount == LIMIT.amount
    assert (request.kind, request.period) == (LIMIT.kind, LIMIT.period)
    assert request.origin == LimitOrigin.LIMIT_ORIGIN_PLAYER
    assert removed.origin == LimitOrigin.LIMIT_ORIGIN_OPERATOR


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("limit", "p", "luck", "day", "1", "EUR"), "KIND is"),
        (("limit", "p", "loss", "year", "1", "EUR"), "PERIOD is"),
        (("limit", "p", "loss", "day", "much", "EUR"), "plain decimal"),
    ],
)
async def test_wrong_limit(
    server: FakeServer, cagectl: Cagectl, arguments: tuple[str, ...], said: str
) -> None:
    """A limit that cannot be is not sent."""
    done = await cagectl("player", *arguments)

    assert done.code == 2
    assert said in done.err
    assert server.calls == []
