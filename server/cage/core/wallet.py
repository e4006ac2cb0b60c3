"""Name the values of the wallet: commands, ledger rows, balances and receipts.

Commands arrive with amounts and scales as they were sent; the fold converts them
exactly. The classes of the hot path are slotted and not frozen, because a frozen
dataclass costs twice as much to build; nobody changes one after the fold.
"""

from dataclasses import dataclass
from enum import IntEnum

from cage.core.registry import Currency


class Kind(IntEnum):
    """What a transaction does; numbers as in ``cage.wallet.v1.TransactionKind``."""

    UNSPECIFIED = 0
    BET = 1
    WIN = 2
    ROLLBACK = 3
    AWARD = 4
    CLOSE_ROUND = 5
    DEPOSIT = 6
    REINSTATE = 7
    ADJUST = 8
    RESERVE = 9
    CAPTURE = 10
    RELEASE = 11


# What takes other rows back or undoes that, and belongs to no Play itself.
REVERSING = frozenset({int(Kind.ROLLBACK), int(Kind.REINSTATE), int(Kind.RELEASE)})


class State(IntEnum):
    """What became of a transaction; as in ``cage.wallet.v1.TransactionState``."""

    POSTED = 1
    REFUSED = 2
    TOMBSTONE = 3
    ALIAS = 4


class BetKind(IntEnum):
    """What a bet is for; as in ``cage.wallet.v1.BetKind``."""

    STAKE = 1
    TIP = 2


class KeySpace(IntEnum):
    """Which ids share one name space (DESIGN section 3, Idempotency).

    CLOSE and PAYMENT hold the closes of rounds and the deposits, which have no
    transaction id of the caller's: a round and a payment are their own keys. PART
    holds what a rollback or a reinstatement of several did one by one, under
    ``part_id``. WIN, AWARD and ADJUST are used by integrations with ``ids_per_kind``:
    MOVE holds their bets and reserves only.
    """

    MOVE = 1
    REVERSE = 2
    CLOSE = 3
    PAYMENT = 4
    REINSTATE = 5
    PART = 6
    CAPTURE = 7
    WIN = 8
    AWARD = 9
    ADJUST = 10


# The spaces of what moves money by itself, and takes nothing back.
MOVE_SPACES = frozenset({KeySpace.MOVE, KeySpace.WIN, KeySpace.AWARD, KeySpace.ADJUST})
# The spaces of ids that callers choose for their transactions.
CALLERS_SPACES = frozenset(
    {KeySpace.REVERSE, KeySpace.CAPTURE, KeySpace.REINSTATE} | MOVE_SPACES
)


class Span(IntEnum):
    """How much a rollback, or the undo of one, is about: its row's variant.

    The row under the caller's id of a LIST or a ROUND moves nothing; it comes after
    its parts, whose variant is 0, as that of the rollback of one original is.
    """

    LIST = 1
    ROUND = 2


class Account(IntEnum):
    """Which account an entry line is on; PLAYER_* lines carry a running balance."""

    PLAYER_CASH = 1
    PLAYER_BONUS = 2
    PLAYER_RESERVED = 3
    GAME = 10
    AWARD = 11
    TIP = 12
    CASHIER = 20


# Kinds that move money to or from what is set aside.
RESERVING = frozenset({int(Kind.RESERVE), int(Kind.CAPTURE), int(Kind.RELEASE)})

FLAG_ROUND_CLOSED = 1
FLAG_TEST = 2
FLAG_INFORMATIONAL = 4
# The row took its id for its player among all players of the integration.
FLAG_CLAIMED = 64


@dataclass(slots=True, kw_only=True)
class Bet:
    """Debit a stake or a tip. ``scale`` is -1 when none was sent."""

    key_id: str
    player_id: str
    game_id: str
    round_id: str
    transaction_id: str
    currency_code: str
    amount: int
    scale: int
    session_digest: str = ""
    round_closed: bool = False
    kind: BetKind = BetKind.STAKE
    campaign_id: str = ""
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class JackpotWin:
    """Say which part of a win a jackpot pays."""

    jackpot_id: str
    currency_code: str
    amount: int
    scale: int


