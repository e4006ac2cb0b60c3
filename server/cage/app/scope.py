"""Say which part of the journal a key sees, and which of it a caller wants.

A GAME key sees the transactions of its own integration for players of the operators
that it is granted to. An OPERATOR key sees all that concerns players of its operators,
and the operators and their brands themselves. ADMIN sees everything.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from cage.app.journal import Wanted
from cage.app.ports import Reads
from cage.core.book import Change
from cage.core.errors import CageError, Reason
from cage.core.event import NOUN_TYPES, OPERATOR_NOUNS, PLAYER_NOUNS, STATE_TYPES
from cage.core.player import Gate
from cage.core.registry import ApiKey, Registry, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Hold what a caller wants of the journal; ``lanes`` are those to read."""

    key: ApiKey
    lanes: Sequence[int]
    player_no: int | None = None
    integration_no: int | None = None
    states: Sequence[int] | None = None
    kinds: Sequence[int] | None = None
    nouns: Sequence[str] | None = ()

    def wanted(self, registry: Registry) -> Wanted:
        """Return what to read by the brands of this moment."""
        brands = registry.brands_by_no.values()
        key = self.key
        seen = [brand.brand_no for brand in brands if key.sees(brand.operator_no)]
        return Wanted(
            brand_nos=None if key.operator_nos is None else seen,
            integration_no=self.integration_no,
            player_nos=None if self.player_no is None else (self.player_no,),
            states=self.states,
            kinds=self.kinds,
            nouns=self.nouns,
        )

    def sees(self, change: Change) -> bool:
        """Say whether the key sees a change that is of no player."""
        if self.key.role == Role.ADMIN:
            return True
        columns = json.loads(change.after)
        return self.key.sees(columns["operator_no"])


async def player_seen(
    reads: Reads, registry: Registry, key: ApiKey, player_id: str
) -> Gate:
    """Return the gate of a player that a key sees, or raise PLAYER_NOT_FOUND."""
    found = await reads.player(player_id)
    if found is not None:
        brand = registry.brands_by_no.get(found.gate.brand_no)
        if brand is not None and key.sees(brand.operator_no):
            return found.gate
    raise CageError(Reason.PLAYER_NOT_FOUND, player_id=player_id)


def integration_seen(
    registry: Registry, key: ApiKey, integration_id: str
) -> int | None:
    """Return the number of the integration that a caller is about, None for every.

    A GAME key is about its own. Raises INTEGRATION_NOT_FOUND.
    """
    is_game = key.role == Role.GAME
    if not integration_id:
        return key.integration_no if is_game else None
    found = registry.integrations.get(integration_id)
    if found is None or (is_game and found.integration_no != key.integration_no):
        raise CageError(Reason.INTEGRATION_NOT_FOUND, integration_id=integration_id)
    return found.integration_no


def states_of(types: Sequence[int]) -> Sequence[int] | None:
    """Return the states of the transactions among some types of events."""
    if not types:
        return None
    return [int(state) for state, type_ in STATE_TYPES.items() if type_ in types]


def nouns_of(role: Role, types: Sequence[int]) -> Sequence[str] | None:
    """Return the nouns of the changes that a role sees among some types of events."""
    seen: dict[Role, Sequence[str]] = {
        Role.GAME: (),
        Role.OPERATOR: (*PLAYER_NOUNS, *OPERATOR_NOUNS),
        Role.ADMIN: tuple(NOUN_TYPES),
    }
    if not types:
        return None if role == Role.ADMIN else seen[role]
    return [noun for noun in seen[role] if NOUN_TYPES[noun] in types]
