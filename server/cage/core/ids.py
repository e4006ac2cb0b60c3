"""Derive public ids and lanes from what the journal already knows.

The public id of a journalled item is a UUIDv7 (RFC 9562) whose random bits are the
item's place: 12 bits of lane and 62 bits of number. It is unique, sorts by time,
takes no column and no index, and leads back to the row. Ids of players are drawn
at random, because the lane follows from the id.
"""

import hashlib
import uuid

_LANE_BITS = 12
LANES_MAX = 1 << _LANE_BITS


def public_id(time_us: int, lane: int, number: int) -> str:
    """Return the UUIDv7 of item ``number`` of a lane, created at a time."""
    value = (time_us // 1000) << 80 | 7 << 76 | lane << 64 | 2 << 62 | number
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_public_id(text: str) -> tuple[int, int] | None:
    """Return (lane, number) of a public id, or None when it is none of ours."""
    try:
        value = uuid.UUID(text).int
    except ValueError:
        return None
    return (value >> 64) & (LANES_MAX - 1), value & ((1 << 62) - 1)


def random_uuid7(time_us: int, random_bytes: bytes) -> str:
    """Return a UUIDv7 of a time and ten random bytes."""
    tail = int.from_bytes(random_bytes[:10])
    value = (time_us // 1000) << 80 | tail
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))


def lane_of(key: str, lanes: int) -> int:
    """Return the lane of a player id, the same in every process and for ever."""
    if lanes == 1:
        return 0
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % lanes
