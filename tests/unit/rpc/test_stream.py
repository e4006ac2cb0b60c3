"""Test operations in streams and batches, without a network."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest
from tests.unit.rpc.fakes import (
    FakeContext,
    FakeWriter,
    api_key,
    build_registry,
    reason_of,
    receipt,
)

from cage.app.ports import Reads
from cage.app.round import RoundApp
from cage.app.wallet import WalletApp
from cage.core.errors import CageError, Reason
from cage.core.registry import Registry, Role
from cage.core.wallet import Bet
from cage.rpc import stream as stream_module
from cage.rpc.interceptor import Call
from cage.rpc.meter import Meter
from cage.rpc.operation import Executor
from cage.rpc.rate import Rate
from cage.rpc.stream import Stream
from cage.rpc.wallet import Authenticator, WalletServicer
from cage.rpc.wallet_feeds import WalletFeeds
from cage.wallet.v1 import wallet_service_pb2 as pb


def bet(transaction_id: str) -> dict[str, Any]:
    """Return the operation of a bet."""
    return {
        "bet": {
            "player_id": "ann",
            "game_id": "slots",
            "round_id": "r1",
            "transaction_id": transaction_id,
            "amount": {"currency_code": "EUR", "amount": 1, "scale": 2},
        }
    }


def frame(correlation_id: str, **fields: Any) -> pb.StreamExecuteRequest:
    """Build a frame with a bet whose id is the frame's name."""
    fields.setdefault("operation", bet(correlation_id))
    return pb.StreamExecuteRequest(correlation_id=correlation_id, **fields)


@pytest.fixture
def meter() -> Meter:
    """Return counts that start at zero."""
    return Meter()


@pytest.fixture
def executor(writer: FakeWriter, meter: Meter) -> Executor:
    """Return an executor over the fake writer."""
    return Executor(
        WalletApp(writer=writer, reads=cast(Reads, None)),
        meter=meter,
        fail=lambda _: CageError(Reason.INTERNAL),
        rate=Rate(0),
    )


class Running:
    """Run one stream over a fake context."""

    def __init__(self, executor: Executor) -> None:
        self.context = FakeContext()
        call = Call(api_key(1, Role.GAME), 7.0, cast(Any, self.context))
        self.stream = Stream(call, executor)
        self.task = asyncio.create_task(self.stream.run())

    def send(self, *frames: Any) -> None:
        """Let the caller send frames."""
        for each in frames:
            self.context.frames.put_nowait(each)

    @property
    def replies(self) -> list[tuple[str, str]]:
        """Return name and result of each reply, a refusal by its reason."""
        return [
            (
                reply.correlation_id,
                reason_of(reply.result.error)[0]
                if reply.result.HasField("error")
                else reply.result.WhichOneof("result"),
            )
            for reply in self.context.written
        ]


@pytest.fixture
async def running(executor: Executor) -> Running:
    """Return a stream that runs."""
    return Running(executor)


async def settle(until: Callable[[], object]) -> None:
    """Let everything that is ready run until something holds."""
    for _ in range(1_000):
        if until():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came about")


async def test_frames_are_queued_in_order(running: Running, writer: FakeWriter) -> None:
    """Frames are applied in the order sent, and answered in the order they end."""
    running.send(frame("a"), frame("b"), frame("c"), grpc.aio.EOF)
    await settle(lambda: len(writer.futures) == 3)
    writer.futures[1].set_result(receipt("b"))
    await settle(lambda: running.replies)
    writer.futures[0].set_result(receipt("a", replayed=True))
    writer.futures[2].set_exception(CageError(Reason.ROUND_CLOSED))
    await running.task

    assert [command.transaction_id for command, _ in writer.submitted] == [
        "a",
        "b",
        "c",
    ]
    assert all(is_bet for _, is_bet in writer.submitted)
    assert running.replies == [("b", "bet"), ("a", "bet"), ("c", "ROUND_CLOSED")]
    assert running.context.written[0].result.bet.receipt.transaction_id == "b"


async def test_frames_that_are_refused_do_not_end_the_stream(
    running: Running, writer: FakeWriter
) -> None:
    """A frame without a name, an operation or a sane timeout is answered, no more."""
    running.send(
        frame(""),
        frame("x" * 129),
        frame("empty", operation=None),
        frame("unset", operation={}),
        frame("late", timeout={"seconds": -1}),
        frame("form", operation={"win": {}}),
        frame("good", timeout={"seconds": 1, "nanos": 500_000_000}),
        grpc.aio.EOF,
    )
    await settle(lambda: writer.futures)
    writer.futures[0].set_result(receipt("good"))
    await running.task

    assert dict(running.replies) == {
        "": "INVALID_FIELD",
        "x" * 129: "INVALID_FIELD",
        "empty": "INVALID_FIELD",
        "unset": "INVALID_FIELD",
        "late": "INVALID_FIELD",
        "form": "INVALID_FIELD",
        "good": "bet",
    }
    assert writer.timeouts_s == [1.5]


