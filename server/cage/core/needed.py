"""Hold what one pass over a batch asks the storage for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cage.core.book import Book, ClaimKey, IdKey, RequestKey, RoundKey, WalletKey
from cage.core.counter import CounterKey
from cage.core.wallet import Award, Bet, Win


@dataclass(slots=True)
class Needs:
    """Collect the keys that one pass wants; sets, because commands share rows.

    ``commands`` is the whole batch, for a command that refers to another one;
    ``moves`` are its bets, wins and awards once somebody asked for them.
    """

    commands: Sequence[object]
    moves: dict[tuple[str, str], list[Bet | Win | Award]] | None = None
    ids: set[IdKey] = field(default_factory=set)
    wallets: set[WalletKey] = field(default_factory=set)
    rounds: set[RoundKey] = field(default_factory=set)
    chains: set[RoundKey] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    launches: set[str] = field(default_factory=set)
    open_sessions: set[int] = field(default_factory=set)
    payments: set[int] = field(default_factory=set)
    reservations: set[int] = field(default_factory=set)
    profiles: set[int] = field(default_factory=set)
    all_wallets: set[int] = field(default_factory=set)
    requests: set[RequestKey] = field(default_factory=set)
    counters: set[CounterKey] = field(default_factory=set)
    claims: set[ClaimKey] = field(default_factory=set)


def need_chain(book: Book, needs: Needs, key: RoundKey) -> bool:
    """Need the chain of a round that is stored; say whether it is missing."""
    round_ = book.rounds.get(key)
    if round_ is None or round_.history is not None:
        return False
    needs.chains.add(key)
    return True


def need_wallet(book: Book, needs: Needs, key: WalletKey) -> bool:
    """Need a wallet; say whether it is missing."""
    if key in book.wallets:
        return False
    needs.wallets.add(key)
    return True
