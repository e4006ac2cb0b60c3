"""Test how results of the core are shown."""

from dataclasses import replace
from typing import Any

import pytest

from cage.app.wallet import TransactionView
from cage.core.book import canonical
from cage.core.ids import public_id
from cage.core.player import Gate
from cage.core.registry import Currency, Registry
from cage.core.round import Round
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    FLAG_TEST,
    Balance,
    KeySpace,
    Kind,
    Receipt,
    State,
    Transaction,
)
from cage.rpc import convert
from cage.wallet.v1 import wallet_pb2

EUR = Currency(currency_no=1, currency_code="EUR", scale=2)
TIME_US = 1_700_000_000_123_456
ROW = Transaction(
    lane=3,
    item_no=77,
    player_no=1,
    integration_no=1,
    key_space=KeySpace.MOVE,
    transaction_id="t1",
    kind=Kind.BET,
    state=State.POSTED,
    variant=1,
    flags=0,
    currency_no=1,
    game_no=1,
    round_id="r1",
    amount=100,
    cash=-70,
    bonus=-30,
    cash_after=200,
    bonus_after=20,
    reserved_after=5,
    version=9,
    wallet_sequence=12,
    previous_no=76,
    anchor_no=0,
    round_previous_no=0,
    reference_no=0,
    unit_no=0,
    unit_size=0,
    commit_time_us=TIME_US,
    extra=None,
)
GATE = Gate(
    lane=3,
    player_no=1,
    player_id="ann",
    brand_no=1,
    currency_no=1,
    status=2,
    kyc_level=1,
    is_test=0,
)


def shown(receipt: Receipt, transaction_id: str = "t1") -> wallet_pb2.Receipt:
    """Return the message of a receipt."""
    message = wallet_pb2.Receipt()
    convert.fill_receipt(message, receipt, transaction_id)
    return message


def amounts(balance: Any) -> tuple[int, int, int, int, int]:
    """Return playable, cash, bonus, reserved and version of a balance."""
    return (
        balance.playable,
        balance.cash,
        balance.bonus,
        balance.reserved,
        balance.version,
    )


def test_receipt_shows_the_balances_around_a_move() -> None:
    """The balance before follows from the row, and the current one is the after."""
    message = shown(Receipt(ROW, Balance(EUR, 200, 20, 5, 9, TIME_US), False))

    assert amounts(message.before) == (320, 270, 50, 5, 8)
    assert amounts(message.after) == (220, 200, 20, 5, 9)
    assert message.current == message.after
    assert (message.cash.amount, message.bonus.amount) == (-70, -30)
    assert message.ledger_id == public_id(TIME_US, 3, 77)
    assert message.commit_time.ToMicroseconds() == TIME_US
    for balance in (message.before, message.after, message.current):
        assert (balance.currency_code, balance.scale) == ("EUR", 2)
        assert balance.read_time.ToMicroseconds() == TIME_US
    for money in (message.cash, message.bonus):
        assert (money.currency_code, money.scale) == ("EUR", 2)
    assert not message.replayed
    assert not message.is_test


def test_receipt_of_a_replay_shows_the_balance_now() -> None:
    """A replay shows the first answer, under the id sent, beside the balance now."""
    now = Balance(EUR, -50, 10, 0, 12, TIME_US + 1)
    row = replace(ROW, flags=FLAG_TEST, reserved_after=0)
    message = shown(Receipt(row, now, True), "alias")

    assert message.transaction_id == "alias"
    assert message.replayed
    assert message.is_test
    assert amounts(message.after) == (220, 200, 20, 0, 9)
    assert amounts(message.current) == (10, -50, 10, 0, 12)
    assert message.current.read_time.ToMicroseconds() == TIME_US + 1


def test_receipt_without_movement_keeps_the_version() -> None:
    """A zero bet, a tombstone or an alias moves neither balance nor version."""
    row = replace(ROW, cash=0, bonus=0, amount=0)
    message = shown(Receipt(row, Balance(EUR, 200, 20, 5, 9, TIME_US), False))

    assert message.before == message.after
    assert message.cash.HasField("scale")
    assert message.cash.amount == 0


def test_receipt_shows_a_debt_as_not_playable() -> None:
    """Cash below zero, after the rollback of a spent win, is never playable."""
    row = replace(ROW, cash=-300, bonus=0, cash_after=-100, bonus_after=0)
    message = shown(Receipt(row, Balance(EUR, -100, 0, 5, 9, TIME_US), False))

    assert amounts(message.before)[:2] == (200, 200)
    assert amounts(message.after)[:2] == (0, -100)


def test_templates_are_not_written_to() -> None:
    """A receipt leaves nothing behind in the next one."""
    shown(Receipt(replace(ROW, flags=FLAG_TEST), Balance(EUR, 1, 1, 1, 1, 1), True))
    plain = replace(ROW, cash=0, bonus=0, bonus_after=0, reserved_after=0)
    message = shown(Receipt(plain, Balance(EUR, 200, 0, 0, 9, TIME_US), False))

    assert amounts(message.before) == (200, 200, 0, 0, 9)
    assert not message.is_test
    assert not message.replayed


