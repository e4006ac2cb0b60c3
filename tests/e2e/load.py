"""Put a server under load: many callers, every way to call, stories of any player.

A step counts as sent before a client has it, and is judged as soon as it is answered.
A caller stops at the first answer that does not come.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import zip_longest
from random import Random
from typing import Any

from tests.e2e.account import Account
from tests.e2e.process import Caged
from tests.e2e.story import FUNDS, Answer, Step, Story, Teller, is_replay

from cage.client import (
    CageError,
    Client,
    OperationRequest,
    RetryPolicy,
    ShuttingDownError,
    Stream,
    UnknownOutcomeError,
    connect,
    methods,
)

TIMEOUT_S = 30.0
UNARY_CALLERS = 8
STREAM_CALLERS = 2
STORIES_OF_STREAM = 6
BATCH_CALLERS = 2
STORIES_OF_BATCH = 12
# No load of a test tells so many stories; it only ends a loop that would not end.
STORIES_MAX = 1_000_000
END_TIMEOUT_S = 60.0

REPLIES = {method.request: method.reply for method in methods()}
Send = Callable[[OperationRequest], Awaitable[Answer]]


class GoneError(Exception):
    """Say that an answer did not come: the server has gone or is about to go."""


def connect_once(
    server: Caged, key: str = "studio_key", *, channels: int = 1
) -> Client:
    """Make a client that sends everything once."""
    return connect(
        server.address,
        key=server.ready[key],
        timeout_s=TIMEOUT_S,
        retry=RetryPolicy(attempts=1, total_timeout_s=TIMEOUT_S),
        channels=channels,
    )


async def make_players(server: Caged, count: int) -> list[str]:
    """Register and verify players and give each the funds."""
    accounts = [Account(name=f"player-{n}", deposit=FUNDS) for n in range(count)]
    async with connect_once(server, "operator_key") as operator:
        await asyncio.gather(*(account.open(operator) for account in accounts))
    return [account.answers["player"] for account in accounts]


def unary(client: Client) -> Send:
    """Send operations as calls of their own."""
    return lambda request: _caught(client.call(request))


def streamed(stream: Stream) -> Send:
    """Send operations over a stream."""
    return lambda request: _caught(stream._execute(request, REPLIES[type(request)]))


async def _caught(call: Coroutine[Any, Any, Any]) -> Answer:
    try:
        answer: Answer = await call
    except CageError as error:
        return error
    return answer


def note(step: Step, answers: Sequence[Answer]) -> None:
    """Judge the answers of a step that was sent, perhaps more than once at a time.

    Raises GoneError when one did not come.
    """
    came: list[Answer] = []
    for answer in answers:
        if isinstance(answer, UnknownOutcomeError | ShuttingDownError):
            step.failures.append(answer)
        else:
            step.judge(answer)
            came.append(answer)
    firsts = [a for a in came if not isinstance(a, CageError) and not is_replay(a)]

    assert len(firsts) <= 1, step.request

    if len(came) < len(answers):
        raise GoneError


async def tell_in_order(
    story: Story, send: Send, other: Send, rng: Random, *, twice_share: float = 0.1
) -> None:
    """Send each step after the answer of the one before, now and then twice at once."""
    for step in story.steps:
        story.sent_count += 1
        step.send_time = time.monotonic()
        calls = [send(step.request)]
        if rng.random() < twice_share:
            calls.append(other(step.request))
        note(step, await asyncio.gather(*calls))


async def tell_at_once(story: Story, send: Send) -> None:
    """Send all steps without waiting for answers; a stream keeps their order."""
    story.sent_count = len(story.steps)
    for step in story.steps:
        step.send_time = time.monotonic()
    answers = await asyncio.gather(*(send(step.request) for step in story.steps))
    _note_all(list(zip(story.steps, answers, strict=True)))


async def tell_in_batch(stories: Sequence[Story], client: Client) -> None:
    """Send many stories in one batch, mixed, the steps of each in order."""
    rows = zip_longest(*(story.steps for story in stories))
    steps = [step for row in rows for step in row if step is not None]
    for story in stories:
        story.sent_count = len(story.steps)
    for step in steps:
        step.send_time = time.monotonic()
    try:
        answers = await client.wallet.batch_execute(step.request for step in steps)
    except (UnknownOutcomeError, ShuttingDownError) as error:
        answers = [error] * len(steps)
    _note_all(list(zip(steps, answers, strict=True)))


def _note_all(pairs: Sequence[tuple[Step, Answer]]) -> None:
    gone: GoneError | None = None
    for step, answer in pairs:
        try:
            note(step, [answer])
        except GoneError as error:
            gone = error
    if gone is not None:
        raise gone


async def _until_gone(turn: Callable[[], Awaitable[None]]) -> None:
    """Take turns until the server has gone."""
    for _ in range(STORIES_MAX):
        try:
            await turn()
        except GoneError:
            return


class _Callers:
    """Make the turns of each kind of caller."""

    def __init__(self, client: Client, stream: Stream, teller: Teller, rng: Random):
        self._client = client
        self._unary, self._streamed = unary(client), streamed(stream)
        self._teller = teller
        self._rng = rng

    async def unary_turn(self) -> None:
        """Tell one story in single calls."""
        story = self._teller.tell()
        await tell_in_order(story, self._unary, self._streamed, self._rng)

    async def stream_turn(self) -> None:
        """Tell one story over the stream, in step with the answers or ahead."""
        story = self._teller.tell()
        if self._rng.random() < 0.5:
            await tell_at_once(story, self._streamed)
        else:
            await tell_in_order(story, self._streamed, self._unary, self._rng)

    async def batch_turn(self) -> None:
        """Tell many stories in one call."""
        stories = [self._teller.tell() for _ in range(STORIES_OF_BATCH)]
        await tell_in_batch(stories, self._client)


@asynccontextmanager
async def under_load(server: Caged, teller: Teller, rng: Random) -> AsyncIterator[None]:
    """Keep callers busy; the block ends the server, the end waits for the callers."""
    async with connect_once(server, channels=2) as client:
        streams = [Stream(client._caller) for _ in range(STREAM_CALLERS)]
        turns: list[Callable[[], Awaitable[None]]] = []
        for stream in streams:
            callers = _Callers(client, stream, teller, rng)
            turns += [callers.stream_turn] * STORIES_OF_STREAM
            turns += [callers.unary_turn] * (UNARY_CALLERS // STREAM_CALLERS)
            turns += [callers.batch_turn] * (BATCH_CALLERS // STREAM_CALLERS)
        tasks = [asyncio.create_task(_until_gone(turn)) for turn in turns]
        try:
            yield
            async with asyncio.timeout(END_TIMEOUT_S):
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stream in streams:
                await _abort(stream)


async def _abort(stream: Stream) -> None:
    """End a stream without waiting for a server that may not be there."""
    if stream._connection is not None:
        await stream._connection.abort()
