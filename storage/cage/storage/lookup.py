"""Say which rows a batch reads and put them into its book, for every database.

``load`` is a conversation: it yields what one statement has to find, and is sent
what was found. So one text of rules serves a driver that blocks and one that is
awaited. See ``core/needs.py`` for the passes.
"""

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from cage.app.jurisdiction import load_jurisdictions
from cage.core.book import Book, Head, Request
from cage.core.needed import Needs
from cage.core.needs import first_needs, more_needs
from cage.core.payment import Payment
from cage.core.player import Gate, Profile
from cage.core.registry import Registry
from cage.core.reservation import Reservation
from cage.core.round import Round
from cage.core.session import LaunchToken, Session, SessionToken
from cage.core.wallet import Claim, Transaction, Wallet
from cage.storage import schema

PASSES_MAX = 8


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Find the rows of one table of a lane that have one of many keys.

    ``key`` names the key's columns after ``lane``. ``joined`` is a second table of the
    same lane and the column that leads to it; its columns follow the first's.
    ``chain`` names the column by which each row found leads to one more.
    """

    table: Table
    key: tuple[str, ...]
    joined: tuple[Table, str] | None = None
    chain: str = ""


# What one statement has to find: lookups with their keys, bare ones for one column.
Wanted = list[tuple[Lookup, Collection[Any]]]
Rows = Sequence[Sequence[Any]]

GATES = Lookup(schema.gates, ("player_id",))
IDS = Lookup(
    schema.transactions,
    ("player_no", "integration_no", "key_space", "transaction_id"),
)
NUMBERS = Lookup(schema.transactions, ("item_no",))
CHAINS = Lookup(schema.transactions, ("item_no",), chain="round_previous_no")
WALLETS = Lookup(schema.wallets, ("player_no", "currency_no"))
ALL_WALLETS = Lookup(schema.wallets, ("player_no",))
ROUNDS = Lookup(schema.rounds, ("player_no", "game_no", "round_id"))
TOKENS = Lookup(
    schema.session_tokens, ("digest",), joined=(schema.sessions, "session_no")
)
LAUNCHES = Lookup(schema.launch_tokens, ("digest",))
SESSIONS = Lookup(schema.sessions, ("session_no",))
OPEN_SESSIONS = Lookup(schema.sessions, ("player_no", "end_time_us"))
PAYMENTS = Lookup(schema.payments, ("payment_no",))
RESERVATIONS = Lookup(schema.reservations, ("reserve_no",))
PROFILES = Lookup(schema.players, ("player_no",))
REQUESTS = Lookup(schema.requests, ("actor", "request_id"))
COUNTERS = Lookup(
    schema.counters, ("player_no", "kind", "period", "currency_no", "start_us")
)
CLAIMS = Lookup(schema.id_claims, ("integration_no", "key_space", "transaction_id"))

LOOKUPS = (
    GATES,
    IDS,
    NUMBERS,
    CHAINS,
    WALLETS,
    ALL_WALLETS,
    ROUNDS,
    TOKENS,
    LAUNCHES,
    SESSIONS,
    OPEN_SESSIONS,
    PAYMENTS,
    RESERVATIONS,
    PROFILES,
    REQUESTS,
    COUNTERS,
    CLAIMS,
)
_TOKEN_WIDTH = len(schema.session_tokens.columns)


def player_ids_of(commands: Sequence[object]) -> set[str]:
    """Return the ids of the players whose gates a batch locks."""
    return {command.player_id for command in commands if hasattr(command, "player_id")}


def new_book(
    head: Head, gates: Sequence[Gate], registry: Registry, now_us: int
) -> Book:
    """Build the book of a locked lane: its time never goes back."""
    return Book(
        head=head,
        now_us=max(now_us, head.time_us),
        registry=registry,
        next_no=head.item_no + 1,
        jurisdictions=load_jurisdictions(),
        gates={gate.player_id: gate for gate in gates},
    )


def load(
    book: Book, commands: Sequence[object]
) -> Generator[Wanted, Sequence[Rows], None]:
    """Yield what has to be found, pass after pass, until nothing is missing."""
    needs: Needs | None = first_needs(book, commands)
    for _ in range(PASSES_MAX):
        if needs is None:
            return
        yield from _load(book, needs)
        needs = more_needs(book, commands)
    raise AssertionError("a batch still needs rows after its last pass")


def _load(book: Book, needs: Needs) -> Generator[Wanted, Sequence[Rows], None]:
    """Ask for what one pass needs. Absent wallets become empty ones."""
    wanted: Wanted = [
        (IDS, needs.ids),
        (WALLETS, needs.wallets),
        (ROUNDS, needs.rounds | needs.chains),
        (TOKENS, needs.tokens - book.tokens.keys()),
        (ALL_WALLETS, needs.all_wallets),
        (NUMBERS, needs.numbers),
        (LAUNCHES, needs.launches),
        (OPEN_SESSIONS, [(player_no, 0) for player_no in needs.open_sessions]),
        (PAYMENTS, needs.payments),
        (RESERVATIONS, needs.reservations),
        (PROFILES, needs.profiles),
        (REQUESTS, needs.requests),
        (COUNTERS, needs.counters),
        (CLAIMS, needs.claims),
    ]
    wanted = [(lookup, keys) for lookup, keys in wanted if keys]
    if wanted:
        found = yield wanted
        for (lookup, _), rows in zip(wanted, found, strict=True):
            _KEEP[lookup](book, rows)
    lane = book.head.lane
    for key in needs.wallets:
        if key not in book.wallets:
            book.wallets[key] = Wallet(lane, *key)
    for counter_key in needs.counters:
        book.counters.setdefault(counter_key, 0)
    more: Wanted = []
    if needs.chains:
        more.append((CHAINS, {book.rounds[key].last_no for key in needs.chains}))
    sessions = {
        book.launches[digest].session_no
        for digest in needs.launches
        if digest in book.launches and book.launches[digest].session_no
    }
    if sessions:
        more.append((SESSIONS, sessions))
    if more:
        found = yield more
        for (lookup, _), rows in zip(more, found, strict=True):
            _KEEP[lookup](book, rows)
    for key_ in needs.chains:
        _link(book, book.rounds[key_])


def _link(book: Book, round_: Round) -> None:
    """Give a round its history, oldest first, from the transactions kept."""
    history = []
    item_no = round_.last_no
    while item_no:
        row = book.by_no[item_no]
        history.append(row)
        item_no = row.round_previous_no
    history.reverse()
    round_.history = history


def _keep_transactions(book: Book, rows: Rows) -> None:
    """Keep one object per stored transaction, whichever key found it."""
    for row in rows:
        found = Transaction(*row)
        kept = book.by_no.setdefault(found.item_no, found)
        key = (kept.player_no, kept.integration_no, kept.key_space, kept.transaction_id)
        book.ids[key] = kept


def _keep_wallets(book: Book, rows: Rows) -> None:
    for row in rows:
        wallet = Wallet(*row)
        book.wallets.setdefault((wallet.player_no, wallet.currency_no), wallet)


def _keep_rounds(book: Book, rows: Rows) -> None:
    for row in rows:
        round_ = Round(*row)
        key = (round_.player_no, round_.game_no, round_.round_id)
        book.rounds.setdefault(key, round_)


def _keep_tokens(book: Book, rows: Rows) -> None:
    for row in rows:
        token = SessionToken(*row[:_TOKEN_WIDTH])
        book.tokens.setdefault(token.digest, token)
        book.sessions.setdefault(token.session_no, Session(*row[_TOKEN_WIDTH:]))


def _keep_launches(book: Book, rows: Rows) -> None:
    for row in rows:
        launch = LaunchToken(*row)
        book.launches.setdefault(launch.digest, launch)


def _keep_sessions(book: Book, rows: Rows) -> None:
    for row in rows:
        session = Session(*row)
        book.sessions.setdefault(session.session_no, session)


def _keep_payments(book: Book, rows: Rows) -> None:
    for row in rows:
        payment = Payment(*row)
        book.payments.setdefault(payment.payment_no, payment)


def _keep_reservations(book: Book, rows: Rows) -> None:
    for row in rows:
        reservation = Reservation(*row)
        book.reservations.setdefault(reservation.reserve_no, reservation)


def _keep_profiles(book: Book, rows: Rows) -> None:
    for row in rows:
        profile = Profile(*row)
        book.profiles.setdefault(profile.player_no, profile)


def _keep_requests(book: Book, rows: Rows) -> None:
    for row in rows:
        request = Request(*row)
        book.requests.setdefault((request.actor, request.request_id), request)


def _keep_counters(book: Book, rows: Rows) -> None:
    for _, player_no, kind, period, currency_no, start_us, amount in rows:
        key = (player_no, kind, period, currency_no, start_us)
        book.counters.setdefault(key, amount)


def _keep_claims(book: Book, rows: Rows) -> None:
    for row in rows:
        claim = Claim(*row)
        key = (claim.integration_no, claim.key_space, claim.transaction_id)
        book.claims.setdefault(key, claim)


_KEEP = {
    IDS: _keep_transactions,
    NUMBERS: _keep_transactions,
    CHAINS: _keep_transactions,
    WALLETS: _keep_wallets,
    ALL_WALLETS: _keep_wallets,
    ROUNDS: _keep_rounds,
    TOKENS: _keep_tokens,
    LAUNCHES: _keep_launches,
    SESSIONS: _keep_sessions,
    OPEN_SESSIONS: _keep_sessions,
    PAYMENTS: _keep_payments,
    RESERVATIONS: _keep_reservations,
    PROFILES: _keep_profiles,
    REQUESTS: _keep_requests,
    COUNTERS: _keep_counters,
    CLAIMS: _keep_claims,
}
