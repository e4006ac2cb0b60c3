"""Retries follow the advice, wait as told and end in time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
import pytest

from cage.client import (
    AlreadyRolledBackError,
    CageError,
    InternalError,
    InvalidFieldError,
    OverloadedError,
    RetryPolicy,
    UnknownOutcomeError,
    Waiting,
)
from cage.client._retry import TRANSIENT_CODES, backoff_s, may_repeat, with_retries
from cage.error.v1.error_detail_pb2 import (
    ADVICE_DISCARD,
    ADVICE_RETRY_SAME_ID,
    ADVICE_ROLL_BACK,
    ADVICE_STOP_AND_REPORT,
)

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
DEADLINE = grpc.StatusCode.DEADLINE_EXCEEDED


@dataclass
class World:
    """Give a clock that only sleeping and attempts move."""

    outcomes: Sequence[CageError | str]
    attempt_s: float = 0.0
    now: float = 100.0
    sleeps: list[float] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)

    @property
    def waiting(self) -> Waiting:
        """Hand the clock to a retry."""
        return Waiting(clock=lambda: self.now, sleep=self.sleep, random=lambda: 0.0)

    async def sleep(self, delay_s: float) -> None:
        """Let time pass at once."""
        self.sleeps.append(delay_s)
        self.now += delay_s

    async def attempt(self, timeout_s: float) -> str:
        """Take the next outcome."""
        self.timeouts.append(timeout_s)
        self.now += self.attempt_s
        outcome = self.outcomes[len(self.timeouts) - 1]
        if isinstance(outcome, CageError):
            raise outcome
        return outcome

    async def run(self, policy: RetryPolicy, timeout_s: float = 2.0) -> str:
        """Run the attempts under a policy."""
        return await with_retries(
            self.attempt, policy=policy, timeout_s=timeout_s, waiting=self.waiting
        )


@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (CageError(advice=ADVICE_RETRY_SAME_ID), True),
        (CageError(advice=ADVICE_DISCARD), False),
        (CageError(advice=ADVICE_ROLL_BACK), False),
        (CageError(advice=ADVICE_STOP_AND_REPORT), False),
        (CageError(code=UNAVAILABLE, advice=ADVICE_STOP_AND_REPORT), False),
        *((UnknownOutcomeError(code=code), True) for code in TRANSIENT_CODES),
        (UnknownOutcomeError(code=grpc.StatusCode.UNIMPLEMENTED), False),
        (UnknownOutcomeError(code=grpc.StatusCode.UNAUTHENTICATED), False),
    ],
)
def test_advice_decides(error: CageError, repeated: bool) -> None:
    """Only the advice, or a passing code without one, makes a call be repeated."""
    assert may_repeat(error) is repeated


async def test_repeats_until_answered() -> None:
    """Backoff doubles up to its cap, and the answer ends it."""
    world = World([UnknownOutcomeError(code=UNAVAILABLE)] * 4 + ["done"])

    answer = await world.run(RetryPolicy(max_backoff_s=0.2))

    assert answer == "done"
    assert world.sleeps == pytest.approx([0.05, 0.1, 0.2, 0.2])


async def test_waits_as_the_server_asks() -> None:
    """RetryInfo is waited for on top of the backoff."""
    world = World([OverloadedError(retry_delay_s=0.7), "done"])

    await world.run(RetryPolicy())

    assert world.sleeps == pytest.approx([0.75])


@pytest.mark.parametrize("error", [AlreadyRolledBackError(), InvalidFieldError()])
async def test_refusals_are_final(error: CageError) -> None:
    """A refusal is raised after its one attempt."""
    world = World([error])

    with pytest.raises(type(error)):
        await world.run(RetryPolicy())
    assert len(world.timeouts) == 1


async def test_attempts_are_bounded() -> None:
    """The last error is raised when the attempts are used up."""
    world = World([InternalError()] * 3)

    with pytest.raises(InternalError):
        await world.run(RetryPolicy(attempts=3))
    assert len(world.timeouts) == 3


async def test_time_is_bounded() -> None:
    """No attempt starts after the total, and the last gets only what is left."""
    world = World([UnknownOutcomeError(code=DEADLINE)] * 9, attempt_s=0.9)
    policy = RetryPolicy(
        attempts=9, total_timeout_s=2.5, initial_backoff_s=0.1, backoff_multiplier=1
    )

    with pytest.raises(UnknownOutcomeError):
        await world.run(policy, timeout_s=1.0)
    assert world.timeouts == pytest.approx([1.0, 1.0, 0.5])


async def test_does_not_wait_in_vain() -> None:
    """A delay that would pass the total is not waited for."""
    world = World([OverloadedError(retry_delay_s=60)])

    with pytest.raises(OverloadedError):
        await world.run(RetryPolicy())
    assert world.sleeps == []


async def test_unknown_stays_unknown() -> None:
    """An attempt that did not start says nothing about an earlier one."""
    world = World([UnknownOutcomeError(code=DEADLINE), OverloadedError("busy")])

    with pytest.raises(UnknownOutcomeError, match="busy") as caught:
        await world.run(RetryPolicy(attempts=2))
    assert isinstance(caught.value.__cause__, OverloadedError)


async def test_refusal_after_unknown_is_certain() -> None:
    """A refusal is looked up by the id, so it settles an earlier attempt too."""
    world = World([UnknownOutcomeError(code=DEADLINE), AlreadyRolledBackError()])

    with pytest.raises(AlreadyRolledBackError):
        await world.run(RetryPolicy())


@pytest.mark.parametrize(("chance", "delay_s"), [(0.0, 0.1), (0.5, 0.075), (1.0, 0.05)])
def test_chance_takes_up_to_half(chance: float, delay_s: float) -> None:
    """Chance takes up to a half off the backoff, and nothing off RetryInfo."""
    policy = RetryPolicy(initial_backoff_s=0.1)

    assert backoff_s(policy, 1, CageError(), chance) == pytest.approx(delay_s)
    asked = CageError(retry_delay_s=1.0)
    assert backoff_s(policy, 1, asked, chance) == pytest.approx(1.0 + delay_s)


@pytest.mark.parametrize(
    "bounds",
    [
        {"attempts": 0},
        {"total_timeout_s": 0},
        {"initial_backoff_s": -1},
        {"backoff_multiplier": 0.5},
    ],
)
def test_bounds_make_sense(bounds: dict[str, int]) -> None:
    """A policy that allows nothing, or waits backwards, is refused."""
    with pytest.raises(ValueError, match="must"):
        RetryPolicy(**bounds)
