"""Every rpc of WalletService answers what its contract says."""

import asyncio
from typing import Any

import pytest
from tests.integration.deployment import Casino, Player

from cage.client import new_id, requests
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import (
    AwardKind,
    BetKind,
    JackpotContribution,
    JackpotWin,
    Receipt,
    RoundState,
    TransactionKind,
    TransactionState,
)
from cage.wallet.v1.wallet_service_pb2 import (
    BetResponse,
    GetBalanceResponse,
    WinResponse,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


def assert_moved(receipt: Receipt, units: int, after: int, version: int) -> None:
    """Hold a first receipt to one movement of cash and the balances around it."""
    before_version = version - (units != 0)

    assert receipt.cash == Money(currency_code="EUR", amount=units, scale=2)
    assert receipt.bonus == Money(currency_code="EUR", amount=0, scale=2)
    assert (receipt.before.cash, receipt.before.version) == (
        after - units,
        before_version,
    )
    assert (receipt.after.cash, receipt.after.version) == (after, version)
    assert receipt.after.playable == after
    assert receipt.current == receipt.after
    assert not receipt.replayed
    assert not receipt.is_test
    assert receipt.ledger_id
    assert receipt.commit_time.seconds


async def test_authenticate(player: Player) -> None:
    """A launch token opens a session and tells the game about the player."""
    opened = await player.casino.studio.wallet.authenticate(
        launch_token=await player.launch()
    )

    assert opened.player_id == player.player_id
    assert opened.brand_id == player.casino.brand_id
    assert opened.game_id == player.casino.game_id
    assert (opened.country_code, opened.jurisdiction) == ("MT", "MT")
    assert opened.language_code == "en"
    assert (opened.currency_code, opened.scale) == ("EUR", 2)
    assert (opened.balance.cash, opened.balance.version) == (10_000, 1)
    assert opened.expire_time.seconds > opened.balance.read_time.seconds
    assert not opened.is_test
    assert not opened.policies.bet_needs_session

    reply = await player.casino.studio.call(
        player.bet("1.00", session_token=opened.session_token)
    )

    assert isinstance(reply, BetResponse)


async def test_get_balance(player: Player) -> None:
    """A balance is that of after every call answered before."""
    wallet = player.casino.studio.wallet
    await wallet.award(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        amount=player.money("0.50"),
        kind=AwardKind.AWARD_KIND_CASHBACK,
    )
    reply = await wallet.get_balance(
        player_id=player.player_id,
        currency_code="EUR",
        game_id=player.casino.game_id,
        session_token=await player.session(),
    )

    assert (reply.balance.currency_code, reply.balance.scale) == ("EUR", 2)
    assert (reply.balance.cash, reply.balance.playable) == (10_050, 10_050)
    assert (reply.balance.bonus, reply.balance.reserved) == (0, 0)
    assert reply.balance.version == 2
    assert reply.balance.read_time.seconds


async def test_get_balance_of_nothing(casino: Casino) -> None:
    """A player who never had money has a balance of zeros, version 0."""
    penniless = await casino.player("")
    balance = await penniless.balance()

    assert (balance.cash, balance.playable, balance.version) == (0, 0, 0)


async def test_bet(player: Player) -> None:
    """A bet debits cash and keeps what came with it."""
    contribution = JackpotContribution(
        jackpot_id="mega", amount=Money(currency_code="EUR", amount=123, scale=5)
    )
    reply = await player.casino.studio.wallet.bet(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        round_id="round",
        transaction_id="bet-1",
        amount=player.money("12.34"),
        details="spin 7",
        jackpot_contributions=[contribution],
    )

    assert reply.receipt.transaction_id == "bet-1"
    assert_moved(reply.receipt, -1_234, 8_766, 2)


async def test_win(player: Player) -> None:
    """A win credits cash, its jackpot part included."""
    wallet = player.casino.studio.wallet
    await player.casino.studio.call(player.bet("10.00", "bet-1"))
    reply = await wallet.win(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        round_id="round",
        transaction_id="win-1",
        bet_transaction_id="bet-1",
        amount=player.money("25.00"),
        jackpot_wins=[JackpotWin(jackpot_id="mega", amount=player.money("20.00"))],
    )

    assert_moved(reply.receipt, 2_500, 11_500, 3)


async def test_play(player: Player) -> None:
    """A play applies its actions in order and closes its round."""
    reply = await player.casino.studio.wallet.play(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        round_id="round",
        actions=[
            player.stake("60.00", "a"),
            player.prize("5.00", "b", bet_transaction_id="a"),
            player.stake("45.00", "c"),
        ],
        round_closed=True,
    )

    for receipt, units, after, version in zip(
        reply.receipts,
        (-6_000, 500, -4_500),
        (4_000, 4_500, 0),
        (2, 3, 4),
        strict=True,
    ):
        assert receipt.cash.amount == units
        assert (receipt.after.cash, receipt.after.version) == (after, version)
        assert (receipt.current.cash, receipt.current.version) == (0, 4)
    assert [receipt.transaction_id for receipt in reply.receipts] == ["a", "b", "c"]
    assert reply.balance.cash == 0
    assert not reply.replayed


async def test_rollback(player: Player) -> None:
    """A rollback gives a bet back, by the amount of the original."""
    await player.casino.studio.call(player.bet("30.00", "bet-1"))
    reply = await player.casino.studio.wallet.rollback(
        player_id=player.player_id,
        original_transaction_id="bet-1",
        original_kind=TransactionKind.TRANSACTION_KIND_BET,
        transaction_id="bet-1",
        amount=player.money("0.01"),
        game_id="whatever",
        round_id="whatever",
    )

    assert not reply.tombstone
    assert_moved(reply.receipt, 3_000, 10_000, 3)


async def test_reinstate(player: Player) -> None:
    """The undo of a rollback takes the bet again, and reads name the rollback."""
    studio, wallet = player.casino.studio, player.casino.studio.wallet
    await studio.call(player.bet("30.00", "bet-1"))
    await studio.call(player.rollback("bet-1", "back-1"))
    reply = await wallet.reinstate(
        player_id=player.player_id,
        rollback_transaction_id="back-1",
        transaction_id="again-1",
        details="our mistake",
    )
    read = await wallet.get_transaction(
        player_id=player.player_id,
        transaction_id="again-1",
        kind=TransactionKind.TRANSACTION_KIND_REINSTATE,
    )
    found = read.transaction

    assert_moved(reply.receipt, -3_000, 7_000, 4)
    assert not reply.reversals
    assert found.kind == TransactionKind.TRANSACTION_KIND_REINSTATE
    assert (found.amount.amount, found.cash.amount) == (3_000, -3_000)
    assert (found.reference_transaction_id, found.details) == ("back-1", "our mistake")
    assert found.ledger_id == reply.receipt.ledger_id


async def test_close_round(player: Player) -> None:
    """A close answers the round with its totals."""
    studio = player.casino.studio
    await studio.call(player.bet("30.00", "bet-1"))
    await studio.call(player.win("12.00", "win-1"))
    reply = await studio.wallet.close_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )
    closed = reply.round

    assert not reply.replayed
    assert closed.state == RoundState.ROUND_STATE_CLOSED
    assert (closed.player_id, closed.game_id, closed.round_id) == (
        player.player_id,
        player.casino.game_id,
        "round",
    )
    assert closed.bet_amount == player.money("30.00")
    assert closed.win_amount == player.money("12.00")
    assert (closed.bet_count, closed.win_count, closed.rolled_back_count) == (1, 1, 0)
    assert closed.open_time.seconds <= closed.close_time.seconds


