"""Run the use cases of the wallet: queue moves, read what is stored.

Every move, and GetBalance, is a command of its player's lane. The other reads go
to committed state; they are authorized here by the caller's key, as the moves are
by the core: a player of an operator that the key does not see is not found.
"""

import asyncio
from dataclasses import dataclass

from cage.app.lane import Settable
from cage.app.page import Page, decode, encode, limit_of
from cage.app.ports import Reads, Writer
from cage.app.reference import reference_ids
from cage.app.scope import player_seen
from cage.core.adjust import Adjust
from cage.core.errors import CageError, Reason, invalid_field
from cage.core.event import is_hidden
from cage.core.ids import lane_of
from cage.core.player import Gate
from cage.core.registry import ApiKey, Registry, Role
from cage.core.reservation import Capture, Reserve
from cage.core.wallet import (
    MOVE_SPACES,
    Award,
    Bet,
    CloseRound,
    GetBalance,
    KeySpace,
    Kind,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Transaction,
    Win,
)

WalletCommand = (
    Bet
    | Win
    | Play
    | Rollback
    | RollbackList
    | RollbackRound
    | Reinstate
    | CloseRound
    | Award
    | Adjust
    | Reserve
    | Capture
    | GetBalance
)

# A filtered list reads at most so many rows for one page, then gives a short page
# with a token, so that no page takes long.
SCAN_MAX = 5_000
_SCAN_STEP = 1_000
# A page ends early rather than grow past this, because most gRPC clients take 4 MiB.
PAGE_BYTES_MAX = 3 << 20
# What a row takes in a page besides its texts: ids of Cage, amounts, a balance.
_ROW_BYTES = 1_024
# Names the list in its page tokens.
_LIST = "transactions"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionView:
    """Show one stored transaction to its reader.

    ``reference_id`` is the caller's id of the transaction it refers to: the bet of
    a win, the original of a rollback, the rollback that was undone; empty without one.
    """

    gate: Gate
    row: Transaction
    reference_id: str


