"""What fails in the server is told as INTERNAL, without a word of the cause."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.rpc import status_pb2
from structlog.testing import capture_logs
from tests.integration.books import poisoned
from tests.integration.carriers import is_replay
from tests.integration.deployment import Player, running
from tests.integration.wire import CARRIERS, METHODS, Refusal, bearer, connected

from cage.client import InternalError
from cage.wallet.v1 import wallet_service_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLANTED = "planted text of a cause"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def victim(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Player]:
    """Bring a player of a server whose storage fails."""
    async with running(tmp_path_factory.mktemp("faults")) as deployment:
        yield await (await deployment.casino()).player("1000.00")


@contextmanager
def poison(player: Player) -> Iterator[None]:
    """Let every transaction fail whose id begins with "poison"."""
    path = player.casino.deployment.path
    condition = "NEW.transaction_id LIKE 'poison%'"
    with poisoned(path, "transactions", condition, PLANTED):
        yield


def is_silent(answer: Refusal) -> bool:
    """Say whether a refusal holds no word of its cause."""
    told = f"{answer.message} {answer.player_message} {answer.metadata}".lower()
    return not any(word in told for word in ("planted", "sqlite", "trigger", "error"))


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_poison_alone_fails(victim: Player, carrier: str) -> None:
    """A command that the storage cannot write answers INTERNAL, and moves nothing."""
    before = await victim.balance()
    key, bet = victim.casino.studio_key, victim.bet("1.00", f"poison-{carrier}")
    async with connected(victim.casino.deployment.address) as wire:
        with poison(victim), capture_logs() as logs:
            answer = await wire.send(carrier, bet, key)
        after = await victim.balance()
        again = await wire.send(carrier, bet, key)

    assert answer.reason == "INTERNAL"
    assert is_silent(answer)
    assert (after.cash, after.version) == (before.cash, before.version)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "batch failed, running it one by one",
        "command failed",
    ]
    # Nothing was stored, so the same id is free.
    assert not is_replay(again)


@pytest.mark.parametrize("carrier", ["stream", "batch"])
async def test_poison_leaves_the_others_alone(victim: Player, carrier: str) -> None:
    """The operations around a poison one are answered as if it were not there."""
    key = victim.casino.studio_key
    bets = [
        victim.bet("1.00", f"{name}-{carrier}-x")
        for name in ("before", "poison", "after", "poison-too", "last")
    ]
    before = await victim.cash()
    async with connected(victim.casino.deployment.address) as wire:
        with poison(victim):
            if carrier == "batch":
                answers = await wire.batch(*bets, key=key)
            else:
                async with wire.stream(key) as stream:
                    for number, bet in enumerate(bets):
                        await stream.write(str(number), bet)
                    found = await stream.rest()
                    by_name = dict(zip(stream.names, found, strict=True))
                    answers = [by_name[str(n)] for n in range(len(bets))]

    assert [getattr(answer, "reason", "") for answer in answers] == [
        "",
        "INTERNAL",
        "",
        "INTERNAL",
        "",
    ]
    assert await victim.cash() == before - 300


async def test_trailers_hold_no_cause(victim: Player) -> None:
    """Not one byte of a failed call's trailers tells the cause."""
    bet = victim.bet("1.00", "poison-trailers")
    async with connected(victim.casino.deployment.address) as wire:
        with poison(victim):
            send: Any = wire.channel.unary_unary(METHODS[pb.BetRequest].path)
            call = send(
                bet.SerializeToString(), metadata=bearer(victim.casino.studio_key)
            )
            trailers = dict([*(await call.trailing_metadata() or ())])
            details = await call.details()
    status = status_pb2.Status.FromString(trailers.pop("grpc-status-details-bin"))

    assert PLANTED not in f"{trailers} {details} {status}"
    assert not trailers


async def test_failing_change(victim: Player) -> None:
    """A registration that cannot be written fails, and can be sent again."""
    casino, path = victim.casino, victim.casino.deployment.path
    request: dict[str, Any] = {
        "brand_id": casino.brand_id,
        "country_code": "MT",
        "jurisdiction": "MT",
        "currency_code": "EUR",
        "request_id": "registration",
    }
    with poisoned(path, "gates", "1", PLANTED), pytest.raises(InternalError):
        await casino.operator.players.register_player(**request)
    reply = await casino.operator.players.register_player(**request)

    assert reply.player.player_id


@contextmanager
def hidden(path: Path, table: str) -> Iterator[None]:
    """Take a table away from readers."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(f"ALTER TABLE {table} RENAME TO hidden")
        try:
            yield
        finally:
            connection.execute(f"ALTER TABLE hidden RENAME TO {table}")


async def test_failing_read(victim: Player) -> None:
    """A read that fails answers INTERNAL, and is logged with its cause."""
    request = pb.GetRoundRequest(
        player_id=victim.player_id, game_id=victim.casino.game_id, round_id="round"
    )
    key = victim.casino.studio_key
    async with connected(victim.casino.deployment.address) as wire:
        with hidden(victim.casino.deployment.path, "rounds"), capture_logs() as logs:
            answer = await wire.call(request, key)

    assert answer.reason == "INTERNAL"
    assert is_silent(answer)
    assert [(entry["event"], entry["method"]) for entry in logs] == [
        ("call failed", "/cage.wallet.v1.WalletService/GetRound")
    ]