@pytest.mark.parametrize(
    "kind", [kind for kind in AwardKind.values() if kind], ids=AwardKind.Name
)
async def test_award(player: Player, kind: AwardKind.ValueType) -> None:
    """An award of every kind credits cash without a bet."""
    reply = await player.casino.studio.wallet.award(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        transaction_id="award-1",
        amount=player.money("7.00"),
        kind=kind,
        campaign_id="spring",
    )

    assert_moved(reply.receipt, 700, 10_700, 2)


async def test_get_transaction(player: Player) -> None:
    """A transaction reads as it was sent and as it was posted."""
    studio = player.casino.studio
    bet = player.bet("30.00", "bet-1", details="spin 7", round_closed=True)
    bet.kind = BetKind.BET_KIND_STAKE
    bet.occur_time.FromJsonString("2026-02-03T04:05:06.789Z")
    posted = await studio.call(bet)
    reply = await studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id="bet-1"
    )
    found = reply.transaction

    assert isinstance(posted, BetResponse)
    assert found.ledger_id == posted.receipt.ledger_id
    assert found.kind == TransactionKind.TRANSACTION_KIND_BET
    assert found.state == TransactionState.TRANSACTION_STATE_POSTED
    assert found.bet_kind == BetKind.BET_KIND_STAKE
    assert (found.game_id, found.round_id) == (player.casino.game_id, "round")
    assert found.integration_id == player.casino.integration_id
    assert found.amount == player.money("30.00")
    assert (found.cash.amount, found.bonus.amount) == (-3_000, 0)
    assert found.after == posted.receipt.after
    assert found.round_closed
    assert found.details == "spin 7"
    assert found.occur_time.ToJsonString() == "2026-02-03T04:05:06.789Z"
    assert found.commit_time == posted.receipt.commit_time


