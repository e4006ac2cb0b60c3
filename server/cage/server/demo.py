"""Fill a deployment with what a demo needs, through the ordinary use cases.

What exists already is left alone. The secrets of its keys are written beside the
database, for their owner only, and are used again at the next start.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cage.core.admin import (
    LOCAL_ACTOR,
    Change,
    CreateBrand,
    CreateCurrency,
    CreateGame,
    CreateIntegration,
    CreateOperator,
    CreateStudio,
)
from cage.core.key import CreateApiKey, RevokeApiKey
from cage.core.kyc import RecordVerification, VerificationMethod
from cage.core.payment import AuthorizeDeposit, TransferDeposit
from cage.core.player import RegisterPlayer
from cage.core.registry import (
    ApiKey,
    Brand,
    Currency,
    Game,
    Integration,
    Operator,
    Registry,
    Role,
    Studio,
)
from cage.core.secret import digest_of
from cage.server.config import Config
from cage.server.files import write_private
from cage.server.serve import Server

OPERATOR = "demo"
BRAND = "demo-casino"
INTEGRATION = "demo-studio"
STUDIO = "demo-studio"
GAMES = {"demo-slots": "Demo Slots", "demo-roulette": "Demo Roulette"}
CURRENCIES = {"INR": 2, "EUR": 2, "USD": 2, "BTC": 8}
ENV_FILE = "demo.env"
_DEPOSIT_MINOR = 100_000
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoKeys:
    """Hold the secrets of the demo's keys."""

    studio_key: str = field(repr=False)
    operator_key: str = field(repr=False)
    admin_key: str = field(repr=False)


def env_path(config: Config) -> Path:
    """Return where the demo's keys are written."""
    return config.folder / ENV_FILE


async def seed(server: Server) -> DemoKeys:
    """Create what the demo lacks and return its keys; the server must be open."""
    await _create_parts(server)
    known = _read_env(env_path(server.config))
    studio = await _key(server, "demo-game", Role.GAME, known.get("CAGE_STUDIO_KEY"))
    operator = await _key(
        server, "demo-operator", Role.OPERATOR, known.get("CAGE_OPERATOR_KEY")
    )
    admin = await _key(server, "demo-admin", Role.ADMIN, known.get("CAGE_ADMIN_KEY"))
    registry = server.store.writer.registry
    await _create_player(server, registry.keys_by_digest[digest_of(operator)].key_id)
    return DemoKeys(studio_key=studio, operator_key=operator, admin_key=admin)


def write_env(config: Config, address: str, keys: DemoKeys) -> None:
    """Write address and keys for shells and for ``cagectl``."""
    write_private(
        env_path(config),
        f"CAGE_ADDRESS={address}\n"
        f"CAGE_STUDIO_KEY={keys.studio_key}\n"
        f"CAGE_OPERATOR_KEY={keys.operator_key}\n"
        f"CAGE_ADMIN_KEY={keys.admin_key}\n",
    )


