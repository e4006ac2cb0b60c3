"""The server sweeps until it is stopped, whatever one sweep comes to."""

import asyncio
from typing import cast

from structlog.testing import capture_logs

from cage.app.reserve import ReserveSweeper, Swept
from cage.server.sweep import SweepLoop


class Sweeps:
    """Answer each sweep by its turn, and stop to be asked after the last."""

    def __init__(self, *turns: Swept | Exception) -> None:
        self.turns = list(turns)
        self.is_over = asyncio.Event()

    async def sweep(self) -> Swept:
        """Return or raise what is next."""
        if not self.turns:
            self.is_over.set()
            return Swept()
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return turn


async def test_a_failure_costs_one_turn() -> None:
    """What a sweep released and left is counted; one that fails is followed by more."""
    sweeps = Sweeps(Swept(2, 1), RuntimeError("no database"), Swept(3, 0))
    loop = SweepLoop(cast(ReserveSweeper, sweeps), every_s=0.001)
    with capture_logs() as logs:
        loop.start()
        await sweeps.is_over.wait()
        await loop.stop()

    assert (loop.counts.expired, loop.counts.failed) == (5, 2)
    assert [entry["event"] for entry in logs] == ["sweep of reserves failed"]


async def test_stop_does_not_wait_for_the_next_turn() -> None:
    """A loop that waits ends at once, and one that never began has no end."""
    sweeps = Sweeps()
    loop = SweepLoop(cast(ReserveSweeper, sweeps), every_s=3_600)
    await SweepLoop(cast(ReserveSweeper, sweeps), every_s=1).stop()
    loop.start()
    await sweeps.is_over.wait()

    await asyncio.wait_for(loop.stop(), 30)
