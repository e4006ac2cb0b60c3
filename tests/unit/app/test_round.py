"""Test how one round is read and how the unfinished ones are listed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.unit.app.test_wallet import (
    GAME_KEY,
    GATE,
    REGISTRY,
    FakeReads,
    api_key,
    row,
)

from cage.app import round as app_round
from cage.app.ports import Reads, Writer
from cage.app.round import RoundApp, UnfinishedRound
from cage.core.errors import CageError, Reason
from cage.core.registry import Integration, Role
from cage.core.round import Round
from cage.core.wallet import Transaction

HUB = Integration(
    integration_no=5,
    integration_id="hub",
    display_name="",
    enabled=True,
)


class Writing:
    """Be a writer of three lanes."""

    lanes = 3
    registry = replace(REGISTRY, integrations={"hub": HUB})


class FakeRounds:
    """Answer from rounds by lane, and from the rows of one round."""

    def __init__(self, *found: UnfinishedRound, rows: Sequence[Transaction] = ()):
        self.found = found
        self.rows = rows
        self.steps = 0

    async def round_rows(
        self, lane: int, last_no: int, *, limit: int
    ) -> Sequence[Transaction]:
        """List the rows."""
        assert (lane, limit) == (0, app_round.DETAILS_ROWS_MAX)

        return [each for each in self.rows if each.item_no <= last_no]

    async def unfinished_rounds(
        self, lane: int, *, after_no: int, before_us: int, limit: int
    ) -> Sequence[UnfinishedRound]:
        """List rounds of a lane."""
        self.steps += 1
        return [
            each
            for each in self.found
            if each.round_.lane == lane
            and each.round_.open_no > after_no
            and each.round_.open_time_us < before_us
        ][:limit]


def unfinished(
    lane: int, open_no: int, time_us: int, *, integration_no: int = 5, brand_no: int = 1
) -> UnfinishedRound:
    """Build a round of a lane."""
    round_ = Round(
        lane, 1, 1, f"{lane}-{open_no}", 1, open_no=open_no, open_time_us=time_us
    )
    return UnfinishedRound(round_, replace(GATE, brand_no=brand_no), integration_no)


def rounds_of(rounds: FakeRounds, *rows: Transaction) -> RoundApp:
    """Build the use cases at the time 1,000."""
    return RoundApp(
        writer=cast(Writer, Writing()),
        reads=cast(Reads, FakeReads(rows)),
        rounds=rounds,
        now_us=lambda: 1_000,
    )


async def pages(app: RoundApp, **query: Any) -> list[list[str]]:
    """Read every page; return the ids of the rounds."""
    wanted = {"integration_id": "", "min_age_us": 0, "page_size": 0, **query}
    key = wanted.pop("key", GAME_KEY)
    found, token = [], ""
    while True:
        page = await app.list_unfinished(key, page_token=token, **wanted)
        found.append([view.round_.round_id for view in page.items])
        token = page.next_page_token
        if not token:
            return found


ROUNDS = (
    unfinished(0, 1, 10),
    unfinished(0, 2, 30),
    unfinished(0, 9, 50),
    unfinished(1, 1, 20),
    unfinished(1, 4, 40),
    unfinished(2, 7, 5),
)
OLDEST_FIRST = ["2-7", "0-1", "1-1", "0-2", "1-4", "0-9"]


@pytest.mark.parametrize("step", [1, 2, 3, 500])
@pytest.mark.parametrize("size", [1, 2, 4, 6, 7])
async def test_pages_are_in_the_order_of_age(
    monkeypatch: pytest.MonkeyPatch, step: int, size: int
) -> None:
    """Pages of any size hold the rounds of all lanes once, oldest first."""
    monkeypatch.setattr(app_round, "_SCAN_STEP", step)
    found = await pages(rounds_of(FakeRounds(*ROUNDS)), page_size=size)

    assert [each for page in found for each in page] == OLDEST_FIRST
    assert all(len(page) <= size for page in found)


async def test_age_is_a_bound() -> None:
    """Rounds that are younger than the age are not listed."""
    found = await pages(rounds_of(FakeRounds(*ROUNDS)), min_age_us=970)

    assert found == [["2-7", "0-1", "1-1"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["own"]),
        ({"integration_id": "hub"}, ["own"]),
        ({"key": api_key(Role.OPERATOR)}, ["own", "other"]),
        ({"key": api_key(Role.ADMIN)}, ["own", "other", "unknown"][:2]),
        ({"key": api_key(Role.OPERATOR), "integration_id": "hub"}, ["own"]),
        ({"key": api_key(Role.OPERATOR, 2)}, []),
    ],
)
async def test_each_sees_its_own(query: dict[str, Any], expected: list[str]) -> None:
    """A studio lists its own rounds, an operator those of its players."""
    named = {"0-1": "own", "0-2": "other", "0-3": "unknown"}
    rounds = FakeRounds(
        unfinished(0, 1, 1),
        unfinished(0, 2, 2, integration_no=6),
        unfinished(0, 3, 3, brand_no=9),
    )
    (found,) = await pages(rounds_of(rounds), **query)

    assert [named[each] for each in found] == expected


async def test_long_scan_gives_a_short_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page ends after some rounds that nobody wants, with a token to go on."""
    monkeypatch.setattr(app_round, "SCAN_MAX", 4)
    monkeypatch.setattr(app_round, "_SCAN_STEP", 2)
    others = [unfinished(0, no, no, integration_no=6) for no in range(1, 10)]
    found = await pages(rounds_of(FakeRounds(*others, unfinished(0, 10, 10))))

    assert found == [[], [], ["0-10"]]


