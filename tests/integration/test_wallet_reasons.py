"""Every reason for which an operation is refused is as documented, on every way."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from google.protobuf.message import Message
from tests.integration.deployment import Casino, Deployment, Player
from tests.integration.wire import CARRIERS, Refusal, connected

from cage.client import BetSessionRule, LimitKind, WalletRules, money, new_id
from cage.core.money import INT64_MAX
from cage.player.v1.player_pb2 import PlayerStatus
from cage.wallet.v1.wallet_pb2 import FreeRound, TransactionKind

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Who sends what, and the variables of the refusal.
Scene: TypeAlias = tuple[Player, Message, dict[str, str]]
Case: TypeAlias = Callable[[Casino], Awaitable[Scene]]
CASES: dict[str, Case] = {}


def case(reason: str) -> Callable[[Case], Case]:
    """List what leads to a refusal for a reason."""

    def keep(make: Case) -> Case:
        CASES[reason] = make
        return make

    return keep


async def own(casino: Casino, rules: WalletRules | None = None) -> Player:
    """Bring a player of a casino of one's own."""
    deployment: Deployment = casino.deployment
    return await (await deployment.casino(rules=rules)).player()


@case("INVALID_FIELD")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    problem = "must be 1 to 128 printable characters"
    request = player.bet("1.00", "x" * 129)
    return player, request, {"field": "transaction_id", "problem": problem}


@case("SCALE_MISMATCH")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    expected = {
        "field": "amount",
        "currency_code": "EUR",
        "ledger_scale": "2",
        "sent_scale": "5",
    }
    return player, player.bet("1.00001"), expected


@case("AMOUNT_OUT_OF_RANGE")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    bet = player.bet("1.00")
    bet.amount.amount = -1
    return player, bet, {"field": "amount", "problem": "must not be negative"}


@case("PLAYER_NOT_FOUND")
async def _(casino: Casino) -> Scene:
    player, stranger = await casino.player(), await own(casino)
    return player, stranger.win("1.00"), {"player_id": stranger.player_id}


@case("GAME_NOT_FOUND")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    return player, player.bet("1.00", game_id="chess"), {"game_id": "chess"}


@case("CURRENCY_NOT_FOUND")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    bet = player.bet(money("XYZ", "1.00"))
    return player, bet, {"currency_code": "XYZ"}


@case("ROUND_NOT_FOUND")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    return player, player.close("nowhere"), {"round_id": "nowhere"}


@case("SESSION_REQUIRED")
async def _(casino: Casino) -> Scene:
    player = await own(
        casino,
        WalletRules(bet_needs_session=BetSessionRule.BET_SESSION_RULE_REQUIRED),
    )
    return player, player.bet("1.00"), {}


@case("SESSION_NOT_FOUND")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    return player, player.bet("1.00", session_token="s.unknown"), {}


@case("SESSION_ENDED")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    token = await player.session()
    await player.end_sessions()
    return player, player.bet("1.00", session_token=token), {}


@case("CURRENCY_MISMATCH")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    bet = player.bet(money("USD", "1.00"))
    return player, bet, {"expected": "EUR", "sent": "USD"}


@case("INSUFFICIENT_FUNDS")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    return player, player.bet("100.01"), {}


@case("PLAYER_BLOCKED")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    await player.set_status(PlayerStatus.PLAYER_STATUS_SELF_EXCLUDED)
    return player, player.bet("1.00"), {"status": "SELF_EXCLUDED"}


@case("KYC_REQUIRED")
async def _(casino: Casino) -> Scene:
    player = await casino.player("", is_verified=False)
    return player, player.bet("0"), {}


@case("GAME_UNAVAILABLE")
async def _(casino: Casino) -> Scene:
    player = await own(casino)
    game_id = player.casino.game_id
    await casino.deployment.admin.admin.update_game(
        game_id=game_id, display_name="", enabled=False
    )
    return player, player.bet("1.00"), {"game_id": game_id, "by": "game"}


@case("MAINTENANCE")
async def _(casino: Casino) -> Scene:
    player = await own(casino)
    game_id = player.casino.game_id
    await casino.deployment.admin.admin.update_game(
        game_id=game_id, display_name="", enabled=True, in_maintenance=True
    )
    return player, player.bet("1.00"), {"game_id": game_id, "by": "game"}


@case("ROUND_CLOSED")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    await casino.studio.call(player.bet("1.00", round_closed=True))
    return player, player.bet("1.00"), {}


@case("BET_NOT_FOUND")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    return player, player.win("1.00", bet_transaction_id="nothing"), {}


@case("REFERENCE_MISMATCH")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    await casino.studio.call(player.bet("1.00", "bet", "one"))
    win = player.win("1.00", None, "two", bet_transaction_id="bet")
    return player, win, {"field": "round_id"}


@case("ALREADY_ROLLED_BACK")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    await casino.studio.call(player.rollback("late"))
    return player, player.bet("1.00", "late"), {}


