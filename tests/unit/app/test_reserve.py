"""The sweeper sends one release for each reserve that is due, page by page."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from cage.app import reserve
from cage.app.ports import DueReserve, Reads, Writer
from cage.app.reserve import ReserveSweeper
from cage.core.errors import CageError, Reason
from cage.core.reservation import ExpireReserve

NOW_US = 1_000


class Reserves:
    """Hold open reserves by lane and answer their releases."""

    lanes = 2

    def __init__(self, due: dict[int, list[DueReserve]]) -> None:
        self.due = due
        self.asked: list[tuple[int, int, tuple[int, int]]] = []
        self.sent: list[tuple[int, int]] = []
        self.answers: dict[int, Any] = {}

    async def due_reserves(
        self, lane: int, *, now_us: int, after: tuple[int, int], limit: int
    ) -> Sequence[DueReserve]:
        """Return a page, as the storage does."""
        self.asked.append((lane, now_us, after))
        rows = self.due.get(lane, [])
        later = [r for r in rows if (r.expire_time_us, r.reserve_no) > after]
        return later[:limit]

    def submit(
        self, lane: int, command: Any, *, is_bet: bool, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Answer a release: true, or what was set for its reserve."""
        assert isinstance(command, ExpireReserve)
        assert not is_bet
        assert timeout_s

        answer = self.answers.get(command.reserve_no, True)
        if answer is OVERLOADED:
            raise OVERLOADED
        self.sent.append((lane, command.reserve_no))
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future


OVERLOADED = CageError(Reason.OVERLOADED)


def due(count: int, first_no: int = 1) -> list[DueReserve]:
    """List reserves, two of which expire at a time."""
    return [
        DueReserve(player_id="ann", reserve_no=number, expire_time_us=number // 2)
        for number in range(first_no, first_no + count)
    ]


def sweeper(reserves: Reserves) -> ReserveSweeper:
    """Return a sweeper at a fixed time."""
    return ReserveSweeper(
        writer=cast(Writer, reserves),
        reads=cast(Reads, reserves),
        now_us=lambda: NOW_US,
    )


async def test_every_lane_is_swept_page_by_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each due reserve is released in its lane, however many pages there are."""
    monkeypatch.setattr(reserve, "PAGE_SIZE", 3)
    reserves = Reserves({0: due(7), 1: due(2, first_no=50)})
    swept = await sweeper(reserves).sweep()

    assert (swept.expired, swept.failed) == (9, 0)
    assert reserves.sent == [(0, n) for n in range(1, 8)] + [(1, 50), (1, 51)]
    assert reserves.asked == [
        (0, NOW_US, (0, 0)),
        (0, NOW_US, (1, 3)),
        (0, NOW_US, (3, 6)),
        (1, NOW_US, (0, 0)),
    ]


async def test_what_came_too_late_does_not_count() -> None:
    """What was captured or released meanwhile is no expiry; what failed is counted."""
    reserves = Reserves({0: due(4)})
    reserves.answers = {
        1: False,
        2: CageError(Reason.DEADLINE_TOO_SHORT),
        3: OVERLOADED,
    }
    swept = await sweeper(reserves).sweep()

    assert (swept.expired, swept.failed) == (1, 2)


async def test_a_defect_is_not_swallowed() -> None:
    """What is no refusal reaches whoever runs the sweep."""
    reserves = Reserves({0: due(1)})
    reserves.answers = {1: RuntimeError("defect")}

    with pytest.raises(RuntimeError, match="defect"):
        await sweeper(reserves).sweep()
