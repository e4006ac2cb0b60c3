"""Load the profiles of the jurisdictions, which are data files beside this module.

Each file names where each of its figures comes from; a figure without a source, or a
name that nobody reads, stops the start.
"""

import functools
import tomllib
from collections.abc import Mapping
from datetime import UTC
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from cage.core.jurisdiction import Jurisdiction, Jurisdictions

_HOUR_US = 3_600_000_000
_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_NAMES = {"code", "display_name", "source"}


class ProfileError(Exception):
    """Refuse a profile: which, and what is wrong with it."""


@functools.cache
def load_jurisdictions() -> Jurisdictions:
    """Read every profile of this version, by its code. Raises ProfileError."""
    folder = resources.files("cage.app") / "jurisdictions"
    texts = [
        entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    ]
    profiles = [parse_profile(tomllib.loads(text)) for text in texts]
    return {profile.code: profile for profile in profiles}


def parse_profile(content: Mapping[str, Any]) -> Jurisdiction:
    """Build a profile from the content of its file. Raises ProfileError."""
    figures = {name: value for name, value in content.items() if name not in _NAMES}
    code = str(content.get("code", "?"))
    try:
        _judge_sources(figures, content["source"])
        return Jurisdiction(
            code=code,
            display_name=content["display_name"],
            **{
                _FIELDS.get(name, name): _READERS[name](value)
                for name, value in figures.items()
            },
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ProfileError(f"profile {code}: {exc!r}") from exc


def _judge_sources(figures: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
    """Want a source for every figure, and a figure for every source."""
    differ = sorted(figures.keys() ^ sources.keys())
    if differ:
        raise ValueError(f"figure or source alone: {', '.join(differ)}")
    empty = [name for name, source in sources.items() if not str(source).strip()]
    if empty:
        raise ValueError(f"empty source: {', '.join(empty)}")


def _zone(name: str) -> Any:
    return UTC if name == "UTC" else ZoneInfo(name)


def _hours(value: int) -> int:
    return value * _HOUR_US


def _flag(value: bool) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"not a flag: {value!r}")
    return value


# How each figure of a file is read into the field of the profile.
_READERS: dict[str, Any] = {
    "time_zone": _zone,
    "week_start": _DAYS.index,
    "increase_delay_h": _hours,
    "confirm_increase": _flag,
}
_FIELDS = {"time_zone": "zone", "increase_delay_h": "increase_delay_us"}
