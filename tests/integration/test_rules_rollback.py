"""What a rollback does, by the rules: each on both sides and in every carrier."""

from collections.abc import Callable
from typing import TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused, first_answer, is_replay
from tests.integration.deployment import Player, Ruled

from cage.client import (
    RollbackAmountRule,
    Verdict,
    WinRollbackRule,
    money,
)
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import TransactionKind, TransactionState

pytestmark = pytest.mark.asyncio(loop_scope="session")

Build: TypeAlias = Callable[[Player], Message]
Rules: TypeAlias = dict[str, int]

ACCEPT, REFUSE = Verdict.VERDICT_ACCEPT, Verdict.VERDICT_REFUSE
REJECT = WinRollbackRule.WIN_ROLLBACK_RULE_REJECT
NEGATIVE = WinRollbackRule.WIN_ROLLBACK_RULE_ALLOW_NEGATIVE
NO_OP = WinRollbackRule.WIN_ROLLBACK_RULE_NO_OP
IGNORE = RollbackAmountRule.ROLLBACK_AMOUNT_RULE_IGNORE
MATCH = RollbackAmountRule.ROLLBACK_AMOUNT_RULE_MATCH


def by_default(name: str, *defaults: Verdict.ValueType) -> list[Rules]:
    """Return the default of a rule, unspecified and named."""
    return [{}, *({name: default} for default in defaults)]


@pytest.mark.parametrize("rules", by_default("unknown_rollback", ACCEPT))
async def test_unknown_id_is_accepted(ruled: Ruled, send: Send, rules: Rules) -> None:
    """The rollback of an unknown id succeeds, and the late bet never debits."""
    player = await ruled(**rules)
    back = await send(player, player.rollback("late", "back"))
    again = await send(player, player.rollback("late", "back"))
    alias = await send(player, player.rollback("late", "alias"))
    late = await send(player, player.bet("10.00", "late"))

    assert (back.tombstone, again.tombstone, alias.tombstone) == (True, True, True)
    assert (is_replay(back), is_replay(again)) == (False, True)
    assert_refused(late, "ALREADY_ROLLED_BACK")
    assert await player.cash() == 10_000


async def test_unknown_id_is_refused(ruled: Ruled, send: Send) -> None:
    """The tombstone stands also where the rollback of an unknown id is refused."""
    player = await ruled(unknown_rollback=REFUSE)
    answers = [
        await send(player, player.rollback("late", id_))
        for id_ in ("back", "back", "alias", "alias")
    ]
    late = [
        await send(player, request)
        for request in (
            player.bet("10.00", "late"),
            player.play(player.stake("10.00", "late")),
            player.win("1.00", bet_transaction_id="late"),
        )
    ]
    read = await player.casino.studio.wallet.get_transaction(
        player_id=player.player_id,
        transaction_id="back",
        kind=TransactionKind.TRANSACTION_KIND_ROLLBACK,
    )

    for answer in answers:
        assert_refused(answer, "TRANSACTION_NOT_FOUND", transaction_id="late")
    for answer in late:
        assert_refused(answer, "ALREADY_ROLLED_BACK")
    assert read.transaction.state == TransactionState.TRANSACTION_STATE_TOMBSTONE
    assert await player.cash() == 10_000


async def test_known_id_is_no_unknown_one(ruled: Ruled, send: Send) -> None:
    """Refusing unknown ids leaves the rollback of a bet, and of a refused one."""
    player = await ruled(unknown_rollback=REFUSE)
    await send(player, player.bet("10.00", "bet"))
    await send(player, player.bet("500.00", "refused"))
    posted = await send(player, player.rollback("bet"))
    refused = await send(player, player.rollback("refused"))

    assert posted.receipt.cash.amount == 1_000
    assert (refused.receipt.cash.amount, refused.tombstone) == (0, False)


