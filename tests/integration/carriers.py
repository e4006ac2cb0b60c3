"""Carry one request to the server in each of the three ways, with the real client."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from google.protobuf.message import Message
from tests.integration.deployment import Player

from cage.client import CageError, Client, methods

# A request of a player's studio to its reply or its refusal.
Send: TypeAlias = Callable[[Player, Message], Awaitable[Any]]

_REPLIES = {method.request: method.reply for method in methods()}


async def by_call(client: Client, request: Message) -> Message:
    """Send it as a call of its own."""
    return await client.call(request)


async def by_stream(client: Client, request: Message) -> Message:
    """Send it as a frame of a stream."""
    async with client.wallet.stream() as stream:
        return await stream._execute(request, _REPLIES[type(request)])


async def by_batch(client: Client, request: Message) -> Message:
    """Send it as the only item of a batch."""
    (answer,) = await client.wallet.batch_execute([request])  # type: ignore[list-item]
    if isinstance(answer, CageError):
        raise answer
    return answer


CARRIERS = {"call": by_call, "stream": by_stream, "batch": by_batch}


def sender(carrier: str) -> Send:
    """Return what sends a request and gives back the reply or the refusal."""

    async def send(player: Player, request: Message) -> Any:
        try:
            return await CARRIERS[carrier](player.casino.studio, request)
        except CageError as refusal:
            return refusal

    return send


def assert_refused(answer: object, reason: str, **metadata: str) -> None:
    """Hold an answer to be a refusal for a reason, with the variables named."""
    assert isinstance(answer, CageError), answer
    assert answer.reason == reason, answer
    assert metadata.items() <= answer.metadata.items(), answer


def first_answer(answer: Any) -> Any:
    """Return the part of a reply that a replay repeats."""
    copy = type(answer)()
    copy.CopyFrom(answer)
    names = {field.name for field in copy.DESCRIPTOR.fields}
    receipts = list(copy.receipts) if "receipts" in names else []
    receipts += [copy.receipt] if "receipt" in names else []
    if "reversals" in names:
        receipts += [each.receipt for each in copy.reversals]
    for receipt in receipts:
        receipt.ClearField("current")
        receipt.ClearField("replayed")
    for name in names & {"balance", "replayed"}:
        copy.ClearField(name)
    return copy


def is_replay(answer: Any) -> bool:
    """Say whether a reply says that nothing moved now."""
    names = {field.name for field in answer.DESCRIPTOR.fields}
    if "replayed" in names:
        return bool(answer.replayed)
    return bool(answer.receipt.replayed)
