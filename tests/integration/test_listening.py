"""Beyond loopback only TLS is spoken, and a server that drains loses nothing."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import ValidationError
from tests.integration.books import rows
from tests.integration.carriers import is_replay
from tests.integration.certificates import Authority
from tests.integration.deployment import NO_RETRY, Deployment, running
from tests.integration.plugs import plugged, until, waiting
from tests.integration.wire import Refusal, connected

from cage.client import Client, RetryPolicy, Tls, UnknownOutcomeError, connect
from cage.server.config import Config
from cage.server.listen import ListenError
from cage.server.serve import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "cage.example"])  # noqa: S104
async def test_clear_text_stays_on_loopback(host: str) -> None:
    """Without TLS no other address is accepted, unless the operator insists."""
    with pytest.raises(ValidationError, match="is not loopback"):
        Config(listen=f"{host}:0")

    assert Config(listen=f"{host}:0", allow_insecure=True).listen == f"{host}:0"
    assert Config(listen=f"{host}:0", tls_cert=Path("c"), tls_key=Path("k")).has_tls


async def test_clear_text_elsewhere_when_told(tmp_path: Path) -> None:
    """An operator who insists gets clear text on every address."""
    async with running(
        tmp_path,
        listen="0.0.0.0:0",
        allow_insecure=True,
    ) as deployment:
        _, _, port = deployment.address.rpartition(":")
        client = connect(f"127.0.0.1:{port}", key=deployment.admin_key)
        async with client:
            found = [row async for row in client.admin.list_currencies()]

    assert found


def read_tls(authority: Authority, pair: tuple[Path, Path] | None = None) -> Tls:
    """Trust an authority, and show a certificate if there is one."""
    certificate, key = (path.read_bytes() for path in pair) if pair else (None, None)
    return Tls(
        root_certificates=authority.certificate.read_bytes(),
        client_certificate=certificate,
        client_key=key,
    )


async def ping(client: Client) -> bool:
    """Say whether a client is let in."""
    async with client:
        try:
            await client.admin.list_currencies().page()
        except UnknownOutcomeError:
            return False
    return True


def let_in(deployment: Deployment, tls: Tls | None) -> Client:
    """Connect a client of its own with the administrator's key."""
    return connect(
        deployment.address,
        key=deployment.admin_key,
        tls=tls,
        retry=NO_RETRY,
        timeout_s=2.0,
    )


async def test_tls(tmp_path: Path) -> None:
    """A server with TLS lets in who trusts it, and speaks no clear text."""
    authority, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
    certificate, key = authority.issue("localhost")
    trusted = read_tls(authority)
    async with running(
        tmp_path, tls=trusted, tls_cert=certificate, tls_key=key
    ) as deployment:
        player = await (await deployment.casino()).player()
        await player.casino.studio.call(player.bet("1.00"))
        cash = await player.cash()
        async with player.casino.studio.wallet.stream() as stream:
            read = await stream.get_balance(
                player_id=player.player_id, currency_code="EUR"
            )
        guests = [
            await ping(let_in(deployment, tls))
            for tls in (trusted, read_tls(other), None)
        ]

    assert cash == read.balance.cash == 9_900
    assert guests == [True, False, False]


async def test_mutual_tls(tmp_path: Path) -> None:
    """With mutual TLS only a certificate of the known authority is let in."""
    authority, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
    certificate, key = authority.issue("localhost")
    trusted = read_tls(authority, authority.issue("studio"))
    stranger = other.issue("stranger")
    async with running(
        tmp_path,
        tls=trusted,
        tls_cert=certificate,
        tls_key=key,
        tls_client_ca=authority.certificate,
    ) as deployment:
        guests = [
            await ping(let_in(deployment, tls))
            for tls in (trusted, read_tls(authority), read_tls(authority, stranger))
        ]

    assert guests == [True, False, False]


async def test_port_in_use(deployment: Deployment, tmp_path: Path) -> None:
    """A second server on the port fails instead of sharing it."""
    server = Server(
        Config(
            listen=deployment.address,
            metrics_listen="",
            database=str(tmp_path / "second.db"),
        )
    )
    await server.open()
    with pytest.raises(ListenError):
        await server.listen()
    await server.drain()