@pytest.mark.parametrize("rules", by_default("second_rollback", ACCEPT))
async def test_second_rollback_is_answered(
    ruled: Ruled, send: Send, rules: Rules
) -> None:
    """Under another id a second rollback answers the first."""
    player = await ruled(**rules)
    await send(player, player.bet("10.00", "bet"))
    first = await send(player, player.rollback("bet", "back"))
    second = await send(player, player.rollback("bet", "other"))

    assert is_replay(second)
    assert second.receipt.ledger_id == first.receipt.ledger_id
    assert await player.cash() == 10_000


@pytest.mark.parametrize("is_play", [False, True])
async def test_second_rollback_is_refused(
    ruled: Ruled, send: Send, *, is_play: bool
) -> None:
    """Under another id a second rollback is refused; under its own it is a retry."""
    player = await ruled(second_rollback=REFUSE)
    request: Message = player.bet("10.00", "a")
    if is_play:
        request = player.play(player.stake("4.00", "a"), player.stake("6.00", "b"))
    await send(player, request)
    first = await send(player, player.rollback("a", "back"))
    again = await send(player, player.rollback("a", "back"))
    other = await send(player, player.rollback("b" if is_play else "a", "other"))
    other_again = await send(player, player.rollback("a", "other"))

    assert first_answer(again) == first_answer(first)
    assert is_replay(again)
    assert_refused(other, "ALREADY_ROLLED_BACK")
    assert_refused(other_again, "ALREADY_ROLLED_BACK")
    assert await player.cash() == 10_000


SETTLING: dict[str, Build] = {
    "a win that names it": lambda p: p.win("5.00", bet_transaction_id="bet"),
    "a win of the round": lambda p: p.win("5.00"),
    "a close": lambda p: p.close(),
}


@pytest.mark.parametrize("name", SETTLING)
@pytest.mark.parametrize("rules", by_default("settled_rollback", REFUSE))
async def test_settled_bet_stays(
    ruled: Ruled, send: Send, name: str, rules: Rules
) -> None:
    """A settled bet is not rolled back."""
    player = await ruled(**rules)
    await send(player, player.bet("10.00", "bet"))
    await send(player, SETTLING[name](player))

    assert_refused(await send(player, player.rollback("bet")), "ALREADY_SETTLED")


@pytest.mark.parametrize("name", SETTLING)
async def test_settled_bet_goes_back(ruled: Ruled, send: Send, name: str) -> None:
    """Where the rules let it, a settled bet is rolled back and its win stays."""
    player = await ruled(settled_rollback=ACCEPT)
    await send(player, player.bet("10.00", "bet"))
    await send(player, SETTLING[name](player))
    before = await player.cash()
    back = await send(player, player.rollback("bet"))

    assert back.receipt.cash.amount == 1_000
    assert await player.cash() == before + 1_000


# A closed round, and what is rolled back in it by its id "it".
CLOSED: dict[str, tuple[list[Build], int]] = {
    "a bet that another closed": (
        [lambda p: p.bet("10.00", "it"), lambda p: p.bet("1.00", round_closed=True)],
        1_000,
    ),
    "a bet that was closed": (
        [lambda p: p.bet("10.00", "it"), lambda p: p.close()],
        1_000,
    ),
    "a win": (
        [lambda p: p.bet("10.00"), lambda p: p.win("5.00", "it", round_closed=True)],
        -500,
    ),
    "an award": (
        [
            lambda p: p.award("5.00", "it", "round"),
            lambda p: p.bet("10.00", round_closed=True),
        ],
        -500,
    ),
    "a play that came late": (
        [
            lambda p: p.bet("10.00", round_closed=True),
            lambda p: p.play(p.prize("5.00", "it"), round_closed=True),
        ],
        -500,
    ),
}
CLOSING: dict[str, tuple[Build, int]] = {
    "bet": (lambda p: p.bet("10.00", "it", round_closed=True), 1_000),
    "play": (
        lambda p: p.play(
            p.stake("10.00", "it"), p.prize("3.00", "win"), round_closed=True
        ),
        700,
    ),
}
WIDE: Rules = {"settled_rollback": ACCEPT, "win_rollback": NEGATIVE}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("rule", [0, ACCEPT, REFUSE])
async def test_late_rollback(ruled: Ruled, send: Send, name: str, rule: int) -> None:
    """A rollback in a closed round passes, unless the rules refuse it."""
    player = await ruled(**WIDE, late_rollback=rule)
    builds, moved = CLOSED[name]
    for build in builds:
        await send(player, build(player))
    before = await player.cash()
    answer = await send(player, player.rollback("it"))

    if rule == REFUSE:
        assert_refused(answer, "ROUND_CLOSED")
        assert await player.cash() == before
    else:
        assert answer.receipt.cash.amount == moved
        assert await player.cash() == before + moved


