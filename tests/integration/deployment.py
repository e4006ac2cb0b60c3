"""Run a real server in this process, and make what a test plays with on it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from tests.integration.reserving import Reserving

from cage.admin.v1.admin_pb2 import Role
from cage.client import (
    Client,
    Limit,
    LimitKind,
    LimitOrigin,
    LimitPeriod,
    RetryPolicy,
    Tls,
    WalletRules,
    connect,
    money,
    new_id,
    requests,
)
from cage.core.admin import LOCAL_ACTOR
from cage.core.key import CreateApiKey
from cage.core.registry import Role as CoreRole
from cage.player.v1.kyc_service_pb2 import VerificationMethod
from cage.player.v1.player_pb2 import PlayerStatus
from cage.server.config import Config
from cage.server.serve import Server
from cage.storage import verify
from cage.type.v1.balance_pb2 import Balance
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1 import wallet_service_pb2 as pb
from cage.wallet.v1.wallet_pb2 import AwardKind, SessionScope

# What a busy machine needs, not what a call takes.
TIMEOUT_S = 20.0
# A test looks at the first answer.
NO_RETRY = RetryPolicy(attempts=1, total_timeout_s=TIMEOUT_S)
CURRENCIES = {"EUR": 2, "USD": 2, "MIL": 5, "ONE": 0, "BTC": 8}


@dataclass(slots=True, kw_only=True)
class Deployment:
    """Hold a running server and its administrator."""

    server: Server
    admin: Client
    admin_key: str = field(repr=False)
    is_drained: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def address(self) -> str:
        """Name where gRPC listens."""
        return self.server.address

    @property
    def path(self) -> Path:
        """Name the database file."""
        return self.server.config.database_path

    def client(self, key: str) -> Client:
        """Call with another key over the same channel."""
        return self.admin.with_options(key=key)

    def name(self, noun: str) -> str:
        """Make an id that nobody has yet."""
        return f"{noun}-{next(self._numbers)}"

    async def key(
        self,
        role: Role.ValueType,
        *,
        integration_id: str = "",
        operator_ids: Iterable[str] = (),
        expire_time: datetime | None = None,
    ) -> tuple[str, str]:
        """Create an API key; return its id and its secret."""
        made = await self.admin.admin.create_api_key(
            key_id=self.name("key"),
            role=role,
            integration_id=integration_id,
            operator_ids=operator_ids,
            expire_time=expire_time,
        )
        return made.key.key_id, made.api_key

    async def casino(
        self,
        *,
        enabled: bool = True,
        rules: WalletRules | None = None,
    ) -> "Casino":
        """Create an operator with all that a bet needs, apart from all others."""
        admin = self.admin.admin
        ids = {
            f"{noun}_id": self.name(noun)
            for noun in ("operator", "brand", "integration", "studio", "game")
        }
        operator_id, integration_id = ids["operator_id"], ids["integration_id"]
        await admin.create_operator(operator_id=operator_id)
        await admin.create_brand(brand_id=ids["brand_id"], operator_id=operator_id)
        await admin.create_integration(
            integration_id=integration_id,
            rules=rules,
        )
        await admin.create_studio(studio_id=ids["studio_id"])
        await admin.create_game(
            game_id=ids["game_id"], studio_id=ids["studio_id"], enabled=enabled
        )
        studio_key_id, studio_key = await self.key(
            Role.ROLE_GAME, integration_id=integration_id, operator_ids=[operator_id]
        )
        operator_key_id, operator_key = await self.key(
            Role.ROLE_OPERATOR, operator_ids=[operator_id]
        )
        return Casino(
            deployment=self,
            studio_key_id=studio_key_id,
            studio_key=studio_key,
            operator_key_id=operator_key_id,
            operator_key=operator_key,
            **ids,
        )

    async def drain(self) -> None:
        """Stop the server, once."""
        if not self.is_drained:
            self.is_drained = True
            await self.server.drain()


@dataclass(frozen=True, slots=True, kw_only=True)
class Casino:
    """Hold one operator, its brand, an integration and a game, and their keys."""

    deployment: Deployment = field(repr=False)
    operator_id: str
    brand_id: str
    integration_id: str
    studio_id: str
    game_id: str
    studio_key_id: str
    studio_key: str = field(repr=False)
    operator_key_id: str
    operator_key: str = field(repr=False)

    @property
    def studio(self) -> Client:
        """Call as the studio."""
        return self.deployment.client(self.studio_key)

    @property
    def operator(self) -> Client:
        """Call as the operator."""
        return self.deployment.client(self.operator_key)

    async def switch(
        self, noun: str, *, enabled: bool = True, in_maintenance: bool = False
    ) -> None:
        """Switch the operator, brand, integration, studio or game on or off."""
        update = getattr(self.deployment.admin.admin, f"update_{noun}")
        id_name = f"{noun}_id"
        await update(
            **{id_name: getattr(self, id_name)},
            display_name="",
            enabled=enabled,
            in_maintenance=in_maintenance,
        )

    async def rule(self, **rules: int) -> WalletRules:
        """Replace the rules of the integration; return them as they are now."""
        updated = await self.deployment.admin.admin.update_integration(
            integration_id=self.integration_id,
            display_name="",
            enabled=True,
            rules=WalletRules(**rules),  # type: ignore[arg-type]
        )
        return updated.integration.rules

    async def player(
        self, cash: str = "100.00", currency: str = "EUR", *, is_verified: bool = True
    ) -> "Player":
        """Register a player and deposit cash."""
        registered = await self.operator.players.register_player(
            brand_id=self.brand_id,
            country_code="MT",
            jurisdiction="MT",
            currency_code=currency,
        )
        player_id = registered.player.player_id
        player = Player(casino=self, player_id=player_id, currency=currency)
        if is_verified:
            await player.verify()
        if cash:
            await player.deposit(cash)
        return player


@dataclass(frozen=True, slots=True, kw_only=True)
class Player(Reserving):
    """Hold one player, and build the requests of a studio about the player."""

    casino: Casino = field(repr=False)
    player_id: str
    currency: str

    def money(self, amount: str | Money) -> Money:
        """Build an amount in the currency of the account, unless it is built."""
        return amount if isinstance(amount, Money) else money(self.currency, amount)

    def _call(self, round_id: str, more: dict[str, Any]) -> dict[str, Any]:
        return {
            "player_id": self.player_id,
            "game_id": self.casino.game_id,
            "round_id": round_id,
            **more,
        }

    def bet(
        self,
        amount: str | Money,
        id_: str | None = None,
        round_id: str = "round",
        **more: Any,
    ) -> pb.BetRequest:
        """Build a bet."""
        call = {"amount": self.money(amount), "transaction_id": id_, **more}
        return requests.bet(**self._call(round_id, call))

    def win(
        self,
        amount: str | Money,
        id_: str | None = None,
        round_id: str = "round",
        **more: Any,
    ) -> pb.WinRequest:
        """Build a win; of the round unless it names a bet."""
        call = {"amount": self.money(amount), "transaction_id": id_, **more}
        return requests.win(**self._call(round_id, call))

    def play(
        self, *actions: pb.PlayAction, round_id: str = "round", **more: Any
    ) -> pb.PlayRequest:
        """Build a play of stakes and prizes."""
        return requests.play(**self._call(round_id, {"actions": actions, **more}))

    def stake(
        self, amount: str | Money, id_: str | None = None, **more: Any
    ) -> pb.PlayAction:
        """Build a bet inside a play."""
        return requests.play_bet(amount=self.money(amount), transaction_id=id_, **more)

    def prize(
        self, amount: str | Money, id_: str | None = None, **more: Any
    ) -> pb.PlayAction:
        """Build a win inside a play."""
        return requests.play_win(amount=self.money(amount), transaction_id=id_, **more)

    def rollback(
        self, original: str, id_: str | None = None, **more: Any
    ) -> pb.RollbackRequest:
        """Build a rollback."""
        return requests.rollback(
            player_id=self.player_id,
            original_transaction_id=original,
            transaction_id=id_,
            **more,
        )

    def rollback_list(
        self, *originals: str, id_: str | None = None, **more: Any
    ) -> pb.RollbackRequest:
        """Build the rollback of a list."""
        return requests.rollback(
            player_id=self.player_id, originals=originals, transaction_id=id_, **more
        )

    def rollback_round(
        self, id_: str | None = None, round_id: str = "round", **more: Any
    ) -> pb.RollbackRequest:
        """Build the rollback of a whole round."""
        call = {"whole_round": True, "transaction_id": id_, **more}
        return requests.rollback(**self._call(round_id, call))

    def reinstate(
        self, rollback: str, id_: str | None = None, **more: Any
    ) -> pb.ReinstateRequest:
        """Build the undo of a rollback."""
        return requests.reinstate(
            player_id=self.player_id,
            rollback_transaction_id=rollback,
            transaction_id=id_,
            **more,
        )

    def close(self, round_id: str = "round", **more: Any) -> pb.CloseRoundRequest:
        """Build the close of a round."""
        return requests.close_round(**self._call(round_id, more))

    def award(
        self,
        amount: str | Money,
        id_: str | None = None,
        round_id: str = "",
        **more: Any,
    ) -> pb.AwardRequest:
        """Build an award, of a promotion unless it says otherwise."""
        call = {
            "amount": self.money(amount),
            "transaction_id": id_,
            "kind": AwardKind.AWARD_KIND_PROMO,
            **more,
        }
        return requests.award(**self._call(round_id, call))

    def read(self, **more: Any) -> pb.GetBalanceRequest:
        """Build a read of the balance."""
        call = {"currency_code": self.currency, **more}
        return requests.get_balance(player_id=self.player_id, **call)

    async def balance(self) -> Balance:
        """Read the balance now."""
        reply = await self.casino.studio.wallet.get_balance(
            player_id=self.player_id, currency_code=self.currency
        )
        return reply.balance

    async def cash(self) -> int:
        """Read the cash now, in units of the ledger scale."""
        return (await self.balance()).cash

    async def verify(self) -> None:
        """Record that the player was checked."""
        await self.casino.operator.kyc.record_verification(
            player_id=self.player_id,
            method=VerificationMethod.VERIFICATION_METHOD_DOCUMENT,
            reference="test",
            level=1,
        )

    async def deposit(self, amount: str) -> None:
        """Bring money in."""
        cashier = self.casino.operator.cashier
        authorized = await cashier.authorize_deposit(
            player_id=self.player_id, amount=self.money(amount), payment_method="card"
        )
        await cashier.transfer_deposit(
            player_id=self.player_id,
            payment_id=authorized.payment.payment_id,
            amount=self.money(amount),
            psp_reference=new_id(),
        )

    def limit(self, kind: LimitKind.ValueType, **changes: Any) -> dict[str, Any]:
        """Name a limit of the player's by the day, or of each bet for a stake."""
        of_bet = kind == LimitKind.LIMIT_KIND_STAKE
        day, bet = LimitPeriod.LIMIT_PERIOD_DAY, LimitPeriod.LIMIT_PERIOD_BET
        return {
            "player_id": self.player_id,
            "kind": kind,
            "period": bet if of_bet else day,
            "origin": LimitOrigin.LIMIT_ORIGIN_PLAYER,
            **changes,
        }

    async def set_limit(
        self, kind: LimitKind.ValueType, amount: str, **changes: Any
    ) -> Limit:
        """Set a limit."""
        reply = await self.casino.operator.responsible_gaming.set_limit(
            **self.limit(kind, **changes), amount=self.money(amount)
        )
        return reply.limit

    async def set_status(self, status: PlayerStatus.ValueType) -> None:
        """Change what the player may do."""
        await self.casino.operator.players.set_player_status(
            player_id=self.player_id, status=status, reason="test"
        )

    async def block(self, *verticals: int, all_games: bool = False) -> None:
        """Replace what the player may not bet on."""
        await self.casino.operator.players.set_player_blocks(
            player_id=self.player_id,
            all_games=all_games,
            verticals=verticals,  # type: ignore[arg-type]
            reason="test",
        )

    async def launch(
        self,
        game_id: str = "",
        scope: SessionScope.ValueType = SessionScope.SESSION_SCOPE_UNSPECIFIED,
    ) -> str:
        """Create a launch token."""
        launch = await self.casino.operator.sessions.create_launch_token(
            player_id=self.player_id,
            game_id=game_id or self.casino.game_id,
            currency_code=self.currency,
            scope=scope,
        )
        return launch.launch_token

    async def session(self, game_id: str = "") -> str:
        """Open the game; return the session token."""
        opened = await self.casino.studio.wallet.authenticate(
            launch_token=await self.launch(game_id)
        )
        return opened.session_token

    async def end_sessions(self) -> int:
        """End every session; return how many there were."""
        ended = await self.casino.operator.sessions.end_session(
            player_id=self.player_id
        )
        return ended.ended_count


