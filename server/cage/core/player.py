"""Hold players: the gate that every bet is judged by, the profile, the commands.

``account.py`` decides the commands, ``kyc.py`` what follows from a verification.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from cage.core.wallet import Balance


class PlayerStatus(IntEnum):
    """What a player may do; numbers as in ``cage.player.v1.PlayerStatus``."""

    PENDING_VERIFICATION = 1
    ACTIVE = 2
    SUSPENDED = 3
    SELF_EXCLUDED = 4
    PROHIBITED = 5
    CLOSED = 6
    DECEASED = 7
    DORMANT = 8


# The bit of a gate's blocks that stops every game; verticals begin with 1.
BLOCK_ALL = 1


@dataclass(slots=True)
class Gate:
    """Hold the row that is locked first and read by every decision on a player.

    ``currency_no`` is the currency of the account. ``blocks`` is a set of bits:
    BLOCK_ALL, and 1 << vertical for each kind of gambling that is stopped.
    ``language_code`` is the language in which the player is told of a refusal.
    ``jurisdiction`` says by whose profile; ``limits`` is empty without any.
    ``more_currencies`` holds the numbers of the currencies in which further wallets
    were opened, with a space between.
    """

    lane: int
    player_no: int
    player_id: str
    brand_no: int
    currency_no: int
    status: int
    kyc_level: int
    is_test: int
    blocks: int = 0
    language_code: str = "en"
    jurisdiction: str = ""
    limits: str = ""
    more_currencies: str = ""

    def opened(self) -> list[int]:
        """Return the currencies that were opened beside that of the account."""
        return list(map(int, self.more_currencies.split()))


@dataclass(slots=True)
class Profile:
    """Hold what is known about a player besides the gate. Times are microseconds."""

    lane: int
    player_no: int
    display_name: str
    country_code: str
    create_time_us: int
    update_time_us: int


@dataclass(slots=True, kw_only=True)
class RegisterPlayer:
    """Register a player of a brand. ``player_id`` is drawn by the server."""

    key_id: str
    request_id: str
    brand_id: str
    display_name: str
    country_code: str
    jurisdiction: str
    language_code: str
    currency_code: str
    is_test: bool
    player_id: str = field(default="", metadata={"drawn": True})


@dataclass(slots=True, kw_only=True)
class SetPlayerStatus:
    """Change what a player may do. ``reason`` is for the audit."""

    key_id: str
    request_id: str
    player_id: str
    status: PlayerStatus
    reason: str


@dataclass(slots=True, kw_only=True)
class SetPlayerBlocks:
    """Replace what a player may not bet on: the bits of ``Gate.blocks``."""

    key_id: str
    request_id: str
    player_id: str
    blocks: int
    reason: str


@dataclass(slots=True, kw_only=True)
class OpenWallet:
    """Let a player hold money in one more currency."""

    key_id: str
    request_id: str
    player_id: str
    currency_code: str


@dataclass(slots=True, kw_only=True)
class GetPlayer:
    """Read a player and all balances, in order with the moves of the player."""

    key_id: str
    player_id: str


@dataclass(slots=True, kw_only=True)
class Player:
    """Show a player at one instant.

    ``balances`` is empty and ``read_time_us`` 0 but for a read.
    """

    gate: Gate
    profile: Profile
    balances: Sequence[Balance] = ()
    read_time_us: int = 0


def show_player(gate: Gate, profile: Profile) -> Player:
    """Copy a player's rows as they are now, because later commands change them."""
    return Player(gate=replace(gate), profile=replace(profile))
