"""Blocking code calls the same client, from one thread or from many."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from cage.client import (
    InsufficientFundsError,
    UnknownOutcomeError,
    money,
    requests,
    sync,
)
from cage.client.testing import FakeServer
from cage.wallet.v1.wallet_pb2 import Receipt, Transaction
from cage.wallet.v1.wallet_service_pb2 import (
    BetRequest,
    BetResponse,
    GetBalanceRequest,
    GetBalanceResponse,
    ListTransactionsRequest,
    ListTransactionsResponse,
)

BET: dict[str, Any] = {
    "player_id": "p",
    "game_id": "g",
    "round_id": "r",
    "amount": money("INR", "5.00"),
}


def receipt(request: BetRequest) -> BetResponse:
    """Answer a bet with a receipt of its id."""
    return BetResponse(receipt=Receipt(transaction_id=request.transaction_id))


def test_calls_block_until_answered() -> None:
    """A call returns its reply, after retries under one id."""
    with FakeServer() as server, sync.connect(server.address, key="k") as client:
        server.script(BetRequest, UnknownOutcomeError(code=grpc.StatusCode.UNAVAILABLE))
        server.always(BetRequest, receipt)

        reply = client.wallet.bet(**BET)
        echo = client.call(requests.bet(**BET, transaction_id="raw"))
        other = client.with_options(key="o").wallet.bet(**BET, transaction_id="o")

    first, second, *_ = server.requests(BetRequest)
    assert first == second
    assert reply.receipt.transaction_id == first.transaction_id
    assert echo == BetResponse(receipt=Receipt(transaction_id="raw"))
    assert other.receipt.transaction_id == "o"
    assert server.calls[-1].metadata["authorization"] == "Bearer o"


def test_errors_are_the_same() -> None:
    """A refusal is raised as its class in the calling thread."""
    with FakeServer() as server, sync.connect(server.address, key="k") as client:
        server.always(BetRequest, InsufficientFundsError("low"))

        with pytest.raises(InsufficientFundsError):
            client.wallet.bet(**BET)


def test_lists_are_iterated() -> None:
    """Items and pages come by plain iteration."""
    pages = {
        "": ListTransactionsResponse(
            transactions=[Transaction(ledger_id="1")], next_page_token="n"
        ),
        "n": ListTransactionsResponse(transactions=[Transaction(ledger_id="2")]),
    }
    with FakeServer() as server, sync.connect(server.address, key="k") as client:
        server.always(ListTransactionsRequest, lambda r: pages[r.page_token])
        pager = client.wallet.list_transactions(player_id="p")

        assert [item.ledger_id for item in pager] == ["1", "2"]
        assert list(pager.pages()) == list(pages.values())
        assert pager.page("n") == pages["n"]


def test_threads_share_a_stream() -> None:
    """Many threads send over one stream and each gets its own reply."""
    with FakeServer() as server, sync.connect(server.address, key="k") as client:
        server.always(BetRequest, receipt)
        with client.wallet.stream() as stream, ThreadPoolExecutor(8) as pool:
            replies = list(
                pool.map(
                    lambda number: stream.bet(**BET, transaction_id=str(number)),
                    range(100),
                )
            )

    answered = [reply.receipt.transaction_id for reply in replies]
    assert answered == [str(number) for number in range(100)]
    assert {call.rpc for call in server.calls} == {"StreamExecute"}


def test_batches_block() -> None:
    """A batch gives its answers in order."""
    with FakeServer() as server, sync.connect(server.address, key="k") as client:
        server.always(GetBalanceRequest, GetBalanceResponse())
        read = requests.get_balance(player_id="p", currency_code="INR")

        answers = client.wallet.batch_execute([read, read])

    assert answers == [GetBalanceResponse()] * 2


def test_last_user_ends_the_loop() -> None:
    """The background thread ends with the last client, and calls then say so."""
    with FakeServer() as server:
        client = sync.connect(server.address, key="k")
        client.close()
        client.close()
    names = [thread.name for thread in threading.enumerate()]

    assert "cage-client" not in names
    with pytest.raises(RuntimeError, match="closed"):
        client.wallet.bet(**BET)