@pytest.mark.parametrize("name", CLOSING)
async def test_what_closed_its_round_is_not_late(
    ruled: Ruled, send: Send, name: str
) -> None:
    """A bet or a play whose own call closed the round still goes back."""
    player = await ruled(late_rollback=REFUSE)
    build, moved = CLOSING[name]
    await send(player, build(player))
    answer = await send(player, player.rollback("it"))

    assert answer.receipt.cash.amount == moved
    assert await player.cash() == 10_000


# What brings money, and the rollback of it by its id "it".
PAYING: dict[str, Build] = {
    "win of the round": lambda p: p.win("50.00", "it"),
    "win of the bet": lambda p: p.win("50.00", "it", bet_transaction_id="bet"),
    "award in a round": lambda p: p.award("50.00", "it", "round"),
    "play of wins": lambda p: p.play(p.prize("20.00", "it"), p.prize("30.00")),
}


async def pay(player: Player, send: Send, name: str) -> None:
    """Let a player bet all and be paid 50.00."""
    await send(player, player.bet("100.00", "bet"))
    await send(player, PAYING[name](player))


@pytest.mark.parametrize("name", PAYING)
@pytest.mark.parametrize("rules", [{}, {"win_rollback": REJECT}])
async def test_win_stays(ruled: Ruled, send: Send, name: str, rules: Rules) -> None:
    """Wins and awards are not rolled back."""
    player = await ruled(**rules)
    await pay(player, send, name)

    assert_refused(await send(player, player.rollback("it")), "ROLLBACK_NOT_ALLOWED")
    assert await player.cash() == 5_000


@pytest.mark.parametrize("name", PAYING)
@pytest.mark.parametrize("rule", [NEGATIVE, NO_OP])
async def test_win_goes_back(ruled: Ruled, send: Send, name: str, rule: int) -> None:
    """A win that the player still has is taken back, once, and unsettles its bet."""
    player = await ruled(win_rollback=rule)
    await pay(player, send, name)
    first = await send(player, player.rollback("it", "back"))
    again = await send(player, player.rollback("it", "back"))
    other = await send(player, player.rollback("it", "other"))
    bet = await send(player, player.rollback("bet"))

    assert (first.receipt.cash.amount, first.receipt.after.cash) == (-5_000, 0)
    assert first_answer(again) == first_answer(first)
    assert (is_replay(again), is_replay(other)) == (True, True)
    assert bet.receipt.cash.amount == 10_000
    assert await player.cash() == 10_000


@pytest.mark.parametrize("name", PAYING)
async def test_spent_win_leaves_less_than_nothing(
    ruled: Ruled, send: Send, name: str
) -> None:
    """Cash becomes negative when the money of a win was spent; bets then wait."""
    player = await ruled(win_rollback=NEGATIVE)
    await pay(player, send, name)
    await send(player, player.bet("30.00", None, "elsewhere"))
    back = await send(player, player.rollback("it"))
    bet = await send(player, player.bet("0.01", None, "elsewhere"))

    assert (back.receipt.cash.amount, back.receipt.after.cash) == (-5_000, -3_000)
    assert back.receipt.after.playable == 0
    assert_refused(bet, "INSUFFICIENT_FUNDS")
    assert await player.cash() == -3_000


