"""A list or a round is rolled back in one commit, with an answer for each original.

Rows E1 to E21 are those of the edge-case catalogue of seamless wallets.
"""

from typing import Any

import pytest
from tests.integration.carriers import Send, assert_refused, first_answer, is_replay
from tests.integration.deployment import Player, Ruled

from cage.client import (
    RollbackAmountRule,
    Verdict,
    WinRollbackRule,
    money,
    requests,
)
from cage.player.v1.player_pb2 import PlayerStatus
from cage.wallet.v1.wallet_pb2 import RoundState, TransactionKind, TransactionState
from cage.wallet.v1.wallet_service_pb2 import Original

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEGATIVE = WinRollbackRule.WIN_ROLLBACK_RULE_ALLOW_NEGATIVE
NO_OP = WinRollbackRule.WIN_ROLLBACK_RULE_NO_OP
REFUSE = Verdict.VERDICT_REFUSE
ROLLBACK = TransactionKind.TRANSACTION_KIND_ROLLBACK


def parts(answer: Any) -> list[tuple[str, int, bool, bool]]:
    """Write each part: its original, its cash, whether a tombstone, a replay."""
    return [
        (
            each.original.transaction_id,
            each.receipt.cash.amount,
            each.tombstone,
            each.receipt.replayed,
        )
        for each in answer.reversals
    ]


async def test_list_answers_each_original(player: Player, send: Send) -> None:
    """Receipts of a list name the rollback, add up and show the balance of now."""
    await send(player, player.bet("10.00", "a"))
    await send(player, player.bet("5.00", "b", "other"))
    await send(player, player.bet("2.00", "c"))
    answer = await send(player, player.rollback_list("b", "never", "a", id_="back"))
    receipt = answer.receipt

    assert parts(answer) == [
        ("b", 500, False, False),
        ("never", 0, True, False),
        ("a", 1_000, False, False),
    ]
    assert [each.original.kind for each in answer.reversals] == [1, 0, 1]
    assert {each.receipt.transaction_id for each in answer.reversals} == {"back"}
    assert {each.receipt.current.cash for each in answer.reversals} == {9_800}
    assert len({each.receipt.ledger_id for each in answer.reversals}) == 3
    assert (receipt.cash.amount, receipt.before.cash) == (1_500, 8_300)
    assert (receipt.after.cash, receipt.current.cash) == (9_800, 9_800)
    assert receipt.after.version - receipt.before.version == 2
    assert receipt.before.playable == 8_300
    assert not answer.tombstone
    assert await player.cash() == 9_800


async def test_list_is_read_back(player: Player, send: Send) -> None:
    """Reads show the parts under the id of their rollback, and what stands for all."""
    await send(player, player.bet("10.00", "a"))
    await send(player, player.rollback_list("a", "never", id_="back"))
    wallet = player.casino.studio.wallet
    whole = await wallet.get_transaction(
        player_id=player.player_id, transaction_id="back", kind=ROLLBACK
    )
    listed = [
        (each.transaction_id, each.reference_transaction_id, each.cash.amount)
        async for each in wallet.list_transactions(player_id=player.player_id)
        if each.kind == ROLLBACK
    ]

    assert whole.transaction.state == TransactionState.TRANSACTION_STATE_POSTED
    assert whole.transaction.cash.amount == 0
    assert listed == [("back", "a", 1_000), ("back", "never", 0), ("back", "", 0)]


async def test_list_of_nothing(player: Player, send: Send) -> None:
    """What moved nothing is answered in the currency of the account."""
    dollars = await player.casino.player("100.00", "USD")
    answer = await send(dollars, dollars.rollback_list("never", id_="back"))

    assert answer.receipt.cash == money("USD", "0.00")
    assert answer.receipt.after.cash == 10_000
    assert answer.reversals[0].receipt.current.currency_code == "USD"