@case("ALREADY_SETTLED")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    await casino.studio.call(player.bet("1.00", "bet"))
    await casino.studio.call(player.win("0", bet_transaction_id="bet"))
    return player, player.rollback("bet"), {}


@case("ROLLBACK_NOT_ALLOWED")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    await casino.studio.call(player.award("1.00", "award"))
    return player, player.rollback("award"), {}


@case("REINSTATE_NOT_ALLOWED")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    await casino.studio.call(player.rollback("late", "back"))
    return player, player.reinstate("back"), {}


@case("TRANSACTION_NOT_FOUND")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    return player, player.reinstate("nothing"), {"transaction_id": "nothing"}


@case("FREE_ROUNDS_UNAVAILABLE")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    bet = player.bet("1.00", free_round=FreeRound(campaign_id="summer"))
    return player, bet, {"campaign_id": "summer"}


@case("TRANSACTION_MISMATCH")
async def _(casino: Casino) -> Scene:
    player = await casino.player()
    await casino.studio.call(player.bet("1.00", "bet"))
    expected = {"transaction_id": "bet", "field": "amount"}
    return player, player.bet("2.00", "bet"), expected


async def limited(
    casino: Casino, kind: LimitKind.ValueType
) -> tuple[Player, dict[str, str]]:
    """Bring a player with a limit of 1.00, of which 0.40 is used, and what is told."""
    player = await casino.player()
    limit = await player.set_limit(kind, "1.00")
    if kind != LimitKind.LIMIT_KIND_STAKE:
        await casino.studio.call(player.bet("0.40", round_id="earlier"))
    told = {"origin": "PLAYER", "currency_code": "EUR", "limit": "1.00"}
    if kind == LimitKind.LIMIT_KIND_STAKE:
        return player, told
    end = limit.window_end_time.ToJsonString()
    return player, {**told, "period": "DAY", "remaining": "0.60", "reset_time": end}


@case("LOSS_LIMIT")
async def _(casino: Casino) -> Scene:
    player, told = await limited(casino, LimitKind.LIMIT_KIND_LOSS)
    return player, player.bet("0.61"), told


@case("WAGER_LIMIT")
async def _(casino: Casino) -> Scene:
    player, told = await limited(casino, LimitKind.LIMIT_KIND_WAGER)
    return (
        player,
        player.play(player.stake("0.60"), player.stake("0.01")),
        {
            **told,
            "remaining": "0.00",
        },
    )


@case("STAKE_LIMIT")
async def _(casino: Casino) -> Scene:
    player, told = await limited(casino, LimitKind.LIMIT_KIND_STAKE)
    return player, player.bet("1.01"), told


@case("BALANCE_OUT_OF_RANGE")
async def _(casino: Casino) -> Scene:
    player = await casino.player(str(INT64_MAX), "ONE")
    return player, player.award("1"), {}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("reason", CASES)
async def test_reason(casino: Casino, reason: str, carrier: str) -> None:
    """A refusal carries the code, advice and variables of its reason."""
    player, request, metadata = await CASES[reason](casino)
    before = await player.balance()
    async with connected(casino.deployment.address) as wire:
        answer = await wire.send(carrier, request, player.casino.studio_key)
    after = await player.balance()

    assert isinstance(answer, Refusal), answer
    assert (answer.reason, answer.metadata) == (reason, metadata)
    assert (after.cash, after.version) == (before.cash, before.version)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_funds_refusal_holds_the_balance(player: Player, carrier: str) -> None:
    """A refusal for funds holds the current balance and a sentence for the player."""
    async with connected(player.casino.deployment.address) as wire:
        answer = await wire.send(
            carrier, player.bet("100.01"), player.casino.studio_key
        )

    assert answer.balance.cash == answer.balance.playable == 10_000
    assert (answer.balance.currency_code, answer.balance.scale) == ("EUR", 2)
    assert answer.balance.version == 1
    assert answer.player_message


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_references_name_what_differs(player: Player, carrier: str) -> None:
    """A reference of another kind or game is refused by what differs first."""
    casino = player.casino
    other_game = casino.deployment.name("game")
    await casino.deployment.admin.admin.create_game(
        game_id=other_game, studio_id=casino.studio_id
    )
    await casino.studio.call(player.bet("1.00", "bet"))
    await casino.studio.call(player.win("1.00", "win"))
    bet = TransactionKind.TRANSACTION_KIND_BET
    wrong = {
        "kind": player.win("1.00", bet_transaction_id="win"),
        "game_id": player.win("1.00", bet_transaction_id="bet", game_id=other_game),
    }
    async with connected(casino.deployment.address) as wire:
        answers = {
            field: await wire.send(carrier, request, casino.studio_key)
            for field, request in wrong.items()
        }
        back = await wire.send(
            carrier,
            player.rollback("win", new_id(), original_kind=bet),
            casino.studio_key,
        )

    for field, answer in answers.items():
        assert answer.reason == "REFERENCE_MISMATCH"
        assert answer.metadata == {"field": field}
    assert back.metadata == {"field": "kind"}
