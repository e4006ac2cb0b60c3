"""Run the use cases of responsible gaming."""

from cage.app.page import Page, cut, decode, limit_of
from cage.app.ports import Writer
from cage.app.submit import submit
from cage.core.ids import lane_of
from cage.core.limit import (
    ConfirmLimit,
    LimitAnswer,
    LimitView,
    ListLimits,
    RemoveLimit,
    SetLimit,
)
from cage.core.registry import ApiKey

# Names the list in its page tokens.
_LIST = "limits"


class LimitApp:
    """Offer the use cases of limits over a writer."""

    def __init__(self, *, writer: Writer) -> None:
        self._writer = writer

    async def change(
        self, command: SetLimit | RemoveLimit | ConfirmLimit, *, timeout_s: float | None
    ) -> LimitView | None:
        """Change a limit; return it as it stands, None once it is gone."""
        lane = lane_of(command.player_id, self._writer.lanes)
        answer = await submit(
            self._writer, lane, command, LimitAnswer, timeout_s=timeout_s
        )
        return answer.views[0] if answer.views else None

    async def list(
        self,
        key: ApiKey,
        *,
        player_id: str,
        page_size: int,
        page_token: str,
        timeout_s: float | None,
    ) -> Page[LimitView]:
        """Read one page of a player's limits, with what counts against them.

        Raises PLAYER_NOT_FOUND or PAGE_TOKEN_INVALID.
        """
        after = tuple(decode(_LIST, [player_id], page_token, 4))
        read = ListLimits(key_id=key.key_id, player_id=player_id)
        lane = lane_of(player_id, self._writer.lanes)
        answer = await submit(
            self._writer, lane, read, LimitAnswer, timeout_s=timeout_s
        )
        found = [view for view in answer.views if view.limit.key > after]
        limit = limit_of(page_size)
        return cut(
            _LIST, [player_id], found[: limit + 1], limit, lambda view: view.limit.key
        )
