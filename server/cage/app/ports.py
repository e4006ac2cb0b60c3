"""Name what the use cases need from a database, as small Protocols."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cage.app.lane import Settable
from cage.core.book import Change
from cage.core.payment import Payment
from cage.core.player import Gate, Profile
from cage.core.registry import Registry
from cage.core.round import Round
from cage.core.wallet import Transaction, Wallet


class Writer(Protocol):
    """Commit commands, one batch after the other, per lane."""

    @property
    def lanes(self) -> int:
        """Return the number of lanes of the database."""
        ...

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        ...

    def submit(
        self, lane: int, command: object, *, is_bet: bool, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Queue a command for its lane; the future holds the answer after COMMIT."""
        ...

    def submit_into(
        self,
        lane: int,
        command: object,
        future: Settable,
        *,
        is_bet: bool,
        timeout_s: float | None,
    ) -> None:
        """Queue a command for its lane; its answer goes into the caller's future."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerRow:
    """Hold a player as a read finds it: the gate and the profile."""

    gate: Gate
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class DueReserve:
    """Name a reserve whose life is over, and where it stands among those."""

    player_id: str
    reserve_no: int
    expire_time_us: int


class Reads(Protocol):
    """Answer queries from committed state, apart from the lanes."""

    async def player(self, player_id: str) -> PlayerRow | None:
        """Find a player."""
        ...

    async def wallets(self, gate: Gate) -> Sequence[Wallet]:
        """Find the wallets of a player that ever moved, by currency number."""
        ...

    async def players(
        self, brand_nos: Sequence[int], *, after: Sequence[int], limit: int
    ) -> Sequence[PlayerRow]:
        """List players of brands, each lane in the order of registration.

        ``after`` holds, per lane, the last player number already seen.
        """
        ...

    async def transaction(
        self,
        gate: Gate,
        integration_no: int | None,
        key_space: int,
        transaction_id: str,
    ) -> Transaction | None:
        """Find one transaction by the caller's id; None means any integration."""
        ...

    async def transactions_by_no(
        self, lane: int, item_nos: Sequence[int]
    ) -> Sequence[Transaction]:
        """Find transactions by their place in the journal, in any order."""
        ...

    async def transactions(
        self, gate: Gate, *, after_no: int, limit: int
    ) -> Sequence[Transaction]:
        """List a player's transactions after a place, oldest first, all wallets."""
        ...

    async def round(self, gate: Gate, game_no: int, round_id: str) -> Round | None:
        """Find a round with its totals."""
        ...

    async def payment(self, lane: int, payment_no: int) -> Payment | None:
        """Find a payment."""
        ...

    async def due_reserves(
        self, lane: int, *, now_us: int, after: tuple[int, int], limit: int
    ) -> Sequence[DueReserve]:
        """List the open reserves of a lane that expire by a time, the first due first.

        ``after`` is the expiry and the number of the last one already seen.
        """
        ...

    async def changes(
        self, noun: str, noun_id: str, *, after: Sequence[int], limit: int
    ) -> Sequence[Change]:
        """List journalled changes in the order of their commits.

        ``noun`` and ``noun_id`` filter when they are not empty; ``after`` holds, per
        lane, the last item number already seen.
        """
        ...


@dataclass(frozen=True, slots=True)
class BatchStats:
    """Say what one batch was like. Durations are seconds.

    ``wait_s`` is the longest wait in the queue, ``run_s`` the time from BEGIN to
    the end of the writes, ``commit_s`` that of the COMMIT. ``is_rerun`` says that
    the batch had failed and ran again one command at a time.
    """

    lane: int
    size: int
    queue_depth: int
    wait_s: float
    run_s: float
    commit_s: float
    is_rerun: bool
