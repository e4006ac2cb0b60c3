"""Find the callers' ids of what transactions refer to."""

from collections.abc import Sequence
from typing import Protocol

from cage.core.wallet import REVERSING, Kind, Transaction, caller_id

_BACK = (Kind.ROLLBACK, Kind.RELEASE)


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

    That is the bet of a win, the original of a rollback and the rollback of a
    reinstatement; empty without one.
    """
    by_no = {row.item_no: row for row in rows}
    missing = {row.reference_no for row in rows if row.reference_no} - by_no.keys()
    while missing:
        found = await reads.transactions_by_no(lane, sorted(missing))
        by_no |= {row.item_no: row for row in found}
        # An alias refers to a rollback, which refers to an original, and so does what
        # undid a rollback.
        missing = {row.reference_no for row in found if row.kind in REVERSING}
        missing -= {0, *by_no}
    return [_original_id(row, by_no) for row in rows]


def _original_id(row: Transaction, by_no: dict[int, Transaction]) -> str:
    """Follow the references of a row to the first that is of another kind.

    That is the original of a rollback and the rollback of a reinstatement.
    """
    reference = by_no.get(row.reference_no)
    if row.kind in REVERSING:
        # A rollback of a reserve that was released before stands for the release.
        same = (row.kind,) if row.kind == Kind.REINSTATE else _BACK
        while reference is not None and reference.kind in same:
            reference = by_no.get(reference.reference_no)
    return caller_id(reference) if reference is not None else ""