@pytest.mark.parametrize("name", PAYING)
async def test_spent_win_stays_until_it_is_back(
    ruled: Ruled, send: Send, name: str
) -> None:
    """A rollback that moves nothing succeeds; a later one, with the money, moves it."""
    player = await ruled(win_rollback=NO_OP)
    await pay(player, send, name)
    await send(player, player.bet("0.01", None, "elsewhere"))
    first = await send(player, player.rollback("it", "back"))
    await player.deposit("0.01")
    again = await send(player, player.rollback("it", "back"))
    later = await send(player, player.rollback("it", "later"))

    assert (first.receipt.cash.amount, first.receipt.after.cash) == (0, 4_999)
    assert (first.tombstone, is_replay(first)) == (False, False)
    assert first_answer(again) == first_answer(first)
    assert is_replay(again)
    assert later.receipt.cash.amount == -5_000
    assert await player.cash() == 0


@pytest.mark.parametrize("rule", [REJECT, NEGATIVE, NO_OP])
async def test_award_without_a_round_stays(ruled: Ruled, send: Send, rule: int) -> None:
    """An award that belongs to no round is never rolled back."""
    player = await ruled(win_rollback=rule)
    await send(player, player.award("5.00", "it"))
    answer = await send(player, player.rollback("it"))

    assert_refused(answer, "ROLLBACK_NOT_ALLOWED")
    assert await player.cash() == 10_500


# What is sent with the rollback of a bet of 10.00 EUR, and whether it matches.
AMOUNTS: dict[str, tuple[Money | None, bool]] = {
    "missing": (None, True),
    "equal": (money("EUR", "10.00"), True),
    "equal at a coarser scale": (money("EUR", "10"), True),
    "equal at a finer scale": (money("EUR", "10.00000"), True),
    "smaller": (money("EUR", "9.99"), False),
    "zero": (money("EUR", "0.00"), False),
    "larger": (money("EUR", "10.01"), False),
    "finer than the ledger": (money("EUR", "10.001"), False),
    "of another currency": (money("USD", "10.00"), False),
    "of no currency": (Money(amount=1_000, scale=2), False),
    "of an unknown currency": (money("???", "10.00"), False),
    "without a scale": (Money(currency_code="EUR", amount=1_000), False),
    "negative": (Money(currency_code="EUR", amount=-1_000, scale=2), False),
    "beyond 64 bits": (Money(currency_code="EUR", amount=2**63 - 1, scale=0), False),
    "of no known scale": (Money(currency_code="EUR", amount=10, scale=99), False),
}


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("rule", [0, IGNORE, MATCH])
async def test_amount_of_a_rollback(
    ruled: Ruled, send: Send, name: str, rule: int
) -> None:
    """The amount that is sent matters nothing, or has to be that of the bet."""
    player = await ruled(rollback_amount=rule)
    amount, is_same = AMOUNTS[name]
    await send(player, player.bet("10.00", "bet"))
    answer = await send(player, player.rollback("bet", "back", amount=amount))

    if is_same or rule != MATCH:
        assert answer.receipt.cash.amount == 1_000
        assert await player.cash() == 10_000
        return
    assert_refused(answer, "REFERENCE_MISMATCH", field="amount")
    assert await player.cash() == 9_000

    right = await send(player, player.rollback("bet", "back"))

    assert right.receipt.cash.amount == 1_000


async def test_amount_of_a_retry_is_not_compared(ruled: Ruled, send: Send) -> None:
    """The id says that it is a retry, whatever amount comes with it."""
    player = await ruled(rollback_amount=MATCH)
    await send(player, player.bet("10.00", "bet"))
    await send(player, player.rollback("bet", "back", amount=money("EUR", "10.00")))
    again = await send(
        player, player.rollback("bet", "back", amount=money("EUR", "1.00"))
    )
    unknown = await send(player, player.rollback("no", amount=money("EUR", "1.00")))

    assert is_replay(again)
    assert unknown.tombstone
