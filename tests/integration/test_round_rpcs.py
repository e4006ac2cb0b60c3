"""Rounds tell their details, and those that are unfinished are found."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.deployment import Casino, Deployment, Player, running

from cage.client import (
    CageError,
    Client,
    IntegrationNotFoundError,
    InvalidFieldError,
    UnfinishedRoundAction,
)
from cage.player.v1.player_pb2 import PlayerStatus
from cage.wallet.v1.wallet_pb2 import BetKind, Round, RoundState, TransactionKind

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_e35_details_of_a_round(player: Player) -> None:
    """A round shows the newest details of its transactions."""
    studio, place = player.casino.studio, player.casino.game_id
    told = []
    for call in (
        player.bet("1.00", details="first"),
        player.win("1.00"),
        player.win("1.00", details="second"),
        player.close(details="last"),
    ):
        await studio.call(call)
        reply = await studio.wallet.get_round(
            player_id=player.player_id, game_id=place, round_id="round"
        )
        told.append(reply.round.details)

    assert told == ["first", "first", "second", "last"]


async def test_list_unfinished_rounds(deployment: Deployment) -> None:
    """Studios and operators list rounds that wait for their end, oldest first (I6)."""
    casino, foreign = await deployment.casino(), await deployment.casino()
    players = [await casino.player() for _ in range(2)]
    other = await foreign.player()
    for number, player in enumerate(players):
        for name in ("open", "closed", "back"):
            await casino.studio.call(player.bet("1.00", name, f"{name}-{number}"))
        await casino.studio.call(player.close(f"closed-{number}"))
        await casino.studio.call(player.rollback("back"))
    await foreign.studio.call(other.bet("1.00", "other", "other"))

    async def listed(client: Client, **query: Any) -> list[str]:
        pager = client.wallet.list_unfinished_rounds(**query)
        return [row.round_id async for row in pager]

    both = ["open-0", "open-1"]
    assert await listed(casino.studio) == both
    assert await listed(casino.operator, page_size=1) == both
    assert await listed(deployment.admin, integration_id=casino.integration_id) == both
    assert await listed(foreign.operator) == ["other"]
    assert await listed(casino.studio, min_age=timedelta(hours=1)) == []
    assert await listed(casino.studio, min_age=timedelta(microseconds=1)) == both
    with pytest.raises(IntegrationNotFoundError):
        await listed(casino.studio, integration_id=foreign.integration_id)
    with pytest.raises(InvalidFieldError):
        await listed(casino.studio, min_age=timedelta(0))


def in_days(deployment: Deployment, days: int) -> None:
    """Let the sweeper think that so many days have passed."""
    deployment.server.journal.sweeper._now_us = lambda: (
        time.time_ns() // 1_000 + days * 86_400_000_000
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def swept(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """Run a server that sweeps when a test says so."""
    folder = tmp_path_factory.mktemp("swept")
    async with running(folder, round_sweep_s=0) as deployment:
        yield deployment


async def left_open(
    deployment: Deployment, action: str, after_s: int = 86_400
) -> Player:
    """Bring a player of an integration that says what becomes of open rounds."""
    casino = await deployment.casino()
    name = f"UNFINISHED_ROUND_ACTION_{action}"
    await deployment.admin.admin.update_integration(
        integration_id=casino.integration_id,
        display_name="",
        enabled=True,
        unfinished_round_action=UnfinishedRoundAction.Value(name),
        unfinished_round_after_s=after_s,
    )
    return await casino.player()


async def shown(player: Player, round_id: str = "round") -> Round:
    """Read a round."""
    reply = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id=round_id
    )
    return reply.round


async def refused(player: Player, request: Message) -> str | None:
    """Return why a call is refused."""
    with pytest.raises(CageError) as caught:
        await player.casino.studio.call(request)
    return caught.value.reason


async def test_left_open_is_reported(swept: Deployment) -> None:
    """By default nothing becomes of a round that is left open."""
    player = await left_open(swept, "REPORT", after_s=1)
    await player.casino.studio.call(player.bet("1.00", "bet"))
    in_days(swept, 400)
    await swept.server.journal.sweeper.sweep()

    assert (await shown(player)).state == RoundState.ROUND_STATE_OPEN


async def test_left_open_is_closed(swept: Deployment) -> None:
    """CLOSE closes what is old enough: its bets are settled, a late win still pays."""
    player = await left_open(swept, "CLOSE")
    studio = player.casino.studio
    await studio.call(player.bet("1.00", "bet", details="mine"))
    await studio.call(player.bet("1.00", "done", "other", round_closed=True))
    in_days(swept, 0)
    await swept.server.journal.sweeper.sweep()
    young = (await shown(player)).state
    # Also for a player who may not play any more.
    await player.set_status(PlayerStatus.PLAYER_STATUS_SELF_EXCLUDED)
    in_days(swept, 2)
    await swept.server.journal.sweeper.sweep()
    old = await shown(player)
    rows = [
        row
        async for row in studio.wallet.list_transactions(
            player_id=player.player_id, game_id=player.casino.game_id
        )
    ]
    await swept.server.journal.sweeper.sweep()

    assert young == RoundState.ROUND_STATE_OPEN
    assert (old.state, old.details) == (RoundState.ROUND_STATE_CLOSED, "mine")
    assert rows[-1].kind == TransactionKind.TRANSACTION_KIND_CLOSE_ROUND
    assert rows[-1].integration_id == player.casino.integration_id
    assert rows[-1].details == "unfinished for 86400 s"
    assert await refused(player, player.rollback("bet")) == "ALREADY_SETTLED"
    assert await player.cash() == 9_800
    await studio.call(player.win("5.00", "late", bet_transaction_id="bet"))
    assert await player.cash() == 10_300
    assert len([row async for row in studio.wallet.list_transactions(
        player_id=player.player_id, game_id=player.casino.game_id
    )]) == len(rows) + 1  # fmt: skip


async def test_left_open_is_voided(swept: Deployment) -> None:
    """VOID gives back what nothing settled, each once, and closes the round (I6)."""
    player = await left_open(swept, "VOID")
    studio = player.casino.studio
    for call in (
        player.bet("1.00", "settled"),
        player.win("3.00", "win", bet_transaction_id="settled"),
        player.bet("2.00", "open"),
        player.play(player.stake("4.00", "s1"), player.stake("8.00", "s2")),
        player.bet("16.00", "back"),
        player.rollback("back"),
        player.bet("0.50", "tip", kind=BetKind.BET_KIND_TIP),
    ):
        await studio.call(call)
    before = await player.cash()
    in_days(swept, 2)
    await swept.server.journal.sweeper.sweep()
    once = await player.cash()
    await swept.server.journal.sweeper.sweep()
    bet = await studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id="open"
    )
    given = await studio.wallet.get_transaction(
        player_id=player.player_id,
        transaction_id=f"void-{bet.transaction.ledger_id}",
        kind=TransactionKind.TRANSACTION_KIND_ROLLBACK,
    )
    round_ = await shown(player)

    assert (before, once) == (10_000 - 1_250, 10_000 + 150)
    assert await player.cash() == once
    assert round_.state == RoundState.ROUND_STATE_CLOSED
    assert (round_.bet_amount.amount, round_.win_amount.amount) == (100, 300)
    assert given.transaction.cash.amount == 200
    assert given.transaction.reference_transaction_id == "open"
    late = player.win("1.00", bet_transaction_id="open")
    assert await refused(player, late) == "ALREADY_ROLLED_BACK"
    assert await refused(player, player.bet("1.00")) == "ROUND_CLOSED"


async def test_voided_whole(swept: Deployment) -> None:
    """A round that is voided as a whole reads as cancelled, and takes no bet."""
    player = await left_open(swept, "VOID")
    await player.casino.studio.call(player.bet("1.00", "bet"))
    in_days(swept, 2)
    await swept.server.journal.sweeper.sweep()
    page = (await swept.server._metrics._render()).decode()
    metrics = {
        family.name: family.samples[0].value
        for family in text_string_to_metric_families(page)
        if family.name.startswith("cage_unfinished_rounds")
    }

    assert (await shown(player)).state == RoundState.ROUND_STATE_CANCELLED
    assert await player.cash() == 10_000
    assert await refused(player, player.bet("1.00", "more")) == "ROUND_CLOSED"
    assert metrics["cage_unfinished_rounds_voided"] >= 1
    assert metrics["cage_unfinished_rounds_closed"] >= 2
    assert metrics["cage_unfinished_rounds_refused"] == 0


async def test_sweeps_by_itself(tmp_path: Path) -> None:
    """A server sweeps by itself, in the interval of its configuration."""
    async with running(tmp_path, round_sweep_s=0.05) as deployment:
        player = await left_open(deployment, "CLOSE", after_s=1)
        await player.casino.studio.call(player.bet("1.00", "bet"))
        async with asyncio.timeout(20):
            while (  # noqa: ASYNC110 - the sweeper tells nobody
                await shown(player)
            ).state != RoundState.ROUND_STATE_CLOSED:
                await asyncio.sleep(0.05)


async def test_e35_history_url(casino: Casino) -> None:
    """A round leads to its history by the template of its game or integration."""
    admin, found = casino.deployment.admin.admin, []
    own = await casino.deployment.casino()
    player = await own.player()
    place = {"round_id": "a/b c&d"}
    await own.studio.call(player.bet("1.00", **place))
    found.append((await shown(player, **place)).history_url)
    common: dict[str, Any] = {"display_name": "", "enabled": True}
    await admin.update_integration(
        integration_id=own.integration_id,
        history_url_template="https://hub.test/{integration_id}?r={round_id}",
        **common,
    )
    found.append((await shown(player, **place)).history_url)
    template = "https://game.test/{game_id}/{round_id}?p={player_id}"
    updated = await admin.update_game(
        game_id=own.game_id, history_url_template=template, **common
    )
    found.append((await shown(player, **place)).history_url)

    assert updated.game.history_url_template == template
    assert found == [
        "",
        f"https://hub.test/{own.integration_id}?r=a%2Fb%20c%26d",
        f"https://game.test/{own.game_id}/a%2Fb%20c%26d?p={player.player_id}",
    ]


@pytest.mark.parametrize(
    "template",
    [
        "ftp://x",
        "x",
        "https://",
        "https://x/{player}",
        "https://x/{",
        "https://x y",
        "https://" + "x" * 1_017,
        "https://x\n",
    ],
)
async def test_no_template(deployment: Deployment, template: str) -> None:
    """What is no address with the known placeholders is refused."""
    with pytest.raises(InvalidFieldError) as caught:
        await deployment.admin.admin.create_integration(
            integration_id="bad", history_url_template=template
        )

    assert caught.value.metadata["field"] == "history_url_template"


async def test_age_of_an_integration_is_bounded(deployment: Deployment) -> None:
    """The time after which a round counts as left open is 366 days at most."""
    for after_s in (-1, 31_622_401):
        with pytest.raises(InvalidFieldError):
            await deployment.admin.admin.create_integration(
                integration_id="bad", unfinished_round_after_s=after_s
            )
    made = await deployment.admin.admin.create_integration(integration_id="rounds")

    assert made.integration.unfinished_round_after_s == 172_800
    assert made.integration.unfinished_round_action == (
        UnfinishedRoundAction.UNFINISHED_ROUND_ACTION_REPORT
    )