def _read_env(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


async def _create_parts(server: Server) -> None:
    """Create what the registry lacks, parents first."""
    registry = server.store.writer.registry
    for kind, command in _parts(registry):
        await server.admin.change(command, kind, timeout_s=_TIMEOUT_S)


def _parts(registry: Registry) -> list[tuple[type, Change]]:
    """List the missing parts of the demo in the order of their creation."""
    parts: list[tuple[type, Change]] = []
    if OPERATOR not in registry.operators:
        operator = CreateOperator(
            operator_id=OPERATOR, display_name="Demo", enabled=True, **_by("operator")
        )
        parts.append((Operator, operator))
    if BRAND not in registry.brands:
        brand = CreateBrand(
            brand_id=BRAND,
            operator_id=OPERATOR,
            display_name="Demo Casino",
            enabled=True,
            **_by("brand"),
        )
        parts.append((Brand, brand))
    if INTEGRATION not in registry.integrations:
        integration = CreateIntegration(
            integration_id=INTEGRATION,
            display_name="Demo Studio",
            enabled=True,
            rules={},
            **_by("integration"),
        )
        parts.append((Integration, integration))
    if STUDIO not in registry.studios:
        studio = CreateStudio(
            studio_id=STUDIO, display_name="Demo Studio", enabled=True, **_by("studio")
        )
        parts.append((Studio, studio))
    for game_id in GAMES.keys() - registry.games.keys():
        game = CreateGame(
            game_id=game_id,
            studio_id=STUDIO,
            display_name=GAMES[game_id],
            enabled=True,
            **_by(game_id),
        )
        parts.append((Game, game))
    for code in CURRENCIES.keys() - registry.currencies.keys():
        currency = CreateCurrency(
            currency_code=code, scale=CURRENCIES[code], **_by(code)
        )
        parts.append((Currency, currency))
    return parts


def _by(what: str) -> dict[str, Any]:
    """Return what every change of the demo carries: who makes it, and its id."""
    return {"key_id": LOCAL_ACTOR, "request_id": f"demo-{what}"}


async def _key(server: Server, name: str, role: Role, secret: str | None) -> str:
    """Return the secret that was kept for a key, or create a key.

    A key whose secret got lost is revoked, and another takes its place.
    """
    registry = server.store.writer.registry
    if secret and _is_live(registry.keys_by_digest.get(digest_of(secret))):
        return secret
    key_id, count = name, 1
    while key_id in registry.keys:
        if _is_live(registry.keys[key_id]):
            revoke = RevokeApiKey(revoked_key_id=key_id, **_by(f"revoke-{key_id}"))
            await server.admin.change(revoke, ApiKey, timeout_s=_TIMEOUT_S)
        count += 1
        key_id = f"{name}-{count}"
    command = CreateApiKey(
        new_key_id=key_id,
        role=role,
        integration_id=INTEGRATION if role == Role.GAME else "",
        operator_ids=() if role == Role.ADMIN else (OPERATOR,),
        display_name=f"Demo {role.name.lower()}",
        expire_time_us=0,
        **_by(key_id),
    )
    answer = await server.admin.create_key(command, timeout_s=_TIMEOUT_S)
    return answer.api_key


def _is_live(key: ApiKey | None) -> bool:
    return key is not None and not key.revoke_time_us


async def _create_player(server: Server, key_id: str) -> None:
    """Give an empty brand one verified test player with money."""
    brand = server.store.writer.registry.brands[BRAND]
    nobody = [0] * server.store.writer.lanes
    if await server.store.reads.players([brand.brand_no], after=nobody, limit=1):
        return
    register = RegisterPlayer(
        key_id=key_id,
        request_id="demo-player",
        brand_id=BRAND,
        display_name="Demo Player",
        country_code="MT",
        jurisdiction="MT",
        language_code="en",
        currency_code="EUR",
        is_test=True,
    )
    view = await server.player.register(register, timeout_s=_TIMEOUT_S)
    player_id = view.gate.player_id
    check = RecordVerification(
        key_id=key_id,
        request_id="demo-player-check",
        player_id=player_id,
        method=VerificationMethod.OTHER,
        reference="demo",
        level=1,
    )
    await server.kyc.record_verification(check, timeout_s=_TIMEOUT_S)
    await _deposit(server, key_id, player_id)


async def _deposit(server: Server, key_id: str, player_id: str) -> None:
    """Give a player money as a payment provider would."""
    authorize = AuthorizeDeposit(
        key_id=key_id,
        request_id="demo-player-deposit",
        player_id=player_id,
        currency_code="EUR",
        amount=_DEPOSIT_MINOR,
        scale=2,
        payment_method="demo",
    )
    answer = await server.cashier.change(authorize, timeout_s=_TIMEOUT_S)
    transfer = TransferDeposit(
        key_id=key_id,
        player_id=player_id,
        payment_id=answer.payment.payment_id,
        currency_code="EUR",
        amount=_DEPOSIT_MINOR,
        scale=2,
        psp_reference="demo",
    )
    await server.cashier.change(transfer, timeout_s=_TIMEOUT_S)
