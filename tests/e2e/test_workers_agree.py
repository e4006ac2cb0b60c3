"""What one worker acknowledged holds at the other, and is heard there."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.e2e.load import make_players
from tests.e2e.process import POLL_S, Caged
from tests.e2e.story import GAMES, euro
from tests.e2e.workers import cash_of, client_of_each, two_workers

from cage.admin.v1.admin_pb2 import Role
from cage.client import Client, KeyInvalidError, requests
from cage.wallet.v1.wallet_pb2 import TransactionKind

PATIENCE_S = 20.0
SWEEP_OFTEN = {"CAGE_RESERVE_SWEEP_S": "0.02"}
RESERVES = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caged]:
    """Run one server of two workers for these tests."""
    with two_workers(tmp_path_factory.mktemp("workers"), SWEEP_OFTEN) as running:
        yield running


def bet(player_id: str, transaction_id: str, game_id: str = GAMES[0]) -> dict[str, Any]:
    """Return the fields of a bet of one cent."""
    return {
        "player_id": player_id,
        "game_id": game_id,
        "round_id": transaction_id,
        "amount": euro(1),
        "transaction_id": transaction_id,
    }


async def until_invalid(client: Client, player_id: str) -> None:
    """Read until the key is refused before anything is read."""
    while True:
        try:
            await cash_of(client, player_id)
        except KeyInvalidError:
            return
        await asyncio.sleep(POLL_S)


async def test_new_game_is_played_at_the_other_worker(server: Caged) -> None:
    """A game that one worker created takes a bet at the other one at once."""
    (player_id,) = await make_players(server, 1)
    async with client_of_each(server) as (first, second):
        for number, (here, there) in enumerate([(first, second), (second, first)]):
            admin = here.with_options(key=server.ready["admin_key"])
            studio = there.with_options(key=server.ready["studio_key"])
            game_id = f"game-{number}"
            await admin.admin.create_game(game_id=game_id, studio_id="demo-studio")
            placed = await studio.wallet.bet(**bet(player_id, game_id, game_id))

            assert not placed.receipt.replayed


async def test_revoked_key_bets_nowhere(server: Caged) -> None:
    """A key that one worker revoked bets at neither; soon it reads nothing either."""
    (player_id,) = await make_players(server, 1)
    async with asyncio.timeout(PATIENCE_S), client_of_each(server) as (here, there):
        before = await cash_of(there, player_id)
        admin = here.with_options(key=server.ready["admin_key"])
        made = await admin.admin.create_api_key(
            key_id="leaked",
            role=Role.ROLE_GAME,
            integration_id="demo-studio",
            operator_ids=["demo"],
        )
        studio = there.with_options(key=made.api_key)
        while True:
            # The other worker looks for new keys a few times a second.
            try:
                await studio.wallet.bet(**bet(player_id, "known"))
            except KeyInvalidError:
                await asyncio.sleep(POLL_S)
            else:
                break
        await admin.admin.revoke_api_key(key_id="leaked")
        with pytest.raises(KeyInvalidError):
            await studio.wallet.bet(**bet(player_id, "late"))
        await until_invalid(studio, player_id)
        after = await cash_of(there, player_id)

    assert after == before - 1


async def test_feeds_hear_of_the_other_worker(server: Caged) -> None:
    """Who follows one worker hears of every bet that the other one commits."""
    (player_id,) = await make_players(server, 1)
    async with asyncio.timeout(PATIENCE_S), client_of_each(server) as (here, there):
        studio = here.with_options(key=server.ready["studio_key"])
        async with (
            there.wallet.watch_balance(
                player_id=player_id, currency_code="EUR"
            ) as watch,
            there.events.subscribe(player_id=player_id) as events,
        ):
            cash = [(await anext(watch)).cash]
            for number in range(3):
                await studio.wallet.bet(**bet(player_id, f"heard-{number}"))
                cash.append((await anext(watch)).cash)
            heard: list[str] = []
            while len(heard) < 3:
                event = await anext(events)
                if event.transaction.transaction_id.startswith("heard-"):
                    heard.append(event.transaction.transaction_id)

    assert cash == [cash[0], cash[0] - 1, cash[0] - 2, cash[0] - 3]
    assert heard == ["heard-0", "heard-1", "heard-2"]


async def test_two_sweepers_release_once(server: Caged) -> None:
    """Both workers sweep the reserves that expire, and each one goes back once."""
    (player_id,) = await make_players(server, 1)
    async with asyncio.timeout(PATIENCE_S), client_of_each(server) as (here, there):
        before = await cash_of(there, player_id)
        studio = here.with_options(key=server.ready["studio_key"])
        await studio.wallet.batch_execute(
            requests.reserve(**bet(player_id, f"r{n}"), life=timedelta(seconds=1))
            for n in range(RESERVES)
        )
        aside = await cash_of(there, player_id)
        while True:
            if await cash_of(there, player_id) == before:
                break
            await asyncio.sleep(POLL_S)
        kinds = Counter(
            [
                row.kind
                async for row in there.wallet.list_transactions(player_id=player_id)
            ]
        )

    assert aside == before - RESERVES
    assert kinds[TransactionKind.TRANSACTION_KIND_RELEASE] == RESERVES
