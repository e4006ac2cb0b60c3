"""Call EventService: what happened, from the journal."""

from collections.abc import Iterable
from datetime import datetime

from cage.client._channel import Caller
from cage.client._feed import Feed
from cage.client._times import timestamp_of
from cage.event.v1.event_pb2 import Event, EventType
from cage.event.v1.event_service_pb2 import SubscribeRequest, SubscribeResponse
from cage.wallet.v1.wallet_pb2 import TransactionKind


class Events:
    """Call EventService with a key of any role, which sees its own part."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def subscribe(
        self,
        *,
        cursor: str = "",
        start_time: datetime | None = None,
        player_id: str = "",
        integration_id: str = "",
        types: Iterable[EventType.ValueType] = (),
        transaction_kinds: Iterable[TransactionKind.ValueType] = (),
    ) -> Feed[Event, SubscribeResponse]:
        """Follow the journal: ``async for event in client.events.subscribe(...)``.

        It goes on from ``cursor``, or without one from ``start_time`` or the
        beginning, and reconnects and resumes by itself, without end. Its ``cursor``
        is the place after the last event that was handed out.

        Raises CursorInvalidError, PlayerNotFoundError, IntegrationNotFoundError,
        KeyInvalidError, when an event is waited for.
        """
        wanted = SubscribeRequest(
            player_id=player_id,
            integration_id=integration_id,
            types=types,
            transaction_kinds=transaction_kinds,
        )

        def request(place: str) -> SubscribeRequest:
            start = None if place else timestamp_of(start_time)
            asked = SubscribeRequest(cursor=place, start_time=start)
            asked.MergeFrom(wanted)
            return asked

        return Feed(
            self._caller,
            request=request,
            items=lambda frame: frame.events,
            after=lambda frame: frame.cursor,
            cursor=cursor,
            cursor_of=lambda event: event.cursor,
        )
