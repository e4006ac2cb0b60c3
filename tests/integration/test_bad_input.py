"""What is wrong with a request is named, and nothing moves."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.books import digest
from tests.integration.deployment import Player
from tests.integration.wire import (
    CARRIERS,
    METHODS,
    Refusal,
    bearer,
    connected,
    operation_of,
)

from cage.client import Method, methods, money
from cage.core.money import INT64_MAX
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1 import wallet_service_pb2 as pb
from cage.wallet.v1.wallet_pb2 import FreeRound, JackpotContribution, JackpotWin

pytestmark = pytest.mark.asyncio(loop_scope="session")

Build: TypeAlias = Callable[[Player], Message]
# What is sent; the reason; the field that is named, empty where none is.
Case: TypeAlias = tuple[Build, str, str]

ID, RANGE = "must be 1 to 128 printable characters", "AMOUNT_OUT_OF_RANGE"
LONG = "x" * 300
NEGATIVE = Money(currency_code="EUR", amount=-1, scale=2)
SCALELESS = Money(currency_code="EUR", amount=100)
FINE = Money(currency_code="EUR", amount=1_001, scale=3)
COARSE = Money(currency_code="EUR", amount=INT64_MAX, scale=0)
BEYOND = Money(currency_code="EUR", amount=1, scale=19)
FREE = FreeRound(campaign_id="c", remaining=-1)


def jackpot(amount: Money) -> list[JackpotContribution]:
    """Build a contribution."""
    return [JackpotContribution(jackpot_id="j", amount=amount)]


def jackpot_win(amount: Money) -> list[JackpotWin]:
    """Build a part of a win."""
    return [JackpotWin(jackpot_id="j", amount=amount)]


MONEY: dict[str, Case] = {
    "negative bet": (lambda p: p.bet(NEGATIVE), RANGE, "amount"),
    "negative win": (lambda p: p.win(NEGATIVE), RANGE, "amount"),
    "negative award": (lambda p: p.award(NEGATIVE), RANGE, "amount"),
    "negative action": (
        lambda p: p.play(p.stake("1"), p.stake(NEGATIVE)),
        RANGE,
        "actions[1].amount",
    ),
    "negative win in a play": (
        lambda p: p.play(p.stake("1"), p.prize(NEGATIVE)),
        RANGE,
        "actions[1].amount",
    ),
    "beyond int64": (lambda p: p.bet(COARSE), RANGE, "amount"),
    "win beyond int64": (lambda p: p.win(COARSE), RANGE, "amount"),
    "no scale": (lambda p: p.bet(SCALELESS), "SCALE_MISMATCH", "amount"),
    "no scale of an award": (lambda p: p.award(SCALELESS), "SCALE_MISMATCH", "amount"),
    "remainder": (lambda p: p.bet(FINE), "SCALE_MISMATCH", "amount"),
    "remainder in a play": (
        lambda p: p.play(p.stake(FINE)),
        "SCALE_MISMATCH",
        "actions[0].amount",
    ),
    "scale of 19": (lambda p: p.bet(BEYOND), "SCALE_MISMATCH", "amount"),
    "no amount": (lambda p: without(p.bet("1"), "amount"), "INVALID_FIELD", "amount"),
    "two currencies in a play": (
        lambda p: p.play(p.stake("1"), p.stake(money("USD", "1.00"))),
        "INVALID_FIELD",
        "actions[1].amount.currency_code",
    ),
    "unknown currency": (lambda p: p.bet(money("XYZ", "1")), "CURRENCY_NOT_FOUND", ""),
    "malformed currency": (
        lambda p: p.bet(money("eur", "1")),
        "INVALID_FIELD",
        "amount.currency_code",
    ),
    "negative contribution": (
        lambda p: p.bet("1", jackpot_contributions=jackpot(NEGATIVE)),
        RANGE,
        "jackpot_contributions[0].amount",
    ),
    "contribution without scale": (
        lambda p: p.bet("1", jackpot_contributions=jackpot(SCALELESS)),
        "SCALE_MISMATCH",
        "jackpot_contributions[0].amount",
    ),
    "jackpots beyond the win": (
        lambda p: p.win("1", jackpot_wins=jackpot_win(money("EUR", "1.01"))),
        "INVALID_FIELD",
        "jackpot_wins",
    ),
    "jackpot in another currency": (
        lambda p: p.win("1", jackpot_wins=jackpot_win(money("USD", "1.00"))),
        "CURRENCY_MISMATCH",
        "",
    ),
    "51 contributions": (
        lambda p: p.bet("1", jackpot_contributions=jackpot(money("EUR", "0")) * 51),
        "INVALID_FIELD",
        "jackpot_contributions",
    ),
}
FORM: dict[str, Case] = {
    "no player": (lambda p: p.bet("1", player_id=""), "INVALID_FIELD", "player_id"),
    "no game": (lambda p: p.bet("1", game_id=""), "INVALID_FIELD", "game_id"),
    "no round": (lambda p: p.bet("1", round_id=""), "INVALID_FIELD", "round_id"),
    "no id": (
        lambda p: without(p.bet("1"), "transaction_id"),
        "INVALID_FIELD",
        "transaction_id",
    ),
    "long player": (lambda p: p.win("1", player_id=LONG), "INVALID_FIELD", "player_id"),
    "long game": (lambda p: p.award("1", game_id=LONG), "INVALID_FIELD", "game_id"),
    "long round": (lambda p: p.close(LONG), "INVALID_FIELD", "round_id"),
    "long id": (lambda p: p.rollback("b", LONG), "INVALID_FIELD", "transaction_id"),
    "long original": (
        lambda p: p.rollback(LONG),
        "INVALID_FIELD",
        "original.transaction_id",
    ),
    "no original": (
        lambda p: without(p.rollback("b"), "original"),
        "INVALID_FIELD",
        "original",
    ),
    "long token": (
        lambda p: p.bet("1", session_token=LONG),
        "INVALID_FIELD",
        "session_token",
    ),
    "line feed": (lambda p: p.bet("1", "a\nb"), "INVALID_FIELD", "transaction_id"),
    "null": (lambda p: p.bet("1", "a\0b"), "INVALID_FIELD", "transaction_id"),
    "bidi": (lambda p: p.win("1", "a\u202eb"), "INVALID_FIELD", "transaction_id"),
    "bell in a round": (
        lambda p: p.play(p.stake("1"), round_id="\a"),
        "INVALID_FIELD",
        "round_id",
    ),
    "unknown player": (lambda p: p.bet("1", player_id="no"), "PLAYER_NOT_FOUND", ""),
    "unknown game": (lambda p: p.bet("1", game_id="chess"), "GAME_NOT_FOUND", ""),
    "empty play": (lambda p: p.play(), "INVALID_FIELD", "actions"),
    "51 actions": (
        lambda p: p.play(*[p.stake("0") for _ in range(51)]),
        "INVALID_FIELD",
        "actions",
    ),
    "one id twice": (
        lambda p: p.play(p.stake("1", "a"), p.prize("1", "a")),
        "INVALID_FIELD",
        "actions[1].transaction_id",
    ),
    "no action": (
        lambda p: p.play(without(p.stake("1"), "bet")),
        "INVALID_FIELD",
        "actions[0].action",
    ),
    "unknown bet kind": (lambda p: p.bet("1", kind=99), "INVALID_FIELD", "kind"),
    "negative bet kind": (lambda p: p.bet("1", kind=-1), "INVALID_FIELD", "kind"),
    "bet kind in a play": (
        lambda p: p.play(p.stake("1", kind=99)),
        "INVALID_FIELD",
        "actions[0].bet.kind",
    ),
    "no award kind": (lambda p: p.award("1", kind=0), "INVALID_FIELD", "kind"),
    "unknown award kind": (lambda p: p.award("1", kind=99), "INVALID_FIELD", "kind"),
    "unknown original kind": (
        lambda p: p.rollback("b", original_kind=99),
        "INVALID_FIELD",
        "original.kind",
    ),
    "closed without a round": (
        lambda p: p.award("1", round_closed=True),
        "INVALID_FIELD",
        "round_id",
    ),
    "long details": (
        lambda p: p.bet("1", details="d" * 4_097),
        "INVALID_FIELD",
        "details",
    ),
    "details of many bytes": (
        lambda p: p.win("1", details="\u20ac" * 1_366),
        "INVALID_FIELD",
        "details",
    ),
    "negative remaining": (
        lambda p: p.bet("1", free_round=FREE),
        "INVALID_FIELD",
        "free_round.remaining",
    ),
    "no such time": (
        lambda p: at(p.bet("1"), seconds=0, nanos=-1),
        "INVALID_FIELD",
        "occur_time",
    ),
    "year 10000": (
        lambda p: at(p.bet("1"), seconds=253_402_300_800, nanos=0),
        "INVALID_FIELD",
        "occur_time",
    ),
}
CASES = MONEY | FORM


def without(message: Any, field: str) -> Any:
    """Take a field out of a message."""
    message.ClearField(field)
    return message


def at(request: pb.BetRequest, *, seconds: int, nanos: int) -> pb.BetRequest:
    """Set the time at which a bet happened."""
    request.occur_time.seconds, request.occur_time.nanos = seconds, nanos
    return request


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", CASES)
async def test_operation(idle: Player, name: str, carrier: str) -> None:
    """A malformed operation is refused by its field without a trace."""
    build, reason, field = CASES[name]
    deployment = idle.casino.deployment
    before = digest(deployment.path)
    async with connected(deployment.address) as wire:
        answer = await wire.send(carrier, build(idle), idle.casino.studio_key)

    assert isinstance(answer, Refusal), answer
    assert answer.reason == reason
    assert answer.metadata.get("field", "") == field
    assert digest(deployment.path) == before


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_player_of_another_operator(idle: Player, carrier: str) -> None:
    """No operation reaches a player of an operator that the key is not granted to."""
    deployment = idle.casino.deployment
    stranger = await deployment.casino()
    before = digest(deployment.path)
    requests = [
        idle.bet("1.00"),
        idle.win("1.00"),
        idle.play(idle.stake("1.00")),
        idle.rollback("first"),
        idle.close(),
        idle.award("1.00"),
        idle.read(),
    ]
    async with connected(deployment.address) as wire:
        answers = [await wire.send(carrier, r, stranger.studio_key) for r in requests]

    assert {answer.reason for answer in answers} == {"PLAYER_NOT_FOUND"}
    assert {answer.metadata["player_id"] for answer in answers} == {idle.player_id}
    assert digest(deployment.path) == before


@pytest.mark.parametrize("count", [0, 1_001])
async def test_size_of_a_batch(idle: Player, count: int) -> None:
    """A batch of none or of more than 1,000 is refused as a whole."""
    deployment = idle.casino.deployment
    before = digest(deployment.path)
    bets = [idle.bet("0.01") for _ in range(count)]
    async with connected(deployment.address) as wire:
        answer = await wire.batch(*bets, key=idle.casino.studio_key)

    assert answer.reason == "INVALID_FIELD"
    assert answer.metadata["field"] == "operations"
    assert digest(deployment.path) == before


async def test_operation_without_a_request(player: Player) -> None:
    """An empty operation is refused alone, in a stream and in a batch."""
    key = player.casino.studio_key
    operations = [pb.Operation(), operation_of(player.bet("1.00"))]
    async with connected(player.casino.deployment.address) as wire:
        reply = await wire.call(pb.BatchExecuteRequest(operations=operations), key)
        async with wire.stream(key) as stream:
            frame = pb.StreamExecuteRequest(correlation_id="1")
            await stream.call.write(frame.SerializeToString())
            answer = await stream.read()

    assert answer.reason == "INVALID_FIELD"
    assert answer.metadata["field"] == "operation"
    assert reply.results[0].error.code == 3
    assert reply.results[1].bet.receipt.cash.amount == -100


@pytest.mark.parametrize(
    ("name", "timeout_ns", "field"),
    [
        ("", None, "correlation_id"),
        ("x" * 129, None, "correlation_id"),
        ("\n", None, "correlation_id"),
        ("1", 0, "timeout"),
        ("1", -1_000_000_000, "timeout"),
    ],
)
async def test_frame(
    player: Player, name: str, timeout_ns: int | None, field: str
) -> None:
    """A malformed frame is refused alone, and the stream goes on."""
    key = player.casino.studio_key
    async with (
        connected(player.casino.deployment.address) as wire,
        wire.stream(key) as stream,
    ):
        await stream.write(name, player.bet("1.00"), timeout_ns)
        answer = await stream.read()
        await stream.write("2", player.bet("2.00"))
        second = await stream.read()

    assert answer.reason == "INVALID_FIELD"
    assert answer.metadata["field"] == field
    assert stream.names == [name, "2"]
    assert second.receipt.cash.amount == -200


UNARY = [method for method in methods() if method.is_unary]


@pytest.mark.parametrize("method", UNARY, ids=lambda method: method.name)
async def test_malformed_bytes(idle: Player, method: Method) -> None:
    """Bytes that are no message are an INVALID_FIELD of every rpc."""
    casino, deployment = idle.casino, idle.casino.deployment
    before = digest(deployment.path)
    keys = {"admin": deployment.admin_key, "wallet": casino.studio_key}
    key = keys.get(method.service.split(".")[1], casino.operator_key)
    async with connected(deployment.address) as wire:
        answer = await wire.raw(method, b"\xff\xff\xff", bearer(key))

    assert isinstance(answer, Refusal), answer
    assert answer.reason == "INVALID_FIELD"
    assert digest(deployment.path) == before


async def test_malformed_text(idle: Player) -> None:
    """A text that is no UTF-8 is an INVALID_FIELD."""
    request = idle.bet("1.00", "bet").SerializeToString()
    key = idle.casino.studio_key
    async with connected(idle.casino.deployment.address) as wire:
        answer = await wire.raw(
            METHODS[pb.BetRequest], request.replace(b"bet", b"b\xff\xfe"), bearer(key)
        )

    assert answer.reason == "INVALID_FIELD"


async def test_malformed_bytes_in_a_stream(player: Player) -> None:
    """Bytes that are no frame end the stream, after what was taken is answered."""
    key = player.casino.studio_key
    async with (
        connected(player.casino.deployment.address) as wire,
        wire.stream(key) as stream,
    ):
        await stream.write("1", player.bet("1.00"))
        await stream.call.write(b"\xff\xff\xff")
        first, second = await stream.read(), await stream.read()

    assert first.receipt.cash.amount == -100
    assert second.reason == "INVALID_FIELD"


async def test_unknown_fields_are_ignored(player: Player) -> None:
    """What a newer caller sends besides is no error."""
    request = player.bet("1.00", "bet").SerializeToString() + b"\xfa\x07\x01x"
    async with connected(player.casino.deployment.address) as wire:
        answer = await wire.raw(
            METHODS[pb.BetRequest], request, bearer(player.casino.studio_key)
        )

    assert answer.receipt.transaction_id == "bet"
