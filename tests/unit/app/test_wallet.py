"""Test how stored transactions and rounds are found, authorized and paged."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from cage.app import wallet as app_wallet
from cage.app.ports import PlayerRow, Reads, Writer
from cage.app.wallet import WalletApp
from cage.core.errors import CageError, Reason
from cage.core.player import Gate, Profile
from cage.core.registry import ApiKey, Brand, Game, Role, index_registry
from cage.core.round import Round
from cage.core.wallet import (
    Bet,
    CloseRound,
    KeySpace,
    Kind,
    Play,
    State,
    Transaction,
    Win,
)

GATE = Gate(
    lane=0,
    player_no=1,
    player_id="ann",
    brand_no=1,
    currency_no=1,
    status=2,
    kyc_level=1,
    is_test=0,
)
PROFILE = Profile(
    lane=0,
    player_no=1,
    display_name="",
    country_code="DE",
    create_time_us=1,
    update_time_us=1,
)
REGISTRY = index_registry(
    version=1,
    operators=[],
    brands=[
        Brand(brand_no=1, brand_id="b", operator_no=1, display_name="", enabled=True)
    ],
    integrations=[],
    studios=[],
    games=[
        Game(game_no=no, game_id=name, studio_no=1, display_name="", enabled=True)
        for no, name in ((1, "slots"), (2, "roulette"))
    ],
    currencies=[],
    keys=[],
)


def api_key(role: Role, operator_no: int = 1) -> ApiKey:
    """Build a key of a role, granted to one operator."""
    return ApiKey(
        key_no=1,
        key_id="k",
        digest="",
        role=role,
        integration_no=5 if role == Role.GAME else 0,
        operator_nos=None if role == Role.ADMIN else frozenset({operator_no}),
        display_name="",
        create_time_us=1,
        expire_time_us=0,
        revoke_time_us=0,
    )


GAME_KEY = api_key(Role.GAME)


def row(item_no: int, **fields: Any) -> Transaction:
    """Build a posted bet; its id is its number."""
    bet = Transaction(
        0, item_no, 1, 5, KeySpace.MOVE, str(item_no), Kind.BET, State.POSTED, 1, 0, 1,
        1, "r1", 1, -1, 0, 9, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, None,
    )  # fmt: skip
    return replace(bet, **fields)


class FakeReads:
    """Answer from a list of rows."""

    def __init__(self, rows: Sequence[Transaction]) -> None:
        self.rows = {each.item_no: each for each in rows}
        self.asked: list[tuple[int | None, int]] = []
        self.limits: list[int] = []
        self.brand_no = 1

    async def player(self, player_id: str) -> PlayerRow | None:
        """Find ann."""
        if player_id != "ann":
            return None
        gate = replace(GATE, brand_no=self.brand_no)
        return PlayerRow(gate=gate, profile=PROFILE)

    async def transaction(
        self,
        gate: Gate,
        integration_no: int | None,
        key_space: int,
        transaction_id: str,
    ) -> Transaction | None:
        """Find a row by its id."""
        assert gate.player_id == "ann"

        self.asked.append((integration_no, key_space))
        for each in self.rows.values():
            if (each.key_space, each.transaction_id) == (key_space, transaction_id):
                return each
        return None

    async def transactions_by_no(
        self, lane: int, item_nos: Sequence[int]
    ) -> Sequence[Transaction]:
        """Find rows by number."""
        assert lane == 0

        return [self.rows[no] for no in item_nos if no in self.rows]

    async def transactions(
        self, gate: Gate, *, after_no: int, limit: int
    ) -> Sequence[Transaction]:
        """List rows after a place."""
        assert gate.player_id == "ann"

        self.limits.append(limit)
        return [each for no, each in sorted(self.rows.items()) if no > after_no][:limit]

    async def round(self, gate: Gate, game_no: int, round_id: str) -> Round | None:
        """Find the round r1 of game 1."""
        assert gate.player_id == "ann"

        if (game_no, round_id) != (1, "r1"):
            return None
        return Round(0, 1, 1, "r1", 1)


class FakeWriter:
    """Keep what is submitted."""

    lanes = 4
    registry = REGISTRY

    def __init__(self) -> None:
        self.submitted: list[tuple[int, object, bool, float | None]] = []

    def submit(
        self, lane: int, command: object, *, is_bet: bool, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Keep a command."""
        self.submitted.append((lane, command, is_bet, timeout_s))
        return asyncio.get_running_loop().create_future()


