"""Build a small deployment for tests with real commands, and read all of it back."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.simulation.databases import Database, open_applier, restored

from cage.app.jurisdiction import load_jurisdictions
from cage.core.admin import (
    LOCAL_ACTOR,
    CreateBrand,
    CreateCurrency,
    CreateGame,
    CreateIntegration,
    CreateOperator,
    CreateStudio,
    UpdateIntegration,
)
from cage.core.book import Book, Head
from cage.core.decide import DECISIONS, decide
from cage.core.errors import CageError
from cage.core.journal import GENESIS_HASH
from cage.core.key import CreateApiKey
from cage.core.needs import FIRST
from cage.core.player import (
    PlayerStatus,
    RegisterPlayer,
    SetPlayerBlocks,
    SetPlayerStatus,
)
from cage.core.registry import Integration, Role, Vertical, index_registry
from cage.core.round import Round
from cage.core.rules import Rules
from cage.core.session import (
    Authenticate,
    CreateLaunchToken,
    EndSession,
    SessionScope,
)
from cage.core.wallet import Account, Award, KeySpace, Kind, State, Transaction, Wallet
from cage.storage import open_sqlite
from cage.storage.schema import metadata

FOUNDED_US = 1_700_000_000_000_000
# Tests start here: long after the founding, so that a short session is over.
NOW_US = FOUNDED_US + 3_600_000_000
DAY_US = 86_400_000_000

CASH = 100
BONUS = 50

SCALES = {"EUR": 2, "USD": 2}
GAMES = {"slots": "north", "dice": "south", "wheel": "north"}
VERTICALS = {
    "slots": Vertical.CASINO,
    "dice": Vertical.SPORTS_BETTING,
    "wheel": Vertical.LIVE_CASINO,
}
BRANDS = {"acme-one": "acme", "rival-one": "rival"}
# Player to (brand, currency of the account).
PLAYERS = {
    "ann": ("acme-one", "EUR"),
    "bob": ("acme-one", "EUR"),
    "cat": ("acme-one", "USD"),
    "zed": ("rival-one", "EUR"),
}
# Integration to whether its bets need a session at first.
INTEGRATIONS = {"hub": False, "strict": True}
# Integrations whose wins, awards and adjustments have ids of their own.
SEPARATING = {"strict"}
# Game key to (integration, operators).
CREATED_KEYS = {
    "hub-key": ("hub", ("acme",)),
    "wide-key": ("hub", ("acme", "rival")),
    "strict-key": ("strict", ("acme",)),
}
# Under the last two the process itself finishes rounds; nobody creates them.
GAME_KEYS = CREATED_KEYS | {
    f"caged:rounds:{name}": (name, ("acme", "rival")) for name in INTEGRATIONS
}
OFFICE_KEY = "office-key"
# A key that no command of the founding creates, and its digest.
LATE_KEY = "late-key"
# Session digest to (player, game, currency, what a bet with it meets).
SESSIONS = {
    "s-over": ("ann", "slots", "EUR", "SESSION_EXPIRED"),
    "s-ended": ("ann", "slots", "EUR", "SESSION_ENDED"),
    "s-rotated": ("ann", "slots", "EUR", "SESSION_ENDED"),
    "s-ann": ("ann", "slots", "EUR", ""),
    "s-bob": ("bob", "dice", "EUR", ""),
    "s-lobby": ("ann", "slots", "EUR", ""),
}
# Sessions for every game of the studio of their game, and one that comes to it later.
LATE_GAME = "wheel"
LOBBIES = {"s-lobby"}


class Clock:
    """Show the time that a test sets."""

    def __init__(self, now_us: int = NOW_US) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        """Return the time in microseconds since 1970."""
        return self.now_us


class GrantBonus(Award):
    """Credit bonus money, which no command of the wallet grants yet."""

    __slots__ = ()


def decide_grant_bonus(book: Book, grant: GrantBonus) -> Transaction:
    """Post an award to the bonus balance."""
    key = book.caller(grant.key_id)
    gate = book.player(key, grant.player_id)
    currency = book.currency(grant.currency_code)
    return book.record(
        gate,
        book.wallet(gate, currency.currency_no),
        integration_no=key.integration_no,
        key_space=KeySpace.MOVE,
        transaction_id=grant.transaction_id,
        kind=Kind.AWARD,
        state=State.POSTED,
        amount=grant.amount,
        bonus=grant.amount,
        game_no=book.game(grant.game_id).game_no,
        variant=grant.kind,
        house=Account.AWARD,
    )


@contextmanager
def decided(
    kind: type, decision: Callable[[Book, object], object], like: type | None = None
) -> Iterator[None]:
    """Let the engine decide one more kind of command, which needs what another does."""
    DECISIONS[kind] = decision
    if like is not None:
        FIRST[kind] = FIRST[like]
    try:
        yield
    finally:
        del DECISIONS[kind]
        FIRST.pop(kind, None)


def founding() -> list[object]:
    """List the commands that found the deployment: registry, keys and players."""
    who = {"key_id": LOCAL_ACTOR}
    named = {"display_name": "", "enabled": True}
    commands: list[object] = []

    def add(kind: type, **content: object) -> None:
        commands.append(kind(**who, request_id=f"found-{len(commands)}", **content))

    for code, scale in SCALES.items():
        add(CreateCurrency, currency_code=code, scale=scale)
    for operator in sorted(set(BRANDS.values())):
        add(CreateOperator, operator_id=operator, **named)
    for brand, operator in BRANDS.items():
        add(CreateBrand, brand_id=brand, operator_id=operator, **named)
    for integration, needs in INTEGRATIONS.items():
        add(
            CreateIntegration,
            integration_id=integration,
            rules={
                "bet_needs_session": 2 if needs else 0,
                "ids_per_kind": 2 if integration in SEPARATING else 0,
            },
            **named,
        )
    for studio in sorted(set(GAMES.values())):
        add(CreateStudio, studio_id=studio, **named)
    commands += [create_game(game) for game in GAMES if game != LATE_GAME]
    keys = [create_key(key, *grant) for key, grant in CREATED_KEYS.items()]
    office = create_key(OFFICE_KEY, "", ("acme", "rival"))
    return [*commands, *keys, office, *registrations()]


def create_game(game_id: str) -> CreateGame:
    """Create a game of its studio."""
    return CreateGame(
        key_id=LOCAL_ACTOR,
        request_id=f"create-{game_id}",
        game_id=game_id,
        studio_id=GAMES[game_id],
        display_name="",
        enabled=True,
        vertical=int(VERTICALS[game_id]),
    )


def create_key(
    new_key_id: str, integration_id: str, operator_ids: tuple[str, ...]
) -> CreateApiKey:
    """Create a key of role GAME, or OPERATOR without an integration."""
    return CreateApiKey(
        key_id=LOCAL_ACTOR,
        request_id=f"create-{new_key_id}",
        new_key_id=new_key_id,
        role=Role.GAME if integration_id else Role.OPERATOR,
        integration_id=integration_id,
        operator_ids=operator_ids,
        display_name="",
        expire_time_us=0,
        digest=f"digest of {new_key_id}",
    )


def registrations() -> list[object]:
    """List the commands that register and activate the players."""
    commands: list[object] = []
    for player_id, (brand, currency) in PLAYERS.items():
        commands += (
            register_player(player_id, brand, currency),
            set_status(f"activate-{player_id}", player_id, PlayerStatus.ACTIVE),
        )
    return commands


def register_player(player_id: str, brand: str, currency: str) -> RegisterPlayer:
    """Register a player whose id the test chooses."""
    return RegisterPlayer(
        key_id=OFFICE_KEY,
        request_id=f"register-{player_id}",
        brand_id=brand,
        display_name=player_id,
        country_code="MT",
        jurisdiction="MT",
        language_code="en",
        currency_code=currency,
        is_test=False,
        player_id=player_id,
    )


def set_status(
    request_id: str, player_id: str, status: PlayerStatus
) -> SetPlayerStatus:
    """Change the status of a player."""
    return SetPlayerStatus(
        key_id=OFFICE_KEY,
        request_id=request_id,
        player_id=player_id,
        status=status,
        reason="test",
    )


def set_blocks(request_id: str, player_id: str, blocks: int) -> SetPlayerBlocks:
    """Replace what a player may not bet on."""
    return SetPlayerBlocks(
        key_id=OFFICE_KEY,
        request_id=request_id,
        player_id=player_id,
        blocks=blocks,
        reason="test",
    )


def funding() -> list[object]:
    """List the commands that give every player cash and bonus money."""
    commands: list[object] = []
    for player_id, (_, currency) in PLAYERS.items():
        for kind, amount in ((Award, CASH), (GrantBonus, BONUS)):
            commands.append(
                kind(
                    key_id="wide-key",
                    player_id=player_id,
                    game_id="slots",
                    round_id="",
                    transaction_id=f"fund-{kind.__name__}",
                    currency_code=currency,
                    amount=amount,
                    scale=2,
                    kind=2,
                )
            )
    return commands


def sessions() -> list[object]:
    """List the commands that leave one session of each kind."""
    commands: list[object] = []
    for digest, (player_id, game_id, currency, meets) in SESSIONS.items():
        if digest == "s-rotated":
            # Ends what was opened before.
            commands.append(
                EndSession(key_id=OFFICE_KEY, request_id="end", player_id="ann")
            )
        if digest in LOBBIES:
            commands.append(create_game(LATE_GAME))
        life_us = 1_000_000 if meets == "SESSION_EXPIRED" else DAY_US
        launch = CreateLaunchToken(
            key_id=OFFICE_KEY,
            request_id=f"launch-{digest}",
            player_id=player_id,
            game_id=game_id,
            currency_code=currency,
            scope=SessionScope.STUDIO if digest in LOBBIES else SessionScope.GAME,
            launch_digest=f"launch of {digest}",
            life_us=DAY_US,
        )
        commands += (launch, authenticate(digest, digest, life_us=life_us))
        if digest == "s-rotated":
            commands.append(authenticate(digest, "s-newest", rotate=True))
    return commands


def authenticate(
    launch: str, digest: str, *, rotate: bool = False, life_us: int = DAY_US
) -> Authenticate:
    """Exchange the launch token of one of SESSIONS for a session token."""
    return Authenticate(
        key_id="hub-key",
        player_id=SESSIONS[launch][0],
        launch_digest=f"launch of {launch}",
        session_digest=digest,
        rotate=rotate,
        life_us=life_us,
    )


@contextmanager
def open_writer(path: Database, clock: Callable[[], int]) -> Iterator[Any]:
    """Open a database without starting its thread: ``apply`` runs on the caller's.

    Nothing waits for the disk: what survives a crash is for other tests. A database
    of PostgreSQL has one lane, so that its rows are those of an embedded one.
    """
    if isinstance(path, str):
        with open_applier(path, clock) as applier:
            yield applier
        return
    store = open_sqlite(path, clock_us=clock)
    store.writer._connection.execute("PRAGMA synchronous = OFF")
    try:
        yield store.writer
    finally:
        store.writer.close()
        store._lock.release()


def apply_all(writer: Any, commands: Sequence[object]) -> list[object]:
    """Apply commands as one batch that has to be answered without a refusal."""
    outcomes = writer.apply(commands).outcomes
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]

    assert not refused, refused

    return outcomes


def prepare(database: Database) -> None:
    """Found the deployment in an empty database."""
    clock = Clock(FOUNDED_US)
    with open_writer(database, clock) as writer:
        apply_all(writer, founding())
        with decided(GrantBonus, decide_grant_bonus, like=Award):
            apply_all(writer, funding())
        opening = sessions()
        # The first session is over before the others are ended.
        apply_all(writer, opening[:2])
        clock.now_us = NOW_US
        apply_all(writer, opening[2:])


@cache
def template() -> bytes:
    """Build the deployment once a process, and return its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        prepare(path)
        return path.read_bytes()