async def test_names_are_unique_in_flight(running: Running, writer: FakeWriter) -> None:
    """A name is refused while it is in flight, and free again once it is answered."""
    running.send(frame("a"), frame("a"))
    await settle(lambda: running.replies)
    writer.futures[0].set_result(receipt("a"))
    await settle(lambda: len(running.replies) == 2)
    running.send(frame("a"), grpc.aio.EOF)
    await settle(lambda: len(writer.futures) == 2)
    writer.futures[1].set_result(receipt("a"))
    await running.task

    assert running.replies == [("a", "INVALID_FIELD"), ("a", "bet"), ("a", "bet")]


async def test_overload_is_a_reply(
    running: Running, writer: FakeWriter, meter: Meter
) -> None:
    """An operation that the lane does not take answers OVERLOADED by itself."""
    writer.refusal = CageError(Reason.OVERLOADED)
    running.send(frame("a"), grpc.aio.EOF)
    await running.task

    assert running.replies == [("a", "OVERLOADED")]
    assert meter.operations == {("bet", "OVERLOADED"): 1}


async def test_failures_are_replies(running: Running, writer: FakeWriter) -> None:
    """An operation that the server fails on answers INTERNAL, and the others go on."""
    writer.refusal = RuntimeError("bug")
    running.send(frame("a"))
    await settle(lambda: running.replies)
    writer.refusal = None
    running.send(frame("b"), frame("c"), grpc.aio.EOF)
    await settle(lambda: len(writer.futures) == 2)
    writer.futures[0].set_exception(RuntimeError("bug"))
    writer.futures[1].set_result(receipt("c"))
    await running.task

    assert running.replies == [("a", "INTERNAL"), ("b", "INTERNAL"), ("c", "bet")]


async def test_revoked_key_ends_the_stream(
    running: Running, writer: FakeWriter, registry: Registry
) -> None:
    """What was taken before a key is revoked is answered; then the stream ends."""
    running.send(frame("a"))
    await settle(lambda: writer.futures)
    revoked = api_key(1, Role.GAME, revoke_time_us=5)
    writer.registry = build_registry([revoked], version=registry.version + 1)
    running.send(frame("b"))
    await asyncio.sleep(0)
    writer.futures[0].set_result(receipt("a"))
    with pytest.raises(CageError) as caught:
        await running.task

    assert caught.value.reason is Reason.KEY_INVALID
    assert running.replies == [("a", "bet")]


async def test_key_that_the_batch_refuses_ends_the_stream(
    running: Running, writer: FakeWriter
) -> None:
    """A key found revoked in the batch ends a stream that would wait for ever."""
    running.send(frame("a"))
    await settle(lambda: writer.futures)
    writer.futures[0].set_exception(CageError(Reason.KEY_INVALID))
    with pytest.raises(CageError) as caught:
        await running.task

    assert caught.value.reason is Reason.KEY_INVALID
    assert running.replies == [("a", "KEY_INVALID")]


async def test_drain_answers_what_was_taken(
    running: Running, writer: FakeWriter
) -> None:
    """A stream that is ended takes no more, answers all, and says SHUTTING_DOWN."""
    running.send(frame("a"))
    await settle(lambda: writer.futures)
    running.stream.end(CageError(Reason.SHUTTING_DOWN))
    running.send(frame("b"))
    for _ in range(5):
        await asyncio.sleep(0)

    assert not running.task.done()

    writer.futures[0].set_result(receipt("a"))
    with pytest.raises(CageError) as caught:
        await running.task

    assert caught.value.reason is Reason.SHUTTING_DOWN
    assert running.replies == [("a", "bet")]
    assert len(writer.submitted) == 1


async def test_unreadable_frame_ends_the_stream(running: Running) -> None:
    """A frame that is no message has no name to be answered by."""
    running.send(None)
    with pytest.raises(CageError) as caught:
        await running.task

    assert caught.value.reason is Reason.INVALID_FIELD


async def test_cancelled_stream_drops_what_waits(
    running: Running, writer: FakeWriter
) -> None:
    """A caller that goes away cancels its own frames; nothing of the stream stays."""
    running.send(frame("a"), frame("b"))
    await settle(lambda: len(writer.futures) == 2)
    writer.futures[1].set_exception(CageError(Reason.ROUND_CLOSED))
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task

    assert writer.futures[0].cancelled()
    assert running.stream._reader is not None
    assert running.stream._reader.cancelled()


