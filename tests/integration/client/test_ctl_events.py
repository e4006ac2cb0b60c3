"""``cagectl events`` prints what happens, an object a line."""

import json

from tests.integration.client.conftest import Cagectl

from cage.client import EventType, KeyInvalidError
from cage.client.testing import FakeServer
from cage.event.v1.event_pb2 import Event, Position
from cage.event.v1.event_service_pb2 import SubscribeRequest, SubscribeResponse

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
