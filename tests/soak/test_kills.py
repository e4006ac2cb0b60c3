"""A thousand kills: what twenty of them show in the suite, at any odd moment."""

import shutil
from pathlib import Path
from random import Random

import pytest
from tests.e2e.process import verify
from tests.e2e.rounds import ordeal
from tests.soak.size import size

ROUNDS_OF_DATABASE = 20


@pytest.mark.soak
async def test_thousand_kills_lose_and_double_nothing(
    tmp_path: Path, seed: int
) -> None:
    """A server killed a thousand times under load comes back with what it promised."""
    left = size("KILLS", 1_000)
    for number in range(left):
        folder = tmp_path / str(number)
        folder.mkdir()
        rounds = min(left, ROUNDS_OF_DATABASE)
        # One database of a run is that of no other run with the same seed.
        with ordeal(folder, Random(f"{seed}-soak-{number}")) as trial:
            await trial.begin()
            for _ in range(rounds):
                await trial.round()
            await trial.end()
            checked = verify(trial.server.database)

        assert checked.returncode == 0, checked.stdout + checked.stderr

        shutil.rmtree(folder)
        left -= rounds
        if not left:
            break

    assert left == 0
