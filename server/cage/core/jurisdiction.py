"""Hold what a jurisdiction asks for, as data, and its calendar.

A profile is read from a reviewed file at start (``app/jurisdiction.py``) and is a
value here. A player names a jurisdiction; one without a profile of its own has the
default's.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntEnum

_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# The profile of every jurisdiction that has none of its own.
DEFAULT_CODE = "GLI"


class LimitPeriod(IntEnum):
    """Over which time a limit sums up; as in ``cage.player.v1.LimitPeriod``."""

    BET = 1
    DAY = 2
    WEEK = 3
    MONTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Jurisdiction:
    """Hold one profile. The defaults are those of GLI-19, in universal time.

    ``zone`` is the time zone of the calendar, ``week_start`` the first day of a week
    (0 is Monday). ``increase_delay_us`` is how long a looser limit waits, and
    ``confirm_increase`` says whether the player has to confirm it then.
    """

    code: str = DEFAULT_CODE
    display_name: str = ""
    zone: tzinfo = UTC
    week_start: int = 0
    increase_delay_us: int = 24 * 3_600 * _US
    confirm_increase: bool = True

    def window(self, period: LimitPeriod, now_us: int) -> tuple[int, int]:
        """Return where the calendar period around a time begins and ends.

        Both are microseconds since 1970; a day that the clock is changed on has 23 or
        25 hours. A single bet has no window: (0, 0).
        """
        if period == LimitPeriod.BET:
            return (0, 0)
        return _window(self.zone, self.week_start, period, now_us)


Jurisdictions = Mapping[str, Jurisdiction]

FALLBACK = Jurisdiction()


def profile_of(jurisdictions: Jurisdictions, code: str) -> Jurisdiction:
    """Return the profile of a jurisdiction, the default's where it has none."""
    found = jurisdictions.get(code)
    return found or jurisdictions.get(DEFAULT_CODE, FALLBACK)


# A batch has one time, and its players few zones.
@functools.lru_cache(maxsize=256)
def _window(
    zone: tzinfo, week_start: int, period: LimitPeriod, now_us: int
) -> tuple[int, int]:
    local = (_EPOCH + timedelta(microseconds=now_us)).astimezone(zone)
    start = datetime(local.year, local.month, local.day, tzinfo=zone)
    if period == LimitPeriod.DAY:
        end = start + timedelta(days=1)
    elif period == LimitPeriod.WEEK:
        # Days are counted on the wall, so that a change of the clock is inside.
        start -= timedelta(days=(local.weekday() - week_start) % 7)
        end = start + timedelta(days=7)
    else:
        start = start.replace(day=1)
        end = (start + timedelta(days=32)).replace(day=1)
    return _us_of(start), _us_of(end)


def _us_of(time: datetime) -> int:
    """Return microseconds since 1970, exactly."""
    return (time.astimezone(UTC) - _EPOCH) // _MICROSECOND
