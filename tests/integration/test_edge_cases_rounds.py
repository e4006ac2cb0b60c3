"""Rows of the edge-case catalogue about rounds, settlement and balances."""

from typing import Any

import pytest
from tests.integration.carriers import Send, assert_refused
from tests.integration.deployment import Player, Ruled

from cage.client import CageError, Verdict, methods, money
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import AwardKind, RoundState

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACCEPT, REFUSE = Verdict.VERDICT_ACCEPT, Verdict.VERDICT_REFUSE


@pytest.mark.parametrize("rule", [0, REFUSE, ACCEPT])
async def test_e6_win_without_a_bet(ruled: Ruled, send: Send, rule: int) -> None:
    """A win needs a bet unless the rules say otherwise, and a promotion needs none."""
    player = await ruled(win_without_bet=rule)
    win = await send(player, player.win("5.00"))
    promotions = [
        await send(player, player.award("1.00", kind=kind))
        for kind in AwardKind.values()
        if kind
    ]
    paid = 500 if rule == ACCEPT else 0

    if not paid:
        assert_refused(win, "BET_NOT_FOUND")
    assert [each.receipt.cash.amount for each in promotions] == [100] * 5
    assert await player.cash() == 10_500 + paid


async def test_e7_win_after_token_expiry(player: Player, send: Send) -> None:
    """A win is paid for a session that has ended, where a bet of it is refused."""
    token = await player.session()
    await send(player, player.bet("10.00", "bet", session_token=token))
    await player.end_sessions()
    bet = await send(player, player.bet("1.00", session_token=token))
    by_bet = player.win("2.00", bet_transaction_id="bet", session_token=token)
    wins = [
        await send(player, by_bet),
        await send(player, player.win("3.00", session_token=token)),
        await send(player, player.play(player.prize("4.00"), session_token=token)),
    ]

    assert_refused(bet, "SESSION_ENDED")
    assert not [win for win in wins if isinstance(win, CageError)]
    assert await player.cash() == 9_900


@pytest.mark.parametrize("rule", [0, ACCEPT, REFUSE])
async def test_e9_win_on_a_closed_round(ruled: Ruled, send: Send, rule: int) -> None:
    """A late win is paid unless the rules refuse it, and the round stays closed."""
    player = await ruled(late_win=rule)
    await send(player, player.bet("10.00", "bet"))
    await send(player, player.close())
    win = await send(player, player.win("5.00", bet_transaction_id="bet"))
    stands = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )

    if rule == REFUSE:
        assert_refused(win, "ROUND_CLOSED")
    assert stands.round.state == RoundState.ROUND_STATE_CLOSED
    assert await player.cash() == (9_000 if rule == REFUSE else 9_500)


async def test_e10_bet_on_a_closed_round(player: Player, send: Send) -> None:
    """A closed round takes no bet, no reserve and no play that holds a bet."""
    await send(player, player.bet("10.00"))
    await send(player, player.close())
    late = [
        await send(player, player.bet("1.00")),
        await send(player, player.reserve("1.00")),
        await send(player, player.play(player.stake("1.00"), player.prize("2.00"))),
    ]

    for answer in late:
        assert_refused(answer, "ROUND_CLOSED")
    assert await player.cash() == 9_000


async def test_e11_many_bets_and_wins_per_round(player: Player, send: Send) -> None:
    """Of several bets of a round one is rolled back, and the round goes on."""
    for id_ in ("ball-1", "ball-2", "ball-3"):
        await send(player, player.bet("10.00", id_))
    back = await send(player, player.rollback("ball-2"))
    wins = [
        await send(player, player.win("4.00", bet_transaction_id="ball-1")),
        await send(player, player.win("5.00", bet_transaction_id="ball-1")),
        await send(player, player.win("6.00", bet_transaction_id="ball-3")),
    ]
    more = await send(player, player.bet("1.00", "ball-4"))
    reply = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )
    round_ = reply.round

    assert back.receipt.cash.amount == 1_000
    assert [win.receipt.cash.amount for win in wins] == [400, 500, 600]
    assert more.receipt.cash.amount == -100
    assert round_.state == RoundState.ROUND_STATE_OPEN
    assert (round_.win_count, round_.win_amount.amount) == (3, 1_500)
    assert round_.rolled_back_count == 1
    assert await player.cash() == 9_400


