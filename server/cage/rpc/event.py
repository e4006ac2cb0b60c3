"""Serve ``cage.event.v1.EventService``."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from cage.app.event import EventApp, EventFrame, EventView, Query
from cage.app.wallet import TransactionView
from cage.core.book import Change
from cage.core.event import shown
from cage.core.ids import public_id
from cage.core.registry import ApiKey, Registry
from cage.core.wallet import FLAG_TEST
from cage.event.v1 import event_pb2
from cage.event.v1 import event_service_pb2 as pb
from cage.rpc.convert import fill_time, fill_transaction, to_microseconds
from cage.rpc.feed import Feeds
from cage.rpc.interceptor import Call


class EventServicer:
    """Tell what happened; the guard has judged key, role and form."""

    def __init__(self, app: EventApp, feeds: Feeds) -> None:
        self._app = app
        self._feeds = feeds

    async def Subscribe(self, request: pb.SubscribeRequest, call: Call) -> None:
        """Follow the journal."""
        await self._feeds.run(call, self._follow(request, call.key))

    async def _follow(
        self, request: pb.SubscribeRequest, key: ApiKey
    ) -> AsyncGenerator[pb.SubscribeResponse, None]:
        has_time = request.HasField("start_time")
        query = Query(
            cursor=request.cursor,
            start_time_us=to_microseconds(request.start_time) if has_time else None,
            player_id=request.player_id,
            integration_id=request.integration_id,
            types=tuple(request.types),
            kinds=tuple(request.transaction_kinds),
        )
        async with aclosing(self._app.subscribe(key, query)) as frames:
            async for frame in frames:
                yield self._to_response(frame)

    def _to_response(self, frame: EventFrame) -> pb.SubscribeResponse:
        registry = self._app.registry
        response = pb.SubscribeResponse(cursor=frame.cursor)
        for view in frame.events:
            _fill_event(response.events.add(), view, registry)
        return response


def _fill_event(event: event_pb2.Event, view: EventView, registry: Registry) -> None:
    """Write an event as its reader sees it."""
    row, gate, place = view.row, view.gate, view.place
    event.cursor = view.cursor
    event.type = event_pb2.EventType.ValueType(view.type)
    event.player_id = "" if gate is None else gate.player_id
    position = event.position
    position.lane = view.lane
    position.sequence = place.sequence
    position.index = place.taken - 1
    fill_time(event.commit_time, row.commit_time_us)
    if isinstance(row, Change):
        event.is_test = gate is not None and bool(gate.is_test)
        event.change.CopyFrom(_to_change(row, registry))
        return
    if gate is None:
        raise AssertionError(f"transaction {view.lane}/{row.item_no} has no player")
    found = TransactionView(gate=gate, row=row, reference_id=view.reference_id)
    fill_transaction(event.transaction, found, registry)
    event.is_test = bool(row.flags & FLAG_TEST)
    event.integration_id = event.transaction.integration_id


def _to_change(row: Change, registry: Registry) -> event_pb2.Change:
    """Return of a journalled change what readers of events may see."""
    return event_pb2.Change(
        ledger_id=public_id(row.commit_time_us, row.lane, row.item_no),
        actor=row.actor,
        noun=row.noun,
        noun_id=row.noun_id,
        action=row.action,
        before_json=shown(row.noun, row.before, registry),
        after_json=shown(row.noun, row.after, registry),
    )
