"""Hold the limits of a player: their values, how they change, and the commands.

The limits of a player are one text in the gate, so that they are read with the lock
and cost a player without any nothing. What counts against them is in the counters
(``counter.py``); ``limit_change.py`` decides the commands.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from enum import IntEnum

from cage.core.jurisdiction import Jurisdiction, LimitPeriod
from cage.core.registry import Currency


class LimitKind(IntEnum):
    """What a limit limits; numbers as in ``cage.player.v1.LimitKind``."""

    DEPOSIT = 1
    LOSS = 2
    WAGER = 3
    STAKE = 4


class LimitOrigin(IntEnum):
    """Who set a limit; numbers as in ``cage.player.v1.LimitOrigin``."""

    PLAYER = 1
    OPERATOR = 2


class LimitCurrencyRule(IntEnum):
    """What other money meets; as in ``cage.player.v1.LimitCurrencyRule``."""

    REFUSE_OTHER = 1
    IGNORE_OTHER = 2


# Waits in place of an amount when a limit is to be removed.
REMOVAL = -1


@dataclass(frozen=True, slots=True)
class Limit:
    """Hold one limit. Field order is the order in the gate; the first four are its key.

    Amounts are units of 10^-scale of its currency, times microseconds since 1970. A
    looser one waits while ``pending_time_us`` is not 0: ``pending_amount``, REMOVAL to
    remove it; ``needs_confirmation`` says that it does not take effect by itself.
    """

    kind: int
    period: int
    currency_no: int
    origin: int
    amount: int
    currency_rule: int
    set_time_us: int
    pending_amount: int = 0
    pending_time_us: int = 0
    needs_confirmation: int = 0

    @property
    def key(self) -> tuple[int, int, int, int]:
        """Return what a player has at most one of."""
        return (self.kind, self.period, self.currency_no, self.origin)

    def at(self, now_us: int) -> "Limit | None":
        """Return the limit as it stands at a time, None once it is removed."""
        if (
            not self.pending_time_us
            or self.needs_confirmation
            or now_us < self.pending_time_us
        ):
            return self
        return self.released(self.pending_time_us)

    def released(self, time_us: int) -> "Limit | None":
        """Return the limit once what waits has taken effect, None for a removal."""
        if self.pending_amount == REMOVAL:
            return None
        return replace(self.settled(), amount=self.pending_amount, set_time_us=time_us)

    def settled(self) -> "Limit":
        """Return the limit without what waits."""
        return replace(self, pending_amount=0, pending_time_us=0, needs_confirmation=0)


@functools.lru_cache(maxsize=4_096)
def limits_of(text: str) -> tuple[Limit, ...]:
    """Read the limits in a gate, in the order of their keys."""
    return tuple(Limit(*row) for row in json.loads(text)) if text else ()


def standing(text: str, now_us: int) -> list[Limit]:
    """Return the limits in a gate that stand at a time."""
    found = (limit.at(now_us) for limit in limits_of(text))
    return [limit for limit in found if limit is not None]


def write_limits(limits: Sequence[Limit]) -> str:
    """Write limits as a gate keeps them; nothing for none."""
    rows = [astuple(limit) for limit in sorted(limits, key=lambda limit: limit.key)]
    return json.dumps(rows, separators=(",", ":")) if rows else ""


def loosened(
    limit: Limit, amount: int, profile: Jurisdiction, now_us: int
) -> Limit | None:
    """Return a limit that is to become looser, or removed, by who set it.

    An operator's is changed at once. A player's waits; asking again for what waits
    already does not begin the delay anew.
    """
    if limit.origin == LimitOrigin.OPERATOR:
        return replace(limit, pending_amount=amount).released(now_us)
    if limit.pending_time_us and limit.pending_amount == amount:
        return limit
    return replace(
        limit,
        pending_amount=amount,
        pending_time_us=now_us + profile.increase_delay_us,
        needs_confirmation=int(profile.confirm_increase),
    )


@dataclass(slots=True, kw_only=True)
class SetLimit:
    """Set a limit. ``scale`` is -1 when none was sent, ``currency_rule`` 0."""

    key_id: str
    request_id: str
    player_id: str
    kind: LimitKind
    period: LimitPeriod
    origin: LimitOrigin
    currency_code: str
    amount: int
    scale: int
    currency_rule: int


@dataclass(slots=True, kw_only=True)
class RemoveLimit:
    """Remove a limit."""

    key_id: str
    request_id: str
    player_id: str
    kind: LimitKind
    period: LimitPeriod
    origin: LimitOrigin
    currency_code: str


@dataclass(slots=True, kw_only=True)
class ConfirmLimit:
    """Let a looser limit take effect whose delay is over."""

    key_id: str
    request_id: str
    player_id: str
    kind: LimitKind
    period: LimitPeriod
    origin: LimitOrigin
    currency_code: str


@dataclass(slots=True, kw_only=True)
class ListLimits:
    """Read the limits of a player, in order with the player's moves."""

    key_id: str
    player_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitView:
    """Show one limit at one instant, with what counts against it.

    ``start_us`` and ``end_us`` bound the current window; both are 0 without one.
    """

    limit: Limit
    currency: Currency
    used: int = 0
    start_us: int = 0
    end_us: int = 0


@dataclass(slots=True, kw_only=True)
class LimitAnswer:
    """Answer a command on limits: those concerned that stand, none after a removal."""

    views: Sequence[LimitView]
