"""Refused bets and what pays for a play, by the rules and in every carrier."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused, first_answer, is_replay
from tests.integration.deployment import Deployment, Player, Ruled

from cage.client import PlayFundsRule, RefusedBetRule
from cage.player.v1.player_pb2 import PlayerStatus

pytestmark = pytest.mark.asyncio(loop_scope="session")

Build: TypeAlias = Callable[[Player], Message]
STORE = RefusedBetRule.REFUSED_BET_RULE_STORE
ANEW = RefusedBetRule.REFUSED_BET_RULE_JUDGE_ANEW
BETS_FIRST = PlayFundsRule.PLAY_FUNDS_RULE_BETS_FIRST

REFUSED: dict[str, Build] = {
    "bet": lambda p: p.bet("150.00", "a"),
    "play": lambda p: p.play(p.stake("100.00", "a"), p.stake("50.00", "b")),
}
STORING: list[dict[str, int]] = [{}, {"refused_bet": STORE}]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("rules", STORING)
async def test_refused_bet_stays_refused(
    ruled: Ruled, send: Send, name: str, rules: dict[str, int]
) -> None:
    """With the money there the id still gets its first refusal."""
    player = await ruled(**rules)
    request = REFUSED[name](player)
    first = await send(player, request)
    await player.deposit("100.00")
    again = await send(player, request)

    assert_refused(first, "INSUFFICIENT_FUNDS")
    assert_refused(again, "INSUFFICIENT_FUNDS")
    assert again.balance.cash == 20_000
    assert await player.cash() == 20_000


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_bet_is_judged_anew(ruled: Ruled, send: Send, name: str) -> None:
    """Where refusals are not stored the id is free until it is accepted."""
    player = await ruled(refused_bet=ANEW)
    request = REFUSED[name](player)
    refused = [await send(player, request) for _ in range(2)]
    await player.deposit("100.00")
    posted, again = await send(player, request), await send(player, request)

    for answer in refused:
        assert_refused(answer, "INSUFFICIENT_FUNDS")
    assert (is_replay(posted), is_replay(again)) == (False, True)
    assert first_answer(again) == first_answer(posted)
    assert await player.cash() == 5_000


async def test_refused_id_takes_another_bet(ruled: Ruled, send: Send) -> None:
    """Where refusals are not stored the id of one is no retry of it."""
    player = await ruled(refused_bet=ANEW)
    await send(player, player.bet("150.00", "a"))
    answer = await send(player, player.bet("15.00", "a", "another"))

    assert answer.receipt.cash.amount == -1_500


@pytest.mark.parametrize("rules", STORING)
async def test_refused_id_takes_no_other_bet(
    ruled: Ruled, send: Send, rules: dict[str, int]
) -> None:
    """Where refusals are stored the id of one is taken."""
    player = await ruled(**rules)
    await send(player, player.bet("150.00", "a"))
    answer = await send(player, player.bet("15.00", "a"))

    assert_refused(answer, "TRANSACTION_MISMATCH", field="amount")


@pytest.mark.parametrize(("rule", "tombstone"), [(STORE, False), (ANEW, True)])
async def test_rollback_of_a_refused_bet(
    ruled: Ruled,
    send: Send,
    rule: RefusedBetRule.ValueType,
    *,
    tombstone: bool,
) -> None:
    """A refusal that was not stored is unknown to a rollback, which keeps it out."""
    player = await ruled(refused_bet=rule)
    bet = player.bet("150.00", "a")
    await send(player, bet)
    back = await send(player, player.rollback("a"))
    await player.deposit("100.00")
    late = await send(player, bet)

    assert back.tombstone == tombstone
    assert_refused(late, "ALREADY_ROLLED_BACK" if tombstone else "INSUFFICIENT_FUNDS")
    assert await player.cash() == 20_000


async def test_status_is_judged_anew(ruled: Ruled, send: Send) -> None:
    """A bet of a player who was blocked is accepted when that is over."""
    player = await ruled(refused_bet=ANEW)
    await player.set_status(PlayerStatus.PLAYER_STATUS_SUSPENDED)
    refused = await send(player, player.bet("1.00", "a"))
    await player.set_status(PlayerStatus.PLAYER_STATUS_ACTIVE)
    posted = await send(player, player.bet("1.00", "a"))

    assert_refused(refused, "PLAYER_BLOCKED")
    assert posted.receipt.cash.amount == -100


async def test_stored_refusal_outlives_its_rule(
    deployment: Deployment, send: Send
) -> None:
    """A refusal that was stored stays, also when the rule is switched."""
    casino = await deployment.casino()
    player = await casino.player()
    await send(player, player.bet("150.00", "a"))
    await casino.rule(refused_bet=ANEW)
    await player.deposit("100.00")

    assert_refused(await send(player, player.bet("150.00", "a")), "INSUFFICIENT_FUNDS")


# A play of a player with 100.00, and its funds with bets first: enough or not.
PLAYS: dict[str, tuple[Build, bool]] = {
    "all covered": (
        lambda p: p.play(p.stake("60.00", "a"), p.prize("5.00"), p.stake("40.00")),
        True,
    ),
    "one cent of a win": (
        lambda p: p.play(p.stake("60.00", "a"), p.prize("5.00"), p.stake("40.01")),
        False,
    ),
    "a win that came first": (
        lambda p: p.play(p.stake("0"), p.prize("50.00"), p.stake("101.00")),
        False,
    ),
    "wins alone": (lambda p: p.play(p.prize("5.00")), True),
}


@pytest.mark.parametrize("name", PLAYS)
@pytest.mark.parametrize("rule", [0, 1, BETS_FIRST])
async def test_what_pays_for_a_play(
    ruled: Ruled, send: Send, name: str, rule: int
) -> None:
    """By the default a win of the play pays for its bets, with bets first none does."""
    player = await ruled(play_funds=rule)
    build, is_covered = PLAYS[name]
    await send(player, player.bet("0", "before"))
    request: Any = build(player)
    answer, again = await send(player, request), await send(player, request)

    if is_covered or rule != BETS_FIRST:
        assert (is_replay(answer), is_replay(again)) == (False, True)
        assert answer.balance.cash == await player.cash()
    else:
        assert_refused(answer, "INSUFFICIENT_FUNDS")
        assert_refused(again, "INSUFFICIENT_FUNDS")
        assert answer.balance.cash == await player.cash() == 10_000


async def test_bets_first_keeps_the_order(ruled: Ruled, send: Send) -> None:
    """Covered bets are still applied in the order of the request."""
    player = await ruled(play_funds=BETS_FIRST)
    answer = await send(
        player,
        player.play(
            player.stake("60.00", "a"),
            player.prize("30.00", "b", bet_transaction_id="a"),
            player.stake("40.00", "c"),
        ),
    )

    assert [each.after.cash for each in answer.receipts] == [4_000, 7_000, 3_000]
