"""Plays are one unit; rounds close; zero, tips, free rounds and awards count right."""

from typing import Any

import pytest
from tests.integration.carriers import Send, assert_refused, first_answer, is_replay
from tests.integration.deployment import Player

from cage.client import money
from cage.wallet.v1.wallet_pb2 import (
    AwardKind,
    BetKind,
    FreeRound,
    JackpotWin,
    Round,
    RoundState,
    TransactionKind,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIP = BetKind.BET_KIND_TIP
OPEN = RoundState.ROUND_STATE_OPEN
CLOSED = RoundState.ROUND_STATE_CLOSED
CANCELLED = RoundState.ROUND_STATE_CANCELLED


async def read_round(player: Player, round_id: str = "round") -> Round:
    """Read a round as it stands."""
    reply = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id=round_id
    )
    return reply.round


def totals(found: Round) -> tuple[int, ...]:
    """Return sums and counts: bets, wins, then bets, wins, rolled back."""
    return (
        found.bet_amount.amount,
        found.win_amount.amount,
        found.bet_count,
        found.win_count,
        found.rolled_back_count,
    )


async def test_play_is_all_or_nothing(player: Player, send: Send) -> None:
    """A play whose last bet is not covered leaves no trace in money or round."""
    await send(player, player.bet("1.00", "before"))
    play = player.play(
        player.stake("50.00", "a"),
        player.prize("10.00", "b", bet_transaction_id="a"),
        player.stake("60.00", "c"),
    )
    answer = await send(player, play)

    assert_refused(answer, "INSUFFICIENT_FUNDS")
    # The balance of the refusal is what stands, not what an action saw.
    assert (answer.balance.cash, answer.balance.version) == (9_900, 2)
    assert await player.cash() == 9_900
    assert totals(await read_round(player)) == (100, 0, 1, 0, 0)


async def test_play_funds_itself(player: Player, send: Send) -> None:
    """A win of a play pays for a later bet of the same play."""
    answer = await send(
        player,
        player.play(
            player.stake("100.00", "a"),
            player.prize("30.00", "b", bet_transaction_id="a"),
            player.stake("30.00", "c"),
        ),
    )

    assert [r.after.cash for r in answer.receipts] == [0, 3_000, 0]
    assert answer.balance.cash == 0


@pytest.mark.parametrize("id_", ["a", "b", "c"])
async def test_play_is_reversed_as_a_unit(player: Player, send: Send, id_: str) -> None:
    """The rollback of any action takes the whole play back, once."""
    await send(
        player,
        player.play(
            player.stake("50.00", "a"),
            player.prize("70.00", "b", bet_transaction_id="a"),
            player.stake("5.00", "c", kind=TIP),
            round_closed=True,
        ),
    )
    back = await send(player, player.rollback(id_, "back"))
    aliases = [await send(player, player.rollback(other)) for other in "abc"]

    assert (back.receipt.cash.amount, back.receipt.after.cash) == (-1_500, 10_000)
    assert all(is_replay(alias) for alias in aliases)
    assert await player.cash() == 10_000
    assert totals(await read_round(player)) == (0, 0, 1, 1, 3)


async def test_play_is_reversed_after_its_win_was_spent(
    player: Player, send: Send
) -> None:
    """The reversal of a play may leave cash below zero; a bet then waits for funds."""
    await send(player, player.play(player.stake("1", "a"), player.prize("51", "b")))
    await send(player, player.bet("150.00", None, "other"))
    back = await send(player, player.rollback("b"))
    bet = await send(player, player.bet("0.01", None, "other"))
    zero = await send(player, player.bet("0", None, "other"))
    await send(player, player.award("60.00"))

    assert (back.receipt.after.cash, back.receipt.after.playable) == (-5_000, 0)
    assert_refused(bet, "INSUFFICIENT_FUNDS")
    assert zero.receipt.after.cash == -5_000
    assert await player.cash() == 1_000


async def test_win_of_another_call_settles_a_play(player: Player, send: Send) -> None:
    """A play that a later call has settled stays."""
    await send(player, player.play(player.stake("5", "a"), player.prize("1", "b")))
    await send(player, player.win("2.00", bet_transaction_id="a"))

    assert_refused(await send(player, player.rollback("a")), "ALREADY_SETTLED")


