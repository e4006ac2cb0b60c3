"""Chain the batches of a lane by hash, over every item with its entries.

The encoding, version 1: the UTF-8 JSON array ``[1, lane, sequence, first_no,
item_count, commit_time_us, transactions, entries, changes]`` without white space,
where the last three are arrays of rows and a row is the array of its columns in
schema order. The hash of a batch is the lower-case hex SHA-256 of the hash of the
batch before it (64 zeros for the first), a line feed, and that text.
"""

import hashlib
from collections.abc import Sequence

import orjson

ENCODING_VERSION = 1
GENESIS_HASH = "0" * 64

Rows = Sequence[Sequence[object]]


def batch_hash(
    previous_hash: str,
    *,
    lane: int,
    sequence: int,
    first_no: int,
    item_count: int,
    commit_time_us: int,
    transactions: Rows,
    entries: Rows,
    changes: Rows,
) -> str:
    """Return the hash of one batch, hashed onto the batch before it."""
    text = orjson.dumps(
        (
            ENCODING_VERSION,
            lane,
            sequence,
            first_no,
            item_count,
            commit_time_us,
            transactions,
            entries,
            changes,
        )
    )
    return hashlib.sha256(previous_hash.encode() + b"\n" + text).hexdigest()
