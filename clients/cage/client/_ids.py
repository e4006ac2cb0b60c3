"""Make the ids under which a call is retried."""

import secrets
import time
import uuid


def new_id() -> str:
    """Return a fresh UUIDv7: unique, and ordered by the millisecond of its making.

    Use it for a transaction_id or request_id that must be known before the call,
    for example to store it first.
    """
    unix_ms = time.time_ns() // 1_000_000
    bits = (unix_ms & (2**48 - 1)) << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76  # version 7
    bits = bits & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
    return str(uuid.UUID(int=bits))