def wallet_of(*rows: Transaction) -> tuple[WalletApp, FakeReads]:
    """Build the use cases over rows."""
    reads = FakeReads(rows)
    writer = cast(Writer, FakeWriter())
    return WalletApp(writer=writer, reads=cast(Reads, reads)), reads


MOVE = {
    "key_id": "k",
    "player_id": "ann",
    "game_id": "slots",
    "round_id": "r1",
    "transaction_id": "t",
    "currency_code": "EUR",
}
A_BET = Bet(**MOVE, amount=1, scale=2)  # type: ignore[arg-type]
A_WIN = Win(**MOVE, amount=1, scale=2)  # type: ignore[arg-type]


def play(*actions: Bet | Win) -> Play:
    """Build a play."""
    return Play(
        key_id="k", player_id="ann", game_id="slots", round_id="r1", actions=actions
    )


@pytest.mark.parametrize(
    ("command", "is_bet"),
    [
        (A_BET, True),
        (A_WIN, False),
        (play(A_WIN, A_BET), True),
        (play(A_WIN), False),
        (CloseRound(key_id="k", player_id="ann", game_id="g", round_id="r"), False),
    ],
)
async def test_command_goes_to_its_players_lane(command: Any, is_bet: bool) -> None:
    """A command waits in its player's lane, and what holds a bet is shed first."""
    writer = FakeWriter()
    app = WalletApp(writer=cast(Writer, writer), reads=cast(Reads, None))
    app.submit(command, timeout_s=3)
    ((lane, submitted, was_bet, timeout_s),) = writer.submitted

    assert (submitted, was_bet, timeout_s) == (command, is_bet, 3)
    assert 0 <= lane < 4


TOMBSTONES = (
    row(
        8,
        key_space=KeySpace.REVERSE,
        kind=Kind.ROLLBACK,
        state=State.TOMBSTONE,
        transaction_id="rb",
        reference_no=9,
    ),
    row(9, state=State.TOMBSTONE, kind=0, transaction_id="gone", reference_no=8),
)


async def find(app: WalletApp, key: ApiKey, transaction_id: str, kind: Kind) -> Any:
    """Read one transaction of ann's."""
    return await app.get_transaction(
        key, player_id="ann", transaction_id=transaction_id, kind=kind
    )


@pytest.mark.parametrize(
    ("role", "integration_no"),
    [(Role.GAME, 5), (Role.OPERATOR, None), (Role.ADMIN, None)],
)
async def test_game_key_sees_its_own_integration(
    role: Role, integration_no: int | None
) -> None:
    """A GAME key reads what its integration sent, others read whatever was sent."""
    app, reads = wallet_of(row(3))
    view = await find(app, api_key(role), "3", Kind.UNSPECIFIED)

    assert view.row.item_no == 3
    assert reads.asked == [(integration_no, KeySpace.MOVE)]


@pytest.mark.parametrize(
    ("kind", "key_space"),
    [
        (Kind.ROLLBACK, KeySpace.REVERSE),
        (Kind.CLOSE_ROUND, KeySpace.CLOSE),
        (Kind.DEPOSIT, KeySpace.PAYMENT),
        (Kind.WIN, KeySpace.MOVE),
    ],
)
async def test_transaction_has_to_be_of_its_kind(
    kind: Kind, key_space: KeySpace
) -> None:
    """A kind says where ids are looked up, and has to be the kind of what is found."""
    app, reads = wallet_of(row(3))
    with pytest.raises(CageError) as caught:
        await find(app, GAME_KEY, "3", kind)

    assert caught.value.reason is Reason.TRANSACTION_NOT_FOUND
    assert reads.asked == [(5, key_space)]


async def test_placeholder_of_a_tombstone_is_not_shown() -> None:
    """The rollback of an unknown id is shown, and the id that it keeps is not."""
    app, _ = wallet_of(*TOMBSTONES)
    view = await find(app, GAME_KEY, "rb", Kind.ROLLBACK)
    with pytest.raises(CageError):
        await find(app, GAME_KEY, "gone", Kind.UNSPECIFIED)

    assert view.reference_id == "gone"