@dataclass(slots=True, kw_only=True)
class Win:
    """Credit the outcome of a bet, or of a round when no bet is named."""

    key_id: str
    player_id: str
    game_id: str
    round_id: str
    transaction_id: str
    currency_code: str
    amount: int
    scale: int
    bet_transaction_id: str = ""
    round_closed: bool = False
    jackpot_wins: tuple[JackpotWin, ...] = ()
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class Play:
    """Apply bets and wins of one round in order, all or nothing, as one unit.

    Every action carries the same key, player, game and round as the play.
    """

    key_id: str
    player_id: str
    game_id: str
    round_id: str
    actions: tuple[Bet | Win, ...]
    session_digest: str = ""
    round_closed: bool = False
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class Rollback:
    """Reverse an earlier transaction; everything else comes from the original.

    The amount is compared where the rules say so; without one the currency is empty
    and the scale -1. One that ``releases`` is of a reserve, of which captures stay.
    """

    key_id: str
    player_id: str
    transaction_id: str
    original_id: str
    original_kind: Kind = Kind.UNSPECIFIED
    currency_code: str = ""
    amount: int = 0
    scale: int = -1
    releases: bool = False
    round_closed: bool = False
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class Original:
    """Name one transaction of a list that is to be reversed."""

    transaction_id: str
    kind: Kind = Kind.UNSPECIFIED


