"""Convert times for the wire."""

from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
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


def duration_of(time: timedelta | None) -> Duration | None:
    """Convert a length of time."""
    if time is None:
        return None
    duration = Duration()
    duration.FromTimedelta(time)
    return duration
