"""Serve what a lane handed out: commit the batch, answer its callers, tell of it."""

import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from cage.app.lane import Lane, Pending, resolve
from cage.app.ports import BatchStats
from cage.core.errors import CageError, Reason
from cage.storage.fold import Applied

_log = structlog.get_logger("cage.storage")


async def serve(
    lane: Lane,
    batch: list[Pending],
    late: list[Pending],
    apply: Callable[[Sequence[object]], Awaitable[Applied]],
    observe: Callable[[BatchStats], None] | None,
) -> None:
    """Refuse what came too late, commit a batch and answer its callers."""
    started = time.monotonic()
    _answer(late, [CageError(Reason.DEADLINE_TOO_SHORT)] * len(late))
    if not batch:
        return
    applied = await apply([pending.command for pending in batch])
    stats = BatchStats(
        lane=lane.number,
        size=len(batch),
        queue_depth=len(lane),
        wait_s=started - min(pending.enqueue_time for pending in batch),
        run_s=applied.run_s,
        commit_s=applied.commit_s,
        is_rerun=applied.is_rerun,
    )
    _answer(batch, applied.outcomes, stats, observe)


def _answer(
    batch: Sequence[Pending],
    outcomes: Sequence[object],
    stats: BatchStats | None = None,
    observe: Callable[[BatchStats], None] | None = None,
) -> None:
    """Answer callers; whatever one of them does with it, the lane goes on."""
    try:
        resolve(list(zip(batch, outcomes, strict=True)))
        if stats is not None and observe is not None:
            observe(stats)
    except Exception:  # noqa: BLE001 - it is committed, and the next must be served
        _log.exception("answers failed", size=len(batch))
