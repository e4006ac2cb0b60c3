"""Turn results of the core into messages of the contract.

Functions named ``fill`` write into a message that exists, so that a reply inside a
stream or a batch is built in place. A receipt starts as a copy of a template that
knows the currency, which costs a third of setting every field.
"""

import functools
from urllib.parse import quote

from google.protobuf.timestamp_pb2 import Timestamp

from cage.app.round import RoundView
from cage.app.wallet import TransactionView
from cage.core.ids import public_id
from cage.core.registry import Currency, Registry
from cage.core.replay import stored_extra
from cage.core.round import Round, RoundState
from cage.core.wallet import (
    FLAG_INFORMATIONAL,
    FLAG_ROUND_CLOSED,
    FLAG_TEST,
    RESERVING,
    Balance,
    KeySpace,
    Kind,
    Receipt,
    State,
    Transaction,
    caller_id,
)
from cage.type.v1 import balance_pb2, money_pb2
from cage.wallet.v1 import wallet_pb2

_MICROSECONDS = 1_000_000


@functools.cache
def _receipt_template(currency_code: str, scale: int) -> wallet_pb2.Receipt:
    """Return a receipt of zeros in a currency."""
    money = money_pb2.Money(currency_code=currency_code, amount=0, scale=scale)
    balance = balance_pb2.Balance(currency_code=currency_code, scale=scale)
    return wallet_pb2.Receipt(
        cash=money, bonus=money, before=balance, after=balance, current=balance
    )


@functools.lru_cache(maxsize=64)
def _ledger_id_prefix(time_us: int, lane: int) -> str:
    """Return what the ledger ids of one batch share: all but the last 48 bits."""
    return public_id(time_us, lane, 0)[:-12]


def fill_receipt(
    message: wallet_pb2.Receipt, receipt: Receipt, transaction_id: str
) -> None:
    """Write the receipt of a row under the id that was sent.

    The balance before follows from the row: what moved is taken back, and the
    version counts the moves.
    """
    row, current = receipt.transaction, receipt.current
    time_us, cash, bonus = row.commit_time_us, row.cash_after, row.bonus_after
    currency = current.currency
    message.CopyFrom(_receipt_template(currency.currency_code, currency.scale))
    message.transaction_id = transaction_id
    message.ledger_id = f"{_ledger_id_prefix(time_us, row.lane)}{row.item_no:012x}"
    commit_time = message.commit_time
    commit_time.seconds, micros = divmod(time_us, _MICROSECONDS)
    commit_time.nanos = micros * 1_000
    after = message.after
    after.cash = cash
    after.playable = (max(0, cash)) + (max(0, bonus))
    after.version = row.version
    if bonus:
        after.bonus = bonus
    if row.reserved_after:
        after.reserved = row.reserved_after
    after.read_time.CopyFrom(commit_time)
    before = message.before
    before.CopyFrom(after)
    if row.cash or row.bonus:
        before.version = row.version - 1
        if row.cash:
            message.cash.amount = row.cash
            before.cash = cash = cash - row.cash
        if row.bonus:
            message.bonus.amount = row.bonus
            before.bonus = bonus = bonus - row.bonus
        before.playable = (max(0, cash)) + (max(0, bonus))
    if row.kind in RESERVING and (reserved := row.reserved):
        before.version = row.version - 1
        before.reserved = row.reserved_after - reserved
        message.reserved.CopyFrom(to_money(reserved, currency))
    if current.version == row.version and current.read_time_us == time_us:
        message.current.CopyFrom(after)
    else:
        fill_balance(message.current, current)
    if receipt.replayed:
        message.replayed = True
    if row.flags & FLAG_TEST:
        message.is_test = True


def fill_balance(message: balance_pb2.Balance, balance: Balance) -> None:
    """Write a balance as of its read time."""
    message.currency_code = balance.currency.currency_code
    message.scale = balance.currency.scale
    message.playable = balance.playable
    message.cash = balance.cash
    message.bonus = balance.bonus
    message.reserved = balance.reserved
    message.version = balance.version
    fill_time(message.read_time, balance.read_time_us)


def to_balance(balance: Balance) -> balance_pb2.Balance:
    """Return a balance as of its read time."""
    message = balance_pb2.Balance()
    fill_balance(message, balance)
    return message


def to_money(amount: int, currency: Currency) -> money_pb2.Money:
    """Return an amount at the ledger scale of its currency."""
    return money_pb2.Money(
        currency_code=currency.currency_code, amount=amount, scale=currency.scale
    )


def fill_time(message: Timestamp, time_us: int) -> None:
    """Write a time given in microseconds since 1970."""
    message.seconds, micros = divmod(time_us, _MICROSECONDS)
    message.nanos = micros * 1_000


def to_time(time_us: int) -> Timestamp | None:
    """Return a time given in microseconds since 1970, None for 0: never."""
    if not time_us:
        return None
    message = Timestamp()
    fill_time(message, time_us)
    return message


def to_microseconds(time: Timestamp) -> int:
    """Return a time that was sent in microseconds since 1970."""
    return time.seconds * _MICROSECONDS + time.nanos // 1_000


def fill_round_view(
    message: wallet_pb2.Round, view: RoundView, registry: Registry
) -> None:
    """Write a round with its totals, and what else its readers are told."""
    integration = registry.integrations_by_no.get(view.integration_no)
    fill_round(
        message,
        view.round_,
        registry,
        player_id=view.gate.player_id,
        game_id=view.game.game_id,
    )
    template = view.game.history_url_template
    if integration is not None:
        message.integration_id = integration.integration_id
        template = template or integration.history_url_template
    message.details = view.details
    message.history_url = _expand(template, message)


