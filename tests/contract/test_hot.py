"""What a writer keeps from batch to batch is never older than the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.simulation.calls import bet
from tests.simulation.deployment import OFFICE_KEY, Clock, decided, set_status

from cage.core.book import Book
from cage.core.errors import CageError, Reason
from cage.core.player import PlayerStatus
from cage.core.session import EndSession
from cage.storage import hot
from cage.storage.file import connect_writer
from cage.storage.sqlite import SqliteWriter

SUSPENDED = PlayerStatus.SUSPENDED


def outcome(writer: SqliteWriter, command: object) -> Any:
    """Apply one command; return its answer, or the reason that refuses it."""
    (found,) = writer.apply([command]).outcomes
    return found.reason if isinstance(found, CageError) else found


@contextmanager
def another(path: Path) -> Iterator[SqliteWriter]:
    """Write to the same file beside the first writer, which its lock forbids others."""
    connection = connect_writer(path)
    yield SqliteWriter(connection, capacity=10, clock_us=Clock(), observe=None)
    connection.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_status("s1", "ann", SUSPENDED), Reason.PLAYER_BLOCKED),
        (EndSession(key_id=OFFICE_KEY, request_id="e1", player_id="ann"),
         Reason.SESSION_ENDED),
    ],
)  # fmt: skip
def test_change_of_another_writer_stops_the_next_bet(
    file_writer: SqliteWriter, path: Path, change: object, reason: Reason
) -> None:
    """A gate or a session that somebody else changed is read again (T12)."""
    outcome(file_writer, bet("b1", session_digest="s-ann"))
    with another(path) as other:
        outcome(other, change)

    assert outcome(file_writer, bet("b2", session_digest="s-ann")) == reason


def test_own_change_stops_the_next_bet(file_writer: SqliteWriter) -> None:
    """A player who is suspended and active again bets as the last change says."""
    outcome(file_writer, bet("b1"))
    outcome(file_writer, set_status("s1", "ann", SUSPENDED))

    assert outcome(file_writer, bet("b2")) == Reason.PLAYER_BLOCKED

    outcome(file_writer, set_status("s2", "ann", PlayerStatus.ACTIVE))

    assert not isinstance(outcome(file_writer, bet("b3")), Reason)


@dataclass
class Spoil:
    """Change a player's gate and then fail."""

    player_id: str = "ann"


def spoil(book: Book, command: object) -> object:
    """Suspend the player in memory, and write what no table takes."""
    assert isinstance(command, Spoil)
    gate = book.gates[command.player_id]
    gate.status = SUSPENDED
    gate.language_code = "\ud800"
    book.touch(gate, (gate.lane, gate.player_no))
    book.next_no += 1
    return None


def test_failed_batch_is_forgotten(file_writer: SqliteWriter) -> None:
    """What a batch changed that was not committed holds for nobody after it."""
    outcome(file_writer, bet("b1"))
    with decided(Spoil, spoil):
        assert outcome(file_writer, Spoil()) == Reason.INTERNAL

    assert not isinstance(outcome(file_writer, bet("b2")), Reason)


def test_kept_rows_are_bounded(
    file_writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many players play, a writer keeps so many rows at most."""
    monkeypatch.setattr(hot, "ROWS_MAX", 2)
    for number, player_id in enumerate(["ann", "bob", "zed", "ann", "bob"]):
        name = f"b{number}"
        played = bet(name, player_id=player_id, key_id="wide-key", round_id=name)

        assert not isinstance(outcome(file_writer, played), Reason)
        assert len(file_writer._hot._gates) <= 2
