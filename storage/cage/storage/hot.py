"""Keep the gates and sessions of players who play, from one batch to the next.

They are rows that nothing but a batch changes, and every batch moves the lane's head:
where the head is still the one that this writer left, what it read and wrote then is
what is stored now. Another head, a batch that failed, and they are forgotten. Money
is never kept: wallets, rounds and ids are read from the database by every batch.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from cage.core.book import Book, Head
from cage.core.player import Gate
from cage.core.session import Session, SessionToken

# Of each kind; about 10 MiB in all.
ROWS_MAX = 5_000


class HotRows:
    """Hold gates by player, tokens by digest and sessions by number."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}
        self._tokens: dict[str, SessionToken] = {}
        self._sessions: dict[int, Session] = {}
        self._hash = ""

    def check(self, head: Head) -> None:
        """Forget everything unless the head of the lane is where it was left."""
        if head.hash != self._hash:
            self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._gates, self._tokens, self._sessions = {}, {}, {}

    def gates_of(self, player_ids: Iterable[str]) -> tuple[list[Gate], list[str]]:
        """Return the gates of players that are known, and the other players."""
        known, unknown = [], []
        for player_id in player_ids:
            gate = self._gates.get(player_id)
            if gate is None:
                unknown.append(player_id)
            else:
                known.append(gate)
        return known, unknown

    def lend(self, book: Book, commands: Sequence[Any]) -> None:
        """Give a book the sessions that its commands name and that are known."""
        for command in commands:
            token = self._tokens.get(getattr(command, "session_digest", ""))
            if token is None or token.session_no not in self._sessions:
                continue
            book.tokens[token.digest] = token
            book.sessions[token.session_no] = self._sessions[token.session_no]

    def keep(self, book: Book, head_hash: str) -> None:
        """Keep the rows of a book that was committed, under the head it left."""
        self._hash = head_hash
        self._gates.update(book.gates)
        self._tokens.update(book.tokens)
        self._sessions.update(book.sessions)
        for rows in (self._gates, self._tokens, self._sessions):
            if len(rows) > ROWS_MAX:
                rows.clear()
