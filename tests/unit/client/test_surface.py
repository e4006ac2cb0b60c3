"""The public surface is complete: every rpc, in both worlds, typed and exported."""

import importlib
import inspect
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

import cage.client
from cage.client import Client, Method, connect, methods, money, new_id, requests, sync
from cage.client._contract import method_of, operation_of
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_service_pb2 import GetRoundRequest

ATTRIBUTES = {
    "WalletService": "wallet",
    "PlayerService": "players",
    "SessionService": "sessions",
    "KycService": "kyc",
    "ResponsibleGamingService": "responsible_gaming",
    "CashierService": "cashier",
    "AdminService": "admin",
    "EventService": "events",
}


def python_name(method: Method) -> str:
    """Name the method as Python does."""
    if method.is_stream:
        return "stream"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower()


@pytest.mark.parametrize(
    "module", ["", ".requests", ".sync", ".testing"], ids=lambda name: name or "client"
)
def test_exports_are_sorted_and_exist(module: str) -> None:
    """``__all__`` is sorted, unique, and names what is there."""
    loaded = importlib.import_module(f"cage.client{module}")
    names = loaded.__all__

    assert names == sorted(set(names))
    assert [name for name in names if not hasattr(loaded, name)] == []


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.path)
def test_every_rpc_has_a_method_in_both_worlds(method: Method) -> None:
    """Each rpc is one documented keyword-only method, async and sync alike."""
    attribute = ATTRIBUTES[method.service.rpartition(".")[2]]
    name = python_name(method)
    with sync.connect("127.0.0.1:1", key="k") as blocking:
        there = getattr(getattr(connect("127.0.0.1:1", key="k"), attribute), name)
        here = getattr(getattr(blocking, attribute), name)

        assert inspect.getdoc(there)
        assert inspect.getdoc(here)
        assert inspect.signature(here).parameters == inspect.signature(
            there
        ).parameters or name in ("batch_execute", "stream")


@pytest.mark.parametrize("attribute", sorted(ATTRIBUTES.values()))
def test_sync_is_the_async_one(attribute: str) -> None:
    """The blocking service has exactly the methods of the async one."""
    with sync.connect("127.0.0.1:1", key="k") as blocking:
        there = dir(getattr(connect("127.0.0.1:1", key="k"), attribute))
        here = dir(getattr(blocking, attribute))

    assert [n for n in here if n[0] != "_"] == [n for n in there if n[0] != "_"]


def test_client_attributes_are_the_services() -> None:
    """The client has one attribute for each service of the contract."""
    client = connect("127.0.0.1:1", key="secret-key")

    assert {m.service.rpartition(".")[2] for m in methods()} == set(ATTRIBUTES)
    assert all(hasattr(client, name) for name in ATTRIBUTES.values())
    assert "secret-key" not in repr(client._caller)


def test_import_starts_nothing() -> None:
    """Importing and connecting open no channel and start no thread."""
    code = (
        "import threading, cage.client.sync, cage.client.testing\n"
        "client = cage.client.connect('127.0.0.1:1', key='k')\n"
        "assert client._caller.pool._channels == []\n"
        "assert threading.active_count() == 1\n"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, env=_path())

    assert done.returncode == 0


def _path() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path)}


@pytest.mark.parametrize(
    "options", [{"timeout_s": 0}, {"timeout_s": -1}, {"channels": 0}]
)
def test_connect_refuses_nonsense(options: dict[str, Any]) -> None:
    """A timeout or a number of channels that is not positive is refused."""
    with pytest.raises(ValueError, match="must be"):
        connect("127.0.0.1:1", key="k", **options)


def test_ids_are_uuid7_in_order() -> None:
    """Ids are of version 7, unique, and carry the time in front."""
    ids = [new_id() for _ in range(1000)]

    parsed = [uuid.UUID(text) for text in ids]
    assert {(u.version, u.variant) for u in parsed} == {(7, uuid.RFC_4122)}
    assert len(set(ids)) == 1000
    stamps = [u.int >> 80 for u in parsed]
    assert stamps == sorted(stamps)
    assert abs(stamps[0] / 1000 - datetime.now(UTC).timestamp()) < 60


@pytest.mark.parametrize("name", requests.__all__)
def test_one_id_is_made_when_none_is_given(name: str) -> None:
    """A builder keeps the caller's transaction id and makes one otherwise."""
    build = getattr(requests, name)
    samples = {
        "amount": money("INR", "1.00"),
        "delta": money("INR", "-1.00", signed=True),
        "kind": 1,
        "original_transaction_id": "o",
    }
    parameters = inspect.signature(build).parameters
    needed = {
        key: samples.get(key, "x")
        for key, parameter in parameters.items()
        if parameter.default is parameter.empty
    }
    if "transaction_id" not in parameters:
        assert build(**needed) == build(**needed)
        return

    assert build(**needed, transaction_id="mine").transaction_id == "mine"
    assert uuid.UUID(build(**needed).transaction_id).version == 7


def test_times_need_a_zone() -> None:
    """An aware time is sent as it is, a naive one is refused."""
    common = {"player_id": "p", "game_id": "g", "round_id": "r"}
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    request = requests.close_round(**common, occur_time=time)

    assert request.occur_time.ToDatetime(UTC) == time
    with pytest.raises(ValueError, match="time zone"):
        requests.close_round(**common, occur_time=time.replace(tzinfo=None))


def test_only_operations_travel_in_streams() -> None:
    """A request that is no operation cannot be wrapped, and a value is no request."""
    with pytest.raises(ValueError, match="GetRoundRequest"):
        operation_of(GetRoundRequest())
    with pytest.raises(KeyError):
        method_of(Money())


def test_options_share_the_channels() -> None:
    """A client with other options uses the channels of the first."""
    client = connect("127.0.0.1:1", key="a")
    other = client.with_options(key="b", timeout_s=9)

    assert isinstance(other, Client)
    assert other._caller.pool is client._caller.pool
    assert (client._caller.key, client._caller.timeout_s) == ("a", 2.0)
    assert (other._caller.key, other._caller.timeout_s) == ("b", 9)


def test_namespace_is_open() -> None:
    """The package ``cage`` stays a namespace that other folders share."""
    assert getattr(sys.modules["cage"], "__file__", None) is None
    assert cage.client.__doc__
