"""Name what a check of the books found wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Rows(Protocol):
    """Hold the rows of a query, to be taken once."""

    def __iter__(self) -> Iterator[Any]: ...

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        ...


class Books(Protocol):
    """Be what a check reads through: a connection of SQLite, or what looks like one."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Rows:
        """Run a query whose parameters are question marks."""
        ...

    def cursor(self) -> Any:
        """Return what runs queries beside others."""
        ...

    def close(self) -> None:
        """End it."""
        ...


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
