"""Limits protect a player through every way to bet, from their own commit on."""

import asyncio
from typing import Any

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import CARRIERS, assert_refused, sender
from tests.integration.deployment import Casino, Player
from tests.integration.wire import connected

from cage.client import (
    CageError,
    DepositLimitError,
    LimitKind,
    LimitOrigin,
    LimitPeriod,
    PlayerNotFoundError,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEPOSIT, LOSS = LimitKind.LIMIT_KIND_DEPOSIT, LimitKind.LIMIT_KIND_LOSS
WAGER, STAKE = LimitKind.LIMIT_KIND_WAGER, LimitKind.LIMIT_KIND_STAKE
OPERATOR = LimitOrigin.LIMIT_ORIGIN_OPERATOR
MONTH = LimitPeriod.LIMIT_PERIOD_MONTH
DAY_US = 86_400_000_000


async def limits(player: Player, **options: Any) -> list[Any]:
    """List the limits of a player."""
    gaming = player.casino.operator.responsible_gaming
    pager = gaming.list_limits(player_id=player.player_id, **options)
    return [limit async for limit in pager]


async def test_list_players_shows_limits(player: Player) -> None:
    """A list of players shows the limits of each."""
    other = await (await player.casino.deployment.casino()).player()
    await other.set_limit(STAKE, "1.00")
    pager = other.casino.operator.players.list_players(brand_id=other.casino.brand_id)
    (row,) = [row async for row in pager]

    assert [limit.kind for limit in row.limits] == [STAKE]


async def test_deposit_limit(casino: Casino) -> None:
    """An authorized deposit holds its room, and a transfer is never refused (D4)."""
    player = await casino.player("")
    cashier = casino.operator.cashier
    await player.set_limit(DEPOSIT, "10.00")
    authorized = await cashier.authorize_deposit(
        player_id=player.player_id, amount=player.money("6.00"), payment_method="card"
    )
    with pytest.raises(DepositLimitError) as refusal:
        await player.deposit("4.01")
    await cashier.transfer_deposit(
        player_id=player.player_id,
        payment_id=authorized.payment.payment_id,
        amount=player.money("12.00"),
        psp_reference="psp",
    )
    (limit,) = await limits(player)

    assert refusal.value.metadata["remaining"] == "4.00"
    assert limit.used == player.money("12.00")


async def test_limits_of_a_foreign_player(player: Player) -> None:
    """An operator neither sees nor changes the limits of another's player."""
    other = await player.casino.deployment.casino()
    gaming = other.operator.responsible_gaming
    with pytest.raises(PlayerNotFoundError):
        await gaming.list_limits(player_id=player.player_id).page()
    with pytest.raises(PlayerNotFoundError):
        await gaming.set_limit(**player.limit(LOSS), amount=player.money("1.00"))


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_e38_limit_errors(player: Player, carrier: str) -> None:
    """Every limit has a reason of its own, kept under the bet's id (edge case E38)."""
    send = sender(carrier)
    for kind, name in ((LOSS, "LOSS"), (WAGER, "WAGER"), (STAKE, "STAKE")):
        limited = await player.casino.player()
        await limited.set_limit(kind, "1.00", origin=OPERATOR)
        for _ in range(2):
            answer = await send(limited, limited.bet("1.01", "bet"))

            assert_refused(answer, f"{name}_LIMIT", limit="1.00")
            assert answer.balance.cash == 10_000
            assert answer.player_message
        await limited.set_limit(kind, "9.00", origin=OPERATOR)

        assert_refused(await send(limited, limited.bet("1.01", "bet")), f"{name}_LIMIT")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_e47_limit_counters_on_reversal(player: Player, carrier: str) -> None:
    """Rollbacks restore counters, wins may turn a loss negative (edge case E47)."""
    send = sender(carrier)
    await player.set_limit(LOSS, "5.00")
    await player.set_limit(WAGER, "5.00")
    seen = []
    for request in (
        player.bet("5.00", "b1", "r1"),
        player.rollback("b1"),
        player.play(player.stake("4.00", "p1"), player.prize("1.00"), round_id="r2"),
        player.rollback("p1"),
        player.bet("2.00", "b2", "r3"),
        player.win("7.00", round_id="r3"),
    ):
        answer = await send(player, request)

        assert not isinstance(answer, CageError), answer
        seen.append([row.used.amount for row in await limits(player)])

    assert seen == [[500, 500], [0, 0], [300, 400], [0, 0], [200, 200], [-500, 200]]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_parallel_bets_never_pass_a_limit(casino: Casino, carrier: str) -> None:
    """Of many bets at once exactly those that fit are accepted (T3)."""
    player = await casino.player()
    await player.set_limit(LOSS, "10.00")
    bets: list[Message] = [player.bet("3.00", round_id=f"{n}") for n in range(40)]
    async with connected(casino.deployment.address) as wire:
        answers = await asyncio.gather(
            *(wire.send(carrier, bet, casino.studio_key) for bet in bets)
        )
    refused = [each for each in answers if hasattr(each, "reason")]
    (limit,) = await limits(player)

    assert len(refused) == 37
    assert {each.reason for each in refused} == {"LOSS_LIMIT"}
    assert limit.used == player.money("9.00")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_decrease_races_bets(casino: Casino, carrier: str) -> None:
    """No bet that is sent after a tighter limit was answered passes it."""
    player = await casino.player()
    await player.set_limit(STAKE, "5.00")
    acknowledged = asyncio.Event()
    late: list[Any] = []
    send = sender(carrier)

    async def play(number: int) -> None:
        for count in range(6):
            is_late = acknowledged.is_set()
            request = player.bet("0.05", round_id=f"{number}-{count}")
            answer = await send(player, request)
            if is_late:
                late.append(answer)

    async def tighten() -> None:
        await player.set_limit(STAKE, "0.01")
        acknowledged.set()

    await asyncio.gather(*(play(number) for number in range(8)), tighten())
    late.append(await send(player, player.bet("0.05")))
    for answer in late:
        assert_refused(answer, "STAKE_LIMIT")
    back = [
        await send(player, player.rollback("unknown")),
        await send(player, player.award("1.00")),
    ]

    assert not any(isinstance(each, CageError) for each in back)


async def test_every_change_is_audited(player: Player) -> None:
    """The audit holds the limits before and after each change."""
    await player.set_limit(LOSS, "5.00")
    await player.set_limit(LOSS, "4.00")
    audit = player.casino.deployment.admin.admin.list_audit_entries(
        noun="player", noun_id=player.player_id
    )
    actions = [(row.action, row.before_json == "") async for row in audit]

    assert actions[-2:] == [("SetLimit", False), ("SetLimit", False)]
