"""Run the use cases of players: registration, status, reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cage.app.page import Page, decode, encode, limit_of
from cage.app.ports import Reads, Writer
from cage.app.submit import read_registry, submit
from cage.core.errors import CageError, Reason
from cage.core.ids import lane_of, random_uuid7
from cage.core.kyc import RecordVerification
from cage.core.limit import LimitView, standing
from cage.core.player import (
    Gate,
    GetPlayer,
    OpenWallet,
    Player,
    Profile,
    RegisterPlayer,
    SetPlayerBlocks,
    SetPlayerStatus,
)
from cage.core.registry import ApiKey, Registry
from cage.core.wallet import Balance

PlayerCommand = (
    SetPlayerStatus | SetPlayerBlocks | OpenWallet | RecordVerification | GetPlayer
)

# Names the list in its page tokens.
_LIST = "players"
_UUID_BYTES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerView:
    """Show a player with the ids of what the player belongs to."""

    gate: Gate
    profile: Profile
    operator_id: str
    brand_id: str
    currency_code: str
    more_currency_codes: Sequence[str] = ()
    balances: Sequence[Balance] = ()
    limits: Sequence[LimitView] = ()


class PlayerApp:
    """Offer the use cases of players over a writer and reads.

    ``now_us`` is the wall clock, ``random_bytes`` the source of player ids.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        reads: Reads,
        now_us: Callable[[], int],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._writer = writer
        self._reads = reads
        self._now_us = now_us
        self._random_bytes = random_bytes

    async def register(
        self, command: RegisterPlayer, *, timeout_s: float | None
    ) -> PlayerView:
        """Register a player.

        The lane follows from the request, so that a retry meets the first answer,
        and the id is drawn to be of that lane.
        """
        lanes = self._writer.lanes
        lane = lane_of(f"{command.key_id} {command.request_id}", lanes)
        command.player_id = self._draw_id()
        while lane_of(command.player_id, lanes) != lane:
            command.player_id = self._draw_id()
        player = await submit(self._writer, lane, command, Player, timeout_s=timeout_s)
        return view_of(self._writer.registry, player)

    async def set_status(
        self, command: SetPlayerStatus, *, timeout_s: float | None
    ) -> PlayerView:
        """Change a player's status."""
        return await submit_for_player(self._writer, command, timeout_s=timeout_s)

    async def set_blocks(
        self, command: SetPlayerBlocks, *, timeout_s: float | None
    ) -> PlayerView:
        """Replace what a player may not bet on."""
        return await submit_for_player(self._writer, command, timeout_s=timeout_s)

    async def open_wallet(
        self, command: OpenWallet, *, timeout_s: float | None
    ) -> PlayerView:
        """Let a player hold money in one more currency."""
        return await submit_for_player(self._writer, command, timeout_s=timeout_s)

    async def get(self, read: GetPlayer, *, timeout_s: float | None) -> PlayerView:
        """Read a player and all balances in one batch."""
        return await submit_for_player(self._writer, read, timeout_s=timeout_s)

    async def list(
        self,
        key: ApiKey,
        *,
        brand_id: str,
        page_size: int,
        page_token: str,
        timeout_s: float | None,
    ) -> Page[PlayerView]:
        """Read one page of the players that a key sees, in order of registration.

        Raises BRAND_NOT_FOUND or PAGE_TOKEN_INVALID.
        """
        seen = decode(_LIST, [brand_id], page_token, self._writer.lanes)
        registry = await read_registry(self._writer, key, timeout_s=timeout_s)
        limit = limit_of(page_size)
        found = await self._reads.players(
            brands_of(registry, key, brand_id), after=seen, limit=limit + 1
        )
        rows = found[:limit]
        for row in rows:
            seen[row.gate.lane] = row.gate.player_no
        now_us = self._now_us()
        players = [
            Player(gate=row.gate, profile=row.profile, read_time_us=now_us)
            for row in rows
        ]
        return Page(
            items=[view_of(registry, player) for player in players],
            next_page_token=(
                encode(_LIST, [brand_id], seen) if len(found) > limit else ""
            ),
        )

    def _draw_id(self) -> str:
        return random_uuid7(self._now_us(), self._random_bytes(_UUID_BYTES))


async def submit_for_player(
    writer: Writer, command: PlayerCommand, *, timeout_s: float | None
) -> PlayerView:
    """Hand a command on a player to the player's lane and show the player."""
    lane = lane_of(command.player_id, writer.lanes)
    player = await submit(writer, lane, command, Player, timeout_s=timeout_s)
    return view_of(writer.registry, player)


def view_of(registry: Registry, player: Player) -> PlayerView:
    """Put the ids of what a player belongs to beside the rows."""
    brand = registry.brands_by_no[player.gate.brand_no]
    # What answers a change is as of the change.
    read_time_us = player.read_time_us or player.profile.update_time_us
    return PlayerView(
        gate=player.gate,
        profile=player.profile,
        operator_id=registry.operators_by_no[brand.operator_no].operator_id,
        brand_id=brand.brand_id,
        currency_code=registry.currencies_by_no[player.gate.currency_no].currency_code,
        more_currency_codes=[
            registry.currencies_by_no[number].currency_code
            for number in player.gate.opened()
        ],
        balances=player.balances,
        limits=[
            LimitView(
                limit=limit, currency=registry.currencies_by_no[limit.currency_no]
            )
            for limit in standing(player.gate.limits, read_time_us)
        ],
    )


def brands_of(registry: Registry, key: ApiKey, brand_id: str) -> Sequence[int]:
    """Return the numbers of the brands that a list covers, or BRAND_NOT_FOUND."""
    if not brand_id:
        return [
            brand.brand_no
            for brand in registry.brands.values()
            if key.sees(brand.operator_no)
        ]
    brand = registry.brands.get(brand_id)
    if brand is None or not key.sees(brand.operator_no):
        raise CageError(Reason.BRAND_NOT_FOUND, brand_id=brand_id)
    return [brand.brand_no]
