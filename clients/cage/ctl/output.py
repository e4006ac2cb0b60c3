"""Write amounts, tables and errors for people."""

from collections.abc import Iterable, Sequence

from google.protobuf.json_format import MessageToJson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cage.client import CageError, decimal_text
from cage.error.v1.error_detail_pb2 import Advice
from cage.type.v1.balance_pb2 import Balance
from cage.wallet.v1.wallet_pb2 import Transaction, TransactionKind, TransactionState

OUT = Console(highlight=False)
ERR = Console(highlight=False, stderr=True)


def amount_text(units: int, scale: int) -> str:
    """Write an amount with its thousands apart: (-150000, 2) is "-1,500.00"."""
    text = decimal_text(abs(units), scale)
    whole, point, fraction = text.partition(".")
    return f"{'-' if units < 0 else ''}{int(whole):,}{point}{fraction}"


def moved(transaction: Transaction) -> int:
    """Return what a transaction moved, cash and bonus, in units of its scale."""
    return transaction.cash.amount + transaction.bonus.amount


def closing(transaction: Transaction) -> int:
    """Return cash and bonus right after a transaction, in units of its scale."""
    return transaction.after.cash + transaction.after.bonus


def ledger_table(transactions: Iterable[Transaction]) -> Table:
    """Lay transactions out, each with what was there, what moved and what is there."""
    table = Table(title="transactions", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("time", no_wrap=True)
    table.add_column("what", min_width=11, overflow="fold")
    table.add_column("round", overflow="fold")
    for name in ("opening", "movement", "closing"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in transactions:
        state = TransactionState.Name(row.state).removeprefix("TRANSACTION_STATE_")
        what = [_kind(row)]
        if row.state != TransactionState.TRANSACTION_STATE_POSTED:
            what += [state, row.refusal_reason]
        opening, movement, close, _ = _figures(row)
        table.add_row(
            f"{row.commit_time.ToDatetime():%Y-%m-%d %H:%M}",
            " ".join(what),
            row.round_id,
            opening,
            movement,
            f"{close} {row.after.currency_code}",
        )
    return table


def statement_table(rows: Sequence[Transaction]) -> Table:
    """Lay a player's transactions in one currency out so that the columns add up.

    The last line holds the first opening, the sum of the movements, and the last
    closing. There is at least one transaction.
    """
    last = rows[-1]
    figures = (closing(rows[0]) - moved(rows[0]), sum(map(moved, rows)), closing(last))
    sums = [amount_text(figure, last.after.scale) for figure in figures]
    table = Table(title=f"ledger, {last.after.currency_code}", show_footer=True)
    table.add_column("kind", footer="total")
    table.add_column("round", overflow="fold")
    for name, footer in zip(("opening", "movement", "closing"), sums, strict=True):
        table.add_column(name, footer=footer, justify="right", no_wrap=True)
    table.add_column("version", justify="right")
    for row in rows:
        table.add_row(_kind(row), row.round_id, *_figures(row))
    return table


def _kind(row: Transaction) -> str:
    return TransactionKind.Name(row.kind).removeprefix("TRANSACTION_KIND_")


def _figures(row: Transaction) -> tuple[str, str, str, str]:
    end, step, scale = closing(row), moved(row), row.after.scale
    opening, movement, close = (amount_text(n, scale) for n in (end - step, step, end))
    return opening, movement, close, str(row.after.version)


def balance_table(balances: Iterable[Balance]) -> Table:
    """Lay balances out, one line for each currency."""
    table = Table(title="balance")
    table.add_column("currency")
    for name in ("playable", "cash", "bonus", "reserved", "version"):
        table.add_column(name, justify="right")
    for balance in balances:
        figures = (balance.playable, balance.cash, balance.bonus, balance.reserved)
        amounts = [amount_text(figure, balance.scale) for figure in figures]
        table.add_row(balance.currency_code, *amounts, str(balance.version))
    return table


def print_error(error: CageError) -> None:
    """Write everything an error says, one thing a line, to standard error."""
    advice = Advice.Name(error.advice).removeprefix("ADVICE_")
    lines = {
        "error": error.reason or error.code.name,
        "message": error.message,
        "code": error.code.name,
        "advice": "RETRY_SAME_ID (unknown outcome)"
        if advice == "UNSPECIFIED"
        else advice,
        **{f"metadata.{key}": value for key, value in error.metadata.items()},
        "player_message": error.player_message,
    }
    if error.balance is not None:
        lines["balance"] = MessageToJson(
            error.balance, preserving_proto_field_name=True, indent=None
        )
    for name, value in lines.items():
        if value:
            ERR.print(f"{name}: {value}", markup=False, soft_wrap=True)
