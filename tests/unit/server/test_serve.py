"""Test the assembled server: start, demo data, health, reflection, drain."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from typer.testing import CliRunner

from cage.player.v1 import player_service_pb2, player_service_pb2_grpc
from cage.server import demo
from cage.server.config import Config
from cage.server.listen import ListenError
from cage.server.main import app
from cage.server.serve import Server
from cage.wallet.v1 import wallet_service_pb2, wallet_service_pb2_grpc

CAGED = Path(sys.executable).with_name("caged")


def config(folder: Path, **settings: Any) -> Config:
    """Return settings for free ports and a database in a folder."""
    return Config(
        **{
            "database": str(folder / "cage.db"),
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
            **settings,
        }
    )


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """Return a server that listens, with demo data."""
    server = Server(config(tmp_path))
    await server.open()
    try:
        demo.write_env(server.config, server.address, await demo.seed(server))
        await server.listen()
        yield server
    finally:
        await server.drain()


async def health_of(server: Server, service: str) -> int:
    """Ask the health service."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status


@pytest.mark.parametrize("service", ["", "cage.wallet.v1.WalletService"])
async def test_health_says_serving(server: Server, service: str) -> None:
    """A server that listens is SERVING, as a whole and for each service."""
    assert await health_of(server, service) == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_the_services(server: Server, version: str) -> None:
    """Both versions of reflection list every service of the contract."""
    messages: Any = reflection_pb2
    async with grpc.aio.insecure_channel(server.address) as channel:
        ask = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=messages.ServerReflectionRequest.SerializeToString,
            response_deserializer=messages.ServerReflectionResponse.FromString,
        )
        call = ask(iter([messages.ServerReflectionRequest(list_services="*")]))
        answer = await call.read()
    names = {each.name for each in answer.list_services_response.service}

    assert {
        "cage.wallet.v1.WalletService",
        "cage.player.v1.PlayerService",
        "cage.player.v1.SessionService",
        "cage.player.v1.KycService",
        "cage.player.v1.ResponsibleGamingService",
        "cage.cashier.v1.CashierService",
        "cage.admin.v1.AdminService",
        "grpc.health.v1.Health",
    } <= names


async def demo_player(server: Server, keys: demo.DemoKeys) -> str:
    """Return the id of the one player of the demo."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = player_service_pb2_grpc.PlayerServiceStub(channel)
        answer = await stub.ListPlayers(
            player_service_pb2.ListPlayersRequest(),
            metadata=(("authorization", f"Bearer {keys.operator_key}"),),
        )
    (player,) = answer.players
    return player.player_id


async def test_demo_player_can_bet(server: Server) -> None:
    """The demo has one verified player with money, and a key that bets for it."""
    keys = await demo.seed(server)
    player_id = await demo_player(server, keys)
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        response = await stub.Bet(
            wallet_service_pb2.BetRequest(
                player_id=player_id,
                game_id="demo-slots",
                round_id="r1",
                transaction_id="t1",
                amount={"currency_code": "EUR", "amount": 100, "scale": 2},
            ),
            metadata=(("authorization", f"Bearer {keys.studio_key}"),),
        )

    assert response.receipt.after.cash == 99_900


async def test_demo_keys_are_used_again(tmp_path: Path) -> None:
    """A second start uses the keys beside the database; lost ones are replaced."""
    seen = []
    for keep in (True, False, True):
        server = Server(config(tmp_path, metrics_listen=""))
        await server.open()
        seen.append(await demo.seed(server))
        demo.write_env(server.config, server.address, seen[-1])
        await server.drain()
        if not keep:
            demo.env_path(server.config).unlink()

    assert seen[0] == seen[1]
    assert seen[2].studio_key != seen[0].studio_key
    assert sorted(
        key.key_id
        for key in server.store.writer.registry.keys.values()
        if not key.revoke_time_us
    ) == ["demo-admin-2", "demo-game-2", "demo-operator-2"]


async def test_port_in_use_is_told(server: Server, tmp_path: Path) -> None:
    """An address that is taken is refused, not shared."""
    for settings in (
        {"listen": server.address},
        {"metrics_listen": server.metrics_address},
    ):
        folder = tmp_path / "-".join(settings)
        folder.mkdir()
        other = Server(config(folder, **settings))
        await other.open()
        with pytest.raises(ListenError, match="cannot listen on"):
            await other.listen()
        await other.drain()


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> dict[str, str | None]:
    """Wait for the ready file of a server."""
    for _ in range(600):
        if path.exists():
            found: dict[str, str | None] = json.loads(path.read_bytes())
            return found

        assert process.poll() is None

        time.sleep(0.05)
    raise AssertionError("the server did not become ready")


def test_caged_serves_until_a_signal(tmp_path: Path) -> None:
    """The command tells when it is ready, keeps secrets private, and ends with 0."""
    arguments: Sequence[str | Path] = [
        *("serve", "--demo", "--database", tmp_path / "cage.db"),
        *("--ready-file", tmp_path / "ready"),
        *("--listen", "127.0.0.1:0", "--metrics-listen", ""),
    ]
    with subprocess.Popen(
        [CAGED, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        ready = wait_for(tmp_path / "ready", process)
        told = run("verify", tmp_path / "cage.db")
        held = run("keys", "create", tmp_path / "cage.db", code=2)
        process.send_signal(signal.SIGTERM)
        output, log = process.communicate(timeout=30)

    assert process.returncode == 0, log
    assert "the books are right" in told
    assert "is held by" in held
    assert ready["studio_key"]
    assert ready["metrics_address"] == ""
    assert str(ready["studio_key"]).encode() in output
    assert str(ready["studio_key"]).encode() not in log
    for name in ("ready", "demo.env", "cage.db"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert f"CAGE_ADDRESS={ready['address']}" in (tmp_path / "demo.env").read_text()


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def run(*arguments: str | Path, code: int = 0) -> str:
    """Run caged in this process and return what it printed."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])

    assert done.exit_code == code, done.output

    return done.output


@pytest.mark.usefixtures("_umask")
def test_first_key_is_made_offline(tmp_path: Path) -> None:
    """A new deployment gets its first ADMIN key from the command line, once."""
    database = tmp_path / "new" / "cage.db"
    secret = run("keys", "create", database, "--key-id", "root").strip()

    assert secret.startswith("cage_")
    assert "exists" in run("keys", "create", database, "--key-id", "root", code=2)
    assert "lower-case" in run("keys", "create", database, "--key-id", "Ü", code=2)
    assert "schema" in run("migrate", database)
    assert "the books are right" in run("verify", database)
    assert "there is no" in run("verify", tmp_path / "none.db", code=2)


def test_verify_names_what_differs(tmp_path: Path) -> None:
    """Books that were tampered with end the command with code 1 and the finding."""
    database = tmp_path / "cage.db"
    run("keys", "create", database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE changes SET action = 'DeleteApiKey'")

    assert "broken chain at batch 0/1" in run("verify", database, code=1)


def test_wrong_setting_ends_the_command(tmp_path: Path) -> None:
    """A setting that is refused ends the command with a line, not with a trace."""
    file = tmp_path / "cage.toml"
    file.write_text('listen = "0.0.0.0:1"')
    told = run("serve", "--config", file, code=2)

    assert told.startswith("caged: listen: 0.0.0.0 is not loopback")