async def test_empty_play_closes(player: Player, send: Send) -> None:
    """A play without actions closes its round, once; an unknown one is not found."""
    await send(player, player.bet("1.00"))
    first = await send(player, player.play(round_closed=True))
    again = await send(player, player.play(round_closed=True))
    nowhere = await send(player, player.play(round_id="no", round_closed=True))

    assert (is_replay(first), is_replay(again)) == (False, True)
    assert not first.receipts
    assert not first.HasField("balance")
    assert (await read_round(player)).state == CLOSED
    assert_refused(nowhere, "ROUND_NOT_FOUND", round_id="no")


async def test_closed_round(player: Player, send: Send) -> None:
    """A closed round takes no bet; late wins come, and the close is answered again."""
    await send(player, player.bet("10.00", "bet"))
    first = await send(player, player.close())
    again = await send(player, player.close())
    bet = await send(player, player.bet("1.00"))
    play = await send(player, player.play(player.stake("1.00")))
    wins = [
        await send(player, player.win("2.00", bet_transaction_id="bet")),
        await send(player, player.win("3.00")),
        await send(player, player.play(player.prize("4.00"))),
        await send(player, player.award("5.00", None, "round")),
    ]

    assert (is_replay(first), is_replay(again)) == (False, True)
    assert first_answer(again) == first_answer(first)
    assert_refused(bet, "ROUND_CLOSED")
    assert_refused(play, "ROUND_CLOSED")
    assert not any(isinstance(win, Exception) for win in wins)
    assert await player.cash() == 9_000 + 200 + 300 + 400 + 500


@pytest.mark.parametrize("closing", ["bet", "win", "play", "award"])
async def test_last_call_closes(player: Player, send: Send, closing: str) -> None:
    """The last money call of a round closes it in its own commit."""
    await send(player, player.bet("1.00", "first"))
    last: dict[str, Any] = {
        "bet": player.bet("1.00", round_closed=True),
        "win": player.win("1.00", round_closed=True),
        "play": player.play(player.prize("1.00"), round_closed=True),
        "award": player.award("1.00", None, "round", round_closed=True),
    }
    await send(player, last[closing])

    assert (await read_round(player)).state == CLOSED
    assert_refused(await send(player, player.bet("1.00")), "ROUND_CLOSED")
    assert is_replay(await send(player, player.close()))


async def test_rounds_are_apart(player: Player, send: Send) -> None:
    """A round of one id is another one for another player and in another game."""
    casino, other = player.casino, await player.casino.player()
    game_id = casino.deployment.name("game")
    await casino.deployment.admin.admin.create_game(
        game_id=game_id, studio_id=casino.studio_id
    )
    await send(player, player.bet("1.00", round_closed=True))

    assert (await send(other, other.bet("1.00"))).receipt
    assert (await send(player, player.bet("1.00", game_id=game_id))).receipt


async def test_e14_zero_is_an_amount(player: Player, send: Send) -> None:
    """Zero bets, wins, awards and their rollbacks are posted and move no version."""
    answers = [
        await send(player, player.bet("0", "bet")),
        await send(player, player.win("0", "win", "other")),
        await send(player, player.rollback("bet", "back")),
        await send(player, player.award("0")),
    ]
    bet, win, back, award = answers

    assert_refused(win, "BET_NOT_FOUND")
    for answer in (bet, back, award):
        assert answer.receipt.cash.amount == 0
        assert answer.receipt.before == answer.receipt.after
        assert answer.receipt.after.version == 1
    assert totals(await read_round(player)) == (0, 0, 1, 0, 1)


async def test_e15_loss_is_a_win_of_zero(player: Player, send: Send) -> None:
    """A lost bet is settled by a win of zero, also of a player without money."""
    await send(player, player.bet("100.00", "bet"))
    win = await send(player, player.win("0", bet_transaction_id="bet"))
    bet = await send(player, player.bet("0"))

    assert (win.receipt.cash.amount, win.receipt.after.cash) == (0, 0)
    assert bet.receipt.after.cash == 0
    assert totals(await read_round(player)) == (10_000, 0, 2, 1, 0)


