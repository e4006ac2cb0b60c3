"""What a win may settle, by the rules: each on both sides and in every carrier."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused, first_answer, is_replay
from tests.integration.deployment import Player, Ruled

from cage.client import SettlementRule, Verdict, WinRollbackRule, WinsPerBetRule
from cage.wallet.v1.wallet_pb2 import BetKind, Round, RoundState

pytestmark = pytest.mark.asyncio(loop_scope="session")

Build: TypeAlias = Callable[[Player], Message]
Rules: TypeAlias = dict[str, int]

ACCEPT, REFUSE = Verdict.VERDICT_ACCEPT, Verdict.VERDICT_REFUSE
ONE = WinsPerBetRule.WINS_PER_BET_RULE_ONE
MANY = WinsPerBetRule.WINS_PER_BET_RULE_MANY
EITHER = SettlementRule.SETTLEMENT_RULE_BET_OR_ROUND
BY_BET = SettlementRule.SETTLEMENT_RULE_BET
BY_ROUND = SettlementRule.SETTLEMENT_RULE_ROUND

# The ways to win 5.00 in the round of bet "bet".
WINS: dict[str, Build] = {
    "by bet": lambda p: p.win("5.00", "win", bet_transaction_id="bet"),
    "by round": lambda p: p.win("5.00", "win"),
    "by a play": lambda p: p.play(p.prize("5.00", "win")),
}


async def read_round(player: Player) -> Round:
    """Read the round as it stands."""
    reply = await player.casino.studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )
    return reply.round


@pytest.mark.parametrize("name", WINS)
@pytest.mark.parametrize("rule", [0, ACCEPT, REFUSE])
async def test_late_win(ruled: Ruled, send: Send, name: str, rule: int) -> None:
    """A win for a closed round is paid, unless the rules refuse it."""
    player = await ruled(late_win=rule)
    await send(player, player.bet("10.00", "bet", round_closed=True))
    request = WINS[name](player)
    answer, again = await send(player, request), await send(player, request)

    if rule == REFUSE:
        assert_refused(answer, "ROUND_CLOSED")
        assert_refused(again, "ROUND_CLOSED")
        assert await player.cash() == 9_000
    else:
        assert (is_replay(answer), is_replay(again)) == (False, True)
        assert await player.cash() == 9_500


@pytest.mark.parametrize(
    "build",
    [
        lambda p: p.win("5.00", "win", round_closed=True),
        lambda p: p.play(p.prize("2.00"), p.prize("3.00"), round_closed=True),
        lambda p: p.play(p.stake("0"), p.prize("5.00"), round_closed=True),
    ],
)
async def test_win_that_closes_is_not_late(
    ruled: Ruled, send: Send, build: Build
) -> None:
    """A win of the call that closes the round is paid, and its retry replayed."""
    player = await ruled(late_win=REFUSE)
    await send(player, player.bet("10.00", "bet"))
    request = build(player)
    answer, again = await send(player, request), await send(player, request)

    assert (is_replay(answer), is_replay(again)) == (False, True)
    assert first_answer(again) == first_answer(answer)
    assert await player.cash() == 9_500


# Wins of 5.00 without a bet that stands in the books.
BETLESS: dict[str, Build] = {
    "by round": lambda p: p.win("5.00", "win"),
    "by an unknown name": lambda p: p.win("5.00", "win", bet_transaction_id="none"),
    "by a play": lambda p: p.play(p.prize("5.00", "win")),
    "by a play and a name": lambda p: p.play(
        p.prize("5.00", "win", bet_transaction_id="none")
    ),
}
BEFORE: dict[str, list[Build]] = {
    "no round": [],
    "a round of a tip": [lambda p: p.bet("0", kind=BetKind.BET_KIND_TIP)],
    "a round of an award": [lambda p: p.award("0", None, "round")],
    "a refused bet": [lambda p: p.bet("500.00", "none")],
}


@pytest.mark.parametrize("name", BETLESS)
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("rule", [0, REFUSE, ACCEPT])
async def test_win_without_bet(
    ruled: Ruled, send: Send, name: str, before: str, rule: int
) -> None:
    """A win without its bet is refused, or paid to cash and replayed."""
    player = await ruled(win_without_bet=rule)
    for build in BEFORE[before]:
        await send(player, build(player))
    request = BETLESS[name](player)
    answer, again = await send(player, request), await send(player, request)

    if rule != ACCEPT:
        assert_refused(answer, "BET_NOT_FOUND")
        assert_refused(again, "BET_NOT_FOUND")
        assert await player.cash() == 10_000
        return
    assert (is_replay(answer), is_replay(again)) == (False, True)
    assert first_answer(again) == first_answer(answer)
    assert await player.cash() == 10_500

    round_ = await read_round(player)

    assert (round_.win_amount.amount, round_.bet_count) == (500, 0)
    assert round_.state == RoundState.ROUND_STATE_OPEN


@pytest.mark.parametrize(("name", "retried"), [("x", "y"), ("x", ""), ("", "x")])
async def test_name_of_an_unknown_bet_is_compared(
    ruled: Ruled, send: Send, name: str, retried: str
) -> None:
    """A retry under another name is no retry, also when that bet has come since."""
    player = await ruled(win_without_bet=ACCEPT)
    first = player.win("5.00", "win", bet_transaction_id=name)
    other = player.win("5.00", "win", bet_transaction_id=retried)
    posted = await send(player, first)
    answers = [await send(player, other)]
    for id_ in "xy":
        await send(player, player.bet("1.00", id_))
    answers.append(await send(player, other))
    again = await send(player, first)

    for answer in answers:
        assert_refused(answer, "TRANSACTION_MISMATCH", field="bet_transaction_id")
    assert first_answer(again) == first_answer(posted)
    assert await player.cash() == 10_300


async def test_win_without_bet_may_close(ruled: Ruled, send: Send) -> None:
    """A win that opens its round may close it, and the late bet is refused."""
    player = await ruled(win_without_bet=ACCEPT)
    await send(player, player.win("5.00", bet_transaction_id="bet", round_closed=True))
    late = await send(player, player.bet("1.00", "bet"))

    assert_refused(late, "ROUND_CLOSED")
    assert (await read_round(player)).state == RoundState.ROUND_STATE_CLOSED


async def test_win_of_another_kind_of_bet(ruled: Ruled, send: Send) -> None:
    """A win that names what is there but does not fit is refused as ever."""
    player = await ruled(win_without_bet=ACCEPT, win_after_rollback=ACCEPT)
    await send(player, player.bet("1.00", "tip", kind=BetKind.BET_KIND_TIP))
    await send(player, player.bet("1.00", "bet", "another"))
    tip = await send(player, player.win("5.00", bet_transaction_id="tip"))
    bet = await send(player, player.win("5.00", bet_transaction_id="bet"))

    assert_refused(tip, "REFERENCE_MISMATCH", field="kind")
    assert_refused(bet, "REFERENCE_MISMATCH", field="round_id")


UNDONE: dict[str, list[Build]] = {
    "rolled back": [lambda p: p.bet("10.00", "bet"), lambda p: p.rollback("bet")],
    "tombstone": [lambda p: p.rollback("bet")],
    "play": [
        lambda p: p.play(p.stake("1.00", "bet"), p.prize("2.00")),
        lambda p: p.rollback("bet"),
    ],
}


@pytest.mark.parametrize("before", UNDONE)
@pytest.mark.parametrize("name", WINS)
@pytest.mark.parametrize("rule", [0, REFUSE, ACCEPT])
async def test_win_after_rollback(
    ruled: Ruled, send: Send, before: str, name: str, rule: int
) -> None:
    """A win for a bet that was taken back is refused, or paid and replayed."""
    player = await ruled(win_after_rollback=rule)
    for build in UNDONE[before]:
        await send(player, build(player))
    request = WINS[name](player)
    answer, again = await send(player, request), await send(player, request)

    if before == "tombstone" and name != "by bet":
        # The tombstone is of an id and knows no round.
        assert_refused(answer, "BET_NOT_FOUND")
    elif rule != ACCEPT:
        assert_refused(answer, "ALREADY_ROLLED_BACK")
        assert_refused(again, "ALREADY_ROLLED_BACK")
        assert await player.cash() == 10_000
    else:
        assert (is_replay(answer), is_replay(again)) == (False, True)
        assert first_answer(again) == first_answer(answer)
        assert await player.cash() == 10_500


@pytest.mark.parametrize("first", WINS)
@pytest.mark.parametrize("name", WINS)
@pytest.mark.parametrize("rule", [0, MANY, ONE])
async def test_second_win(
    ruled: Ruled, send: Send, first: str, name: str, rule: int
) -> None:
    """A bet may have many wins, or one; the first is replayed in any case."""
    player = await ruled(wins_per_bet=rule)
    await send(player, player.bet("10.00", "bet"))
    won = WINS[first](player)
    second: Any = WINS[name](player)
    if name == "by a play":
        second.actions[0].transaction_id = "second"
    else:
        second.transaction_id = "second"
    answers = [await send(player, each) for each in (won, second, won)]

    assert [is_replay(answers[0]), is_replay(answers[2])] == [False, True]
    if rule == ONE:
        assert_refused(answers[1], "ALREADY_SETTLED")
        assert await player.cash() == 9_500
    else:
        assert not is_replay(answers[1])
        assert await player.cash() == 10_000


async def test_each_bet_has_its_win(ruled: Ruled, send: Send) -> None:
    """Two bets of a round have one win each; a win of the round settles both."""
    player = await ruled(wins_per_bet=ONE)
    for id_ in "ab":
        await send(player, player.bet("10.00", id_))
    wins = [
        await send(player, player.win("5.00", bet_transaction_id=id_)) for id_ in "ab"
    ]
    by_round = await send(player, player.win("5.00"))
    await send(player, player.bet("10.00", "c"))
    of_new = await send(player, player.win("5.00", bet_transaction_id="c"))

    assert all(win.receipt.cash.amount == 500 for win in (*wins, of_new))
    assert_refused(by_round, "ALREADY_SETTLED")


@pytest.mark.parametrize("first", WINS)
async def test_win_that_was_taken_back_does_not_count(
    ruled: Ruled, send: Send, first: str
) -> None:
    """A bet whose only win was rolled back may have another one."""
    player = await ruled(
        wins_per_bet=ONE,
        win_rollback=WinRollbackRule.WIN_ROLLBACK_RULE_ALLOW_NEGATIVE,
    )
    await send(player, player.bet("10.00", "bet"))
    await send(player, WINS[first](player))
    await send(player, player.rollback("win"))
    won = await send(player, player.win("7.00", bet_transaction_id="bet"))
    second = await send(player, player.win("7.00"))

    assert won.receipt.cash.amount == 700
    assert_refused(second, "ALREADY_SETTLED")
    assert await player.cash() == 9_700


async def test_play_with_two_wins(ruled: Ruled, send: Send) -> None:
    """Two wins for one bet of a play refuse all of it, and store that."""
    player = await ruled(wins_per_bet=ONE)
    play = player.play(
        player.stake("10.00", "bet"),
        player.prize("5.00", "a", bet_transaction_id="bet"),
        player.prize("5.00", "b", bet_transaction_id="bet"),
    )
    answers = [await send(player, play) for _ in range(2)]

    for answer in answers:
        assert_refused(answer, "ALREADY_SETTLED")
    assert await player.cash() == 10_000


@pytest.mark.parametrize("name", WINS)
@pytest.mark.parametrize("rule", [0, EITHER, BY_BET, BY_ROUND])
async def test_settlement(ruled: Ruled, send: Send, name: str, rule: int) -> None:
    """A win names its bet or its round, as the rules take it."""
    player = await ruled(settlement=rule)
    await send(player, player.bet("10.00", "bet"))
    answer = await send(player, WINS[name](player))
    is_refused = rule == (BY_ROUND if name == "by bet" else BY_BET)
    path = "actions[0].win." if name == "by a play" else ""

    if is_refused:
        assert_refused(answer, "INVALID_FIELD", field=f"{path}bet_transaction_id")
        assert await player.cash() == 9_000
    else:
        assert not is_replay(answer)
        assert await player.cash() == 9_500


@pytest.mark.parametrize(("rule", "wrong"), [(BY_BET, ""), (BY_ROUND, "bet")])
async def test_form_of_a_play_is_not_stored(
    ruled: Ruled, send: Send, rule: int, wrong: str
) -> None:
    """A play whose win names what it may not can be sent right under the same ids."""
    player = await ruled(settlement=rule)

    def play(named: str) -> Message:
        return player.play(
            player.stake("10.00", "bet"),
            player.prize("5.00", "win", bet_transaction_id=named),
        )

    refused = await send(player, play(wrong))
    posted = await send(player, play("" if wrong else "bet"))

    assert_refused(refused, "INVALID_FIELD", field="actions[1].win.bet_transaction_id")
    assert not is_replay(posted)
    assert await player.cash() == 9_500


async def test_one_batch_obeys_the_rules(ruled: Ruled) -> None:
    """Items of one batch see the wins and rollbacks of those before them."""
    player = await ruled(
        wins_per_bet=ONE,
        win_rollback=WinRollbackRule.WIN_ROLLBACK_RULE_NO_OP,
        second_rollback=REFUSE,
    )
    wallet = player.casino.studio.wallet
    await wallet.batch_execute([player.bet("10.00", "bet")])
    first, second, back, alias, third = await wallet.batch_execute(
        [
            player.win("5.00", "a", bet_transaction_id="bet"),
            player.win("5.00", "b", bet_transaction_id="bet"),
            player.rollback("a", "back"),
            player.rollback("a", "alias"),
            player.win("7.00", "c"),
        ]
    )

    assert first.receipt.cash.amount == 500  # type: ignore[union-attr]
    assert_refused(second, "ALREADY_SETTLED")
    assert back.receipt.cash.amount == -500  # type: ignore[union-attr]
    assert_refused(alias, "ALREADY_ROLLED_BACK")
    assert third.receipt.cash.amount == 700  # type: ignore[union-attr]
    assert await player.cash() == 9_700
