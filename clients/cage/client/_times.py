"""Convert times for the wire."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp_of(time: datetime | None) -> Timestamp | None:
    """Convert an aware time; raise ValueError for one without a time zone."""
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError("a time needs its time zone")
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp
