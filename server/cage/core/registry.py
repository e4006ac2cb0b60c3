"""Hold what a deployment is made of, as one immutable value per version.

Operators, brands, integrations, studios, games, currencies and API keys change
rarely and are read by every batch. A process keeps one Registry and replaces it
whole when a batch sees another version in the database, so no decision is ever
made on a stale one.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from cage.core.rules import DEFAULT_RULES, IdScopeRule, IdsPerKindRule, Rules


class Role(IntEnum):
    """Which services a key may call; numbers as in ``cage.admin.v1.Role``."""

    GAME = 1
    OPERATOR = 2
    ADMIN = 3


class Vertical(IntEnum):
    """What kind of gambling a game is; numbers as in ``cage.type.v1.Vertical``."""

    CASINO = 1
    LIVE_CASINO = 2
    SPORTS_BETTING = 3
    VIRTUAL_BETTING = 4
    POKER = 5
    BINGO = 6
    LOTTERY = 7


class UnfinishedRoundAction(IntEnum):
    """What becomes of a round that is left open; as in ``cage.admin.v1``."""

    REPORT = 1
    CLOSE = 2
    VOID = 3


# How long a round may stay open before something becomes of it, in seconds.
UNFINISHED_ROUND_AFTER_S = 48 * 3_600
# Begins the ids of the keys under which the process itself finishes rounds. No key can
# have such an id.
_SWEEPER = "caged:rounds:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Hold brands; answers to the regulator."""

    operator_no: int
    operator_id: str
    display_name: str
    enabled: bool
    in_maintenance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """Be one casino of an operator; players belong to it."""

    brand_no: int
    brand_id: str
    operator_no: int
    display_name: str
    enabled: bool
    in_maintenance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """Be a connection of a studio or an aggregator: who calls.

    ``history_url_template`` is empty for none.
    """

    integration_no: int
    integration_id: str
    display_name: str
    enabled: bool
    rules: Rules = DEFAULT_RULES
    in_maintenance: bool = False
    unfinished_round_action: UnfinishedRoundAction = UnfinishedRoundAction.REPORT
    unfinished_round_after_s: int = UNFINISHED_ROUND_AFTER_S
    history_url_template: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """Be who made a game."""

    studio_no: int
    studio_id: str
    display_name: str
    enabled: bool
    in_maintenance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """Be what players play."""

    game_no: int
    game_id: str
    studio_no: int
    display_name: str
    enabled: bool
    in_maintenance: bool = False
    vertical: int = int(Vertical.CASINO)
    history_url_template: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """Be what wallets are kept in; ``scale`` is the ledger scale, fixed for ever."""

    currency_no: int
    currency_code: str
    scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Be a credential of a program; only the SHA-256 of its secret is kept.

    ``operator_nos`` is None for ADMIN, which sees every operator. Times are
    microseconds since 1970, 0 for never.
    """

    key_no: int
    key_id: str
    digest: str
    role: Role
    integration_no: int
    operator_nos: frozenset[int] | None
    display_name: str
    create_time_us: int
    expire_time_us: int
    revoke_time_us: int

    def is_valid(self, now_us: int) -> bool:
        """Say whether the key works at a time."""
        return not self.revoke_time_us and (
            not self.expire_time_us or now_us < self.expire_time_us
        )

    def sees(self, operator_no: int) -> bool:
        """Say whether the key is granted to an operator."""
        return self.operator_nos is None or operator_no in self.operator_nos


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Hold every registered thing by its public id and by its number."""

    version: int
    operators: dict[str, Operator] = field(default_factory=dict)
    brands: dict[str, Brand] = field(default_factory=dict)
    integrations: dict[str, Integration] = field(default_factory=dict)
    studios: dict[str, Studio] = field(default_factory=dict)
    games: dict[str, Game] = field(default_factory=dict)
    currencies: dict[str, Currency] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    keys_by_digest: dict[str, ApiKey] = field(default_factory=dict)
    operators_by_no: dict[int, Operator] = field(default_factory=dict)
    brands_by_no: dict[int, Brand] = field(default_factory=dict)
    integrations_by_no: dict[int, Integration] = field(default_factory=dict)
    studios_by_no: dict[int, Studio] = field(default_factory=dict)
    games_by_no: dict[int, Game] = field(default_factory=dict)
    currencies_by_no: dict[int, Currency] = field(default_factory=dict)
    # The integrations whose ids are unique among all their players.
    claiming_nos: frozenset[int] = field(init=False)
    # The integrations whose wins, awards and adjustments have ids of their own.
    separating_nos: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        for name, rule, value in (
            ("claiming_nos", "id_scope", IdScopeRule.INTEGRATION),
            ("separating_nos", "ids_per_kind", IdsPerKindRule.SEPARATE),
        ):
            numbers = frozenset(
                number
                for number, integration in self.integrations_by_no.items()
                if getattr(integration.rules, rule) == value
            )
            object.__setattr__(self, name, numbers)

    def find_key(self, key_id: str) -> ApiKey | None:
        """Return a key by its id: one that was created, or the process's own."""
        key = self.keys.get(key_id)
        if key is None and key_id.startswith(_SWEEPER):
            integration = self.integrations.get(key_id.removeprefix(_SWEEPER))
            return None if integration is None else _sweeper_key(integration)
        return key


def sweeper_key_id(integration_id: str) -> str:
    """Return the id of the key that finishes the rounds of an integration.

    It is known inside of the process only: it has no secret, so nobody can call with
    it.
    """
    return _SWEEPER + integration_id


def _sweeper_key(integration: Integration) -> ApiKey:
    return ApiKey(
        key_no=0,
        key_id=sweeper_key_id(integration.integration_id),
        digest="",
        role=Role.GAME,
        integration_no=integration.integration_no,
        operator_nos=None,
        display_name="",
        create_time_us=0,
        expire_time_us=0,
        revoke_time_us=0,
    )


def index_registry(
    *,
    version: int,
    operators: list[Operator],
    brands: list[Brand],
    integrations: list[Integration],
    studios: list[Studio],
    games: list[Game],
    currencies: list[Currency],
    keys: list[ApiKey],
) -> Registry:
    """Build a Registry from its rows, with every look-up that decisions use."""
    return Registry(
        version=version,
        operators={row.operator_id: row for row in operators},
        brands={row.brand_id: row for row in brands},
        integrations={row.integration_id: row for row in integrations},
        studios={row.studio_id: row for row in studios},
        games={row.game_id: row for row in games},
        currencies={row.currency_code: row for row in currencies},
        keys={row.key_id: row for row in keys},
        keys_by_digest={row.digest: row for row in keys},
        operators_by_no={row.operator_no: row for row in operators},
        brands_by_no={row.brand_no: row for row in brands},
        integrations_by_no={row.integration_no: row for row in integrations},
        studios_by_no={row.studio_no: row for row in studios},
        games_by_no={row.game_no: row for row in games},
        currencies_by_no={row.currency_no: row for row in currencies},
    )


Row = Operator | Brand | Integration | Studio | Game | Currency | ApiKey

# The look-ups of each kind of row: the map, and the field that is its key.
_LOOK_UPS: dict[type, tuple[tuple[str, str], ...]] = {
    Operator: (("operators", "operator_id"), ("operators_by_no", "operator_no")),
    Brand: (("brands", "brand_id"), ("brands_by_no", "brand_no")),
    Integration: (
        ("integrations", "integration_id"),
        ("integrations_by_no", "integration_no"),
    ),
    Studio: (("studios", "studio_id"), ("studios_by_no", "studio_no")),
    Game: (("games", "game_id"), ("games_by_no", "game_no")),
    Currency: (
        ("currencies", "currency_code"),
        ("currencies_by_no", "currency_no"),
    ),
    ApiKey: (("keys", "key_id"), ("keys_by_digest", "digest")),
}


def with_row(registry: Registry, row: Row) -> Registry:
    """Return the next version of a registry, with a row added or replaced."""
    changed: dict[str, Any] = {
        name: {**getattr(registry, name), getattr(row, key): row}
        for name, key in _LOOK_UPS[type(row)]
    }
    return replace(registry, version=registry.version + 1, **changed)