async def test_several_wins_for_one_bet(player: Player, send: Send) -> None:
    """One bet may be won more than once."""
    await send(player, player.bet("1.00", "bet"))
    for _ in range(3):
        await send(player, player.win("2.00", bet_transaction_id="bet"))

    assert totals(await read_round(player)) == (100, 600, 1, 3, 0)
    assert await player.cash() == 10_500


async def test_tip_is_no_turnover(player: Player, send: Send) -> None:
    """A tip is debited, counts in no bet of its round and cannot be won."""
    tip = await send(player, player.bet("2.00", "tip", kind=TIP))
    by_bet = await send(player, player.win("1.00", bet_transaction_id="tip"))
    by_round = await send(player, player.win("1.00"))
    read = await player.casino.studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id="tip"
    )

    assert tip.receipt.cash.amount == -200
    assert_refused(by_bet, "REFERENCE_MISMATCH", field="kind")
    assert_refused(by_round, "BET_NOT_FOUND")
    assert read.transaction.bet_kind == TIP
    assert totals(await read_round(player)) == (0, 0, 0, 0, 0)


async def test_free_round_without_a_campaign(player: Player, send: Send) -> None:
    """Campaigns are not granted yet: a free round is refused and debits nothing."""
    free = FreeRound(
        campaign_id="summer", remaining=3, nominal_stake=player.money("1.00")
    )
    bet = await send(player, player.bet("1.00", "id", free_round=free))
    play = await send(player, player.play(player.stake("0", free_round=free)))
    replay = await send(player, player.bet("1.00", "id", free_round=free))

    for answer in (bet, play, replay):
        assert_refused(answer, "FREE_ROUNDS_UNAVAILABLE", campaign_id="summer")
        assert answer.player_message
    assert await player.cash() == 10_000


async def test_informational_award(player: Player, send: Send) -> None:
    """An award that was paid as part of a win is recorded and not posted."""
    award = player.award(
        "500.00", "award", kind=AwardKind.AWARD_KIND_JACKPOT, informational=True
    )
    first, again = await send(player, award), await send(player, award)
    read = await player.casino.studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id="award"
    )

    assert (first.receipt.cash.amount, first.receipt.after.cash) == (0, 10_000)
    assert is_replay(again)
    assert read.transaction.kind == TransactionKind.TRANSACTION_KIND_AWARD
    assert read.transaction.amount == player.money("500.00")
    assert read.transaction.cash.amount == 0
    assert await player.cash() == 10_000


async def test_award_in_a_round(player: Player, send: Send) -> None:
    """An award may open a round, whose wins it counts among."""
    await send(player, player.award("5.00", None, "bonus", campaign_id="spring"))

    assert (await read_round(player, "bonus")).state == OPEN
    assert totals(await read_round(player, "bonus")) == (0, 500, 0, 1, 0)


async def test_jackpots_of_a_win(player: Player, send: Send) -> None:
    """The jackpot parts of a win may make up all of it, and no more."""
    await send(player, player.bet("1.00"))
    parts = [
        JackpotWin(jackpot_id=id_, amount=money("EUR", amount))
        for id_, amount in (("mega", "30.00"), ("mini", "20.00"))
    ]
    exact = await send(player, player.win("50.00", jackpot_wins=parts))
    beyond = await send(player, player.win("49.99", jackpot_wins=parts))

    assert exact.receipt.cash.amount == 5_000
    assert_refused(beyond, "INVALID_FIELD", field="jackpot_wins")


@pytest.mark.parametrize("count", [1, 2])
async def test_cancelled_round(player: Player, send: Send, count: int) -> None:
    """A round is cancelled once every bet of it was taken back."""
    for number in range(2):
        await send(player, player.bet("1.00", f"bet-{number}"))
    for number in range(count):
        await send(player, player.rollback(f"bet-{number}"))

    assert (await read_round(player)).state == (CANCELLED if count == 2 else OPEN)
