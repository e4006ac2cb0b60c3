"""Neither a secret nor a person's data reaches the log or the database in clear."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.books import poisoned
from tests.integration.deployment import NO_RETRY, TIMEOUT_S
from tests.integration.wire import connected

from cage.admin.v1.admin_pb2 import Role
from cage.client import CageError, Client, connect, money
from cage.player.v1.kyc_service_pb2 import VerificationMethod
from cage.wallet.v1 import wallet_service_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAGED = "from cage.server.main import main; main()"
PERSON = "Planted Person"
UNKNOWN_KEY = "cage_planted_unknown_key"
UNKNOWN_TOKEN = "s.planted_unknown_token"
UNKNOWN_LAUNCH = "l.planted.unknown_launch"
CAUSE = "planted cause"
DOCUMENT = VerificationMethod.VERIFICATION_METHOD_DOCUMENT
GAME = {"game_id": "demo-slots", "round_id": "round"}


class Run:
    """Hold what a server process left: what was secret, its log and its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "cage.db"
        self.ready: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.log = ""

    def client(self, key: str) -> Client:
        """Connect with a key."""
        return connect(
            self.ready["address"], key=key, retry=NO_RETRY, timeout_s=TIMEOUT_S
        )


@asynccontextmanager
async def caged(run: Run) -> AsyncIterator[None]:
    """Run ``caged serve --demo``, which logs everything; keep its log."""
    ready_file = run.folder / "ready.json"
    environment = {n: v for n, v in os.environ.items() if not n.startswith("CAGE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CAGED, "serve", "--demo"),
        *("--database", run.database, "--ready-file", ready_file),
        *("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"),
        env={
            **environment,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "CAGE_LOG_LEVEL": "debug",
            "CAGE_LOG_SHARE": "1",
            "CAGE_REFUSAL_LOG_SHARE": "1",
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    log = asyncio.create_task(process.communicate())
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not ready_file.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        run.ready = json.loads(ready_file.read_text())
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        _, err = await log
        run.log = err.decode()


async def fails(*calls: Any) -> None:
    """Make calls that are refused or fail."""
    for call in calls:
        with pytest.raises(CageError):
            await call


async def register(run: Run, operator: Client) -> str:
    """Register a person, with money."""
    made = await operator.players.register_player(
        brand_id="demo-casino",
        country_code="MT",
        jurisdiction="MT",
        currency_code="EUR",
        display_name=PERSON,
    )
    player_id = made.player.player_id
    await operator.kyc.record_verification(
        player_id=player_id, method=DOCUMENT, reference="r", level=1
    )
    deposit = await operator.cashier.authorize_deposit(
        player_id=player_id, amount=money("EUR", "5.00"), payment_method="card"
    )
    await operator.cashier.transfer_deposit(
        player_id=player_id,
        payment_id=deposit.payment.payment_id,
        amount=money("EUR", "5.00"),
        psp_reference="psp",
    )
    run.secrets["launch token"] = await open_game(operator, player_id)
    return player_id


async def open_game(operator: Client, player_id: str) -> str:
    """Create a launch token."""
    launch = await operator.sessions.create_launch_token(
        player_id=player_id, game_id=GAME["game_id"], currency_code="EUR"
    )
    return launch.launch_token


async def use(run: Run) -> None:
    """Use every kind of secret: rightly, wrongly, and while the storage fails."""
    keys = {name: key for name, key in run.ready.items() if name.endswith("_key")}
    run.secrets |= keys
    async with (
        run.client(keys["studio_key"]) as studio,
        run.client(keys["operator_key"]) as operator,
        run.client(keys["admin_key"]) as admin,
        run.client(UNKNOWN_KEY) as stranger,
    ):
        player_id = await register(run, operator)
        made = await admin.admin.create_api_key(key_id="spare", role=Role.ROLE_ADMIN)
        run.secrets["new key"] = made.api_key
        launch = run.secrets["launch token"]
        opened = await studio.wallet.authenticate(launch_token=launch)
        token = run.secrets["session token"] = opened.session_token
        bet: dict[str, Any] = {
            "player_id": player_id,
            "amount": money("EUR", "1.00"),
            **GAME,
        }
        await studio.wallet.bet(**bet, session_token=token)
        await fails(
            studio.wallet.bet(**bet, session_token=UNKNOWN_TOKEN),
            studio.wallet.authenticate(launch_token=UNKNOWN_LAUNCH),
            studio.wallet.bet(**bet, session_token=token * 9),
            stranger.wallet.bet(**bet, session_token=token),
        )
        lost: dict[str, Callable[[], Any]] = {
            "transactions": lambda: studio.wallet.bet(**bet, session_token=token),
            "session_tokens": lambda: studio.wallet.authenticate(launch_token=launch),
            "launch_tokens": lambda: open_game(operator, player_id),
            "api_keys": lambda: admin.admin.create_api_key(
                key_id="lost", role=Role.ROLE_ADMIN
            ),
            "gates": lambda: register(run, operator),
        }
        for table, call in lost.items():
            with poisoned(run.database, table, "1", CAUSE):
                await fails(call())
        await malformed(run, keys["studio_key"], token)


async def malformed(run: Run, key: str, token: str) -> None:
    """Send bytes that hold a token and are no message."""
    async with connected(run.ready["address"]) as wire, wire.stream(key) as stream:
        frame = pb.StreamExecuteRequest(correlation_id=token)
        await stream.call.write(frame.SerializeToString() + b"\xff")
        await stream.read()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a server to its end, and plant secrets in it."""
    made = Run(tmp_path_factory.mktemp("secrets"))
    async with caged(made):
        await use(made)
    return made


async def test_log_is_json_and_full(run: Run) -> None:
    """Every line is one JSON object, and calls and failures are among them."""
    entries = [json.loads(line) for line in run.log.splitlines()]
    events = {entry["event"] for entry in entries}

    assert {"ready", "call", "command failed", "draining", "stopped"} <= events
    assert {entry["outcome"] for entry in entries if entry["event"] == "call"} >= {
        "OK",
        "INTERNAL",
        "KEY_INVALID",
        "SESSION_NOT_FOUND",
        "LAUNCH_TOKEN_INVALID",
        "INVALID_FIELD",
    }
    assert CAUSE in run.log


async def test_log_holds_no_secret(run: Run) -> None:
    """No key and no token is in the log, valid, unknown or malformed."""
    secrets = run.secrets | {
        "unknown key": UNKNOWN_KEY,
        "unknown token": UNKNOWN_TOKEN,
        "unknown launch": UNKNOWN_LAUNCH,
    }
    found = [name for name, secret in secrets.items() if secret in run.log]

    assert len(secrets) == 9
    assert all(secrets.values())
    assert not found


async def test_log_holds_no_person(run: Run) -> None:
    """The name of a person is in no line, not even of a failure."""
    assert PERSON not in run.log


async def test_database_holds_no_secret(run: Run) -> None:
    """No file of the database holds a key or a token in clear."""
    files = {path.name: path.read_bytes() for path in run.folder.glob("cage.db*")}
    found = [
        (file, name)
        for file, content in files.items()
        for name, secret in run.secrets.items()
        if secret.encode() in content
    ]

    assert len(files["cage.db"]) > 0
    assert not found


async def test_files_are_private(run: Run) -> None:
    """Only the owner may read the books and the keys."""
    modes = {path.name: path.stat().st_mode & 0o777 for path in run.folder.iterdir()}

    assert {"cage.db", "demo.env", "ready.json"} <= set(modes)
    assert {name for name, mode in modes.items() if mode & 0o077} == set()
