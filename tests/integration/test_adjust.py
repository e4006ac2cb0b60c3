"""An adjustment corrects what was posted: however it travels, by the rules."""

import pytest
from tests.integration.carriers import Send, assert_refused
from tests.integration.deployment import Player, Ruled

from cage.client import AdjustOverdraftRule, CageError, money
from cage.player.v1.player_pb2 import PlayerStatus
from cage.wallet.v1.wallet_pb2 import Round, TransactionKind
from cage.wallet.v1.wallet_service_pb2 import Reference

pytestmark = pytest.mark.asyncio(loop_scope="session")

REJECT = AdjustOverdraftRule.ADJUST_OVERDRAFT_RULE_REJECT
ALLOW = AdjustOverdraftRule.ADJUST_OVERDRAFT_RULE_ALLOW_NEGATIVE


async def read_round(player: Player) -> Round:
    """Read the round."""
    shown = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )
    return shown.round


async def test_e41_settled_unsettled_resettled(player: Player, send: Send) -> None:
    """E41: a closed round is resettled up and down, and nobody's status matters."""
    await send(player, player.bet("10.00", "bet"))
    win = player.win("25.00", "win", bet_transaction_id="bet", round_closed=True)
    await send(player, win)
    await player.set_status(PlayerStatus.PLAYER_STATUS_SELF_EXCLUDED)
    steps = [
        player.adjust("-25.00", "win", id_="unsettle"),
        player.adjust("40.00", "bet", "win", id_="resettle"),
        player.adjust("-0.50", "resettle", id_="edit"),
    ]
    answers = [await send(player, step) for step in steps]
    again = [await send(player, step) for step in steps]
    round_ = await read_round(player)

    assert [each.receipt.cash.amount for each in answers] == [-2_500, 4_000, -50]
    assert [each.receipt.replayed for each in again] == [True] * 3
    assert await player.cash() == 12_950
    assert (round_.adjust_amount.amount, round_.adjust_count) == (1_450, 3)
    assert (round_.bet_amount.amount, round_.win_amount.amount) == (1_000, 2_500)


@pytest.mark.parametrize("rule", [0, REJECT, ALLOW])
async def test_overdraft(ruled: Ruled, send: Send, rule: int) -> None:
    """What the player has spent is taken back only where the rule lets it."""
    player = await ruled("20.00", adjust_overdraft=rule)
    await send(player, player.bet("20.00", "bet"))
    await send(player, player.win("50.00", "win"))
    await send(player, player.bet("40.00", "next", "next"))
    request = player.adjust("-50.00", "win", id_="adjust")
    answer = await send(player, request)

    if rule == ALLOW:
        assert answer.receipt.after.cash == -4_000
        assert answer.receipt.after.playable == 0
        return
    assert_refused(answer, "INSUFFICIENT_FUNDS")
    assert isinstance(answer, CageError)
    assert answer.balance is not None
    assert answer.balance.cash == 1_000
    # The id is not spent: with money the same call passes.
    await send(player, player.win("40.00", "later", "next"))
    assert (await send(player, request)).receipt.after.cash == 0


async def test_references_are_required(player: Player, send: Send) -> None:
    """An adjustment without a reference, or of what is not there, is refused."""
    await send(player, player.bet("1.00", "bet"))
    kind = TransactionKind.TRANSACTION_KIND_WIN
    named = Reference(transaction_id="bet", kind=kind)
    cases = [
        (player.adjust("1.00"), "INVALID_FIELD", {"field": "references"}),
        (
            player.adjust("1.00", "bet", "no"),
            "TRANSACTION_NOT_FOUND",
            {"transaction_id": "no"},
        ),
        (
            player.adjust("1.00", references=[named]),
            "REFERENCE_MISMATCH",
            {"field": "kind"},
        ),
        (
            player.adjust("1.00", "bet", round_id="other"),
            "REFERENCE_MISMATCH",
            {"field": "round_id"},
        ),
    ]
    for request, reason, metadata in cases:
        assert_refused(await send(player, request), reason, **metadata)

    assert await player.cash() == 9_900


async def test_adjusted_bet_is_not_rolled_back(player: Player, send: Send) -> None:
    """The money of one mistake is not given back twice."""
    await send(player, player.bet("10.00", "bet"))
    await send(player, player.adjust("10.00", "bet", id_="void"))
    answers = [await send(player, player.rollback(name)) for name in ("bet", "void")]

    assert_refused(answers[0], "ALREADY_SETTLED")
    assert_refused(answers[1], "ROLLBACK_NOT_ALLOWED")
    assert await player.cash() == 10_000


async def test_delta_is_compared(player: Player, send: Send) -> None:
    """The same id with another delta or other references is refused by name."""
    await send(player, player.bet("10.00", "bet"))
    await send(player, player.bet("10.00", "bet-2"))
    await send(player, player.adjust("1.00", "bet", id_="id"))
    other = await send(player, player.adjust("-1.00", "bet", id_="id"))
    more = await send(player, player.adjust("1.00", "bet", "bet-2", id_="id"))

    assert_refused(other, "TRANSACTION_MISMATCH", field="delta")
    assert_refused(more, "TRANSACTION_MISMATCH", field="references")


async def test_delta_keeps_its_scale(player: Player, send: Send) -> None:
    """A delta that the ledger cannot hold exactly is refused, negative too."""
    await send(player, player.bet("10.00", "bet"))
    fine = money("EUR", "-0.005", signed=True)
    answer = await send(player, player.adjust(fine, "bet"))

    assert_refused(answer, "SCALE_MISMATCH", field="delta", sent_scale="3")
