"""Name what a check of the books found wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Name one thing that is wrong: what kind, where, and how it differs."""

    name: str
    place: str
    expected: object
    found: object

    def __str__(self) -> str:
        return (
            f"{self.name} at {self.place}: expected {self.expected}, found {self.found}"
        )


class BrokenError(Exception):
    """Carry the first finding out of a check."""

    def __init__(self, name: str, place: str, expected: object, found: object) -> None:
        super().__init__(name)
        self.finding = Finding(name=name, place=place, expected=expected, found=found)


def expect(name: str, place: str, expected: object, found: object) -> None:
    """Raise BrokenError unless two values are equal."""
    if expected != found:
        raise BrokenError(name, place, expected, found)