class WalletApp:
    """Offer the use cases of the wallet over a writer and reads."""

    def __init__(self, *, writer: Writer, reads: Reads) -> None:
        self._writer = writer
        self._reads = reads

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        return self._writer.registry

    def submit(
        self, command: WalletCommand, *, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Queue a command; the future holds its answer once that is durable.

        Raises OVERLOADED, DEADLINE_TOO_SHORT or SHUTTING_DOWN.
        """
        writer = self._writer
        return writer.submit(
            lane_of(command.player_id, writer.lanes),
            command,
            is_bet=_holds_bet(command),
            timeout_s=timeout_s,
        )

    def submit_into(
        self, command: WalletCommand, future: Settable, *, timeout_s: float | None
    ) -> None:
        """Queue a command, whose answer goes into the caller's future; see submit."""
        writer = self._writer
        writer.submit_into(
            lane_of(command.player_id, writer.lanes),
            command,
            future,
            is_bet=_holds_bet(command),
            timeout_s=timeout_s,
        )

    async def get_transaction(
        self, key: ApiKey, *, player_id: str, transaction_id: str, kind: Kind
    ) -> TransactionView:
        """Read one transaction by the caller's id.

        A GAME key sees those of its own integration. Raises PLAYER_NOT_FOUND or
        TRANSACTION_NOT_FOUND.
        """
        gate = await player_seen(self._reads, self.registry, key, player_id)
        integration_no = key.integration_no if key.role == Role.GAME else None
        for key_space in _key_spaces(self.registry, kind):
            row = await self._reads.transaction(
                gate, integration_no, key_space, transaction_id
            )
            if row is not None and not is_hidden(row) and _is_of(row, kind):
                return (await self._view(gate, [row]))[0]
        raise CageError(Reason.TRANSACTION_NOT_FOUND, transaction_id=transaction_id)

    async def list_transactions(
        self,
        key: ApiKey,
        *,
        player_id: str,
        game_id: str,
        round_id: str,
        page_size: int,
        page_token: str,
    ) -> Page[TransactionView]:
        """Read one page of a player's transactions, in the order of their commits.

        Raises PLAYER_NOT_FOUND, PAGE_TOKEN_INVALID, or INVALID_FIELD for a round
        without its game.
        """
        if round_id and not game_id:
            raise invalid_field("game_id", "is required when round_id is set")
        filters = (player_id, game_id, round_id)
        (after_no,) = decode(_LIST, filters, page_token, 1)
        gate = await player_seen(self._reads, self.registry, key, player_id)
        game = self.registry.games.get(game_id)
        if game_id and game is None:
            # Nobody can have played a game that is not registered.
            return Page(items=[], next_page_token="")
        rows, next_no = await self._scan(
            gate,
            game_no=game.game_no if game is not None else 0,
            round_id=round_id,
            after_no=after_no,
            limit=limit_of(page_size),
        )
        return Page(
            items=await self._view(gate, rows),
            next_page_token=encode(_LIST, filters, [next_no]) if next_no else "",
        )

    async def _scan(
        self, gate: Gate, *, game_no: int, round_id: str, after_no: int, limit: int
    ) -> tuple[list[Transaction], int]:
        """Return up to ``limit`` rows that pass the filters, and where to go on.

        The place is 0 when the list has ended.
        """
        kept: list[Transaction] = []
        scanned = size = 0
        while scanned < SCAN_MAX:
            # One more than what is missing says whether there is a next page.
            step = _SCAN_STEP if game_no else min(limit - len(kept) + 1, _SCAN_STEP)
            rows = await self._reads.transactions(gate, after_no=after_no, limit=step)
            for row in rows:
                if len(kept) == limit or size > PAGE_BYTES_MAX:
                    return kept, after_no
                after_no = row.item_no
                if is_hidden(row) or (game_no and row.game_no != game_no):
                    continue
                if not round_id or row.round_id == round_id:
                    kept.append(row)
                    size += row_bytes(row)
            if len(rows) < step:
                return kept, 0
            scanned += len(rows)
        return kept, after_no

    async def _view(self, gate: Gate, rows: list[Transaction]) -> list[TransactionView]:
        """Put the caller's id of what each row refers to beside it."""
        ids = await reference_ids(self._reads, gate.lane, rows)
        return [
            TransactionView(gate=gate, row=row, reference_id=reference_id)
            for row, reference_id in zip(rows, ids, strict=True)
        ]


_REVERSALS = (Kind.ROLLBACK, Kind.RELEASE)
_KEY_SPACES = {
    Kind.ROLLBACK: KeySpace.REVERSE,
    Kind.RELEASE: KeySpace.REVERSE,
    Kind.CAPTURE: KeySpace.CAPTURE,
    Kind.REINSTATE: KeySpace.REINSTATE,
    Kind.CLOSE_ROUND: KeySpace.CLOSE,
    Kind.DEPOSIT: KeySpace.PAYMENT,
}


def _holds_bet(command: WalletCommand) -> bool:
    """Say whether a command is of those that overload sheds first."""
    if isinstance(command, Play):
        return any(isinstance(action, Bet) for action in command.actions)
    return isinstance(command, Bet | Reserve)


def _key_spaces(registry: Registry, kind: Kind) -> list[int]:
    """List where a transaction of a kind may be, in the order of looking."""
    if kind in _KEY_SPACES:
        return [_KEY_SPACES[kind]]
    if not registry.separating_nos:
        return [KeySpace.MOVE]
    return sorted(MOVE_SPACES)


def _is_of(row: Transaction, kind: Kind) -> bool:
    """Say whether a row is of a kind that was asked for, if any was.

    A rollback of a reserve is its release, so each is found as the other.
    """
    return kind in (Kind.UNSPECIFIED, row.kind) or (
        kind in _REVERSALS and row.kind in _REVERSALS
    )


def row_bytes(row: Transaction) -> int:
    """Say roughly how much of a page a row takes; never less than it does."""
    # The transaction that it refers to may have an id as long.
    texts = f"{row.transaction_id}{row.round_id}{row.extra or ''}"
    return _ROW_BYTES + len(texts.encode())
