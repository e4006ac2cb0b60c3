"""Hand a command that is no bet to its lane and wait for its durable answer."""

from typing import TypeVar

from cage.app.ports import Writer
from cage.core.admin import ReadRegistry
from cage.core.registry import ApiKey, Registry

# Whatever the whole deployment shares is changed, and read in order, here.
REGISTRY_LANE = 0

Answer = TypeVar("Answer")


async def submit(
    writer: Writer,
    lane: int,
    command: object,
    kind: type[Answer],
    *,
    timeout_s: float | None,
) -> Answer:
    """Return the answer of a command, which is of a kind, after its commit."""
    answer = await writer.submit(lane, command, is_bet=False, timeout_s=timeout_s)
    if not isinstance(answer, kind):
        raise TypeError(f"{type(command).__name__} answered {type(answer).__name__}")
    return answer


async def read_registry(
    writer: Writer, key: ApiKey, *, timeout_s: float | None
) -> Registry:
    """Return the registry as of after every change answered before, by anyone."""
    read = ReadRegistry(key_id=key.key_id)
    return await submit(writer, REGISTRY_LANE, read, Registry, timeout_s=timeout_s)
