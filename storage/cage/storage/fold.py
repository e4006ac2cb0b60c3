"""Decide the commands of a batch in order, and hold what they came to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cage.core.book import Book
from cage.core.decide import decide
from cage.core.errors import CageError


@dataclass(slots=True)
class Applied:
    """Hold what a batch came to: an answer or a CageError for each command."""

    outcomes: list[object] = field(default_factory=list)
    run_s: float = 0.0
    commit_s: float = 0.0
    is_rerun: bool = False

    def add(self, later: "Applied") -> None:
        """Add what the commands after these came to."""
        self.outcomes.extend(later.outcomes)
        self.run_s += later.run_s
        self.commit_s += later.commit_s
        self.is_rerun = self.is_rerun or later.is_rerun


def fold(book: Book, commands: Sequence[object]) -> list[object]:
    """Return the answer to each command, or the CageError that refuses it."""
    return [_outcome(book, command) for command in commands]


def _outcome(book: Book, command: object) -> object:
    try:
        return decide(book, command)
    except CageError as refusal:
        return refusal