async def test_drain_answers_what_is_in_flight(tmp_path: Path) -> None:
    """Calls, frames and batches that were taken are committed and answered."""
    async with running(tmp_path) as deployment:
        player = await (await deployment.casino()).player()
        key, wallet = player.casino.studio_key, player.casino.studio.wallet
        async with connected(deployment.address) as wire, wire.stream(key) as stream:
            async with plugged(player):
                calls = [
                    asyncio.create_task(player.casino.studio.call(player.bet("1.00")))
                    for _ in range(10)
                ]
                bets = [player.bet("1.00") for _ in range(10)]
                batch = asyncio.create_task(wallet.batch_execute(bets))
                for number in range(10):
                    await stream.write(str(number), player.bet("1.00"))
                await until(lambda: waiting(deployment) == 30)
                drained = asyncio.create_task(deployment.drain())
                await until(lambda: deployment.server._guard.is_draining)
            frames = [await stream.read() for _ in range(11)]
        answers = [*await asyncio.gather(*calls), *await batch, *frames[:10]]
        await drained
    cash = sorted(answer.receipt.after.cash for answer in answers)

    assert cash == [*range(7_000, 10_000, 100)]
    assert frames[10].reason == "SHUTTING_DOWN"
    assert 0 < frames[10].retry_s <= 5


async def test_drain_refuses_what_is_new(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A call that arrives while the server drains is refused, or not answered at all.

    Whatever was answered OK is in the books, and nothing else.
    """
    reasons: set[str] = set()
    # Which calls the server still looks at is a matter of microseconds.
    for _ in range(10):
        reasons |= await drain_reasons(tmp_path_factory.mktemp("drain"))
        if reasons:
            break

    assert reasons == {"SHUTTING_DOWN"}


async def drain_reasons(folder: Path) -> set[str]:
    """Drain a server that many bets come to; return why bets were refused."""
    async with running(folder) as deployment:
        player = await (await deployment.casino()).player()
        async with connected(deployment.address) as wire:
            key = player.casino.studio_key
            await wire.call(player.read(), key)
            bets = [player.bet("0.01") for _ in range(200)]
            calls = [asyncio.create_task(answer_of(wire.call(b, key))) for b in bets]
            await asyncio.sleep(0)
            await deployment.drain()
            answers = await asyncio.gather(*calls)
        ((posted,),) = rows(
            deployment.path, "SELECT count(*) FROM transactions WHERE kind = 1"
        )

    assert posted == len([a for a in answers if hasattr(a, "receipt")])

    return {answer.reason for answer in answers if isinstance(answer, Refusal)}


async def answer_of(call: Any) -> Any:
    """Return an answer of the server, or None where there was none."""
    try:
        return await call
    except AssertionError:
        return None


async def test_health_tells_the_drain(tmp_path: Path) -> None:
    """Probes hear NOT_SERVING before calls are refused."""
    async with running(tmp_path, drain_delay_s=0.3) as deployment:
        player = await (await deployment.casino()).player()
        async with grpc.aio.insecure_channel(deployment.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
            watch = stub.Watch(health_pb2.HealthCheckRequest())
            statuses = [(await watch.read()).status]
            drained = asyncio.create_task(deployment.drain())
            statuses.append((await watch.read()).status)
            answer = await player.casino.studio.call(player.bet("1.00"))
            watch.cancel()
        await drained

    assert statuses == [
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    ]
    assert not is_replay(answer)


async def test_client_finds_a_server_that_came_back(tmp_path: Path) -> None:
    """A bet whose server restarts is answered by the next one, once."""
    async with running(tmp_path) as deployment:
        player = await (await deployment.casino()).player()
        address = deployment.address
        patient = player.casino.studio.with_options(
            retry=RetryPolicy(attempts=50, total_timeout_s=15)
        )
        bet = player.bet("1.00", "bet")
        await patient.call(bet)
        await deployment.drain()
        again = asyncio.create_task(patient.call(bet))
        await asyncio.sleep(0.05)
        server = Server(
            Config(listen=address, metrics_listen="", database=str(deployment.path))
        )
        await server.open()
        await server.listen()
        answer = await again
        await server.drain()

    assert is_replay(answer)
