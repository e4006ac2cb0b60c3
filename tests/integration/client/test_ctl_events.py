"""``cagectl events`` and ``export`` print what happened, an object a line."""

import json
from typing import Any

import grpc
import pytest
from tests.integration.client.conftest import Cagectl

from cage.client import EventType, KeyInvalidError, UnknownOutcomeError, money
from cage.client.testing import FakeServer
from cage.event.v1.event_pb2 import Event, Position
from cage.event.v1.event_service_pb2 import SubscribeRequest, SubscribeResponse
from cage.wallet.v1 import wallet_service_pb2 as pb
from cage.wallet.v1.wallet_pb2 import Round, Transaction

BROKEN = UnknownOutcomeError("gone", code=grpc.StatusCode.UNAVAILABLE)
REFUSED = EventType.EVENT_TYPE_TRANSACTION_REFUSED
EVENTS = [
    Event(cursor=str(n), type=REFUSED, position=Position(sequence=n))
    for n in range(1, 4)
]


async def test_events_are_printed(server: FakeServer, cagectl: Cagectl) -> None:
    """Events come as JSON with the names of the contract, up to the limit."""
    server.script(SubscribeRequest, [SubscribeResponse(events=EVENTS, cursor="3")])
    filters = ("--player", "p", "--integration", "i", "--type", "transaction-refused")

    done = await cagectl("events", "--limit", "2", "--cursor", "0", *filters)

    lines = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, [line["cursor"] for line in lines]) == (0, ["1", "2"])
    assert lines[0]["type"] == "EVENT_TYPE_TRANSACTION_REFUSED"
    assert server.requests(SubscribeRequest) == [
        SubscribeRequest(cursor="0", player_id="p", integration_id="i", types=[REFUSED])
    ]


async def test_quiet_stream_ends(server: FakeServer, cagectl: Cagectl) -> None:
    """With --wait the command ends when nothing comes any more."""
    server.script(SubscribeRequest, [SubscribeResponse(events=EVENTS, cursor="3")])
    server.always(SubscribeRequest, [SubscribeResponse(cursor="3")])

    done = await cagectl("events", "--wait", "0.5")

    assert (done.code, len(done.out.splitlines())) == (0, 3)


async def test_refusal_is_printed(server: FakeServer, cagectl: Cagectl) -> None:
    """A refusal ends the command with code 1, a wrong type with code 2."""
    server.always(SubscribeRequest, KeyInvalidError("who?"))

    refused = await cagectl("events")
    wrong = await cagectl("events", "--type", "nothing")

    assert (refused.code, wrong.code) == (1, 2)
    assert "error: KEY_INVALID" in refused.err.splitlines()
    assert "--type is one of" in wrong.err


@pytest.mark.parametrize(
    ("noun", "kind", "reply"),
    [
        (
            "transactions",
            pb.ExportTransactionsRequest,
            pb.ExportTransactionsResponse(
                transactions=[Transaction(round_id="r")], cursor="1"
            ),
        ),
        (
            "rounds",
            pb.ExportRoundsRequest,
            pb.ExportRoundsResponse(rounds=[Round(round_id="r")], cursor="1"),
        ),
    ],
)
async def test_exports_are_printed(
    server: FakeServer, cagectl: Cagectl, noun: str, kind: Any, reply: Any
) -> None:
    """An export comes as JSON lines, and its last cursor on standard error."""
    server.script(kind, [reply, BROKEN], [reply, type(reply)(cursor="2")])
    times = ("--from", "2026-01-01", "--to", "2026-01-02T10:00:00")

    done = await cagectl("export", noun, "--integration", "i", *times)
    wrong = await cagectl("export", noun, "--from", "2026-01-01", "--cursor", "2")

    assert [json.loads(line) for line in done.out.splitlines()] == [
        {"round_id": "r"}
    ] * 2
    assert (done.code, wrong.code) == (0, 2)
    assert done.err.splitlines()[-1] == "cursor: 2"
    first, second = server.requests(kind)
    assert first.start_time.ToJsonString() == "2026-01-01T00:00:00Z"
    assert not second.HasField("start_time")
    assert second.cursor == "1"
    assert first.end_time == second.end_time
    assert first.integration_id == second.integration_id == "i"


async def test_unfinished_rounds_are_listed(
    server: FakeServer, cagectl: Cagectl
) -> None:
    """Unfinished rounds come as a table, no more than are asked for."""
    row = Round(
        round_id="r",
        game_id="slots",
        player_id="p",
        integration_id="hub",
        bet_amount=money("EUR", "1234.50"),
        win_amount=money("EUR", "0.00"),
    )
    page = pb.ListUnfinishedRoundsResponse(rounds=[row, row], next_page_token="more")
    server.always(pb.ListUnfinishedRoundsRequest, page)

    done = await cagectl("rounds", "unfinished", "--hours", "48", "--limit", "2")

    (request,) = server.requests(pb.ListUnfinishedRoundsRequest)
    assert (done.code, done.out.count("1,234.50 EUR")) == (0, 2)
    assert (request.min_age.seconds, request.page_size) == (172_800, 2)
