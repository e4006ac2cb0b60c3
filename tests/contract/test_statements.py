"""A batch takes a few statements, whatever is in it and before it."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation.calls import award, bet, get_balance, rollback

from cage.core.errors import CageError
from cage.storage.sqlite import SqliteWriter
from cage.storage.statements import SINGLE_MAX


def count(writer: SqliteWriter, commands: list[Any]) -> int:
    """Return how many statements a batch takes."""
    seen: list[str] = []
    writer._connection.set_trace_callback(seen.append)
    outcomes = writer.apply(commands).outcomes
    writer._connection.set_trace_callback(None)

    assert not any(isinstance(outcome, CageError) for outcome in outcomes)

    return len(seen)


SIZES = [7, 8, 16, 32, 64]
# Look-ups of a call that is one of few: gate, id, wallet, round.
SINGLE = 4


@pytest.fixture(params=["sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    """Count the statements of the embedded database only."""
    name: str = request.param
    return name


def calls_of(call: Callable[..., object], size: int) -> list[object]:
    """Make so many calls of a kind, each of its own."""
    names = [f"{size}-{number}" for number in range(size)]
    if call is get_balance:
        return [call() for _ in names]
    if call is rollback:
        return [call(name, name) for name in names]
    return [call(name, 1, round_id=name) for name in names]


CALLS = [bet, award, rollback, get_balance]


@pytest.mark.parametrize("call", CALLS)
def test_statements_of_a_batch(
    writer: SqliteWriter, call: Callable[..., object]
) -> None:
    """A batch of the usual sizes takes the same number of statements."""
    writer.apply([award("a0", 10_000)])
    counts = {count(writer, calls_of(call, size)) for size in SIZES}

    assert len(counts) == 1, counts
    assert counts.pop() <= 12


@pytest.mark.parametrize("call", CALLS)
def test_statements_of_a_few(writer: SqliteWriter, call: Callable[..., object]) -> None:
    """A batch of a few takes one statement more for each of their look-ups."""
    writer.apply([award("a0", 10_000)])
    many = count(writer, calls_of(call, SIZES[0]))
    for size in (1, 2, 3, SINGLE_MAX):
        assert count(writer, calls_of(call, size)) <= many + SINGLE * size


def test_statements_of_any_batch(writer: SqliteWriter) -> None:
    """A batch of any size takes a few statements more at most."""
    writer.apply([award("a0", 10_000)])
    one = count(writer, [bet("one", 1, round_id="one")])
    for size in (5, 31, 33, 63, 100, 200, 255, 256):
        calls: list[Any] = [
            bet(f"{size}-{number}", 1, round_id=f"{size}-{number}")
            for number in range(size)
        ]

        assert count(writer, calls) <= one + 14


def test_reads_take_few_statements(writer: SqliteWriter) -> None:
    """What has no input is not asked: a balance is BEGIN, three reads, ROLLBACK."""
    assert count(writer, [get_balance()]) == 5


def test_history_does_not_add_statements(writer: SqliteWriter) -> None:
    """The hundredth bet of a round takes what the second took."""
    writer.apply([award("a0", 10_000), bet("b0", 1)])
    counts = [count(writer, [bet(f"b{n}", 1)]) for n in range(1, 100)]

    assert len(set(counts)) == 1