def _expand(template: str, message: wallet_pb2.Round) -> str:
    """Put a round's ids into the template of an address."""
    for name in ("player_id", "game_id", "round_id", "integration_id"):
        value = quote(getattr(message, name), safe="")
        template = template.replace(f"{{{name}}}", value)
    return template


def fill_round(
    message: wallet_pb2.Round,
    round_: Round,
    registry: Registry,
    *,
    player_id: str,
    game_id: str,
) -> None:
    """Write a round with its totals."""
    currency = registry.currencies_by_no[round_.currency_no]
    message.player_id = player_id
    message.game_id = game_id
    message.round_id = round_.round_id
    message.state = _ROUND_STATES[round_.state]
    message.bet_amount.CopyFrom(to_money(round_.bet_cash + round_.bet_bonus, currency))
    message.bet_bonus_amount.CopyFrom(to_money(round_.bet_bonus, currency))
    message.win_amount.CopyFrom(to_money(round_.win_amount, currency))
    message.adjust_amount.CopyFrom(to_money(round_.adjust_amount, currency))
    message.adjust_count = round_.adjust_count
    message.bet_count = round_.bet_count
    message.win_count = round_.win_count
    message.rolled_back_count = round_.rolled_back_count
    fill_time(message.open_time, round_.open_time_us)
    if round_.close_time_us:
        fill_time(message.close_time, round_.close_time_us)


@functools.cache
def _transaction_template(currency_code: str, scale: int) -> wallet_pb2.Transaction:
    """Return a transaction of zeros in a currency."""
    money = money_pb2.Money(currency_code=currency_code, amount=0, scale=scale)
    return wallet_pb2.Transaction(
        amount=money,
        cash=money,
        bonus=money,
        after=balance_pb2.Balance(currency_code=currency_code, scale=scale),
    )


def to_transaction(view: TransactionView, registry: Registry) -> wallet_pb2.Transaction:
    """Return a transaction as it stands in the ledger."""
    message = wallet_pb2.Transaction()
    fill_transaction(message, view, registry)
    return message


def fill_transaction(
    message: wallet_pb2.Transaction, view: TransactionView, registry: Registry
) -> None:
    """Write a transaction as it stands in the ledger."""
    row, extra = view.row, stored_extra(view.row)
    currency = registry.currencies_by_no[row.currency_no]
    game = registry.games_by_no.get(row.game_no)
    integration = registry.integrations_by_no.get(row.integration_no)
    time_us, kind = row.commit_time_us, row.kind
    message.CopyFrom(_transaction_template(currency.currency_code, currency.scale))
    message.ledger_id = f"{_ledger_id_prefix(time_us, row.lane)}{row.item_no:012x}"
    # The key of a close is the round itself: its caller sent no id.
    if row.key_space != KeySpace.CLOSE:
        message.transaction_id = caller_id(row)
    message.kind = wallet_pb2.TransactionKind.ValueType(kind)
    message.state = wallet_pb2.TransactionState.ValueType(row.state)
    message.player_id = view.gate.player_id
    message.game_id = game.game_id if game is not None else extra.get("game_id", "")
    message.round_id = row.round_id or extra.get("round_id", "")
    if integration is not None:
        message.integration_id = integration.integration_id
    message.amount.amount = row.amount
    if row.cash:
        message.cash.amount = row.cash
    if row.bonus:
        message.bonus.amount = row.bonus
    message.reference_transaction_id = view.reference_id or extra.get(
        "bet_transaction_id", ""
    )
    message.round_closed = bool(row.flags & FLAG_ROUND_CLOSED)
    message.is_test = bool(row.flags & FLAG_TEST)
    _fill_after(message.after, row)
    message.commit_time.CopyFrom(message.after.read_time)
    if kind == Kind.BET:
        message.bet_kind = wallet_pb2.BetKind.ValueType(row.variant)
    elif kind == Kind.ADJUST:
        message.reference_transaction_id = extra["references"][0]
    elif kind == Kind.AWARD:
        message.award_kind = wallet_pb2.AwardKind.ValueType(row.variant)
        message.informational = bool(row.flags & FLAG_INFORMATIONAL)
    elif row.reserved:
        message.reserved.CopyFrom(to_money(row.reserved, currency))
    if not extra:
        return
    message.campaign_id = extra.get("campaign_id", "")
    message.details = extra.get("details", "")
    message.corrected_transaction_ids.extend(extra.get("references", ()))
    for name in ("jackpot_contributions", "jackpot_wins"):
        for part in extra.get(name, ()):
            shown = getattr(message, name).add(jackpot_id=part["jackpot_id"])
            shown.amount.currency_code = part["currency_code"]
            shown.amount.amount = part["amount"]
            shown.amount.scale = part["scale"]
    if "expire_time_us" in extra:
        fill_time(message.expire_time, extra["expire_time_us"])
    if row.state == State.REFUSED:
        message.refusal_reason = extra["refusal"]["reason"]
    if "occur_time_us" in extra:
        fill_time(message.occur_time, extra["occur_time_us"])


def _fill_after(message: balance_pb2.Balance, row: Transaction) -> None:
    """Write what a row left of a balance of zeros."""
    cash, bonus = row.cash_after, row.bonus_after
    message.playable = max(cash, 0) + max(bonus, 0)
    message.cash = cash
    message.version = row.version
    if bonus:
        message.bonus = bonus
    if row.reserved_after:
        message.reserved = row.reserved_after
    fill_time(message.read_time, row.commit_time_us)


_ROUND_STATES = {
    RoundState.OPEN: wallet_pb2.ROUND_STATE_OPEN,
    RoundState.CLOSED: wallet_pb2.ROUND_STATE_CLOSED,
    RoundState.CANCELLED: wallet_pb2.ROUND_STATE_CANCELLED,
}
