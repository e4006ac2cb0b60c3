"""Amounts are exact in every currency, from a fifth decimal to the edge of int64."""

from typing import Any

import pytest
from tests.integration.carriers import Send, assert_refused
from tests.integration.deployment import Casino, Player

from cage.client import AmountOutOfRangeError, BalanceOutOfRangeError, decimal_text
from cage.core.money import INT64_MAX
from cage.type.v1.money_pb2 import Money

pytestmark = pytest.mark.asyncio(loop_scope="session")


# Currency, deposit, bet, win: what is left, in the ledger's own decimals.
@pytest.mark.parametrize(
    ("currency", "cash", "bet", "win", "left"),
    [
        ("EUR", "63727092.34", "0.01", "63727092.34", "127454184.67"),
        ("MIL", "1.00000", "0.00001", "0.00003", "1.00002"),
        ("MIL", "63727092.34567", "63727092.34567", "0.00001", "0.00001"),
        ("ONE", "3", "2", "7", "8"),
        ("BTC", "0.00000001", "0.00000001", "20999999.97690000", "20999999.97690000"),
        ("ONE", str(INT64_MAX), str(INT64_MAX), str(INT64_MAX), str(INT64_MAX)),
        ("EUR", "92233720368547758.07", "0.01", "0.01", "92233720368547758.07"),
    ],
)
async def test_e46_amounts_are_exact(
    casino: Casino, send: Send, currency: str, cash: str, bet: str, win: str, left: str
) -> None:
    """A bet and a win change the balance by exactly what they say."""
    player = await casino.player(cash, currency)
    await send(player, player.bet(bet, "bet"))
    await send(player, player.win(win, bet_transaction_id="bet"))
    balance = await player.balance()

    assert decimal_text(balance.cash, balance.scale) == left


@pytest.mark.parametrize(
    ("amount", "scale", "cash"),
    [
        (1, 0, 9_900),
        (100, 2, 9_900),
        (10, 1, 9_900),
        (1_000_000, 6, 9_900),
        (10**18, 18, 9_900),
        (0, 18, 10_000),
    ],
)
async def test_scales_are_converted(
    player: Player, send: Send, amount: int, scale: int, cash: int
) -> None:
    """An amount at any scale that leaves no remainder is posted at the ledger's."""
    sent = Money(currency_code="EUR", amount=amount, scale=scale)
    answer = await send(player, player.bet(sent))

    assert answer.receipt.cash.scale == 2
    assert answer.receipt.after.cash == cash


async def test_e46_finer_than_the_ledger(casino: Casino, send: Send) -> None:
    """A tenth of the smallest unit is refused, never rounded."""
    player = await casino.player("1.00000", "MIL")
    answer = await send(player, player.bet("0.000001"))

    assert_refused(
        answer, "SCALE_MISMATCH", ledger_scale="5", sent_scale="6", currency_code="MIL"
    )
    assert await player.cash() == 100_000


async def test_balance_stays_in_64_bits(casino: Casino, send: Send) -> None:
    """Nothing pushes a balance past int64, and what fits exactly is posted."""
    player = await casino.player(str(INT64_MAX), "ONE")
    await send(player, player.bet("5", "bet"))
    answers = [
        await send(player, player.win("6", bet_transaction_id="bet")),
        await send(player, player.award("6")),
        await send(player, player.play(player.prize("3"), player.prize("3"))),
    ]
    exact = await send(player, player.win("5", bet_transaction_id="bet"))

    for answer in answers:
        assert_refused(answer, "BALANCE_OUT_OF_RANGE")
    assert exact.receipt.after.cash == INT64_MAX


async def test_rollback_stays_in_64_bits(casino: Casino, send: Send) -> None:
    """A rollback that would leave int64 is refused, and passes once there is room."""
    player = await casino.player(str(INT64_MAX), "ONE")
    await send(player, player.bet("5", "bet"))
    await send(player, player.award("5"))
    full = await send(player, player.rollback("bet", "back"))
    await send(player, player.bet("5", None, "other"))
    back = await send(player, player.rollback("bet", "back"))

    assert_refused(full, "BALANCE_OUT_OF_RANGE")
    assert back.receipt.after.cash == INT64_MAX


async def test_deposit_stays_in_64_bits(casino: Casino) -> None:
    """A deposit beyond int64 is refused, and can be transferred once there is room."""
    player = await casino.player(str(INT64_MAX), "ONE")
    cashier = casino.operator.cashier
    authorized = await cashier.authorize_deposit(
        player_id=player.player_id, amount=player.money("7"), payment_method="card"
    )
    transfer: dict[str, Any] = {
        "player_id": player.player_id,
        "payment_id": authorized.payment.payment_id,
        "amount": player.money("7"),
        "psp_reference": "psp",
    }
    with pytest.raises(BalanceOutOfRangeError):
        await cashier.transfer_deposit(**transfer)
    await casino.studio.call(player.bet("7"))
    done = await cashier.transfer_deposit(**transfer)

    assert done.balance.cash == INT64_MAX


async def test_round_total_stays_in_64_bits(casino: Casino, send: Send) -> None:
    """The wins of a round sum up to int64 and no further."""
    player = await casino.player(str(INT64_MAX), "ONE")
    await send(player, player.bet(str(INT64_MAX), "bet"))
    await send(player, player.win(str(INT64_MAX), bet_transaction_id="bet"))
    await send(player, player.bet(str(INT64_MAX), None, "other"))
    win = await send(player, player.win("1", bet_transaction_id="bet"))

    assert_refused(win, "BALANCE_OUT_OF_RANGE")


async def test_zero_deposit(player: Player) -> None:
    """A deposit has to be more than nothing."""
    with pytest.raises(AmountOutOfRangeError):
        await player.deposit("0")
