"""Send the releases of reserves whose life is over.

What is due is read from committed state, page by page, and each release is a command
of its player's lane: there it is judged again, so that two sweepers, or a capture that
comes first, do no harm. Reads never compute an expiry.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cage.app.ports import DueReserve, Reads, Writer
from cage.core.errors import CageError
from cage.core.reservation import ExpireReserve

# How many releases wait for one lane at once: a small part of what its queue bears.
PAGE_SIZE = 100
TIMEOUT_S = 10.0


@dataclass(slots=True)
class Swept:
    """Count what one sweep came to."""

    expired: int = 0
    failed: int = 0


class ReserveSweeper:
    """Release what is due, in every lane."""

    def __init__(
        self, *, writer: Writer, reads: Reads, now_us: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reads = reads
        self._now_us = now_us

    async def sweep(self) -> Swept:
        """Release all that is due now; what fails is left to the next sweep."""
        swept = Swept()
        for lane in range(self._writer.lanes):
            await self._sweep_lane(lane, self._now_us(), swept)
        return swept

    async def _sweep_lane(self, lane: int, now_us: int, swept: Swept) -> None:
        after = (0, 0)
        while True:
            due = await self._reads.due_reserves(
                lane, now_us=now_us, after=after, limit=PAGE_SIZE
            )
            await self._release(lane, due, swept)
            if len(due) < PAGE_SIZE:
                return
            after = (due[-1].expire_time_us, due[-1].reserve_no)

    async def _release(
        self, lane: int, due: Sequence[DueReserve], swept: Swept
    ) -> None:
        """Send the releases of one page together, and count them."""
        futures = []
        for row in due:
            command = ExpireReserve(player_id=row.player_id, reserve_no=row.reserve_no)
            try:
                future = self._writer.submit(
                    lane, command, is_bet=False, timeout_s=TIMEOUT_S
                )
            except CageError:
                # Overload sheds it, or the server stops: the next sweep finds it.
                swept.failed += 1
            else:
                futures.append(future)
        for answer in await asyncio.gather(*futures, return_exceptions=True):
            if isinstance(answer, CageError):
                swept.failed += 1
            elif isinstance(answer, BaseException):
                raise answer
            else:
                swept.expired += bool(answer)
