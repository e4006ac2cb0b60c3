"""Two-phase bets: reserved, captured, released, expired; however they travel."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.integration.carriers import Send, assert_refused, first_answer
from tests.integration.deployment import Casino, Player, Ruled, running

from cage.app.reserve import ReserveSweeper, Swept
from cage.client import CageError, RefusedBetRule, Verdict
from cage.player.v1.player_pb2 import PlayerStatus
from cage.wallet.v1.wallet_pb2 import TransactionKind

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACCEPT, REFUSE = Verdict.VERDICT_ACCEPT, Verdict.VERDICT_REFUSE
ANEW = RefusedBetRule.REFUSED_BET_RULE_JUDGE_ANEW
DAY_US = 86_400_000_000


async def figures(player: Player) -> tuple[int, int]:
    """Return what is playable and what is reserved."""
    balance = await player.balance()

    assert balance.playable == balance.cash + balance.bonus

    return (balance.playable, balance.reserved)


async def test_e42_capture_and_release(player: Player, send: Send) -> None:
    """E42: parts are captured up to the reserve, the rest is released, once each."""
    calls = [
        player.reserve("50.00", "hold"),
        player.capture("20.00", "hold", "part-1"),
        player.capture("25.00", "hold", "part-2"),
        player.release("hold", "rest"),
        player.win("90.00", "win", bet_transaction_id="hold", round_closed=True),
    ]
    answers, seen = [], []
    for call in calls:
        answers.append(await send(player, call))
        seen.append(await figures(player))
    again = [await send(player, call) for call in calls]

    assert seen == [(5_000, 5_000), (5_000, 3_000), (5_000, 500), (5_500, 0),
                    (14_500, 0)]  # fmt: skip
    assert [each.receipt.replayed for each in again] == [True] * 5
    assert [first_answer(each) for each in again] == [
        first_answer(each) for each in answers
    ]
    assert await figures(player) == (14_500, 0)


async def test_e42_capture_may_not_exceed(player: Player, send: Send) -> None:
    """E42: a capture of more than is left moves nothing and tells what is left."""
    await send(player, player.reserve("10.00", "hold"))
    await send(player, player.capture("8.00", "hold"))
    refused = await send(player, player.capture("2.01", "hold", "more"))

    assert_refused(refused, "RESERVE_EXCEEDED", left="200")
    assert (await send(player, player.capture("2.00", "hold", "more"))).receipt
    assert await figures(player) == (9_000, 0)


async def test_reserved_money_is_not_playable(player: Player, send: Send) -> None:
    """What is reserved pays for no bet; the refusal shows both."""
    await send(player, player.reserve("60.00", "hold"))
    refused = await send(player, player.bet("40.01"))

    assert_refused(refused, "INSUFFICIENT_FUNDS")
    assert isinstance(refused, CageError)
    assert refused.balance is not None
    assert (refused.balance.playable, refused.balance.reserved) == (4_000, 6_000)
    assert_refused(await send(player, player.reserve("40.01")), "INSUFFICIENT_FUNDS")


async def test_reserve_is_a_bet(casino: Casino, send: Send) -> None:
    """Status and session stop a reserve; captures and releases pass."""
    player = await casino.player()
    await send(player, player.reserve("10.00", "hold"))
    unknown = await send(player, player.reserve("1.00", session_token="s.none"))
    await player.set_status(PlayerStatus.PLAYER_STATUS_SELF_EXCLUDED)
    blocked = await send(player, player.reserve("1.00"))

    assert_refused(unknown, "SESSION_NOT_FOUND")
    assert_refused(blocked, "PLAYER_BLOCKED")
    assert (await send(player, player.capture("4.00", "hold"))).receipt
    assert (await send(player, player.release("hold"))).receipt.cash.amount == 600


@pytest.mark.parametrize("rule", [0, ANEW])
async def test_refused_reserve(ruled: Ruled, send: Send, rule: int) -> None:
    """A refused reserve stays refused under its id, unless it is judged anew."""
    player = await ruled("10.00", refused_bet=rule)
    request = player.reserve("20.00", "hold")
    first = await send(player, request)
    await player.deposit("50.00")
    again = await send(player, request)

    assert_refused(first, "INSUFFICIENT_FUNDS")
    if rule == ANEW:
        assert again.receipt.after.reserved == 2_000
    else:
        assert_refused(again, "INSUFFICIENT_FUNDS")
        refused = await send(player, player.capture("1.00", "hold"))
        assert_refused(refused, "RESERVE_NOT_FOUND")


async def test_release_comes_first(player: Player, send: Send) -> None:
    """The release of an unknown reserve is a tombstone; the late reserve is refused."""
    answer = await send(player, player.release("hold", "hold"))
    late = await send(player, player.reserve("10.00", "hold"))
    captured = await send(player, player.capture("10.00", "hold"))

    assert answer.tombstone
    assert_refused(late, "ALREADY_ROLLED_BACK")
    assert_refused(captured, "RESERVE_RELEASED")
    assert await figures(player) == (10_000, 0)


@pytest.mark.parametrize("rule", [ACCEPT, REFUSE])
async def test_unknown_release(ruled: Ruled, send: Send, rule: int) -> None:
    """The rules of unknown rollbacks hold for releases; the tombstone stands."""
    player = await ruled(unknown_rollback=rule)
    answer = await send(player, player.release("hold"))

    if rule == REFUSE:
        assert_refused(answer, "TRANSACTION_NOT_FOUND", transaction_id="hold")
    else:
        assert answer.tombstone
    late = await send(player, player.reserve("1.00", "hold"))
    assert_refused(late, "ALREADY_ROLLED_BACK")


@pytest.mark.parametrize("rule", [ACCEPT, REFUSE])
async def test_second_release(ruled: Ruled, send: Send, rule: int) -> None:
    """A second release answers the first, or is refused by the rules."""
    player = await ruled(second_rollback=rule)
    await send(player, player.reserve("10.00", "hold"))
    first = await send(player, player.release("hold", "one"))
    second = await send(player, player.release("hold", "two"))

    if rule == REFUSE:
        assert_refused(second, "ALREADY_ROLLED_BACK")
    else:
        assert second.receipt.replayed
        assert second.receipt.ledger_id == first.receipt.ledger_id
    assert await figures(player) == (10_000, 0)


async def test_rollback_of_a_reserve(player: Player, send: Send) -> None:
    """A rollback releases a reserve of which nothing was captured, and no other."""
    await send(player, player.reserve("10.00", "one"))
    await send(player, player.reserve("10.00", "two"))
    await send(player, player.capture("1.00", "two"))
    kind = TransactionKind.TRANSACTION_KIND_RESERVE
    answer = await send(player, player.rollback("one", original_kind=kind))
    refused = await send(player, player.rollback("two"))

    assert answer.receipt.cash.amount == 1_000
    assert answer.receipt.reserved.amount == -1_000
    assert_refused(refused, "ROLLBACK_NOT_ALLOWED")
    assert await figures(player) == (9_000, 900)
    await send(player, player.release("two"))


@pytest.mark.parametrize("rule", [ACCEPT, REFUSE])
async def test_win_without_a_capture(ruled: Ruled, send: Send, rule: int) -> None:
    """A reserve of which nothing was captured is no bet to be won."""
    player = await ruled(win_without_bet=rule)
    await send(player, player.reserve("10.00", "hold"))
    win = player.win("5.00", "win", bet_transaction_id="hold")
    answer = await send(player, win)

    if rule == REFUSE:
        assert_refused(answer, "BET_NOT_FOUND")
        await send(player, player.capture("10.00", "hold"))
        answer = await send(player, win)
    assert answer.receipt.cash.amount == 500


@pytest.mark.parametrize("rule", [ACCEPT, REFUSE])
async def test_win_after_release(ruled: Ruled, send: Send, rule: int) -> None:
    """A reserve that was released whole is a bet that was rolled back."""
    player = await ruled(win_after_rollback=rule)
    await send(player, player.reserve("10.00", "hold"))
    await send(player, player.release("hold"))
    answer = await send(player, player.win("5.00", bet_transaction_id="hold"))

    if rule == REFUSE:
        assert_refused(answer, "ALREADY_ROLLED_BACK")
    else:
        assert answer.receipt.cash.amount == 500


async def test_e43_batch_settles_independent_wins(player: Player) -> None:
    """E43: one batch settles many coupons, each with a status of its own."""
    studio = player.casino.studio
    holds = [player.reserve("5.00", f"hold-{n}", f"round-{n}") for n in range(6)]
    await studio.wallet.batch_execute(holds)
    captures = [
        player.capture("5.00", f"hold-{n}", f"part-{n}", f"round-{n}") for n in range(5)
    ]
    await studio.wallet.batch_execute(captures)
    # The last one has nothing captured, the one before names another round.
    wins = [
        player.win("7.00", f"win-{n}", f"round-{n}", bet_transaction_id=f"hold-{n}")
        for n in (0, 1, 2, 3, 5)
    ]
    wins.insert(4, player.win("7.00", "odd", "round-9", bet_transaction_id="hold-4"))
    answers = await studio.wallet.batch_execute(wins)
    again = await studio.wallet.batch_execute(wins)

    assert_refused(answers[4], "REFERENCE_MISMATCH", field="round_id")
    assert_refused(answers[5], "BET_NOT_FOUND")
    assert [each.receipt.cash.amount for each in answers[:4]] == [700] * 4  # type: ignore[union-attr]
    assert [each.receipt.replayed for each in again[:4]] == [True] * 4  # type: ignore[union-attr]
    assert await figures(player) == (9_800, 500)


async def expired(sweeper: ReserveSweeper) -> None:
    """Wait for a sweep of the server that released something."""
    is_over, sweep = asyncio.Event(), sweeper.sweep

    async def swept() -> Swept:
        result = await sweep()
        if result.expired:
            is_over.set()
        return result

    sweeper.sweep = swept  # type: ignore[method-assign]
    await asyncio.wait_for(is_over.wait(), 20)


async def test_reserve_expires(tmp_path: Path, send: Send) -> None:
    """What is left after the life of a reserve goes back; a capture then says why."""
    async with running(tmp_path, reserve_sweep_s=0.02) as deployment:
        player = await (await deployment.casino()).player()
        reserved = await send(player, player.reserve("50.00", "hold"))
        await send(player, player.capture("20.00", "hold"))
        life_s = reserved.expire_time.seconds - reserved.receipt.commit_time.seconds

        assert life_s == 604_800
        assert await figures(player) == (5_000, 3_000)

        later_us = 8 * DAY_US

        def clock_us() -> int:
            return time.time_ns() // 1_000 + later_us

        sweeper = deployment.server.journal.reserves.sweeper
        deployment.server.store.writer._clock_us = clock_us
        sweeper._now_us = clock_us
        await expired(sweeper)
        after = await figures(player)
        refused = await send(player, player.capture("1.00", "hold"))
        released = await send(player, player.release("hold"))
        pager = player.casino.studio.wallet.list_transactions(
            player_id=player.player_id
        )
        last = [row async for row in pager][-2]

        assert after == (8_000, 0)
        assert_refused(refused, "RESERVE_EXPIRED")
        assert released.receipt.replayed
        assert released.receipt.cash.amount == 3_000
        assert last.kind == TransactionKind.TRANSACTION_KIND_RELEASE
        assert last.transaction_id == f"expire/{reserved.receipt.ledger_id}"
        assert last.integration_id == ""
        assert last.reference_transaction_id == "hold"