async def test_refused_list_moves_nothing(player: Player, send: Send) -> None:
    """A list with one original that stays is refused as a whole, and names it."""
    await send(player, player.bet("10.00", "a"))
    await send(player, player.bet("5.00", "b", "other"))
    await send(player, player.close("other"))
    before = await player.balance()
    answer = await send(player, player.rollback_list("a", "never", "b", id_="back"))
    late = await send(player, player.bet("1.00", "never"))
    again = await send(player, player.rollback_list("a", id_="back"))

    assert_refused(answer, "ALREADY_SETTLED")
    assert answer.transaction_id == "b"
    assert late.receipt.cash.amount == -100
    assert (before.cash, again.receipt.after.cash) == (8_500, 9_400)


async def test_round_answers_what_it_reversed(player: Player, send: Send) -> None:
    """A whole round goes back, the newest first, and is cancelled."""
    await send(player, player.bet("10.00", "a"))
    await send(player, player.play(player.stake("4.00", "p"), player.prize("9.00")))
    await send(player, player.bet("1.00", "c", "other"))
    answer = await send(player, player.rollback_round("back"))
    read = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )

    assert parts(answer) == [("p", -500, False, False), ("a", 1_000, False, False)]
    assert (answer.receipt.cash.amount, answer.tombstone) == (500, False)
    assert read.round.state == RoundState.ROUND_STATE_CANCELLED
    assert (read.round.bet_amount.amount, read.round.rolled_back_count) == (0, 3)
    assert await player.cash() == 9_900


async def test_retry_and_second_rollback_of_a_round(player: Player, send: Send) -> None:
    """Both answer the first rollback and the balance of now."""
    await send(player, player.bet("10.00", "a"))
    first = await send(player, player.rollback_round("back"))
    await send(player, player.bet("1.00", None, "other"))
    for id_ in ("back", "alias", "alias"):
        again = await send(player, player.rollback_round(id_))

        assert is_replay(again)
        assert parts(again) == [("a", 1_000, False, True)]
        assert again.receipt.cash == first.receipt.cash
        assert again.receipt.before == first.receipt.before
        assert again.receipt.ledger_id == first.receipt.ledger_id
        assert again.receipt.current.cash == 9_900
        if id_ == "back":
            assert first_answer(again) == first_answer(first)


async def test_second_rollback_of_a_round_is_refused(ruled: Ruled, send: Send) -> None:
    """Where the rules say so, only a retry is answered."""
    player = await ruled(second_rollback=REFUSE)
    await send(player, player.rollback_round("back"))

    assert is_replay(await send(player, player.rollback_round("back")))
    other = await send(player, player.rollback_round("other"))
    assert_refused(other, "ALREADY_ROLLED_BACK")


async def test_unknown_round_by_the_rules(ruled: Ruled, send: Send) -> None:
    """The tombstone of a round stands where its rollback answers that there is none."""
    player = await ruled(unknown_rollback=REFUSE)
    answers = [
        await send(player, player.rollback_round(id_)) for id_ in ("x", "x", "y")
    ]
    listed = await send(player, player.rollback_list("never"))

    for answer in answers:
        assert_refused(answer, "ROUND_NOT_FOUND", round_id="round")
    assert_refused(await send(player, player.bet("1.00")), "ALREADY_ROLLED_BACK")
    assert listed.reversals[0].tombstone
    assert await player.cash() == 10_000


async def test_e1_rollback_before_its_bet(player: Player, send: Send) -> None:
    """E1: unknown ids of a list and an unknown round succeed as tombstones."""
    by_list = await send(player, player.rollback_list("x", "y", id_="back"))
    by_round = await send(player, player.rollback_round("back-2", "never"))

    assert parts(by_list) == [("x", 0, True, False), ("y", 0, True, False)]
    assert (by_round.tombstone, parts(by_round)) == (True, [])
    assert by_round.receipt.after.cash == 10_000