async def test_list_refusals() -> None:
    """An unknown integration and a foreign token are refused."""
    app = rounds_of(FakeRounds())
    reasons = []
    for query in ({"integration_id": "none"}, {"page_token": "none"}):
        wanted = {
            "integration_id": "", "min_age_us": 0, "page_size": 0, "page_token": "",
            **query,
        }  # fmt: skip
        with pytest.raises(CageError) as caught:
            await app.list_unfinished(GAME_KEY, **wanted)  # type: ignore[arg-type]
        reasons.append(caught.value.reason)

    assert reasons == [Reason.INTEGRATION_NOT_FOUND, Reason.PAGE_TOKEN_INVALID]


@pytest.mark.parametrize(
    ("game_id", "round_id", "reason"),
    [
        ("slots", "r1", None),
        ("slots", "r2", Reason.ROUND_NOT_FOUND),
        ("poker", "r1", Reason.GAME_NOT_FOUND),
    ],
)
async def test_round(game_id: str, round_id: str, reason: Reason | None) -> None:
    """A round is found by its game and its id."""
    app = rounds_of(FakeRounds(), row(0))
    found: object = None
    try:
        view = await app.get_round(
            GAME_KEY, player_id="ann", game_id=game_id, round_id=round_id
        )
        found = (view.round_.round_id, view.integration_no)
    except CageError as error:
        found = error.reason

    assert found == (reason or ("r1", 5))


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ([], ""),
        ([None, "{}"], ""),
        (['{"details":"new"}', '{"details":"old"}'], "new"),
        ([None, '{"occur_time_us":1}', '{"details":"old"}'], "old"),
        (['{"details":"void","resolution":"VOID"}', '{"details":"old"}'], "old"),
    ],
)
async def test_details(extras: list[str | None], expected: str) -> None:
    """The details of a round are the newest that a caller sent."""
    rows = [row(-number, extra=extra) for number, extra in enumerate(extras)]
    app = rounds_of(FakeRounds(rows=rows), row(0))
    view = await app.get_round(
        GAME_KEY, player_id="ann", game_id="slots", round_id="r1"
    )

    assert view.details == expected
