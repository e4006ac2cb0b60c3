"""Compare what came with what must come, and count."""

from rich.console import Console

from cage.type.v1.balance_pb2 import Balance
from cage.wallet.v1.wallet_pb2 import Receipt


class Checks:
    """Count checks and print each one that fails."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.passed = 0
        self.failed = 0

    def equal(self, what: str, actual: object, expected: object) -> None:
        """Compare a figure with what it must be."""
        if actual == expected:
            self.passed += 1
            return
        self.failed += 1
        self._console.print(
            f"FAILED {what}: {actual!r}, expected {expected!r}", markup=False
        )

    def balance(self, what: str, balance: Balance, cash: int, version: int) -> None:
        """Compare every figure of a balance that holds only cash."""
        figures = (balance.cash, balance.playable, balance.bonus, balance.reserved)
        self.equal(
            f"{what}: cash, playable, bonus, reserved", figures, (cash, cash, 0, 0)
        )
        self.equal(f"{what}: version", balance.version, version)

    def receipt(
        self, what: str, receipt: Receipt, *, moved: int, after: int, version: int
    ) -> None:
        """Compare a receipt that moved cash to ``after``, as change ``version``."""
        currency = receipt.after.currency_code
        for part, units in ((receipt.cash, moved), (receipt.bonus, 0)):
            figures = (part.currency_code, part.amount, part.scale)
            self.equal(
                f"{what}: moved", figures, (currency, units, receipt.after.scale)
            )
        self.balance(f"{what}: before", receipt.before, after - moved, version - 1)
        self.balance(f"{what}: after", receipt.after, after, version)
        self.equal(f"{what}: ledger_id is set", bool(receipt.ledger_id), True)
        self.equal(f"{what}: commit_time is set", receipt.HasField("commit_time"), True)

    def replay(self, what: str, again: Receipt, first: Receipt) -> None:
        """Compare a retry's receipt with the first one: only ``current`` is new."""
        self.equal(f"{what}: replayed", (first.replayed, again.replayed), (False, True))
        copies = []
        for receipt in (again, first):
            copy = Receipt()
            copy.CopyFrom(receipt)
            copy.ClearField("current")
            copy.ClearField("replayed")
            copies.append(copy)
        self.equal(f"{what}: the first receipt", copies[0], copies[1])