async def test_e16_bet_and_win_in_one_call(player: Player, send: Send) -> None:
    """Bets and wins of one call are applied in order, all or none of them."""
    stake, prize = player.stake, player.prize
    done = await send(
        player, player.play(stake("60.00"), prize("30.00"), stake("70.00"))
    )
    refused = await send(player, player.play(prize("5.00"), stake("5.01")))

    assert [each.after.cash for each in done.receipts] == [4_000, 7_000, 0]
    assert_refused(refused, "INSUFFICIENT_FUNDS")
    assert await player.cash() == 0


async def test_e17_win_funds_a_later_bet(player: Player, send: Send) -> None:
    """A win funds the bets that follow it in its call, never those before it."""
    stake, prize = player.stake, player.prize
    await send(player, player.bet("100.00"))
    before = await send(player, player.play(stake("5.00"), prize("5.00")))
    after = await send(player, player.play(prize("5.00"), stake("5.00")))

    assert_refused(before, "INSUFFICIENT_FUNDS")
    assert [each.cash.amount for each in after.receipts] == [500, -500]
    assert await player.cash() == 0


async def test_e22_insufficient_funds(player: Player, send: Send) -> None:
    """A refusal for funds carries the real balance, which did not change."""
    before = await player.balance()
    for request in (
        player.bet("100.01"),
        player.reserve("100.01"),
        player.play(player.stake("60.00"), player.stake("60.00")),
    ):
        refused = await send(player, request)

        assert_refused(refused, "INSUFFICIENT_FUNDS")
        told = refused.balance
        assert (told.playable, told.cash, told.version) == (
            before.playable,
            before.cash,
            before.version,
        )


async def test_e33_split_balances(player: Player, send: Send) -> None:
    """Each receipt splits what moved and what is left into cash and bonus."""
    bet = await send(player, player.bet("10.00", "bet"))
    win = await send(player, player.win("4.00", bet_transaction_id="bet"))

    for receipt, amount in ((bet.receipt, -1_000), (win.receipt, 400)):
        assert (receipt.cash.amount, receipt.bonus.amount) == (amount, 0)
        for balance in (receipt.before, receipt.after, receipt.current):
            assert (balance.bonus, balance.playable) == (0, balance.cash)
            assert (balance.currency_code, balance.scale) == ("EUR", 2)


async def test_e34_old_and_new_balance(player: Player, send: Send) -> None:
    """Each receipt holds the balance before and after, also when it is replayed."""
    bet = player.bet("10.00", "bet")
    first = await send(player, bet)
    win = await send(player, player.win("4.00", bet_transaction_id="bet"))
    again = await send(player, bet)

    def steps(answer: Any) -> tuple[int, int, int]:
        receipt = answer.receipt
        return receipt.before.cash, receipt.after.cash, receipt.current.cash

    assert steps(first) == (10_000, 9_000, 9_000)
    assert steps(win) == (9_000, 9_400, 9_400)
    assert steps(again) == (10_000, 9_000, 9_400)


async def test_e36_rtp_is_of_the_catalogue(player: Player, send: Send) -> None:
    """No wallet call takes or tells a return to player: it is data of the game."""
    calls = [each for each in methods() if ".wallet.v1." in each.path]
    names = {
        field.name
        for method in calls
        for message in (method.request, method.reply)
        for field in message.DESCRIPTOR.fields
    }
    unknown = player.bet(money("EUR", "1.00"))
    # A studio that sends it anyway, as a field that the contract does not know.
    unknown.MergeFromString(b"\xfa\x3e\x0596.00")
    answer = await send(player, unknown)

    assert calls
    assert not {name for name in names if "rtp" in name.split("_")}
    assert answer.receipt.cash == Money(currency_code="EUR", amount=-100, scale=2)