def fresh_database(
    folder: str | Path, name: str = "cage.db", *, kind: str = "sqlite"
) -> Any:
    """Write a database that holds the deployment, and return its path or address."""
    if kind == "postgres":
        return restored(name, prepare)
    path = Path(folder) / name
    path.write_bytes(template())
    return path


def render(value: object) -> object:
    """Write an answer as plain data that can be compared."""
    if isinstance(value, CageError):
        told = (value.reason.value, dict(value.metadata), render(value.balance))
        return ("refused", *told, value.transaction_id)
    if is_dataclass(value) and not isinstance(value, type):
        content = {f.name: render(getattr(value, f.name)) for f in fields(value)}
        return {"": type(value).__name__, **content}
    if isinstance(value, list | tuple):
        return [render(each) for each in value]
    return value


def contents(connection: Any) -> dict[str, list[tuple[object, ...]]]:
    """Read every row of every table, in the order of the primary keys."""
    return {
        table.name: connection.execute(
            f"SELECT * FROM {table.name} ORDER BY "  # noqa: S608 - names of the schema
            + ", ".join(column.name for column in table.primary_key.columns)
        ).fetchall()
        for table in metadata.sorted_tables
    }


def digest_of(tables: dict[str, list[tuple[object, ...]]]) -> str:
    """Return the SHA-256 of the rows of tables."""
    return hashlib.sha256(repr(tables).encode()).hexdigest()


