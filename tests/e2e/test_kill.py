"""Kill -9 under load: what was acknowledged is there once, the rest wholly or not."""

import asyncio
from pathlib import Path
from random import Random

import pytest
from tests.e2e.account import Account
from tests.e2e.load import connect_once, make_players
from tests.e2e.process import serving, verify
from tests.e2e.rounds import ordeal
from tests.e2e.story import GAMES, euro

from cage.client import UnknownOutcomeError

DATABASES = 4
ROUNDS = 5
ACCOUNTS = 150


@pytest.mark.parametrize("number", range(DATABASES))
async def test_kill_loses_and_doubles_nothing(
    tmp_path: Path, seed: int, number: int
) -> None:
    """A server killed at any moment under load comes back with what it promised."""
    with ordeal(tmp_path, Random(f"{seed}-kill-{number}")) as trial:
        await trial.begin()
        for _ in range(ROUNDS):
            await trial.round()
        await trial.end()
        checked = verify(trial.server.database)

    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_kill_opens_and_funds_accounts_once(tmp_path: Path, seed: int) -> None:
    """Registrations and deposits cut off by a kill go through once when sent again."""
    rng = Random(f"{seed}-accounts")
    accounts = [
        Account(name=f"account-{number}", deposit=rng.randint(1, 10_000))
        for number in range(ACCOUNTS)
    ]
    for _ in range(2):
        with serving(tmp_path) as server:
            async with connect_once(server, "operator_key") as operator:
                opening = asyncio.gather(
                    *(account.open(operator) for account in accounts),
                    return_exceptions=True,
                )
                await asyncio.sleep(rng.uniform(0.05, 0.5))
                server.kill()
                ends = await opening

        assert {type(end) for end in ends} <= {type(None), UnknownOutcomeError}

    with serving(tmp_path) as server:
        async with connect_once(server, "operator_key") as operator:
            await asyncio.gather(*(account.open(operator) for account in accounts))
            players = [player async for player in operator.players.list_players()]

    assert [account.cash for account in accounts] == [a.deposit for a in accounts]
    # The demo has a player of its own.
    assert len(players) == ACCOUNTS + 1
    assert verify(server.database).returncode == 0


async def test_broken_stream_leaves_nothing_behind(tmp_path: Path) -> None:
    """A client whose server was killed under an open stream has no task left over."""
    with serving(tmp_path) as server:
        (player_id,) = await make_players(server, 1)
        before = asyncio.all_tasks()
        async with connect_once(server) as client, client.wallet.stream() as stream:

            async def bet() -> None:
                await stream.bet(
                    player_id=player_id,
                    game_id=GAMES[0],
                    round_id="1",
                    amount=euro(1),
                )

            await bet()
            server.kill()
            # The client notices by itself, with nothing in flight.
            await asyncio.sleep(0.5)
            with pytest.raises(UnknownOutcomeError):
                await bet()
        await asyncio.sleep(0.1)

    assert asyncio.all_tasks() - before == set()
