"""Bound how many operations a second one key may send."""

import time
from collections.abc import Callable

from cage.core.errors import CageError, Reason
from cage.wallet.v1 import wallet_service_pb2 as pb


def holds_bet(request: object) -> bool:
    """Say whether a request is of those that are shed first.

    A Play without a bet brings money back, as a win does.
    """
    if isinstance(request, pb.PlayRequest):
        return any(action.HasField("bet") for action in request.actions)
    return isinstance(request, pb.BetRequest | pb.ReserveRequest)


class Rate:
    """Hand out operations per key: so many a second, with one second's worth at once.

    Bets stop when the second is used up; what brings money back may borrow one more
    second. 0 a second means no bound.
    """

    def __init__(
        self, per_s: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s = per_s
        self._clock = clock
        # By key: what is left, and when that was true.
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str, *, is_bet: bool) -> None:
        """Count one operation of a key, or raise OVERLOADED."""
        per_s = self._per_s
        if not per_s:
            return
        now = self._clock()
        left, then = self._left.get(key_id, (per_s, now))
        left = min(per_s, left + (now - then) * per_s) - 1
        if left < (0 if is_bet else -per_s):
            raise CageError(Reason.OVERLOADED)
        self._left[key_id] = (left, now)
