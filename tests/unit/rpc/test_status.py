"""Test how refusals are told to callers."""

import re
from pathlib import Path
from string import Formatter

import pytest
from google.rpc import error_details_pb2, status_pb2

from cage.core.errors import CageError, Reason
from cage.core.registry import Currency
from cage.core.wallet import Balance
from cage.error.v1 import error_detail_pb2, error_reason_pb2
from cage.rpc.status import ANSWERS, DETAILS_KEY, to_status, to_trailers

PROTO = Path(error_reason_pb2.__file__).with_name("error_reason.proto")
VALUE = re.compile(
    r"Code: (\w+)\. Advice: (\w+)\.\n(.*?)\n\n.*?ERROR_REASON_(\w+) = \d+;", re.DOTALL
)


def documented() -> dict[str, tuple[str, str, set[str]]]:
    """Return what the contract says: code, advice, metadata keys of each reason."""
    text = re.sub(r"^ *// ?", "", PROTO.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for code, advice, metadata, reason in VALUE.findall(text):
        keys = set(re.findall(r"(\w+) \(", metadata))
        found[reason] = (code, advice, keys)
    return found


WITH_DELAY = {
    Reason.OVERLOADED,
    Reason.SHUTTING_DOWN,
    Reason.DATABASE_UNAVAILABLE,
}


def detail(status: status_pb2.Status, message: type) -> object:
    """Return the one detail of a type, or None."""
    found = []
    for packed in status.details:
        each = message()
        if packed.Unpack(each):
            found.append(each)

    assert len(found) <= 1

    return found[0] if found else None


def test_table_is_complete() -> None:
    """Every reason has one answer, and the contract documents every reason."""
    assert set(ANSWERS) == set(Reason)
    assert set(documented()) == {reason.value for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_answer_is_as_documented(reason: Reason) -> None:
    """Code, advice and variables of a reason are those of error_reason.proto."""
    answer = ANSWERS[reason]
    code, advice, metadata = documented()[reason.value]
    variables = {name for _, name, _, _ in Formatter().parse(answer.text) if name}

    assert answer.code.name == code
    assert error_detail_pb2.Advice.Name(answer.advice) == f"ADVICE_{advice}"
    assert variables <= metadata


@pytest.mark.parametrize("reason", Reason)
def test_status_holds_its_details(reason: Reason) -> None:
    """A status holds one ErrorInfo, one ErrorDetail, and RetryInfo where it helps."""
    metadata = dict.fromkeys(documented()[reason.value][2], "some")
    status = to_status(CageError(reason, **metadata))
    info = detail(status, error_details_pb2.ErrorInfo)
    advice = detail(status, error_detail_pb2.ErrorDetail)
    retry = detail(status, error_details_pb2.RetryInfo)

    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == (reason, "cage", metadata)
    assert isinstance(advice, error_detail_pb2.ErrorDetail)
    assert advice.advice
    assert (retry is not None) == (reason in WITH_DELAY)
    assert status.message
    assert "?" not in status.message


def test_missing_variable_is_no_failure() -> None:
    """A refusal whose variable is missing is still that refusal."""
    status = to_status(CageError(Reason.GAME_NOT_FOUND))

    assert status.message == "no game ?"


def test_refusal_of_money_shows_the_balance() -> None:
    """A refusal for lack of funds carries the balance that led to it."""
    euro = Currency(currency_no=1, currency_code="EUR", scale=2)
    balance = Balance(euro, 250, 50, 0, 7, 1_700_000_000_000_001)
    status = to_status(CageError(Reason.INSUFFICIENT_FUNDS, balance=balance))
    told = detail(status, error_detail_pb2.ErrorDetail)

    assert isinstance(told, error_detail_pb2.ErrorDetail)
    assert (told.balance.playable, told.balance.version) == (300, 7)
    assert told.player_message == "Your balance is too low for this bet."


def test_trailers_hold_the_status() -> None:
    """The trailing metadata is where gRPC libraries look for a status."""
    error = CageError(Reason.OVERLOADED)
    ((key, value),) = to_trailers(error)

    assert key == DETAILS_KEY
    assert status_pb2.Status.FromString(value) == to_status(error)
