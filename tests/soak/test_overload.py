"""A minute of overload: bets are shed first and by name, what was taken is kept."""

import asyncio
import itertools
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.e2e.load import connect_once, make_players
from tests.e2e.process import Caged, serving, verify
from tests.e2e.story import CURRENCY, FUNDS, GAMES, euro, is_replay
from tests.soak.size import PAGE_CACHE_BYTES, size

from cage.client import (
    CageError,
    Client,
    OverloadedError,
    TransactionNotFoundError,
    requests,
)
from cage.wallet.v1.wallet_pb2 import AwardKind
from cage.wallet.v1.wallet_service_pb2 import AwardRequest, BetRequest

PLAYERS = 50
# Together more than the queue of the server holds.
FLOODS = 10
FLOOD = 1_000
AWARDERS = 20
AWARD_WAIT_MAX_S = 10.0
CALM_MAX_S = 1.0
GROWTH_MAX = 1.05
QUEUE_MAX = 4_096
SAMPLE_EVERY_S = 0.5
CHECKED = 500


@dataclass(slots=True)
class Tally:
    """Count what callers were told."""

    taken: list[BetRequest | AwardRequest] = field(default_factory=list)
    shed_bets: list[BetRequest] = field(default_factory=list)
    shed_awards: list[AwardRequest] = field(default_factory=list)
    longest_award_s: float = 0.0
    queue_depths: list[int] = field(default_factory=list)

    def moved(self) -> Counter[str]:
        """Return what each player gained by what was taken."""
        sums: Counter[str] = Counter()
        for request in self.taken:
            sign = 1 if isinstance(request, AwardRequest) else -1
            sums[request.player_id] += sign * request.amount.amount
        return sums


class Crowd:
    """Send more bets than the server takes, and beside them what brings money back."""

    def __init__(self, client: Client, player_ids: list[str], end_time: float) -> None:
        self.tally = Tally()
        self._client = client
        self._players = itertools.cycle(player_ids)
        self._numbers = itertools.count()
        self._end_time = end_time

    async def flood(self) -> None:
        """Send batches of bets without a pause."""
        while time.monotonic() < self._end_time:
            bets = [self._bet() for _ in range(FLOOD)]
            answers = await self._client.wallet.batch_execute(bets)
            for bet, answer in zip(bets, answers, strict=True):
                if isinstance(answer, OverloadedError):
                    self.tally.shed_bets.append(bet)
                    continue

                assert not isinstance(answer, CageError), answer

                self.tally.taken.append(bet)

    async def award(self) -> None:
        """Send awards one after the other."""
        while time.monotonic() < self._end_time:
            award = requests.award(
                player_id=next(self._players),
                game_id=GAMES[0],
                amount=euro(5),
                kind=AwardKind.AWARD_KIND_PROMO,
            )
            started = time.monotonic()
            try:
                await self._client.call(award)
            except OverloadedError:
                self.tally.shed_awards.append(award)
            else:
                self.tally.taken.append(award)
            took_s = time.monotonic() - started
            self.tally.longest_award_s = max(self.tally.longest_award_s, took_s)

    async def watch(self, server: Caged) -> None:
        """Read the depth of the queue as Prometheus does."""
        url = f"http://{server.ready['metrics_address']}/metrics"
        while time.monotonic() < self._end_time:
            depth = await asyncio.to_thread(read_gauge, url, "cage_queue_depth")
            self.tally.queue_depths.append(depth)
            await asyncio.sleep(SAMPLE_EVERY_S)

    def _bet(self) -> BetRequest:
        return requests.bet(
            player_id=next(self._players),
            game_id=GAMES[1],
            round_id=f"round-{next(self._numbers)}",
            amount=euro(3),
        )


def read_gauge(url: str, name: str) -> int:
    """Read one figure of a metrics page."""
    with urllib.request.urlopen(url, timeout=30) as page:  # noqa: S310 - our own
        lines = page.read().decode().splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{name} "))
    return int(float(value))


async def crowd(server: Caged, player_ids: list[str], seconds: float) -> Tally:
    """Overload a server for some time."""
    async with connect_once(server, channels=2) as client:
        made = Crowd(client, player_ids, time.monotonic() + seconds)
        await asyncio.gather(
            *(made.flood() for _ in range(FLOODS)),
            *(made.award() for _ in range(AWARDERS)),
            made.watch(server),
        )
    return made.tally


@pytest.mark.soak
async def test_overload_sheds_bets_first_and_loses_nothing(tmp_path: Path) -> None:
    """Under overload bets are refused by name, awards pass, and memory stays."""
    seconds = size("SECONDS", 60)
    with serving(tmp_path) as server:
        player_ids = await make_players(server, PLAYERS)
        warm = await crowd(server, player_ids, seconds / 4)
        before = server.memory_bytes()
        tally = await crowd(server, player_ids, seconds)
        after = server.memory_bytes()

        assert tally.shed_bets
        assert not tally.shed_awards
        assert tally.longest_award_s < AWARD_WAIT_MAX_S
        assert 0 < max(tally.queue_depths) <= QUEUE_MAX
        assert after < before * GROWTH_MAX + PAGE_CACHE_BYTES

        async with connect_once(server) as client:
            sums = warm.moved()
            sums.update(tally.moved())
            for player_id in player_ids:
                assert await cash_of(client, player_id) == FUNDS + sums[player_id]

            await judge_shed(client, tally.shed_bets[-CHECKED:])
            await judge_kept(client, tally.taken[-CHECKED:])

        assert server.terminate() == 0, server.tail()

    assert verify(server.database, timeout_s=3_600).returncode == 0


async def cash_of(client: Client, player_id: str) -> int:
    """Return a balance, which a server at rest reads at once."""
    async with asyncio.timeout(CALM_MAX_S):
        reply = await client.wallet.get_balance(
            player_id=player_id, currency_code=CURRENCY
        )
    return reply.balance.cash


async def judge_shed(client: Client, bets: list[BetRequest]) -> None:
    """Find nothing under the ids that were shed; sent again, each is the first."""
    for bet in bets:
        with pytest.raises(TransactionNotFoundError):
            await client.wallet.get_transaction(
                player_id=bet.player_id, transaction_id=bet.transaction_id
            )
    for answer in await client.wallet.batch_execute(bets):
        assert not is_replay(answer)
        assert not isinstance(answer, CageError), answer


async def judge_kept(client: Client, taken: list[BetRequest | AwardRequest]) -> None:
    """Find what was taken: sent again, it answers as before."""
    for answer in await client.wallet.batch_execute(taken):
        assert is_replay(answer)
