"""Name places of the journal, write them as cursors, and say what readers want.

A place is, for one lane, the batch that was read last and how many of its items
were. A cursor is the vector of the places of all lanes, with a mark taken from the
hash of each batch: a journal that was restored from before the cursor, and went
another way since, does not have the place.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from cage.core.book import Change
from cage.core.errors import CageError, Reason
from cage.core.player import Gate
from cage.core.round import Round
from cage.core.wallet import Transaction

_VERSION = 1
_MARK_BYTES = 4
# No number of a place has more bits; a longer one is no cursor of ours.
_NUMBER_BITS = 63


@dataclass(frozen=True, slots=True)
class Place:
    """Be right after item ``taken`` (counted from 1) of a batch of one lane.

    ``mark`` is the start of the batch's hash. The beginning of a lane is all zeros.
    """

    sequence: int = 0
    taken: int = 0
    mark: int = 0


START = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Say which items of a lane a reader wants; None lets everything pass.

    ``nouns`` are those of changes, empty for no change at all. ``player_nos`` keeps
    what is of some players of the lane.
    """

    brand_nos: Sequence[int] | None = None
    integration_no: int | None = None
    player_nos: Sequence[int] | None = None
    states: Sequence[int] | None = None
    kinds: Sequence[int] | None = None
    nouns: Sequence[str] | None = ()


@dataclass(slots=True)
class JournalItem:
    """Hold one item, whose place is right after it, and the gate of its player.

    A change that is of no player has no gate.
    """

    place: Place
    row: Transaction | Change
    gate: Gate | None


@dataclass(slots=True)
class JournalRound:
    """Hold a round at the place of its last transaction, which ``gate`` made.

    ``integration_no`` is the integration of its first one.
    """

    place: Place
    row: Round
    gate: Gate
    integration_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Say how far a page went: the place after it, and whether that is the end.

    ``registry_version`` is that of the registry at the time of the page.
    """

    place: Place
    is_last: bool
    registry_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """Hold the newest sequence of every lane, by lane, and the registry's version."""

    sequences: Sequence[int]
    registry_version: int


class JournalReads(Protocol):
    """Read the journal from committed state, apart from the lanes.

    Pages hold what is wanted of at most ``limit`` items after a place, in order, and
    go no further than batch ``last_sequence`` when it is given. They raise
    CURSOR_INVALID for a place that the lane does not have.
    """

    async def heads(self) -> Heads:
        """Return the heads of all lanes."""
        ...

    async def place_before(self, lane: int, time_us: int) -> Place:
        """Return the place after everything committed before a time."""
        ...

    async def journal(
        self,
        lane: int,
        place: Place,
        wanted: Wanted,
        *,
        limit: int,
        last_sequence: int | None = None,
    ) -> tuple[Span, Sequence[JournalItem]]:
        """Read a page of items."""
        ...

    async def journal_rounds(
        self,
        lane: int,
        place: Place,
        wanted: Wanted,
        *,
        limit: int,
        last_sequence: int | None = None,
    ) -> tuple[Span, Sequence[JournalRound]]:
        """Read a page of the rounds whose last transaction is in it."""
        ...


def mark_of(digest: str) -> int:
    """Return the mark of a batch with a hash."""
    return int(digest[: 2 * _MARK_BYTES], 16)


def encode_cursor(places: Sequence[Place]) -> str:
    """Write the places of all lanes as a cursor."""
    data = bytearray((_VERSION,))
    _write(data, len(places))
    for place in places:
        data += place_bytes(place)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def place_bytes(place: Place) -> bytes:
    """Write one lane's part of a cursor."""
    data = bytearray()
    _write(data, place.sequence)
    _write(data, place.taken)
    return bytes(data) + place.mark.to_bytes(_MARK_BYTES)


class CursorWriter:
    """Write cursors that differ in the place of one lane, which is cheap."""

    def __init__(self, places: Sequence[Place], lane: int) -> None:
        head = bytearray((_VERSION,))
        _write(head, len(places))
        self._before = bytes(head) + b"".join(map(place_bytes, places[:lane]))
        self._after = b"".join(map(place_bytes, places[lane + 1 :]))

    def write(self, place: Place) -> str:
        """Write the cursor with another place of the lane."""
        data = self._before + place_bytes(place) + self._after
        return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode_cursor(text: str, lanes: int) -> list[Place]:
    """Read the places of all lanes; raise CURSOR_INVALID."""
    try:
        padded = text.encode() + b"=" * (-len(text) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
        numbers = iter(data)
        if next(numbers) != _VERSION or _read(numbers) != lanes:
            raise CageError(Reason.CURSOR_INVALID)
        places = [
            Place(_read(numbers), _read(numbers), _mark(numbers)) for _ in range(lanes)
        ]
    except (ValueError, StopIteration) as exc:
        raise CageError(Reason.CURSOR_INVALID) from exc
    if next(numbers, None) is not None:
        raise CageError(Reason.CURSOR_INVALID)
    return places


def _write(data: bytearray, number: int) -> None:
    """Append a number, seven bits a byte, the lowest first."""
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)


def _read(numbers: Iterator[int]) -> int:
    """Read a number; raise ValueError when it is too large."""
    value = shift = 0
    for byte in numbers:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte <= 0x7F and shift <= _NUMBER_BITS:
            return value
        if shift >= _NUMBER_BITS:
            break
    raise ValueError("no number")


def _mark(numbers: Iterator[int]) -> int:
    data = bytes(byte for _, byte in zip(range(_MARK_BYTES), numbers, strict=False))
    if len(data) != _MARK_BYTES:
        raise ValueError("no mark")
    return int.from_bytes(data)