def transaction(row: Transaction, registry: Registry, reference_id: str = "") -> Any:
    """Return a stored row as readers see it."""
    view = TransactionView(gate=GATE, row=row, reference_id=reference_id)
    return convert.to_transaction(view, registry)


def test_transaction_shows_what_was_stored(registry: Registry) -> None:
    """A stored bet shows its columns, its kind and what was only recorded."""
    extra = canonical(
        {"details": "hi", "occur_time_us": TIME_US - 1, "campaign_id": "summer"}
    )
    message = transaction(
        replace(ROW, extra=extra, flags=FLAG_ROUND_CLOSED | FLAG_TEST), registry
    )

    assert (message.transaction_id, message.ledger_id) == (
        "t1",
        public_id(TIME_US, 3, 77),
    )
    assert (message.player_id, message.game_id, message.round_id) == (
        "ann",
        "slots",
        "r1",
    )
    assert message.integration_id == "hub"
    assert (message.kind, message.state) == (Kind.BET, State.POSTED)
    assert message.bet_kind == wallet_pb2.BET_KIND_STAKE
    assert message.award_kind == wallet_pb2.AWARD_KIND_UNSPECIFIED
    assert (message.amount.amount, message.cash.amount) == (100, -70)
    assert amounts(message.after) == (220, 200, 20, 5, 9)
    assert (message.details, message.campaign_id) == ("hi", "summer")
    assert message.occur_time.ToMicroseconds() == TIME_US - 1
    assert message.round_closed
    assert message.is_test
    assert message.refusal_reason == ""


def test_transaction_names_its_reference(registry: Registry) -> None:
    """A rollback names its original, a refused win the bet that it never found."""
    refused = canonical(
        {
            "bet_transaction_id": "t0",
            "refusal": {"reason": "BET_NOT_FOUND", "metadata": {}},
        }
    )
    win = replace(ROW, kind=Kind.WIN, state=State.REFUSED, extra=refused)
    rollback = replace(ROW, kind=Kind.ROLLBACK, key_space=KeySpace.REVERSE)

    assert transaction(rollback, registry, "t1").reference_transaction_id == "t1"
    assert transaction(win, registry).reference_transaction_id == "t0"
    assert transaction(win, registry).refusal_reason == "BET_NOT_FOUND"


def test_transaction_without_game_or_caller(registry: Registry) -> None:
    """A tombstone shows the round that its caller sent, a close has no caller's id."""
    extra = canonical({"game_id": "roulette", "round_id": "r9"})
    tombstone = replace(ROW, game_no=0, round_id="", integration_no=0, extra=extra)
    close = replace(ROW, key_space=KeySpace.CLOSE, kind=Kind.CLOSE_ROUND)
    award = replace(ROW, kind=Kind.AWARD, variant=4)
    message = transaction(tombstone, registry)

    assert (message.game_id, message.round_id) == ("roulette", "r9")
    assert message.integration_id == ""
    assert transaction(close, registry).transaction_id == ""
    assert transaction(award, registry).award_kind == wallet_pb2.AWARD_KIND_JACKPOT


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"bet_count": 1, "standing_count": 1}, wallet_pb2.ROUND_STATE_OPEN),
        (
            {"bet_count": 1, "standing_count": 1, "closed": 1},
            wallet_pb2.ROUND_STATE_CLOSED,
        ),
        (
            {"bet_count": 1, "rolled_back_count": 1, "close_time_us": TIME_US},
            wallet_pb2.ROUND_STATE_CANCELLED,
        ),
    ],
)
def test_round_shows_its_totals(
    counts: dict[str, int], state: int, registry: Registry
) -> None:
    """A round shows its state, its sums at the ledger scale and its times."""
    round_ = Round(
        lane=3,
        player_no=1,
        game_no=1,
        round_id="r1",
        currency_no=1,
        bet_cash=70,
        bet_bonus=30,
        win_amount=40,
        win_count=2,
        open_time_us=TIME_US,
        **counts,
    )
    message = wallet_pb2.Round()
    convert.fill_round(message, round_, registry, player_id="ann", game_id="slots")

    assert message.state == state
    assert (message.bet_amount.amount, message.bet_amount.scale) == (100, 2)
    assert (message.win_amount.amount, message.win_count) == (40, 2)
    assert message.open_time.ToMicroseconds() == TIME_US
    assert message.HasField("close_time") == ("close_time_us" in counts)


def test_never_is_no_time() -> None:
    """The time 0 means never and is not sent."""
    assert convert.to_time(0) is None
    assert convert.to_time(TIME_US).ToMicroseconds() == TIME_US  # type: ignore[union-attr]
    assert convert.to_balance(Balance(EUR, 1, 2, 3, 4, TIME_US)).playable == 3
