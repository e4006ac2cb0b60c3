"""Find the callers' ids of what transactions refer to."""

from collections.abc import Sequence
from typing import Protocol

from cage.core.wallet import KeySpace, Transaction


class TransactionReads(Protocol):
    """Find transactions by their places."""

    async def transactions_by_no(
        self, lane: int, item_nos: Sequence[int]
    ) -> Sequence[Transaction]:
        """Find transactions by their place in the journal, in any order."""
        ...


async def reference_ids(
    reads: TransactionReads, lane: int, rows: Sequence[Transaction]
) -> list[str]:
    """Return, for each row of a lane, the caller's id of what it refers to.

    That is the bet of a win and the original of a rollback; empty without one.
    """
    by_no = {row.item_no: row for row in rows}
    missing = {row.reference_no for row in rows if row.reference_no} - by_no.keys()
    while missing:
        found = await reads.transactions_by_no(lane, sorted(missing))
        by_no |= {row.item_no: row for row in found}
        # An alias refers to a rollback, which refers to an original.
        missing = {
            row.reference_no for row in found if _is_reversal(row)
        } - by_no.keys()
    return [_original_id(row, by_no) for row in rows]


def _is_reversal(row: Transaction) -> bool:
    return row.key_space == KeySpace.REVERSE


def _original_id(row: Transaction, by_no: dict[int, Transaction]) -> str:
    """Follow the references of a row to the first that is no rollback itself."""
    reference = by_no.get(row.reference_no)
    while reference is not None and _is_reversal(reference):
        reference = by_no.get(reference.reference_no)
    return reference.transaction_id if reference is not None else ""