async def test_get_transaction_of_a_rollback(player: Player) -> None:
    """A rollback is read by its kind, and names its original."""
    studio = player.casino.studio
    await studio.call(player.bet("30.00", "bet-1"))
    await studio.call(player.rollback("bet-1", "bet-1"))
    reply = await studio.wallet.get_transaction(
        player_id=player.player_id,
        transaction_id="bet-1",
        kind=TransactionKind.TRANSACTION_KIND_ROLLBACK,
    )

    assert reply.transaction.kind == TransactionKind.TRANSACTION_KIND_ROLLBACK
    assert reply.transaction.reference_transaction_id == "bet-1"
    assert reply.transaction.amount == player.money("30.00")


async def test_get_round(player: Player) -> None:
    """A round reads with what stands and with what was taken back."""
    studio = player.casino.studio
    await studio.call(player.bet("30.00", "bet-1"))
    await studio.call(player.bet("20.00", "bet-2"))
    await studio.call(player.rollback("bet-1"))
    reply = await studio.wallet.get_round(
        player_id=player.player_id, game_id=player.casino.game_id, round_id="round"
    )

    assert reply.round.state == RoundState.ROUND_STATE_OPEN
    assert reply.round.bet_amount == player.money("20.00")
    assert (reply.round.bet_count, reply.round.rolled_back_count) == (2, 1)
    assert not reply.round.HasField("close_time")
    assert reply.round.integration_id == player.casino.integration_id
    assert reply.round.details == ""


async def test_list_transactions(player: Player) -> None:
    """Pages list everything about a player in the order of the commits."""
    studio = player.casino.studio
    for number in range(5):
        await studio.call(player.bet("1.00", f"bet-{number}", f"round-{number % 2}"))
    await studio.call(player.win("2.00", "win-0", "round-0"))
    pager = studio.wallet.list_transactions(player_id=player.player_id, page_size=3)
    pages = [list(page.transactions) async for page in pager.pages()]
    of_round = studio.wallet.list_transactions(
        player_id=player.player_id,
        game_id=player.casino.game_id,
        round_id="round-0",
    )
    ids = [row.transaction_id for page in pages for row in page]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert ids[1:] == ["bet-0", "bet-1", "bet-2", "bet-3", "bet-4", "win-0"]
    assert pages[0][0].kind == TransactionKind.TRANSACTION_KIND_DEPOSIT
    assert [row.transaction_id async for row in of_round] == [
        "bet-0",
        "bet-2",
        "bet-4",
        "win-0",
    ]


async def test_list_transactions_to_an_operator(player: Player) -> None:
    """An operator lists and reads what studios sent about its players."""
    await player.casino.studio.call(player.bet("1.00", "bet-1"))
    wallet = player.casino.operator.wallet
    pager = wallet.list_transactions(player_id=player.player_id)
    found = await wallet.get_transaction(
        player_id=player.player_id, transaction_id="bet-1"
    )
    balance = await wallet.get_balance(player_id=player.player_id, currency_code="EUR")

    assert len([row async for row in pager]) == 2
    assert found.transaction.integration_id == player.casino.integration_id
    assert balance.balance.cash == 9_900