async def test_e2_bet_after_its_rollback(player: Player, send: Send) -> None:
    """E2: a bet whose id or round was rolled back before it came never debits."""
    await send(player, player.rollback_list("x", id_="back"))
    await send(player, player.rollback_round("back-2", "gone"))
    late = [
        player.bet("10.00", "x"),
        player.bet("10.00", "new", "gone"),
        player.bet("10.00", "new", "gone"),
        player.play(player.stake("10.00", "p"), round_id="gone"),
        player.win("10.00", "w", "gone"),
    ]

    for request in late:
        assert_refused(await send(player, request), "ALREADY_ROLLED_BACK")
    assert await player.cash() == 10_000


async def test_e2_bet_that_overtakes_its_round(player: Player, send: Send) -> None:
    """E2: a bet that was on its way when its round was rolled back never debits."""
    await send(player, player.bet("10.00", "a"))
    await send(player, player.rollback_round("back"))

    assert_refused(await send(player, player.bet("5.00", "b")), "ALREADY_ROLLED_BACK")
    assert await player.cash() == 10_000


async def test_e8_rollback_after_expiry(player: Player, send: Send) -> None:
    """E8: lists and rounds go back after the session's end, for a blocked player."""
    token = await player.session()
    await send(player, player.bet("10.00", "a", session_token=token))
    await send(player, player.bet("5.00", "b", "other", session_token=token))
    await player.end_sessions()
    await player.set_status(PlayerStatus.PLAYER_STATUS_SELF_EXCLUDED)
    by_list = await send(player, player.rollback_list("a", session_token=token))
    by_round = await send(player, player.rollback_round(None, "other"))

    assert by_list.receipt.cash.amount == 1_000
    assert by_round.receipt.cash.amount == 500
    assert await player.cash() == 10_000


async def test_e13_partial_rollback(player: Player, send: Send) -> None:
    """E13: one of several bets goes back while its round lives, then the rest."""
    for id_ in ("a", "b", "c", "d"):
        await send(player, player.bet("1.00", id_))
    one = await send(player, player.rollback("b"))
    more = await send(player, player.bet("1.00", "e"))
    some = await send(player, player.rollback_list("a", "e"))
    rest = await send(player, player.rollback_round())

    assert one.receipt.cash.amount == 100
    assert more.receipt.cash.amount == -100
    assert parts(some) == [("a", 100, False, False), ("e", 100, False, False)]
    assert parts(rest) == [("d", 100, False, False), ("c", 100, False, False)]
    assert await player.cash() == 10_000


@pytest.mark.parametrize("rule", [0, NEGATIVE, NO_OP])
@pytest.mark.parametrize("is_round", [False, True])
async def test_e18_rollback_of_a_win(
    ruled: Ruled, send: Send, rule: int, *, is_round: bool
) -> None:
    """E18: a win in a list or a round goes back where the rules let wins go back."""
    player = await ruled(win_rollback=rule)
    await send(player, player.bet("10.00", "bet"))
    await send(player, player.win("30.00", "win", bet_transaction_id="bet"))
    request = player.rollback_list("win", "bet")
    if is_round:
        request = player.rollback_round()
    answer = await send(player, request)

    if not rule:
        assert_refused(answer, "ROLLBACK_NOT_ALLOWED")
        assert answer.transaction_id == "win"
        assert await player.cash() == 12_000
        return
    assert parts(answer) == [
        ("win", -3_000, False, False),
        ("bet", 1_000, False, False),
    ]
    assert await player.cash() == 10_000


@pytest.mark.parametrize("is_round", [False, True])
async def test_e19_spent_win(ruled: Ruled, send: Send, *, is_round: bool) -> None:
    """E19: what was spent leaves cash negative, or the win and its bet as they are."""
    for rule in (NEGATIVE, NO_OP):
        player = await ruled("10.00", win_rollback=rule)
        await send(player, player.bet("10.00", "bet"))
        await send(player, player.win("30.00", "win", bet_transaction_id="bet"))
        await send(player, player.bet("25.00", None, "other"))
        request = player.rollback_list("win", "bet", id_="back")
        if is_round:
            request = player.rollback_round("back")
        answer = await send(player, request)

        if rule == NEGATIVE:
            assert parts(answer)[0][:2] == ("win", -3_000)
            assert await player.cash() == -1_500
            continue
        assert_refused(answer, "ALREADY_SETTLED")
        assert await player.cash() == 500
        await player.deposit("25.00")
        again = await send(player, request)
        assert again.receipt.cash.amount == -2_000
        assert await player.cash() == 1_000