@dataclass(slots=True, kw_only=True)
class RollbackList:
    """Reverse several transactions in order, all or nothing."""

    key_id: str
    player_id: str
    transaction_id: str
    originals: tuple[Original, ...]
    round_closed: bool = False
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class RollbackRound:
    """Reverse all that stands of a round, all or nothing, and stop its bets."""

    key_id: str
    player_id: str
    game_id: str
    round_id: str
    transaction_id: str
    round_closed: bool = False
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class Reinstate:
    """Undo a rollback, once: what it reversed stands again."""

    key_id: str
    player_id: str
    transaction_id: str
    rollback_id: str
    round_closed: bool = False
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class CloseRound:
    """Close a round, so that it takes no more bets and its bets are settled."""

    key_id: str
    player_id: str
    game_id: str
    round_id: str
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class Award:
    """Credit a payment that needs no bet. ``kind`` as in ``AwardKind``."""

    key_id: str
    player_id: str
    game_id: str
    round_id: str
    transaction_id: str
    currency_code: str
    amount: int
    scale: int
    kind: int
    campaign_id: str = ""
    informational: bool = False
    round_closed: bool = False
    extra: dict[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class GetBalance:
    """Read a balance, in order with the moves of its player."""

    key_id: str
    player_id: str
    game_id: str
    currency_code: str
    session_digest: str = ""


@dataclass(slots=True)
class Transaction:
    """Hold one row of the books: what the caller did, its split, the balances after.

    Field order is column order. ``item_no`` is the row's place in the journal of
    its lane. ``wallet_sequence``, ``previous_no`` and ``anchor_no`` chain the rows
    of one wallet, ``round_previous_no`` those of one round. ``reference_no`` is
    the bet of a win, the original of a rollback, the rollback that a reinstatement
    undoes, the one transaction that an adjustment corrects, the reserve of a capture
    or a release, or what an alias stands for. ``unit_no`` and ``unit_size`` bind the
    actions of one Play. 0 means none. ``variant`` is the kind of a bet or an award,
    the house account of an adjustment, or the ``Span`` of a rollback.
    """

    lane: int
    item_no: int
    player_no: int
    integration_no: int
    key_space: int
    transaction_id: str
    kind: int
    state: int
    variant: int
    flags: int
    currency_no: int
    game_no: int
    round_id: str
    amount: int
    cash: int
    bonus: int
    cash_after: int
    bonus_after: int
    reserved_after: int
    version: int
    wallet_sequence: int
    previous_no: int
    anchor_no: int
    round_previous_no: int
    reference_no: int
    unit_no: int
    unit_size: int
    commit_time_us: int
    extra: str | None

    @property
    def reserved(self) -> int:
        """Return what went to (positive) or came from what is set aside."""
        if self.kind not in RESERVING:
            return 0
        return -self.amount if self.kind == Kind.CAPTURE else -(self.cash + self.bonus)


@dataclass(slots=True)
class Claim:
    """Hold an id for one player of an integration; see ``core/claim.py``.

    ``item_no`` is the transaction that is stored under it, ``kind`` its kind, 0 for a
    tombstone of an original that was never seen.
    """

    lane: int
    integration_no: int
    key_space: int
    transaction_id: str
    player_no: int
    kind: int
    item_no: int


# One line of double entry: lane, item_no, account, account_no, currency_no, amount
# (signed, sums to zero per item), balance_after and version (players only). An item
# has at most one line per account.
Entry = tuple[int, int, int, int, int, int, int | None, int | None]


@dataclass(slots=True)
class Wallet:
    """Hold what one player has in one currency, in units of 10^-scale.

    ``item_count``, ``last_no`` and ``anchor_no`` are the head of the chain of the
    wallet's transactions.
    """

    lane: int
    player_no: int
    currency_no: int
    cash: int = 0
    bonus: int = 0
    held: int = 0
    reserved: int = 0
    version: int = 0
    item_count: int = 0
    last_no: int = 0
    anchor_no: int = 0


# Every ANCHOR_EVERYth transaction of a wallet is an anchor: a reader hops along
# anchors to any place of a long chain, and no index by player is ever written.
ANCHOR_EVERY = 256


@dataclass(slots=True)
class Balance:
    """Show a wallet at one instant, in units of 10^-scale of its currency."""

    currency: Currency
    cash: int
    bonus: int
    reserved: int
    version: int
    read_time_us: int

    @property
    def playable(self) -> int:
        """Return what a bet could use now: never below zero."""
        return max(self.cash, 0) + max(self.bonus, 0)


@dataclass(slots=True)
class Receipt:
    """Answer one money movement.

    ``transaction`` is the row that answers: the first one on a replay. ``current``
    is the balance now. The balance before follows from the row.
    """

    transaction: Transaction
    current: Balance
    replayed: bool
    tombstone: bool = False

    @property
    def moved(self) -> bool:
        """Say whether the transaction posted money."""
        return self.transaction.cash != 0 or self.transaction.bonus != 0


@dataclass(slots=True)
class PlayReceipt:
    """Answer a Play: one receipt per action, and the balance now."""

    receipts: list[Receipt]
    current: Balance | None
    replayed: bool


@dataclass(slots=True)
class Reversal:
    """Say what became of one original of a list or a round."""

    transaction_id: str
    kind: int
    receipt: Receipt


@dataclass(slots=True)
class ReversalReceipt:
    """Answer a rollback of several, or a reinstatement.

    ``receipt`` is that of the row under the caller's id, which moves nothing where
    there are ``parts``; ``moved`` are the rows that did.
    """

    receipt: Receipt
    parts: list[Reversal]
    moved: list[Transaction]


def part_id(key_space: int, transaction_id: str, index: int) -> str:
    """Return the id of one part of a rollback or a reinstatement of several.

    >>> part_id(KeySpace.REVERSE, "x1", 2)
    '2/x1/2'
    """
    return f"{int(key_space)}/{transaction_id}/{index}"


def caller_id(row: Transaction) -> str:
    """Return the id under which a caller knows a row; the inverse of ``part_id``."""
    if row.key_space != KeySpace.PART:
        return row.transaction_id
    return row.transaction_id.partition("/")[2].rpartition("/")[0]