async def test_frames_in_flight_are_bounded(
    executor: Executor, writer: FakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream with too much in flight reads on only as replies go out."""
    monkeypatch.setattr(stream_module, "FRAMES_MAX", 2)
    running = Running(executor)
    running.send(*(frame(str(number)) for number in range(5)), grpc.aio.EOF)
    await settle(lambda: len(writer.futures) == 2)
    for _ in range(5):
        await asyncio.sleep(0)

    assert len(writer.futures) == 2

    for number in range(5):
        await settle(lambda number=number: len(writer.futures) > number)
        writer.futures[number].set_result(receipt(str(number)))
    await running.task

    assert [name for name, _ in running.replies] == list("01234")


async def test_servicer_ends_its_streams(executor: Executor) -> None:
    """Draining reaches every open stream, and closed ones are forgotten."""
    servicer = WalletServicer(
        WalletApp(writer=cast(Any, executor), reads=cast(Reads, None)),
        cast(Authenticator, None),
        executor,
        cast(RoundApp, None),
        cast(WalletFeeds, None),
    )
    context = FakeContext()
    call = Call(api_key(1, Role.GAME), 7.0, cast(Any, context))
    task = asyncio.create_task(servicer.StreamExecute(call))
    await settle(lambda: servicer._streams)
    servicer.end_streams()
    with pytest.raises(CageError) as caught:
        await task

    assert caught.value.reason is Reason.SHUTTING_DOWN
    assert not servicer._streams


def batch(*operations: dict[str, Any]) -> pb.BatchExecuteRequest:
    """Build a batch."""
    return pb.BatchExecuteRequest(operations=operations)


@pytest.fixture
def servicer(executor: Executor, writer: FakeWriter) -> WalletServicer:
    """Return a wallet servicer over the fake writer."""
    wallet = WalletApp(writer=writer, reads=cast(Reads, None))
    return WalletServicer(
        wallet,
        cast(Authenticator, None),
        executor,
        cast(RoundApp, None),
        cast(WalletFeeds, None),
    )


@pytest.fixture
def call() -> Call:
    """Return a call of a GAME key with two seconds left."""
    return Call(api_key(1, Role.GAME), 2.0, cast(Any, FakeContext()))


async def test_batch_answers_each_operation(
    servicer: WalletServicer, writer: FakeWriter, call: Call, meter: Meter
) -> None:
    """A batch queues everything in order and gives each operation its own result."""
    request = batch(bet("a"), {}, {"win": {}}, bet("b"), bet("c"))
    task = asyncio.create_task(servicer.BatchExecute(request, call))
    await settle(lambda: len(writer.futures) == 3)
    writer.futures[2].set_result(receipt("c"))
    writer.futures[1].set_exception(CageError(Reason.INSUFFICIENT_FUNDS))
    writer.futures[0].set_result(receipt("a", replayed=True))
    results = (await task).results

    assert [result.WhichOneof("result") for result in results] == [
        "bet",
        "error",
        "error",
        "error",
        "bet",
    ]
    assert reason_of(results[1].error) == (
        "INVALID_FIELD",
        {"field": "operation", "problem": "is required"},
    )
    assert reason_of(results[2].error)[1]["field"] == "player_id"
    assert reason_of(results[3].error)[0] == "INSUFFICIENT_FUNDS"
    assert writer.timeouts_s == [2.0] * 3
    assert meter.operations["bet", "OK"] == 2
    assert meter.replays == {"bet": 1}


async def test_cancelled_batch_drops_what_waits(
    servicer: WalletServicer, writer: FakeWriter, call: Call
) -> None:
    """A batch whose caller goes away cancels every operation that still waits."""
    request = batch(bet("a"), bet("b"))
    task = asyncio.create_task(servicer.BatchExecute(request, call))
    await settle(lambda: len(writer.futures) == 2)
    writer.futures[1].set_exception(CageError(Reason.ROUND_CLOSED))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert writer.futures[0].cancelled()


async def test_single_call_goes_the_same_way(
    servicer: WalletServicer, writer: FakeWriter, call: Call, meter: Meter
) -> None:
    """A call of its own is queued, awaited and counted as one of a stream is."""
    request = pb.BetRequest(**bet("a")["bet"])
    task = asyncio.create_task(servicer.Bet(request, call))
    await settle(lambda: writer.futures)
    writer.futures[0].set_result(receipt("a"))
    response = await task
    writer.refusal = CageError(Reason.OVERLOADED)
    with pytest.raises(CageError):
        await servicer.Bet(request, call)

    assert response.receipt.transaction_id == "a"
    assert isinstance(writer.submitted[0][0], Bet)
    assert meter.operations == {("bet", "OK"): 1, ("bet", "OVERLOADED"): 1}