class Ruled(Protocol):
    """Bring a player whose integration has other rules than the default."""

    def __call__(self, cash: str = "100.00", /, **rules: int) -> Awaitable[Player]:
        """Return a new player."""


async def create_admin_key(server: Server) -> str:
    """Create the first key as ``caged keys create`` does; return its secret."""
    command = CreateApiKey(
        key_id=LOCAL_ACTOR,
        request_id=new_id(),
        new_key_id="admin",
        role=CoreRole.ADMIN,
        integration_id="",
        operator_ids=(),
        display_name="",
        expire_time_us=0,
    )
    return (await server.admin.create_key(command, timeout_s=TIMEOUT_S)).api_key


@asynccontextmanager
async def running(
    folder: Path, *, tls: Tls | None = None, **settings: Any
) -> AsyncIterator[Deployment]:
    """Run a server on a fresh database; check its books when it has stopped."""
    config = Config(
        **{
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
            "database": str(folder / "cage.db"),
            **settings,
        }
    )
    server = Server(config)
    await server.open()
    secret = await create_admin_key(server)
    await server.listen()
    admin = connect(
        server.address, key=secret, retry=NO_RETRY, timeout_s=TIMEOUT_S, tls=tls
    )
    made = Deployment(server=server, admin=admin, admin_key=secret)
    try:
        for code, scale in CURRENCIES.items():
            await admin.admin.create_currency(currency_code=code, scale=scale)
        yield made
    finally:
        await admin.close()
        await made.drain()
    books = config.database if config.has_postgres else config.database_path
    findings = [str(each) for each in await asyncio.to_thread(verify, books)]

    assert not findings, findings
