"""Run the use cases of rounds: read one, and list those that are unfinished."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cage.app.page import Page, decode, encode, limit_of
from cage.app.ports import Reads, Writer
from cage.app.scope import integration_seen, player_seen
from cage.core.errors import CageError, Reason
from cage.core.player import Gate
from cage.core.registry import ApiKey, Game, Registry
from cage.core.round import Round
from cage.core.wallet import Transaction

# Rows of a round that are looked through for its details, newest first.
DETAILS_ROWS_MAX = 1_000
# A filtered list reads at most so many rounds for one page, then gives a short page
# with a token, so that no page takes long.
SCAN_MAX = 5_000
_SCAN_STEP = 500
# Names the list in its page tokens.
_LIST = "unfinished rounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundView:
    """Show one stored round to its reader.

    ``integration_no`` is the integration of its first transaction, 0 for none.
    ``details`` is the caller's newest text, where it was looked for.
    """

    gate: Gate
    game: Game
    round_: Round
    integration_no: int
    details: str = ""


@dataclass(frozen=True, slots=True)
class UnfinishedRound:
    """Hold a round that takes bets and has some, with who plays and who opened it."""

    round_: Round
    gate: Gate
    integration_no: int


class RoundReads(Protocol):
    """Read rounds from committed state."""

    async def round_rows(
        self, lane: int, last_no: int, *, limit: int
    ) -> Sequence[Transaction]:
        """List a round's transactions from one of them back, newest first."""
        ...

    async def unfinished_rounds(
        self, lane: int, *, after_no: int, before_us: int, limit: int
    ) -> Sequence[UnfinishedRound]:
        """List unfinished rounds opened before a time, by their first transaction.

        Those come first whose first transaction is the oldest after a place.
        """
        ...


class RoundApp:
    """Offer the use cases of rounds over a writer and reads."""

    def __init__(
        self,
        *,
        writer: Writer,
        reads: Reads,
        rounds: RoundReads,
        now_us: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._now_us = now_us
        self._reads = reads
        self._rounds = rounds

    @property
    def registry(self) -> Registry:
        """Return the registry as of the last batch."""
        return self._writer.registry

    async def get_round(
        self, key: ApiKey, *, player_id: str, game_id: str, round_id: str
    ) -> RoundView:
        """Read one round with the newest details that its transactions carry.

        Raises PLAYER_NOT_FOUND, GAME_NOT_FOUND or ROUND_NOT_FOUND.
        """
        gate = await player_seen(self._reads, self.registry, key, player_id)
        game = self.registry.games.get(game_id)
        if game is None:
            raise CageError(Reason.GAME_NOT_FOUND, game_id=game_id)
        round_ = await self._reads.round(gate, game.game_no, round_id)
        if round_ is None:
            raise CageError(Reason.ROUND_NOT_FOUND, round_id=round_id)
        rows = await self._rounds.round_rows(
            gate.lane, round_.last_no, limit=DETAILS_ROWS_MAX
        )
        (opened,) = await self._reads.transactions_by_no(gate.lane, [round_.open_no])
        return RoundView(
            gate=gate,
            game=game,
            round_=round_,
            integration_no=opened.integration_no,
            details=_details(rows),
        )

    async def list_unfinished(
        self,
        key: ApiKey,
        *,
        integration_id: str,
        min_age_us: int,
        page_size: int,
        page_token: str,
    ) -> Page[RoundView]:
        """Read one page of the unfinished rounds that a key sees, oldest first.

        Raises INTEGRATION_NOT_FOUND or PAGE_TOKEN_INVALID.
        """
        filters = [integration_id]
        lanes = self._writer.lanes
        seen = decode(_LIST, filters, page_token, lanes)
        integration_no = integration_seen(self.registry, key, integration_id)
        limit, before_us = limit_of(page_size), self._now_us() - min_age_us
        kept: list[UnfinishedRound] = []
        scanned = 0
        while scanned < SCAN_MAX:
            found, is_end = await self._next(seen, before_us)
            for each in found:
                if len(kept) == limit:
                    break
                seen[each.round_.lane] = each.round_.open_no
                scanned += 1
                if integration_no not in (None, each.integration_no):
                    continue
                if self._sees(key, each.gate):
                    kept.append(each)
            else:
                if not is_end:
                    continue
                return Page(items=self._views(kept), next_page_token="")
            break
        token = encode(_LIST, filters, seen)
        return Page(items=self._views(kept), next_page_token=token)

    async def _next(
        self, seen: Sequence[int], before_us: int
    ) -> tuple[list[UnfinishedRound], bool]:
        """Return the oldest rounds after a place, and whether there are no others."""
        found: list[UnfinishedRound] = []
        ends: list[int] = []
        for lane, after_no in enumerate(seen):
            part = await self._rounds.unfinished_rounds(
                lane, after_no=after_no, before_us=before_us, limit=_SCAN_STEP
            )
            found += part
            if len(part) == _SCAN_STEP:
                ends.append(part[-1].round_.open_time_us)
        found.sort(key=_age)
        # What comes after the end of a lane's part may be older than the rest.
        kept = [each for each in found if not ends or _age(each)[0] <= min(ends)]
        return kept, not ends

    def _sees(self, key: ApiKey, gate: Gate) -> bool:
        brand = self.registry.brands_by_no.get(gate.brand_no)
        return brand is not None and key.sees(brand.operator_no)

    def _views(self, found: Sequence[UnfinishedRound]) -> list[RoundView]:
        games = self.registry.games_by_no
        return [
            RoundView(
                gate=each.gate,
                game=games[each.round_.game_no],
                round_=each.round_,
                integration_no=each.integration_no,
            )
            for each in found
        ]


def _age(found: UnfinishedRound) -> tuple[int, int, int]:
    """Return what orders rounds by age, the same in every page."""
    round_ = found.round_
    return round_.open_time_us, round_.lane, round_.open_no


def _details(rows: Sequence[Transaction]) -> str:
    """Return the newest text of a caller's among rows, newest first."""
    for row in rows:
        if row.extra is not None:
            extra = json.loads(row.extra)
            if "details" in extra and "resolution" not in extra:
                return str(extra["details"])
    return ""
