"""The rpcs of two-phase bets and of adjustments answer what their contract says."""

from datetime import timedelta

import pytest
from tests.integration.deployment import Player
from tests.integration.test_wallet_rpcs import assert_moved

from cage.client import money
from cage.wallet.v1.wallet_pb2 import Receipt, RoundState, TransactionKind

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_adjust(player: Player) -> None:
    """An adjustment corrects what it names, in the round and for its readers."""
    studio = player.casino.studio
    await studio.call(player.bet("30.00", "bet-1"))
    await studio.call(player.win("90.00", "win-1", round_closed=True))
    reply = await studio.wallet.adjust(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        round_id="round",
        transaction_id="adjust-1",
        delta=money("EUR", "-60.00", signed=True),
        references=["win-1", "bet-1"],
        details="goal was no goal",
    )
    read = await studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id="adjust-1"
    )
    found = read.transaction
    shown = await studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )

    assert_moved(reply.receipt, -6_000, 10_000, 4)
    assert found.kind == TransactionKind.TRANSACTION_KIND_ADJUST
    assert (found.amount.amount, found.cash.amount) == (-6_000, -6_000)
    assert found.reference_transaction_id == "win-1"
    assert found.corrected_transaction_ids == ["win-1", "bet-1"]
    assert found.details == "goal was no goal"
    assert shown.round.adjust_amount == money("EUR", "-60.00", signed=True)
    assert (shown.round.adjust_count, shown.round.bet_amount.amount) == (1, 3_000)


def shown(receipt: Receipt) -> tuple[int, int, int, int]:
    """Return what moved in and out of reserve, and what is playable and reserved."""
    now = receipt.after
    return (receipt.cash.amount, receipt.reserved.amount, now.playable, now.reserved)


async def test_reserve(player: Player) -> None:
    """A reserve takes money out of the playable balance and says when it expires."""
    studio = player.casino.studio
    reply = await studio.wallet.reserve(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        round_id="round",
        transaction_id="reserve-1",
        amount=player.money("40.00"),
        life=timedelta(minutes=5),
    )
    read = await studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id="reserve-1"
    )
    life_s = reply.expire_time.seconds - reply.receipt.commit_time.seconds

    assert shown(reply.receipt) == (-4_000, 4_000, 6_000, 4_000)
    assert (reply.receipt.before.playable, reply.receipt.before.reserved) == (10_000, 0)
    assert life_s == 300
    assert read.transaction.kind == TransactionKind.TRANSACTION_KIND_RESERVE
    assert read.transaction.expire_time == reply.expire_time
    assert read.transaction.reserved == player.money("40.00")
    await studio.call(player.release("reserve-1"))


async def test_capture(player: Player) -> None:
    """A capture takes a part of the reserve as the stake of the round."""
    studio = player.casino.studio
    await studio.call(player.reserve("40.00", "reserve-1"))
    reply = await studio.wallet.capture(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        round_id="round",
        transaction_id="capture-1",
        reserve_transaction_id="reserve-1",
        amount=player.money("25.00"),
        round_closed=True,
    )
    read = await studio.wallet.get_transaction(
        player_id=player.player_id,
        transaction_id="capture-1",
        kind=TransactionKind.TRANSACTION_KIND_CAPTURE,
    )
    found = await studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )
    before = reply.receipt.before

    assert shown(reply.receipt) == (0, -2_500, 6_000, 1_500)
    assert (before.playable, before.reserved) == (6_000, 4_000)
    assert before.version == reply.receipt.after.version - 1
    assert read.transaction.reference_transaction_id == "reserve-1"
    assert found.round.bet_amount == player.money("25.00")
    assert (found.round.bet_count, found.round.state) == (
        1,
        RoundState.ROUND_STATE_CLOSED,
    )


async def test_release(player: Player) -> None:
    """A release gives back what was not captured."""
    studio = player.casino.studio
    await studio.call(player.reserve("40.00", "reserve-1"))
    await studio.call(player.capture("25.00", "reserve-1"))
    reply = await studio.wallet.release(
        player_id=player.player_id,
        transaction_id="reserve-1",
        reserve_transaction_id="reserve-1",
        details="no goal",
    )
    kinds = [
        TransactionKind.TRANSACTION_KIND_RELEASE,
        TransactionKind.TRANSACTION_KIND_ROLLBACK,
    ]
    reads = [
        await studio.wallet.get_transaction(
            player_id=player.player_id, transaction_id="reserve-1", kind=kind
        )
        for kind in kinds
    ]

    assert shown(reply.receipt) == (1_500, -1_500, 7_500, 0)
    assert not reply.tombstone
    assert [each.transaction.kind for each in reads] == [kinds[0]] * 2
    assert reads[0].transaction.amount == player.money("15.00")
    assert reads[0].transaction.reference_transaction_id == "reserve-1"
