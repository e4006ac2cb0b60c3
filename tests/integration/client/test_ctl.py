"""The command line calls like the client, with the key that fits."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from cage.client import PlayerNotFoundError
from cage.client.testing import FakeServer
from cage.player.v1.player_pb2 import Player, PlayerStatus
from cage.player.v1.player_service_pb2 import (
    GetPlayerRequest,
    GetPlayerResponse,
    ListPlayersRequest,
    ListPlayersResponse,
    SetPlayerStatusRequest,
    SetPlayerStatusResponse,
)
from cage.type.v1.balance_pb2 import Balance
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import Transaction, TransactionKind, TransactionState
from cage.wallet.v1.wallet_service_pb2 import (
    GetBalanceRequest,
    GetBalanceResponse,
    ListTransactionsRequest,
    ListTransactionsResponse,
)

Cagectl: TypeAlias = Callable[..., Awaitable[Any]]
BALANCE = Balance(
    currency_code="INR", scale=2, cash=123456, playable=123400, bonus=5, version=9
)


def caller(server: FakeServer) -> str | bytes:
    """Return the key of the last call."""
    return server.calls[-1].metadata["authorization"]


@pytest.mark.parametrize(
    "method",
    ["WalletService/GetBalance", "cage.wallet.v1.WalletService/GetBalance"],
)
async def test_call_sends_json(
    server: FakeServer, cagectl: Cagectl, method: str
) -> None:
    """Any unary rpc is called with JSON, with the key of its service."""
    server.always(GetBalanceRequest, GetBalanceResponse(balance=BALANCE))

    done = await cagectl("call", method, '{"player_id": "p"}')

    assert (done.code, done.err) == (0, "")
    assert '"cash": "123456"' in done.out
    assert server.requests(GetBalanceRequest) == [GetBalanceRequest(player_id="p")]
    assert caller(server) == "Bearer studio"


async def test_call_prints_a_refusal(server: FakeServer, cagectl: Cagectl) -> None:
    """A refusal prints reason, advice and variables, and ends with code 1."""
    server.always(
        GetPlayerRequest, PlayerNotFoundError("who?", metadata={"player_id": "p"})
    )

    done = await cagectl("call", "PlayerService/GetPlayer", "{}")

    assert (done.code, done.out) == (1, "")
    for line in (
        "error: PLAYER_NOT_FOUND",
        "code: NOT_FOUND",
        "advice: STOP_AND_REPORT",
        "metadata.player_id: p",
    ):
        assert line in done.err.splitlines()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("call", "WalletService/Steal"), "there are"),
        (("call", "Bet"), "there are"),
        (("call", "WalletService/StreamExecute"), "is a stream"),
        (("call", "WalletService/Bet", "{"), "not a BetRequest"),
        (("call", "WalletService/Bet", '{"bet": 1}'), "not a BetRequest"),
        (("player", "status", "p", "happy", "--reason", "r"), "STATUS is one of"),
    ],
)
async def test_wrong_usage_calls_nothing(
    server: FakeServer, cagectl: Cagectl, arguments: tuple[str, ...], said: str
) -> None:
    """Arguments that cannot be right end with code 2 before any call."""
    done = await cagectl(*arguments)

    assert done.code == 2
    assert said in done.err
    assert server.calls == []


async def test_no_key_is_said(cagectl: Cagectl) -> None:
    """Without a key the command says how to give one."""
    done = await cagectl("balance", "p", "INR", CAGE_OPERATOR_KEY="")

    assert done.code == 2
    assert "no API key" in done.err


@pytest.mark.parametrize(
    ("options", "environment", "key"),
    [
        ((), {}, "Bearer operator"),
        ((), {"CAGE_OPERATOR_KEY": ""}, "Bearer from-file"),
        ((), {"CAGE_KEY": "every"}, "Bearer every"),
        (("--key", "given"), {"CAGE_KEY": "every"}, "Bearer given"),
    ],
    ids=["environment", "file", "key for all", "option"],
)
async def test_keys_come_in_order(
    server: FakeServer,
    cagectl: Cagectl,
    tmp_path: Path,
    options: tuple[str, ...],
    environment: dict[str, str],
    key: str,
) -> None:
    """An option wins over the environment, and that over var/demo.env."""
    server.always(GetBalanceRequest, GetBalanceResponse(balance=BALANCE))
    (tmp_path / "var").mkdir()
    lines = [
        "# written by caged",
        "CAGE_OPERATOR_KEY=from-file",
        "CAGE_ADDRESS=nowhere:1",
    ]
    (tmp_path / "var" / "demo.env").write_text("\n".join(lines))

    done = await cagectl(*options, "balance", "p", "INR", **environment)

    assert done.code == 0, done.err
    assert caller(server) == key
    assert " 1,234.56 " in done.out


async def test_player_commands(server: FakeServer, cagectl: Cagectl) -> None:
    """Players are shown, listed and changed."""
    player = Player(player_id="p-1", brand_id="b", is_test=True)
    server.always(
        GetPlayerRequest, GetPlayerResponse(player=player, balances=[BALANCE])
    )
    server.script(
        ListPlayersRequest,
        ListPlayersResponse(players=[player] * 2, next_page_token="more"),
        ListPlayersResponse(players=[player] * 2, next_page_token="more"),
    )
    server.always(SetPlayerStatusRequest, SetPlayerStatusResponse(player=player))

    shown = await cagectl("player", "get", "p-1")
    listed = await cagectl("player", "list", "--brand", "b", "--limit", "3")
    changed = await cagectl(
        "player", "status", "p-1", "self-excluded", "--reason", "asked"
    )

    assert [shown.code, listed.code, changed.code] == [0, 0, 0]
    assert "p-1" in shown.out
    assert "1,234.56" in shown.out
    assert listed.out.count("p-1") == 3
    (request,) = server.requests(SetPlayerStatusRequest)
    assert request.status == PlayerStatus.PLAYER_STATUS_SELF_EXCLUDED
    assert (request.player_id, request.reason) == ("p-1", "asked")


async def test_transactions_are_listed(server: FakeServer, cagectl: Cagectl) -> None:
    """Lines show what was there, what moved and what is there."""
    bet = Transaction(
        kind=TransactionKind.TRANSACTION_KIND_BET,
        state=TransactionState.TRANSACTION_STATE_POSTED,
        cash=Money(currency_code="INR", amount=-20000, scale=2),
        after=Balance(currency_code="INR", scale=2, cash=130000, version=2),
    )
    page = ListTransactionsResponse(transactions=[bet], next_page_token="more")
    server.script(ListTransactionsRequest, page)

    done = await cagectl("transactions", "p", "--limit", "1")

    assert done.code == 0
    line = next(line for line in done.out.splitlines() if " BET " in line)
    assert [part for part in line.split() if "." in part] == [
        "1,500.00",
        "-200.00",
        "1,300.00",
    ]