class Desk:
    """Decide commands one after the other against one book, without a database."""

    def __init__(self) -> None:
        registry = index_registry(
            version=0,
            operators=[],
            brands=[],
            integrations=[],
            studios=[],
            games=[],
            currencies=[],
            keys=[],
        )
        head = Head(0, 0, 0, GENESIS_HASH, 0)
        self.book = Book(
            head=head,
            now_us=FOUNDED_US,
            registry=registry,
            next_no=1,
            jurisdictions=load_jurisdictions(),
        )
        for command in founding():
            decide(self.book, command)
        for command in funding():
            if isinstance(command, GrantBonus):
                decide_grant_bonus(self.book, command)
            else:
                decide(self.book, command)
        opening = sessions()
        for command in opening[:2]:
            decide(self.book, command)
        self.book.now_us = NOW_US
        for command in opening[2:]:
            decide(self.book, command)

    def send(self, command: object) -> Any:
        """Return the answer to a command, or the refusal."""
        try:
            return decide(self.book, command)
        except CageError as refusal:
            return refusal

    def wallet(self, player_id: str = "ann", currency_code: str = "EUR") -> Wallet:
        """Return the wallet of a player."""
        currency = self.book.currency(currency_code)
        return self.book.wallet(self.book.gates[player_id], currency.currency_no)

    def rule(self, **rules: int) -> Rules:
        """Set the rules of the integration ``hub``; what is left out is the default."""
        update = UpdateIntegration(
            key_id=LOCAL_ACTOR,
            request_id=f"rule-{self.book.next_no}",
            integration_id="hub",
            display_name="",
            enabled=True,
            rules=rules,
        )
        updated: Integration = decide(self.book, update)
        return updated.rules

    def fund(self, player_id: str = "ann", *, cash: int, bonus: int = 0) -> None:
        """Set what a player has in EUR, whatever the books say."""
        wallet = self.wallet(player_id)
        wallet.cash, wallet.bonus = cash, bonus

    def round(
        self, round_id: str = "r1", game_id: str = "slots", player_id: str = "ann"
    ) -> Round | None:
        """Return a round of a player."""
        key = (self.book.gates[player_id].player_no, self.book.game(game_id).game_no)
        return self.book.round((*key, round_id))
