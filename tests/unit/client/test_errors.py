"""Errors have one class for each reason and lose nothing on the wire."""

import pickle
import re
from pathlib import Path

import grpc
import pytest
from google.rpc import status_pb2

import cage.client
from cage.client import (
    CageError,
    InsufficientFundsError,
    OverloadedError,
    UnknownOutcomeError,
)
from cage.client._status import (
    DETAILS_KEY,
    ERRORS_BY_REASON,
    error_from_call,
    error_from_status,
    status_from_error,
)
from cage.error.v1 import error_reason_pb2
from cage.error.v1.error_detail_pb2 import (
    ADVICE_DISCARD,
    ADVICE_ROLL_BACK,
    Advice,
    ErrorDetail,
)
from cage.error.v1.error_reason_pb2 import ErrorReason
from cage.type.v1.balance_pb2 import Balance

BALANCE = Balance(currency_code="INR", scale=2, cash=100, playable=100, version=3)


def documented() -> dict[str, tuple[str, str]]:
    """Read code and advice of every reason from the comments of the contract."""
    source = error_reason_pb2.__file__.replace("_pb2.py", ".proto")
    text = Path(source).read_text(encoding="utf-8")
    found = re.findall(
        r"// Code: (\w+)\. Advice: (\w+)\..*?ERROR_REASON_(\w+) = \d+;", text, re.DOTALL
    )
    return {reason: (code, advice) for code, advice, reason in found}


def test_one_class_for_each_reason() -> None:
    """The classes are the reasons of the contract, no more and no fewer."""
    reasons = {
        name.removeprefix("ERROR_REASON_")
        for name in ErrorReason.DESCRIPTOR.values_by_name
    }

    assert set(ERRORS_BY_REASON) == reasons - {"UNSPECIFIED"}


@pytest.mark.parametrize("reason", sorted(ERRORS_BY_REASON))
def test_class_says_what_the_contract_says(reason: str) -> None:
    """Name, code and advice of a class are those that its reason documents."""
    error = ERRORS_BY_REASON[reason]()

    words = "".join(word.capitalize() for word in reason.split("_"))
    assert type(error).__name__ == f"{words}Error"
    assert getattr(cage.client, f"{words}Error") is type(error)
    advice = Advice.Name(error.advice).removeprefix("ADVICE_")
    assert (error.code.name, advice) == documented()[reason]


def test_nothing_is_lost_on_the_wire() -> None:
    """An error comes back from its status with everything it holds."""
    sent = InsufficientFundsError(
        "no money",
        metadata={"a": "1"},
        player_message="Please deposit.",
        balance=BALANCE,
        retry_delay_s=0.25,
    )

    got = error_from_status(status_from_error(sent))

    assert type(got) is InsufficientFundsError
    assert got.code is grpc.StatusCode.FAILED_PRECONDITION
    assert (got.reason, got.advice) == ("INSUFFICIENT_FUNDS", ADVICE_DISCARD)
    assert (got.message, got.metadata) == ("no money", {"a": "1"})
    assert (got.player_message, got.balance) == ("Please deposit.", BALANCE)
    assert got.retry_delay_s == 0.25


def test_reason_of_a_newer_server() -> None:
    """An unknown reason is a plain CageError with its advice."""
    sent = CageError("new", reason="FROM_THE_FUTURE", advice=ADVICE_ROLL_BACK)

    got = error_from_status(status_from_error(sent))

    assert type(got) is CageError
    assert (got.reason, got.advice) == ("FROM_THE_FUTURE", ADVICE_ROLL_BACK)


def unspecified() -> bytes:
    """Encode an error whose detail has no advice."""
    status = status_pb2.Status(code=9, message="odd")
    status.details.add().Pack(ErrorDetail())
    return status.SerializeToString()


@pytest.mark.parametrize(
    "trailing",
    [
        (),
        (("other", "text"),),
        ((DETAILS_KEY, b"\xff not a status"),),
        ((DETAILS_KEY, status_pb2.Status(code=14).SerializeToString()),),
        ((DETAILS_KEY, unspecified()),),
    ],
    ids=["nothing", "other metadata", "garbage", "no details", "no advice"],
)
def test_no_detail_means_unknown(trailing: tuple[tuple[str, str | bytes], ...]) -> None:
    """Whatever lacks an ErrorDetail with an advice has an unknown outcome."""
    failure = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(*trailing),
        "gone",
    )

    error = error_from_call(failure)

    assert type(error) is UnknownOutcomeError
    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert error.reason == ""


def test_errors_can_be_pickled_and_read() -> None:
    """An error survives pickling and writes itself in one line."""
    error = OverloadedError("busy", metadata={"lane": "3"}, retry_delay_s=1.5)

    again = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert str(again) == "OVERLOADED: busy (lane=3)"
    assert str(UnknownOutcomeError("?")) == "UNKNOWN: ?"
    assert (type(again), again.retry_delay_s) == (OverloadedError, 1.5)
