"""Test which requests are refused for their form."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import Message

from cage.admin.v1 import admin_service_pb2
from cage.cashier.v1 import cashier_service_pb2
from cage.core.errors import CageError
from cage.player.v1 import (
    kyc_service_pb2,
    player_service_pb2,
    responsible_gaming_service_pb2,
    session_service_pb2,
)
from cage.rpc import validation
from cage.rpc.validation import checker_of
from cage.wallet.v1 import wallet_service_pb2 as pb

FILES: list[FileDescriptor] = [
    module.DESCRIPTOR
    for module in (
        admin_service_pb2,
        cashier_service_pb2,
        kyc_service_pb2,
        player_service_pb2,
        responsible_gaming_service_pb2,
        session_service_pb2,
        pb,
    )
]

ID = "must be 1 to 128 printable characters"
EURO = {"currency_code": "EUR", "amount": 100, "scale": 2}
BET = {
    "player_id": "ann",
    "game_id": "slots",
    "round_id": "r1",
    "transaction_id": "t1",
    "amount": EURO,
}
PLAY = {"player_id": "ann", "game_id": "slots", "round_id": "r1"}
STAKE = {"transaction_id": "t1", "amount": EURO, "bet": {}}
AWARD = {**BET, "kind": 2}
ADJUST = {
    **{name: value for name, value in BET.items() if name != "amount"},
    "delta": {"currency_code": "EUR", "amount": -1},
    "references": [{"transaction_id": "t0"}],
}
ROLLBACK = {
    "player_id": "ann",
    "transaction_id": "t1",
    "original": {"transaction_id": "t0"},
}
PLAYER = {
    "request_id": "1",
    "brand_id": "vegas",
    "country_code": "DE",
    "jurisdiction": "CA-ON",
    "currency_code": "EUR",
}
KEY = {"request_id": "1", "key_id": "k1", "role": 1}


def refusal(request: Message) -> tuple[str, str] | None:
    """Return field and problem of a refusal, None for a request that passes."""
    try:
        checker_of(request.DESCRIPTOR)(request)
    except CageError as error:
        return error.metadata["field"], error.metadata["problem"]
    return None


LEGAL: list[Message] = [
    pb.BetRequest(**BET),
    pb.BetRequest(**{**BET, "player_id": "x" * 128, "round_id": "Runde 1, Zoë"}),
    pb.BetRequest(**BET, session_token="t" * 128, details="ü" * 2_048, kind=2),
    pb.BetRequest(**BET, occur_time={"seconds": 253_402_300_799, "nanos": 999_999_999}),
    pb.BetRequest(**BET, free_round={"campaign_id": "c", "remaining": 0}),
    # The scale and the sign of money are the core's.
    pb.BetRequest(**{**BET, "amount": {"currency_code": "EUR", "amount": -1}}),
    pb.PlayRequest(**PLAY, round_closed=True),
    pb.PlayRequest(**PLAY, actions=[STAKE]),
    pb.RollbackRequest(**ROLLBACK),
    # A rollback's amount is only compared, so its form does not matter.
    pb.RollbackRequest(**ROLLBACK, amount={"currency_code": "?"}),
    pb.AwardRequest(**AWARD, round_closed=True),
    pb.AdjustRequest(**ADJUST, round_closed=True),
    pb.ReserveRequest(**BET, life={"seconds": 1}),
    pb.ReserveRequest(**BET, life={"seconds": 90 * 86_400}),
    pb.CaptureRequest(**BET, reserve_transaction_id="t0"),
    pb.ReleaseRequest(
        player_id="ann", transaction_id="t1", reserve_transaction_id="t0"
    ),
    pb.AdjustRequest(
        **{**ADJUST, "references": [{"transaction_id": f"t{n}"} for n in range(50)]}
    ),
    pb.ListTransactionsRequest(player_id="ann", page_size=1_000, page_token="any"),
    pb.StreamExecuteRequest(
        correlation_id="1", timeout={"nanos": 1}, operation={"bet": {}}
    ),
    pb.BatchExecuteRequest(operations=[{}] * 1_000),
    player_service_pb2.RegisterPlayerRequest(**PLAYER),
    admin_service_pb2.CreateApiKeyRequest(**KEY, operator_ids=["acme"]),
    admin_service_pb2.CreateCurrencyRequest(
        request_id="1", currency_code="BTC", scale=18
    ),
    admin_service_pb2.ListAuditEntriesRequest(noun="game", noun_id="slots"),
]


@pytest.mark.parametrize("request_", LEGAL, ids=lambda each: type(each).__name__)
def test_legal_request_passes(request_: Message) -> None:
    """A request inside its documented ranges passes."""
    assert refusal(request_) is None


ILLEGAL: list[tuple[Message, str, str]] = [
    (pb.BetRequest(), "player_id", ID),
    (pb.BetRequest(**{**BET, "game_id": "x" * 129}), "game_id", ID),
    (pb.BetRequest(**{**BET, "round_id": "a\nb"}), "round_id", ID),
    (pb.BetRequest(**{**BET, "transaction_id": ""}), "transaction_id", ID),
    (pb.BetRequest(**BET, session_token="t" * 129), "session_token", ID),
    (pb.BetRequest(**{**BET, "amount": None}), "amount", "is required"),
    (
        pb.BetRequest(**{**BET, "amount": {"amount": 1}}),
        "amount.currency_code",
        "must be 3 to 12 upper-case letters and digits",
    ),
    (
        pb.BetRequest(**{**BET, "amount": {"currency_code": "eur"}}),
        "amount.currency_code",
        "must be 3 to 12 upper-case letters and digits",
    ),
    (
        pb.BetRequest(**BET, details="ü" * 2_048 + "x"),
        "details",
        "must be up to 4,096 bytes of UTF-8",
    ),
    (pb.BetRequest(**BET, kind=3), "kind", "must be a known value"),
    (
        admin_service_pb2.CreateIntegrationRequest(
            request_id="1", integration_id="hub", rules={"late_win": 3}
        ),
        "rules.late_win",
        "must be a known value",
    ),
    (
        admin_service_pb2.UpdateIntegrationRequest(
            request_id="1",
            integration={"integration_id": "hub", "rules": {"settlement": -1}},
        ),
        "integration.rules.settlement",
        "must be a known value",
    ),
    (
        pb.BetRequest(**BET, occur_time={"nanos": -1}),
        "occur_time",
        "must be a time from year 1 to year 9999",
    ),
    (pb.BetRequest(**BET, free_round={}), "free_round.campaign_id", ID),
    (
        pb.BetRequest(**BET, free_round={"campaign_id": "c", "remaining": -1}),
        "free_round.remaining",
        "must not be negative",
    ),
    (
        pb.BetRequest(
            **BET,
            jackpot_contributions=[
                {"jackpot_id": "j", "amount": EURO},
                {"jackpot_id": "j"},
            ],
        ),
        "jackpot_contributions[1].amount",
        "is required",
    ),
    (
        pb.BetRequest(
            **BET, jackpot_contributions=[{"jackpot_id": "j", "amount": EURO}] * 51
        ),
        "jackpot_contributions",
        "must hold 0 to 50 items",
    ),
    (pb.WinRequest(**BET, bet_transaction_id="b" * 129), "bet_transaction_id", ID),
    (
        pb.PlayRequest(**PLAY),
        "actions",
        "must not be empty unless round_closed",
    ),
    (
        pb.PlayRequest(**PLAY, actions=[STAKE] * 51),
        "actions",
        "must hold 0 to 50 items",
    ),
    (
        pb.PlayRequest(
            **PLAY, actions=[{"transaction_id": "t", "amount": EURO}], round_closed=True
        ),
        "actions[0].action",
        "is required",
    ),
    (
        pb.PlayRequest(**PLAY, actions=[STAKE, {**STAKE, "transaction_id": "\t"}]),
        "actions[1].transaction_id",
        ID,
    ),
    (
        pb.PlayRequest(**PLAY, actions=[STAKE, STAKE]),
        "actions[1].transaction_id",
        "must differ between actions",
    ),
    (
        pb.PlayRequest(
            **PLAY,
            actions=[
                STAKE,
                {**STAKE, "transaction_id": "t2", "amount": {"currency_code": "USD"}},
            ],
        ),
        "actions[1].amount.currency_code",
        "must be the same in all actions",
    ),
    (
        pb.RollbackRequest(player_id="ann", transaction_id="t", original={}),
        "original.transaction_id",
        ID,
    ),
    (
        pb.RollbackRequest(
            **{**ROLLBACK, "original": {"transaction_id": "t", "kind": 99}}
        ),
        "original.kind",
        "must be a known value",
    ),
    (pb.AwardRequest(**BET), "kind", "must be a known value"),
    (
        pb.AwardRequest(**{**AWARD, "round_id": ""}, round_closed=True),
        "round_id",
        "is required when round_closed is set",
    ),
    (
        pb.AdjustRequest(**{**ADJUST, "round_id": ""}, round_closed=True),
        "round_id",
        "is required when round_closed is set",
    ),
    (pb.AdjustRequest(**{**ADJUST, "delta": None}), "delta", "is required"),
    (
        pb.ReserveRequest(**BET, life={"nanos": 999_999_999}),
        "life",
        "must be 1 second to 90 days",
    ),
    (
        pb.ReserveRequest(**BET, life={"seconds": 90 * 86_400, "nanos": 1}),
        "life",
        "must be 1 second to 90 days",
    ),
    (pb.ReserveRequest(**BET, life={"seconds": -1}), "life", "must be more than 0"),
    (pb.CaptureRequest(**BET), "reserve_transaction_id", ID),
    (
        pb.ReleaseRequest(player_id="ann", transaction_id="t1"),
        "reserve_transaction_id",
        ID,
    ),
    (
        pb.AdjustRequest(**{**ADJUST, "references": []}),
        "references",
        "must hold 1 to 50 items",
    ),
    (
        pb.AdjustRequest(**{**ADJUST, "references": [{"transaction_id": "t"}] * 2}),
        "references[1].transaction_id",
        "must differ between references",
    ),
    (
        pb.AdjustRequest(**{**ADJUST, "references": [{"kind": 1}]}),
        "references[0].transaction_id",
        ID,
    ),
    (
        pb.ListTransactionsRequest(player_id="ann", page_size=1_001),
        "page_size",
        "must be 0 to 1,000",
    ),
    (
        pb.ListTransactionsRequest(player_id="ann", page_size=-1),
        "page_size",
        "must be 0 to 1,000",
    ),
    (
        pb.ListTransactionsRequest(player_id="ann", round_id="r"),
        "game_id",
        "is required when round_id is set",
    ),
    (pb.StreamExecuteRequest(operation={"bet": {}}), "correlation_id", ID),
    (pb.StreamExecuteRequest(correlation_id="1"), "operation", "is required"),
    (
        pb.StreamExecuteRequest(correlation_id="1", timeout={}, operation={}),
        "timeout",
        "must be more than 0",
    ),
    (pb.BatchExecuteRequest(), "operations", "must hold 1 to 1,000 items"),
    (
        pb.BatchExecuteRequest(operations=[{}] * 1_001),
        "operations",
        "must hold 1 to 1,000 items",
    ),
    (
        player_service_pb2.RegisterPlayerRequest(**{**PLAYER, "country_code": "de"}),
        "country_code",
        "must be two upper-case letters",
    ),
    (
        player_service_pb2.RegisterPlayerRequest(**{**PLAYER, "jurisdiction": "a"}),
        "jurisdiction",
        "must be 1 to 16 upper-case letters, digits and hyphens",
    ),
    (
        player_service_pb2.RegisterPlayerRequest(**PLAYER, language_code="x" * 36),
        "language_code",
        "must be up to 35 printable characters",
    ),
    (
        player_service_pb2.RegisterPlayerRequest(**PLAYER, display_name="\x00"),
        "display_name",
        "must be up to 128 printable characters",
    ),
    (
        player_service_pb2.SetPlayerStatusRequest(
            request_id="1", player_id="ann", status=2, reason="r" * 1_025
        ),
        "reason",
        "must be 1 to 1,024 characters",
    ),
    (
        kyc_service_pb2.RecordVerificationRequest(
            request_id="1", player_id="ann", method=1, reference="r", level=4
        ),
        "level",
        "must be 1 to 3",
    ),
    (
        cashier_service_pb2.AuthorizeDepositRequest(
            request_id="1", player_id="ann", amount=EURO, payment_method="c" * 65
        ),
        "payment_method",
        "must be 1 to 64 printable characters",
    ),
    (
        admin_service_pb2.CreateOperatorRequest(request_id="1", operator_id="Acme"),
        "operator_id",
        "must be 1 to 64 lower-case letters, digits, dots, underscores and hyphens",
    ),
    (
        admin_service_pb2.UpdateGameRequest(request_id="1", game={}),
        "game.game_id",
        "must be 1 to 64 printable characters",
    ),
    (
        admin_service_pb2.CreateApiKeyRequest(**KEY, operator_ids=["acme", ""]),
        "operator_ids[1]",
        "must be 1 to 64 printable characters",
    ),
    (
        admin_service_pb2.CreateCurrencyRequest(
            request_id="1", currency_code="BTC", scale=19
        ),
        "scale",
        "must be 0 to 18",
    ),
    (
        admin_service_pb2.ListAuditEntriesRequest(noun_id="slots"),
        "noun_id",
        "must be empty without a noun",
    ),
]


@pytest.mark.parametrize(
    ("request_", "field", "problem"),
    ILLEGAL,
    ids=[f"{type(row[0]).__name__}-{row[1]}" for row in ILLEGAL],
)
def test_illegal_request_names_its_field(
    request_: Message, field: str, problem: str
) -> None:
    """A request outside its ranges is refused with the path of the field."""
    assert refusal(request_) == (field, problem)


def requests() -> Iterator[Descriptor]:
    """Yield the request type of every rpc."""
    for file in FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                yield method.input_type


def texts(message: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    """Yield every text field of a message and of what is inside it."""
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield field
        elif field.message_type is not None:
            yield from texts(field.message_type, seen)


@pytest.fixture(scope="session")
def comments() -> dict[str, str]:
    """Map each field of the contract to its comment, one line each."""
    root = Path(pb.__file__).parents[3]
    found = {}
    for path in root.glob("cage/**/*.proto"):
        message, comment = "", ""
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.strip()
            if text.startswith("//"):
                comment += text.removeprefix("//").rstrip()
                continue
            if opened := re.match(r"message (\w+) \{", text):
                message = opened[1]
            elif field := re.match(r"(?:repeated |optional )?[\w.]+ (\w+) = \d", text):
                found[f"{message}.{field[1]}"] = comment
            comment = ""
    return found


def test_text_rules_say_what_the_contract_says(comments: dict[str, str]) -> None:
    """The range that a comment states is the range that is enforced."""
    seen: set[str] = set()
    checked = 0
    for message in requests():
        for field in texts(message, seen):
            rule: Any = validation._table(validation._TEXTS, field, validation.ID)
            comment = comments[f"{field.containing_type.name}.{field.name}"]
            stated = re.search(r"(?:\d+|up) to [\d,]+ (?!-)[a-z]", comment)
            numbers = set(re.findall(r"[\d,]*\d", rule.problem)) - {"8"}
            if stated and rule.problem:
                checked += 1

                assert numbers <= set(re.findall(r"[\d,]*\d", comment)), field.full_name
    assert checked > 40