async def test_stream_execute(player: Player) -> None:
    """One stream carries every operation and answers each."""
    async with player.casino.studio.wallet.stream() as stream:
        who: dict[str, Any] = {
            "player_id": player.player_id,
            "game_id": player.casino.game_id,
        }
        bet = await stream.bet(
            **who, round_id="r", amount=player.money("1"), transaction_id="b"
        )
        win = await stream.win(**who, round_id="r", amount=player.money("3"))
        close = await stream.close_round(**who, round_id="r")
        play = await stream.play(
            **who, round_id="s", actions=[player.stake("5", "c")], round_closed=True
        )
        back = await stream.rollback(
            player_id=player.player_id, original_transaction_id="c"
        )
        award = await stream.award(
            **who, amount=player.money("2"), kind=AwardKind.AWARD_KIND_JACKPOT
        )
        read = await stream.get_balance(player_id=player.player_id, currency_code="EUR")

    assert_moved(bet.receipt, -100, 9_900, 2)
    assert_moved(win.receipt, 300, 10_200, 3)
    assert close.round.state == RoundState.ROUND_STATE_CLOSED
    assert_moved(play.receipts[0], -500, 9_700, 4)
    assert_moved(back.receipt, 500, 10_200, 5)
    assert_moved(award.receipt, 200, 10_400, 6)
    assert (read.balance.cash, read.balance.version) == (10_400, 6)


async def test_batch_execute(player: Player) -> None:
    """A batch applies one player's operations in list order, a result for each."""
    again = player.bet("100.00", new_id())
    bet, win, refused, back, read = await player.casino.studio.wallet.batch_execute(
        [
            player.bet("100.00", "bet-1"),
            player.win("40.00", "win-1", bet_transaction_id="bet-1"),
            again,
            player.rollback(again.transaction_id),
            requests.get_balance(player_id=player.player_id, currency_code="EUR"),
        ]
    )

    assert isinstance(bet, BetResponse)
    assert isinstance(win, WinResponse)
    assert_moved(win.receipt, 4_000, 4_000, 3)
    assert getattr(refused, "reason", "") == "INSUFFICIENT_FUNDS"
    assert not isinstance(back, Exception)
    assert isinstance(read, GetBalanceResponse)
    assert read.balance.cash == 4_000


async def test_batch_execute_of_1000(casino: Casino) -> None:
    """A batch of 1,000 is answered in order."""
    player = await casino.player()
    bets = [player.bet("0.01", f"bet-{number}") for number in range(1_000)]
    answers = await casino.studio.wallet.batch_execute(bets)

    assert [answer.receipt.transaction_id for answer in answers] == [  # type: ignore[union-attr]
        bet.transaction_id for bet in bets
    ]
    assert await player.cash() == 9_000


async def test_stream_execute_of_1500(casino: Casino) -> None:
    """A stream takes more frames at once than it keeps, and answers all."""
    player = await casino.player()
    async with casino.studio.wallet.stream() as stream:
        answers = await asyncio.gather(
            *(
                stream.bet(
                    player_id=player.player_id,
                    game_id=casino.game_id,
                    round_id="round",
                    amount=player.money("0.01"),
                )
                for _ in range(1_500)
            )
        )

    assert len({answer.receipt.transaction_id for answer in answers}) == 1_500
    assert await player.cash() == 8_500


async def test_test_player(casino: Casino) -> None:
    """A test player's money is marked in every receipt and in the ledger."""
    registered = await casino.operator.players.register_player(
        brand_id=casino.brand_id,
        country_code="MT",
        jurisdiction="MT",
        currency_code="EUR",
        is_test=True,
    )
    player = Player(
        casino=casino, player_id=registered.player.player_id, currency="EUR"
    )
    await player.verify()
    await player.deposit("5.00")
    bet = await casino.studio.call(player.bet("1.00", "bet"))
    opened = await casino.studio.wallet.authenticate(launch_token=await player.launch())
    read = await casino.studio.wallet.get_transaction(
        player_id=player.player_id, transaction_id="bet"
    )

    assert isinstance(bet, BetResponse)
    assert (bet.receipt.is_test, opened.is_test) == (True, True)
    assert read.transaction.is_test
