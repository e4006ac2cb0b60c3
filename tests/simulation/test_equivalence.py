"""Any partition of any command list into batches equals one by one.

SQLite gets most of the examples. On PostgreSQL the same commands are batched, and held
against one by one in SQLite: so the two databases cannot come to differ either.
"""

import copy
import tempfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.simulation.calls import release
from tests.simulation.commands import (
    NUMBERS,
    any_command,
    expand,
    get_balance,
    histories,
)
from tests.simulation.deployment import (
    LATE_KEY,
    OFFICE_KEY,
    Clock,
    contents,
    create_key,
    decided,
    fresh_database,
    open_writer,
    render,
)
from tests.simulation.reversals import reversal
from tests.simulation.rules import first_rules

from cage.core.book import Book
from cage.core.reservation import ExpireReserve
from cage.core.session import EndSession
from cage.core.wallet import Bet, GetBalance, Win
from cage.storage import verify

PLACE = {
    "key_id": "hub-key",
    "player_id": "ann",
    "game_id": "slots",
    "round_id": "r1",
}
STAKE = {"currency_code": "EUR", "amount": 10, "scale": 2}
SIZES = st.lists(st.sampled_from([1, 2, 3, 5, 8, 13, 40]), min_size=1, max_size=6)
# A failure in PostgreSQL is told at once: to shrink it there takes minutes.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
INTERNAL = ("refused", "INTERNAL", {}, None, "")


class Poison(GetBalance):
    """Fail after an effect, as a defect would."""

    __slots__ = ()


def decide_poison(book: Book, poison: Any) -> object:
    """Journal a change, then fail."""
    book.change(poison.key_id, "player", "ann", "Poison", before="", after="{}")
    raise RuntimeError("poison")


def command_or_poison(rng: Random) -> Any:
    """Draw a command that now and then fails."""
    if rng.random() > 0.01:
        return any_command(rng)
    read = get_balance(rng)
    return Poison(**{name: getattr(read, name) for name in GetBalance.__slots__})


def cut(commands: Sequence[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """Cut commands into batches of some sizes, again and again."""
    batches: list[list[Any]] = []
    start = 0
    while start < len(commands):
        size = sizes[len(batches) % len(sizes)]
        batches.append(copy.deepcopy(list(commands[start : start + size])))
        start += size
    return batches


def run(
    folder: str, name: str, batches: Sequence[Sequence[Any]], *, kind: str = "sqlite"
) -> tuple[list[object], dict[str, list[tuple[object, ...]]]]:
    """Apply batches to a fresh deployment; return the answers and all rows.

    Headers of batches and hashes are left out: they say how commands were batched.
    """
    path = fresh_database(folder, name, kind=kind)
    outcomes: list[object] = []
    with open_writer(path, Clock()) as writer:
        for batch in batches:
            outcomes += [render(outcome) for outcome in writer.apply(batch).outcomes]
        tables = contents(writer._connection)
    del tables["batches"]
    lane, _, item_no, _, time_us = tables["lanes"][0]
    tables["lanes"] = [(lane, item_no, time_us)]

    assert verify(path) == []

    return outcomes, tables


def assert_equivalent(
    commands: Sequence[Any], sizes: Sequence[int], *, kind: str = "sqlite"
) -> None:
    """Hold batches, in a kind of database, against one command at a time in SQLite."""
    with (
        tempfile.TemporaryDirectory() as folder,
        decided(Poison, decide_poison, like=GetBalance),
        capture_logs(),
    ):
        expected, rows = run(folder, "one.db", cut(commands, [1]))
        outcomes, batched_rows = run(
            folder, "batched.db", cut(commands, sizes), kind=kind
        )

    assert outcomes == expected
    assert batched_rows == rows
    for command, outcome in zip(commands, outcomes, strict=True):
        assert (outcome == INTERNAL) == isinstance(command, Poison), command


@settings(max_examples=200)
@given(rules=NUMBERS, numbers=histories(), sizes=SIZES)
def test_any_batches_equal_one_by_one(
    rules: int, numbers: list[int], sizes: list[int]
) -> None:
    """A partition into batches changes neither an answer nor a row."""
    commands = expand(numbers, command_or_poison)

    assert_equivalent([*first_rules(rules), *commands], sizes)


@settings(max_examples=80)
@given(rules=NUMBERS, numbers=histories(), sizes=SIZES)
def test_any_batches_of_reversals_equal_one_by_one(
    rules: int, numbers: list[int], sizes: list[int]
) -> None:
    """Lists, rounds and reinstatements may be about calls of their own batch."""
    commands = expand(numbers, reversal)

    assert_equivalent([*first_rules(rules)[: rules % 2], *commands], sizes)


@pytest.mark.parametrize("draw", [command_or_poison, reversal])
@settings(max_examples=6, phases=WITHOUT_SHRINKING)
@given(rules=NUMBERS, numbers=histories(), sizes=SIZES)
def test_postgres_equals_sqlite(
    draw: Callable[[Random], Any], rules: int, numbers: list[int], sizes: list[int]
) -> None:
    """Batches in PostgreSQL come to the answers and rows of one by one in SQLite."""
    commands = expand(numbers, draw)

    assert_equivalent([*first_rules(rules), *commands], sizes, kind="postgres")


def test_sessions_end_in_order() -> None:
    """Sessions end in their own order, whichever a bet of the batch had loaded."""
    bet = Bet(**PLACE, **STAKE, transaction_id="t1", session_digest="s-ann")
    end = EndSession(key_id=OFFICE_KEY, request_id="end all", player_id="ann")

    assert_equivalent([bet, end], [2])


def test_only_reserves_expire() -> None:
    """Whatever row a sweep names, even the tombstone of a reserve, it is answered."""
    expiries = [ExpireReserve(player_id="ann", reserve_no=n) for n in range(60, 90)]

    assert_equivalent([release("x1", "never sent"), *expiries], [4])


@pytest.mark.parametrize("kind", [Bet, Win])
def test_key_works_in_its_own_batch(kind: type) -> None:
    """A call with a key that its own batch creates finds the player's rows."""
    first = Bet(**PLACE, **STAKE, transaction_id="t1")
    create = create_key(LATE_KEY, "hub", ("acme",))
    later = kind(**{**PLACE, "key_id": LATE_KEY}, **STAKE, transaction_id="t2")
    again = kind(**{**PLACE, "key_id": LATE_KEY}, **STAKE, transaction_id="t2")

    assert_equivalent([first, create, later, again], [1, 3])
