"""Refusals for limits, funds and a closed round hold the balance of now."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused
from tests.integration.deployment import Player, Ruled

from cage.client import LimitKind, Verdict

pytestmark = pytest.mark.asyncio(loop_scope="session")

Build: TypeAlias = Callable[[Player], Message]
ACCEPT, REFUSE = Verdict.VERDICT_ACCEPT, Verdict.VERDICT_REFUSE

# Calls that come late for a round of a bet "b", an open reserve "r" and another round.
LATE: dict[str, Build] = {
    "bet": lambda p: p.bet("1.00", "x"),
    "reserve": lambda p: p.reserve("1.00", "x"),
    "capture": lambda p: p.capture("1.00", "r", "x"),
    "win": lambda p: p.win("1.00", "x", bet_transaction_id="b"),
    "win of the round": lambda p: p.win("1.00", "x"),
    "play": lambda p: p.play(p.stake("1.00", "x"), p.prize("1.00", "y")),
    "play of a win": lambda p: p.play(p.prize("1.00", "x")),
    "rollback": lambda p: p.rollback("b", "x"),
    "rollback of a list": lambda p: p.rollback_list("alive", "b", id_="x"),
}
LIMITS = [
    (LimitKind.LIMIT_KIND_STAKE, "STAKE_LIMIT"),
    (LimitKind.LIMIT_KIND_LOSS, "LOSS_LIMIT"),
    (LimitKind.LIMIT_KIND_WAGER, "WAGER_LIMIT"),
]
BETS: dict[str, Build] = {
    "bet": lambda p: p.bet("20.00", "x"),
    "reserve": lambda p: p.reserve("20.00", "x"),
    "play": lambda p: p.play(p.stake("1.00"), p.prize("1.00"), p.stake("20.00", "x")),
}


async def tells_balance(
    player: Player, send: Send, request: Message, reason: str
) -> None:
    """Hold a refusal and its retry to tell the balance of their own time."""
    for _ in range(2):
        refused, now = await send(player, request), await player.balance()

        assert_refused(refused, reason)
        told = refused.balance
        assert told is not None
        now.read_time.CopyFrom(told.read_time)
        assert told == now
        await player.deposit("1.00")


@pytest.mark.parametrize("name", LATE)
async def test_closed_round(ruled: Ruled, send: Send, name: str) -> None:
    """Whatever a closed round does not take is refused with the balance."""
    player = await ruled(late_win=REFUSE, late_rollback=REFUSE, settled_rollback=ACCEPT)
    before: Sequence[Message] = [
        player.bet("10.00", "alive", "another"),
        player.bet("10.00", "b"),
        player.reserve("10.00", "r"),
        player.close(),
    ]
    for request in before:
        await send(player, request)

    await tells_balance(player, send, LATE[name](player), "ROUND_CLOSED")


@pytest.mark.parametrize("name", BETS)
@pytest.mark.parametrize(("kind", "reason"), LIMITS)
async def test_limit(
    player: Player, send: Send, kind: LimitKind.ValueType, reason: str, name: str
) -> None:
    """Whatever a limit does not let pass is refused with the balance."""
    await player.set_limit(kind, "15.00")

    await tells_balance(player, send, BETS[name](player), reason)


@pytest.mark.parametrize("name", BETS)
async def test_funds(ruled: Ruled, send: Send, name: str) -> None:
    """Whatever the funds do not cover is refused with the balance."""
    player = await ruled("10.00")

    await tells_balance(player, send, BETS[name](player), "INSUFFICIENT_FUNDS")
