"""Test how places of the journal travel as cursors."""

import base64

import pytest

from cage.app.journal import (
    START,
    CursorWriter,
    Place,
    decode_cursor,
    encode_cursor,
    mark_of,
)
from cage.core.errors import CageError, Reason

PLACES = [Place(1, 1, 0), Place(2**62, 300, 2**32 - 1), START, Place(128, 127, 7)]


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_cursor_leads_back(lanes: int) -> None:
    """A cursor holds the place of every lane."""
    places = PLACES[:lanes]

    assert decode_cursor(encode_cursor(places), lanes) == places


def test_writer_replaces_one_lane() -> None:
    """Cursors of one lane's items have the other lanes' places as they were."""
    place = Place(9, 9, 9)
    for lane in range(len(PLACES)):
        expected = [*PLACES[:lane], place, *PLACES[lane + 1 :]]

        assert CursorWriter(PLACES, lane).write(place) == encode_cursor(expected)


def test_mark_is_of_the_hash() -> None:
    """The mark of a batch is the start of its hash."""
    assert mark_of("0a0b0c0d" + "f" * 56) == 0x0A0B0C0D


def text(*numbers: int) -> str:
    """Write bytes as a cursor is written."""
    return base64.urlsafe_b64encode(bytes(numbers)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "ä",
        "x",
        encode_cursor(PLACES[:2]),
        encode_cursor(PLACES[:1]) + "AAAA",
        encode_cursor(PLACES[:1])[:-4],
        text(2, 1, 1, 1, 0, 0, 0, 0),
        text(1, 1, *[0xFF] * 20, 1, 1, 0, 0, 0, 0),
        text(1, 1, 1),
    ],
)
def test_no_cursor(cursor: str) -> None:
    """What is malformed, or of another number of lanes, answers CURSOR_INVALID."""
    with pytest.raises(CageError) as caught:
        decode_cursor(cursor, 1)

    assert caught.value.reason == Reason.CURSOR_INVALID
