"""Exports hold a range of time, whole; watches tell every balance that stays."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.deployment import Casino, Deployment
from tests.integration.test_event_rpcs import story
from tests.integration.wire import Refusal, connected

from cage.admin.v1.admin_pb2 import Role
from cage.client import Client, KeyInvalidError
from cage.wallet.v1 import wallet_service_pb2 as pb
from cage.wallet.v1.wallet_pb2 import RoundState, Transaction

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENCE_S = 20.0


@pytest_asyncio.fixture(loop_scope="session")
async def own(deployment: Deployment) -> Casino:
    """Bring a casino of the test's own."""
    return await deployment.casino()


async def exported(client: Client, **query: Any) -> list[Transaction]:
    """Export transactions to the end."""
    return [row async for row in client.wallet.export_transactions(**query)]


def ids(rows: list[Transaction]) -> list[str]:
    """List the callers' ids."""
    return [row.transaction_id for row in rows]


async def test_export_transactions(own: Casino) -> None:
    """A studio exports what its integration did, as it is listed, to the last call."""
    players = [await own.player() for _ in range(2)]
    for player in players:
        await story(player)
    rows = await exported(own.studio)
    for player in players:
        listed = [
            row
            async for row in own.studio.wallet.list_transactions(
                player_id=player.player_id
            )
            if row.integration_id
        ]

        assert [row for row in rows if row.player_id == player.player_id] == listed
    assert len(rows) == 14


async def test_export_is_by_role(own: Casino, deployment: Deployment) -> None:
    """An operator's export holds deposits too; nobody's holds what is of others."""
    player, other = await own.player(), await (await deployment.casino()).player()
    await own.studio.call(player.bet("1.00", "mine"))
    await other.casino.studio.call(other.bet("1.00", "others"))
    everything = ids(await exported(deployment.admin))

    assert ids(await exported(own.studio)) == ["mine"]
    assert ids(await exported(own.operator))[-1] == "mine"
    assert len(await exported(own.operator)) == 2
    assert ids(await exported(deployment.admin, integration_id=own.integration_id)) == [
        "mine"
    ]
    assert {"mine", "others"} <= set(everything)


async def test_export_of_a_range(own: Casino) -> None:
    """A range begins with its first instant and ends before its last."""
    player = await own.player()
    for number in range(6):
        await own.studio.call(player.bet("1.00", f"b{number}", f"r{number}"))
    rows = await exported(own.studio)
    times = [row.commit_time.ToDatetime(UTC) for row in rows]
    tick = timedelta(microseconds=1)
    for first, last in ((0, 6), (2, 4), (3, 3), (5, 6)):
        start = times[first]
        end = times[last] if last < 6 else times[-1] + tick
        found = await exported(own.studio, start_time=start, end_time=end)

        assert found == rows[first:last]
    future = datetime.now(UTC) + timedelta(days=1)
    assert await exported(own.studio, end_time=future) == rows
    assert await exported(own.studio, start_time=future) == []
    assert await exported(own.studio, end_time=times[0]) == []


async def test_export_goes_on(own: Casino) -> None:
    """The cursor of each message leads on, and that of the end to what follows."""
    player = await own.player("1000.00")
    bets = [player.bet("0.01", f"b{n}", f"r{n}") for n in range(300)]
    await own.studio.wallet.batch_execute(bets)
    feed = own.studio.wallet.export_transactions()
    frames = [frame async for frame in feed.frames()]
    parts = [ids(list(frame.transactions)) for frame in frames]
    for index, frame in enumerate(frames):
        rest = await exported(own.studio, cursor=frame.cursor)

        assert ids(rest) == [*chain(*parts[index + 1 :])]
    await own.studio.call(player.bet("0.01", "later", "later"))

    assert len(frames) > 3
    assert [*chain(*parts)] == [f"b{n}" for n in range(300)]
    assert not frames[-1].transactions
    assert ids(await exported(own.studio, cursor=feed.cursor)) == ["later"]


async def test_export_rounds(own: Casino) -> None:
    """Rounds come once, with their totals, at the time of their last transaction."""
    player = await own.player()
    await own.studio.call(player.bet("1.00", "b1", "open"))
    await own.studio.call(player.bet("2.00", "b2", "lost", round_closed=True))
    await own.studio.call(player.bet("3.00", "b3", "back"))
    await own.studio.call(player.rollback("b3"))
    before = [row async for row in own.studio.wallet.export_rounds()]
    await own.studio.call(player.win("5.00", "w1", "open", round_closed=True))
    rows = await exported(own.studio)
    after = [row async for row in own.operator.wallet.export_rounds()]
    last = rows[-1].commit_time.ToDatetime(UTC)
    late = [row async for row in own.studio.wallet.export_rounds(start_time=last)]
    early = [row async for row in own.studio.wallet.export_rounds(end_time=last)]

    assert [row.round_id for row in before] == ["open", "lost", "back"]
    assert [row.round_id for row in after] == ["lost", "back", "open"]
    assert [row.state for row in after] == [
        RoundState.ROUND_STATE_CLOSED,
        RoundState.ROUND_STATE_CANCELLED,
        RoundState.ROUND_STATE_CLOSED,
    ]
    got = await own.studio.wallet.get_round(
        player_id=player.player_id, game_id=own.game_id, round_id="open"
    )
    assert after[-1] == got.round
    assert [row.round_id for row in late] == ["open"]
    assert [row.round_id for row in early] == ["lost", "back"]


