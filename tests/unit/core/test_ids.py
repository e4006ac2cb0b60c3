"""Public ids are UUIDv7, sort by time, lead back to the row, and never change."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cage.core.ids import (
    LANES_MAX,
    lane_of,
    parse_public_id,
    public_id,
    random_uuid7,
)

TIME_US = 1_700_000_000_123_456
TIMES = st.integers(0, 2**47 * 1000)
LANES = st.integers(0, LANES_MAX - 1)
NUMBERS = st.integers(0, 2**62 - 1)


@given(time_us=TIMES, lane=LANES, number=NUMBERS)
def test_public_id_leads_back(time_us: int, lane: int, number: int) -> None:
    """A public id is a UUIDv7 of its time and holds lane and number."""
    text = public_id(time_us, lane, number)
    value = uuid.UUID(text)

    assert str(value) == text
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert value.int >> 80 == time_us // 1000
    assert parse_public_id(text) == (lane, number)


@given(first=st.tuples(TIMES, NUMBERS), second=st.tuples(TIMES, NUMBERS))
def test_public_ids_sort_by_time(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    """Ids of one lane sort by millisecond, then by number."""
    keys = [(time_us // 1000, number) for time_us, number in (first, second)]
    texts = [public_id(time_us, 3, number) for time_us, number in (first, second)]

    assert (keys[0] < keys[1]) == (texts[0] < texts[1])


def test_public_id_never_changes() -> None:
    """The id of a place and a time is the same in every release."""
    assert public_id(TIME_US, 5, 77) == "018bcfe5-687b-7005-8000-00000000004d"


@pytest.mark.parametrize("text", ["", "x", "018bcfe5-687b-7005-8000", "1" * 33])
def test_other_texts_are_no_id(text: str) -> None:
    """A text that is no UUID leads nowhere."""
    assert parse_public_id(text) is None


@given(time_us=TIMES, tail=st.binary(min_size=10, max_size=10))
def test_random_id_keeps_time_and_tail(time_us: int, tail: bytes) -> None:
    """A random id is a UUIDv7 of its time; 74 of the random bits are kept."""
    value = uuid.UUID(random_uuid7(time_us, tail))
    free = (1 << 76) - 1 & ~(0b11 << 62)

    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert value.int >> 80 == time_us // 1000
    assert value.int & free == int.from_bytes(tail) & free


@pytest.mark.parametrize(
    ("key", "lanes", "lane"),
    [("ann", 1, 0), ("ann", 8, 5), ("bob", 8, 2), ("", 8, 4), ("ann", 4096, 933)],
)
def test_lane_never_changes(key: str, lanes: int, lane: int) -> None:
    """The lane of a player is the same in every process and release."""
    assert lane_of(key, lanes) == lane


@given(st.text(max_size=40), st.integers(1, LANES_MAX))
def test_lane_is_one_of_the_lanes(key: str, lanes: int) -> None:
    """Every player has one of the lanes of the database."""
    assert 0 <= lane_of(key, lanes) < lanes
