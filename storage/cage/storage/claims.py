"""Hold the claims of ids against the transactions that made them."""

from collections.abc import Collection

from sqlalchemy import bindparam, select

from cage.core.wallet import Transaction
from cage.storage import schema
from cage.storage.finding import Books, BrokenError
from cage.storage.statements import compile_text

_CLAIMS = compile_text(
    select(schema.id_claims).where(schema.id_claims.c.lane == bindparam("l"))
)


def claim_row(row: Transaction) -> tuple[object, ...]:
    """Return the claim of a transaction, as the table has it."""
    return (
        row.lane,
        row.integration_no,
        row.key_space,
        row.transaction_id,
        row.player_no,
        row.kind,
        row.item_no,
    )


def check_claims(
    connection: Books, lane: int, expected: Collection[tuple[object, ...]]
) -> None:
    """Raise BrokenError at the first claim that is missing, changed or made up."""
    found = {tuple(row) for row in connection.execute(_CLAIMS, (lane,))}
    for row in sorted(found ^ set(expected), key=str):
        place = f"id {lane}/{row[1]}/{row[2]}/{row[3]}"
        pair = (row, "none") if row in expected else ("none", row)
        raise BrokenError("wrong claim", place, *pair)
