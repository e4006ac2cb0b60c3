"""Send a call again while that can help, and never when it cannot.

Every call of the contract is safe to repeat: a mutation carries one id, made once
for the logical call and sent with every attempt, and a read changes nothing. So
what decides is only what the last attempt said:

    what came back                           what happens
    advice RETRY_SAME_ID                     sent again
    advice DISCARD, ROLL_BACK,               raised at once
      STOP_AND_REPORT
    no ErrorDetail, or advice unspecified:   sent again when the code can pass by
      the outcome is unknown                 (see TRANSIENT_CODES), else raised

Before attempt n + 1 the caller waits ``RetryInfo`` (nothing when there is none) plus
an exponential backoff of which a random half is taken off, so that callers who failed
together do not come back together. The attempts end with ``RetryPolicy.attempts`` or
when the next one could not start within ``RetryPolicy.total_timeout_s``; then the
last error is raised. If it only says that *its* attempt did not start, and an earlier
attempt had an unknown outcome, the outcome of the call is unknown, and
UnknownOutcomeError is what the caller gets.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc

from cage.client._errors import CageError, UnknownOutcomeError
from cage.error.v1.error_detail_pb2 import ADVICE_RETRY_SAME_ID

_Reply = TypeVar("_Reply")

TRANSIENT_CODES = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
    }
)
"""Codes that a proxy or a broken connection may give and that pass by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Bound the retries of one logical call.

    Raises ValueError for a bound that would allow no attempt at all.
    """

    # Most attempts, the first included. 1 switches retries off.
    attempts: int = 5
    # Longest time from the first attempt to the end of the last, in seconds.
    total_timeout_s: float = 10.0
    # Backoff before the second attempt, in seconds.
    initial_backoff_s: float = 0.05
    # Largest backoff, in seconds.
    max_backoff_s: float = 1.0
    # Growth of the backoff from one attempt to the next.
    backoff_multiplier: float = 2.0

    def __post_init__(self) -> None:
        """Refuse bounds that make no sense."""
        if self.attempts < 1 or self.total_timeout_s <= 0:
            raise ValueError("attempts must be at least 1, total_timeout_s above 0")
        if self.initial_backoff_s < 0 or self.backoff_multiplier < 1:
            raise ValueError("backoff must not be negative and must not shrink")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Hold what a retry takes from the world outside, so that tests can give it."""

    # Monotonic time, in seconds.
    clock: Callable[[], float] = time.monotonic
    # Waits for seconds.
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    # Uniform from 0 up to 1, without 1.
    random: Callable[[], float] = random.random


async def with_retries(
    attempt: Callable[[float], Awaitable[_Reply]],
    *,
    policy: RetryPolicy,
    timeout_s: float,
    waiting: Waiting,
) -> _Reply:
    """Run ``attempt`` until it answers or must not be repeated.

    ``attempt`` gets its deadline in seconds: ``timeout_s``, or what is left of the
    total. It raises CageError to fail.
    """
    end = waiting.clock() + policy.total_timeout_s
    was_unknown: CageError | None = None
    for number in range(1, policy.attempts + 1):
        try:
            return await attempt(min(timeout_s, end - waiting.clock()))
        except CageError as error:
            if isinstance(error, UnknownOutcomeError):
                was_unknown = error
            if not may_repeat(error):
                raise
            delay_s = backoff_s(policy, number, error, waiting.random())
            last = number == policy.attempts
            if last or waiting.clock() + delay_s >= end:
                if was_unknown is None or was_unknown is error:
                    raise
                raise _unknown(error) from error
        await waiting.sleep(delay_s)
    raise AssertionError("the loop ends by return or raise")


def may_repeat(error: CageError) -> bool:
    """Say whether sending the same call again can help."""
    if isinstance(error, UnknownOutcomeError):
        return error.code in TRANSIENT_CODES
    return error.advice == ADVICE_RETRY_SAME_ID


def backoff_s(
    policy: RetryPolicy, number: int, error: CageError, chance: float
) -> float:
    """Return how many seconds to wait after attempt ``number``, counted from 1."""
    growth = policy.backoff_multiplier ** (number - 1)
    backoff = min(policy.max_backoff_s, policy.initial_backoff_s * growth)
    return (error.retry_delay_s or 0.0) + backoff * (1 - chance / 2)


def _unknown(error: CageError) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"an earlier attempt had no answer; the last one: {error}",
        code=error.code,
        retry_delay_s=error.retry_delay_s,
        request=error.request,
    )