async def test_reference_of_an_alias_is_the_original() -> None:
    """A second rollback refers to the first one, and shows the bet."""
    first = row(4, key_space=KeySpace.REVERSE, kind=Kind.ROLLBACK, reference_no=3)
    alias = replace(first, item_no=5, transaction_id="5", reference_no=4)
    app, _ = wallet_of(row(3), first, alias)

    assert (await find(app, GAME_KEY, "5", Kind.ROLLBACK)).reference_id == "3"


@pytest.mark.parametrize(
    ("key", "player_id", "brand_no"),
    [
        (GAME_KEY, "bob", 1),
        (api_key(Role.GAME, operator_no=2), "ann", 1),
        (GAME_KEY, "ann", 2),
    ],
)
async def test_player_out_of_sight_is_not_found(
    key: ApiKey, player_id: str, brand_no: int
) -> None:
    """A player who is unknown, or of an operator not granted, is not found."""
    app, reads = wallet_of(row(3))
    reads.brand_no = brand_no
    with pytest.raises(CageError) as caught:
        await app.get_transaction(
            key, player_id=player_id, transaction_id="3", kind=Kind.UNSPECIFIED
        )

    assert caught.value.reason is Reason.PLAYER_NOT_FOUND


async def pages(app: WalletApp, **filters: Any) -> list[list[int]]:
    """Read every page of ann's list; return the numbers of their rows."""
    wanted = {"game_id": "", "round_id": "", "page_size": 0, **filters}
    found, token = [], ""
    while True:
        page = await app.list_transactions(
            GAME_KEY, player_id="ann", page_token=token, **wanted
        )
        found.append([view.row.item_no for view in page.items])
        token = page.next_page_token
        if not token:
            return found


ROWS = [
    row(1),
    row(2, game_no=2),
    row(3, round_id="r2"),
    row(4),
    *TOMBSTONES,
    row(10, game_no=2),
]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [[1, 2, 3, 4, 8, 10]]),
        ({"page_size": 2}, [[1, 2], [3, 4], [8, 10]]),
        ({"page_size": 5}, [[1, 2, 3, 4, 8], [10]]),
        ({"game_id": "slots"}, [[1, 3, 4, 8]]),
        ({"game_id": "slots", "page_size": 3}, [[1, 3, 4], [8]]),
        ({"game_id": "roulette", "page_size": 1}, [[2], [10]]),
        ({"game_id": "slots", "round_id": "r2"}, [[3]]),
        ({"game_id": "poker"}, [[]]),
    ],
)
async def test_list_is_filtered_and_paged(
    filters: dict[str, Any], expected: list[list[int]]
) -> None:
    """Pages hold what passes the filters, in the order of the commits, each once."""
    app, _ = wallet_of(*ROWS)

    assert await pages(app, **filters) == expected


async def test_filtered_scan_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page gives up after so many rows; the next one goes on behind them."""
    monkeypatch.setattr(app_wallet, "SCAN_MAX", 4)
    monkeypatch.setattr(app_wallet, "_SCAN_STEP", 2)
    app, reads = wallet_of(*(row(no, game_no=1 + (no > 9)) for no in range(1, 12)))

    assert await pages(app, game_id="roulette") == [[], [], [10, 11]]
    assert set(reads.limits) == {2}


async def test_page_token_is_bound_to_its_list() -> None:
    """A token of a list with other filters is refused, and so is a round alone."""
    app, _ = wallet_of(*ROWS)
    where = {"player_id": "ann", "page_size": 1}
    page = await app.list_transactions(
        GAME_KEY,
        game_id="",
        round_id="",
        page_token="",
        **where,  # type: ignore[arg-type]
    )
    reasons = []
    for filters in (
        {"game_id": "slots", "round_id": "", "page_token": page.next_page_token},
        {"game_id": "", "round_id": "r1", "page_token": ""},
    ):
        with pytest.raises(CageError) as caught:
            await app.list_transactions(GAME_KEY, **where, **filters)  # type: ignore[arg-type]
        reasons.append(caught.value.reason)

    assert reasons == [Reason.PAGE_TOKEN_INVALID, Reason.INVALID_FIELD]