async def test_e19_spent_win_alone_in_a_list(ruled: Ruled, send: Send) -> None:
    """E19: under NO_OP a win that was spent is answered with a move of nothing."""
    player = await ruled("10.00", win_rollback=NO_OP)
    await send(player, player.bet("10.00", "bet"))
    await send(player, player.win("30.00", "win", bet_transaction_id="bet"))
    await send(player, player.bet("25.00", "b", "other"))
    first = await send(player, player.rollback_list("win", "b", id_="back"))
    again = await send(player, player.rollback_list("win", "b", id_="back"))

    assert parts(first) == [("win", 0, False, False), ("b", 2_500, False, False)]
    assert first_answer(again) == first_answer(first)
    assert await player.cash() == 3_000


async def test_e21_refund_amount_differs(ruled: Ruled, send: Send) -> None:
    """E21: the amount comes from the originals, whatever a list or a round sends."""
    match = RollbackAmountRule.ROLLBACK_AMOUNT_RULE_MATCH
    player = await ruled(rollback_amount=match)
    await send(player, player.bet("10.00", "a"))
    await send(player, player.bet("5.00", "b", "other"))
    amount = money("EUR", "0.01")
    by_list = await send(player, player.rollback_list("a", amount=amount))
    by_round = await send(player, player.rollback_round(None, "other", amount=amount))
    wrong = await send(player, player.rollback("a", amount=amount))

    assert by_list.receipt.cash.amount == 1_000
    assert by_round.receipt.cash.amount == 500
    assert_refused(wrong, "REFERENCE_MISMATCH", field="amount")


async def test_unit_closes_and_goes_back_once(player: Player, send: Send) -> None:
    """A Play that closed its round goes back once, whichever actions are named."""
    play = player.play(
        player.stake("10.00", "a"), player.prize("4.00", "w"), round_closed=True
    )
    await send(player, play)
    answer = await send(player, player.rollback_list("w", "a"))

    assert parts(answer) == [("w", 600, False, False), ("a", 600, False, True)]
    assert answer.receipt.cash.amount == 600
    assert await player.cash() == 10_000


async def test_several_agree_inside_one_batch(player: Player) -> None:
    """Bets, the rollback of a list and of a round agree inside one batch too."""
    operations = [
        player.bet("10.00", "a"),
        player.bet("5.00", "b", "other"),
        player.rollback_list("a", "never", id_="back"),
        player.bet("1.00", "never"),
        player.rollback_round("back-2", "other"),
        player.bet("1.00", "late", "other"),
        player.reinstate("back-2", "again"),
        player.bet("1.00", "c", "other"),
        player.rollback_list("a", "never", id_="back"),
    ]
    answers: list[Any] = await player.casino.studio.wallet.batch_execute(operations)

    assert parts(answers[2]) == [("a", 1_000, False, False), ("never", 0, True, False)]
    assert parts(answers[4]) == [("b", 500, False, False)]
    assert_refused(answers[3], "ALREADY_ROLLED_BACK")
    assert_refused(answers[5], "ALREADY_ROLLED_BACK")
    assert parts(answers[6]) == [("b", -500, False, False)]
    assert answers[7].receipt.cash.amount == -100
    assert is_replay(answers[8])
    assert await player.cash() == 9_400


async def test_kinds_of_a_list(player: Player, send: Send) -> None:
    """A kind that is sent with an original has to fit."""
    await send(player, player.bet("10.00", "a"))
    win = Original(transaction_id="a", kind=TransactionKind.TRANSACTION_KIND_WIN)
    request = requests.rollback(player_id=player.player_id, originals=["never", win])
    answer = await send(player, request)

    assert_refused(answer, "REFERENCE_MISMATCH", field="kind")
    assert answer.transaction_id == "a"