@pytest.mark.parametrize("kind", [pb.ExportTransactionsRequest, pb.ExportRoundsRequest])
async def test_export_refusals(own: Casino, deployment: Deployment, kind: Any) -> None:
    """An export that cannot be made is refused by name."""
    foreign = await deployment.casino()
    both = kind(cursor="c")
    both.start_time.GetCurrentTime()
    cases = [
        (kind(cursor="none"), own.studio_key, "CURSOR_INVALID"),
        (both, own.studio_key, "INVALID_FIELD"),
        (
            kind(integration_id=foreign.integration_id),
            own.studio_key,
            "INTEGRATION_NOT_FOUND",
        ),
        (kind(integration_id="none"), own.operator_key, "INTEGRATION_NOT_FOUND"),
        (kind(), None, "KEY_MISSING"),
        (kind(), "cage_none", "KEY_INVALID"),
    ]
    async with connected(deployment.address) as wire:
        for request, key, reason in cases:
            (answer,) = [each async for each in wire.feed(request, key)]

            assert isinstance(answer, Refusal)
            assert answer.reason == reason


async def test_watch_balance(own: Casino) -> None:
    """A watch tells the balance now, and then each balance of that wallet alone."""
    player, other = await own.player(), await own.player()
    studio = own.studio
    async with (
        asyncio.timeout(PATIENCE_S),
        studio.wallet.watch_balance(
            player_id=player.player_id, currency_code="EUR"
        ) as watch,
        own.operator.wallet.watch_balance(
            player_id=other.player_id, currency_code="EUR"
        ) as others,
    ):
        told = [await anext(watch)]
        first = await anext(others)
        for number in range(3):
            await studio.call(player.bet("1.00", f"b{number}", f"r{number}"))
            told.append(await anext(watch))
        # Neither a refusal nor a bet of nothing changes the balance.
        await studio.call(player.rollback("unknown"))
        await studio.call(player.bet("0.00", "zero"))
        await studio.call(other.bet("5.00", "b", "r"))
        await studio.call(player.win("4.00", "w", "r0"))
        told.append(await anext(watch))
        second = await anext(others)

    assert [balance.cash for balance in told] == [10_000, 9_900, 9_800, 9_700, 10_100]
    versions = [balance.version for balance in told]
    assert versions == list(range(versions[0], versions[0] + 5))
    assert told[-1].playable == 10_100
    assert (first.cash, second.cash) == (10_000, 9_500)


async def test_watch_of_a_slow_reader(own: Casino) -> None:
    """A reader that is behind may miss balances, never the last one."""
    player = await own.player()
    watch = own.studio.wallet.watch_balance(
        player_id=player.player_id, currency_code="EUR"
    )
    async with asyncio.timeout(PATIENCE_S), watch:
        await anext(watch)
        bets = [player.bet("0.01", f"b{n}", f"r{n}") for n in range(500)]
        await own.studio.wallet.batch_execute(bets)
        told = []
        while not told or told[-1].cash != 9_500:
            told.append(await anext(watch))

    cash = [balance.cash for balance in told]
    assert cash == sorted(set(cash), reverse=True)


async def test_watch_ends_with_its_key(own: Casino, deployment: Deployment) -> None:
    """A key that is revoked ends its watches."""
    player = await own.player()
    key_id, key = await deployment.key(
        Role.ROLE_OPERATOR, operator_ids=[own.operator_id]
    )
    watch = deployment.client(key).wallet.watch_balance(
        player_id=player.player_id, currency_code="EUR"
    )
    async with asyncio.timeout(PATIENCE_S), watch:
        await anext(watch)
        await deployment.admin.admin.revoke_api_key(key_id=key_id)
        with pytest.raises(KeyInvalidError):
            await anext(watch)


async def test_watch_refusals(own: Casino, deployment: Deployment) -> None:
    """A watch is refused as a read of the balance is."""
    player, foreign = await own.player(), await deployment.casino()
    named = {"player_id": player.player_id, "currency_code": "EUR"}
    cases: list[tuple[dict[str, str], str, str]] = [
        ({**named, "player_id": "nobody"}, own.studio_key, "PLAYER_NOT_FOUND"),
        (named, foreign.studio_key, "PLAYER_NOT_FOUND"),
        ({**named, "game_id": "none"}, own.studio_key, "GAME_NOT_FOUND"),
        ({**named, "currency_code": "XXX"}, own.studio_key, "CURRENCY_NOT_FOUND"),
        ({**named, "currency_code": "USD"}, own.studio_key, "CURRENCY_MISMATCH"),
        ({**named, "currency_code": "?"}, own.studio_key, "INVALID_FIELD"),
        ({"currency_code": "EUR"}, own.studio_key, "INVALID_FIELD"),
    ]
    async with connected(deployment.address) as wire:
        for fields, key, reason in cases:
            request = pb.WatchBalanceRequest(**fields)
            (answer,) = [each async for each in wire.feed(request, key)]

            assert isinstance(answer, Refusal)
            assert answer.reason == reason
