"""Hold the state that one batch reads and the effects that it will write.

The storage loads a Book under the lane's lock, the fold decides command after
command against it, and the storage writes what was recorded. Every later command
of the batch sees the effects of the earlier ones here; nobody else does before the
commit.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cage.core.claimed import drop_claim, take_claim
from cage.core.counter import (
    COUNTED,
    CounterKey,
    count_row,
    counts_in,
    move_counters,
)
from cage.core.errors import CageError, Reason
from cage.core.jurisdiction import Jurisdiction, Jurisdictions, profile_of
from cage.core.payment import Payment
from cage.core.player import BLOCK_ALL, Gate, PlayerStatus, Profile
from cage.core.registry import ApiKey, Currency, Game, Registry
from cage.core.reservation import Reservation
from cage.core.round import Round
from cage.core.rules import Rules
from cage.core.session import LaunchToken, Session, SessionToken
from cage.core.wallet import (
    ANCHOR_EVERY,
    FLAG_TEST,
    REVERSING,
    Account,
    Balance,
    Claim,
    Entry,
    State,
    Transaction,
    Wallet,
)

# Plain integers: a driver binds them several times faster than enum members.
_CASH = int(Account.PLAYER_CASH)
_BONUS = int(Account.PLAYER_BONUS)
_RESERVED = int(Account.PLAYER_RESERVED)
_TIP = int(Account.TIP)
_GAME = int(Account.GAME)
_POSTED = int(State.POSTED)

# Keys of the overlay's maps.
IdKey = tuple[int, int, int, str]  # player_no, integration_no, key_space, id
WalletKey = tuple[int, int]  # player_no, currency_no
RoundKey = tuple[int, int, str]  # player_no, game_no, round_id
RequestKey = tuple[str, str]  # actor (key_id), request_id
ClaimKey = tuple[int, int, str]  # integration_no, key_space, id


@dataclass(slots=True)
class Head:
    """Hold the head row of a lane: the end of its journal and its last time."""

    lane: int
    sequence: int
    item_no: int
    hash: str
    time_us: int


@dataclass(slots=True)
class Change:
    """Hold one journalled change that is no money: the audit row of the change.

    ``before`` and ``after`` are canonical JSON objects without secrets or personal
    data; ``before`` is empty for something new.
    """

    lane: int
    item_no: int
    actor: str
    noun: str
    noun_id: str
    action: str
    before: str
    after: str
    commit_time_us: int


@dataclass(slots=True)
class Request:
    """Hold the answer of one mutation that is no wallet call, for its retries.

    ``reply`` is canonical JSON without any secret.
    """

    lane: int
    actor: str
    request_id: str
    fingerprint: str
    reply: str
    commit_time_us: int


@dataclass(slots=True, kw_only=True)
class Book:
    """Overlay of one batch over the database. Built by the storage, see above.

    ``now_us`` is the one time of the batch. ``counters`` holds counters as they were
    loaded, ``counted`` by how much and how often each was moved since. Rows to be
    written: ``transactions``,
    ``entries``, ``changes`` and ``requests`` in order, and whatever the ``dirty``
    maps hold, keyed by table and primary key.
    """

    head: Head
    now_us: int
    registry: Registry
    next_no: int
    gates: dict[str, Gate] = field(default_factory=dict)
    profiles: dict[int, Profile] = field(default_factory=dict)
    wallets: dict[WalletKey, Wallet] = field(default_factory=dict)
    rounds: dict[RoundKey, Round] = field(default_factory=dict)
    ids: dict[IdKey, Transaction] = field(default_factory=dict)
    by_no: dict[int, Transaction] = field(default_factory=dict)
    tokens: dict[str, SessionToken] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    launches: dict[str, LaunchToken] = field(default_factory=dict)
    payments: dict[int, Payment] = field(default_factory=dict)
    reservations: dict[int, Reservation] = field(default_factory=dict)
    requests: dict[RequestKey, Request] = field(default_factory=dict)
    claims: dict[ClaimKey, Claim] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    new_requests: list[Request] = field(default_factory=list)
    dirty_wallets: dict[WalletKey, Wallet] = field(default_factory=dict)
    dirty_rounds: dict[RoundKey, Round] = field(default_factory=dict)
    dirty_rows: dict[tuple[type, object], object] = field(default_factory=dict)
    registry_rows: list[object] = field(default_factory=list)
    jurisdictions: Jurisdictions = field(default_factory=dict)
    counters: dict[CounterKey, int] = field(default_factory=dict)
    counted: dict[CounterKey, tuple[int, int]] = field(default_factory=dict)

    # Who calls, and about what.

    def caller(self, key_id: str) -> ApiKey:
        """Return the caller's key as of this batch, or raise KEY_INVALID."""
        key = self.registry.find_key(key_id)
        if key is None or not key.is_valid(self.now_us):
            raise CageError(Reason.KEY_INVALID)
        return key

    def rules(self, key: ApiKey) -> Rules:
        """Return the rules of the integration that calls."""
        return self.registry.integrations_by_no[key.integration_no].rules

    def player(self, key: ApiKey, player_id: str) -> Gate:
        """Return the gate of a player that the key may see, or PLAYER_NOT_FOUND."""
        gate = self.gates.get(player_id)
        if gate is not None:
            operator_no = self.registry.brands_by_no[gate.brand_no].operator_no
            if key.operator_nos is None or operator_no in key.operator_nos:
                return gate
        raise CageError(Reason.PLAYER_NOT_FOUND, player_id=player_id)

    def game(self, game_id: str) -> Game:
        """Return a registered game, or raise GAME_NOT_FOUND."""
        game = self.registry.games.get(game_id)
        if game is None:
            raise CageError(Reason.GAME_NOT_FOUND, game_id=game_id)
        return game

    def currency(self, currency_code: str) -> Currency:
        """Return a registered currency, or raise CURRENCY_NOT_FOUND."""
        currency = self.registry.currencies.get(currency_code)
        if currency is None:
            raise CageError(Reason.CURRENCY_NOT_FOUND, currency_code=currency_code)
        return currency

    # State.

    def jurisdiction(self, gate: Gate) -> Jurisdiction:
        """Return the profile of a player's jurisdiction."""
        return profile_of(self.jurisdictions, gate.jurisdiction)

    def counter(self, key: CounterKey) -> int:
        """Return a counter now; one that nobody loaded is a defect, not a zero."""
        return self.counters[key] + self.counted.get(key, (0, 0))[0]

    def wallet(self, gate: Gate, currency_no: int) -> Wallet:
        """Return a wallet, an empty one when the player never had it."""
        wallet = self.wallets.get((gate.player_no, currency_no))
        if wallet is None:
            wallet = Wallet(gate.lane, gate.player_no, currency_no)
            self.wallets[gate.player_no, currency_no] = wallet
        return wallet

    def round(self, key: RoundKey) -> Round | None:
        """Return a round that some transaction opened, or None."""
        return self.rounds.get(key)

    def balance(self, wallet: Wallet) -> Balance:
        """Show a wallet as of now."""
        return Balance(
            self.registry.currencies_by_no[wallet.currency_no],
            wallet.cash,
            wallet.bonus,
            wallet.reserved,
            wallet.version,
            self.now_us,
        )

    def judge_currency(self, gate: Gate, wallet: Wallet) -> None:
        """Let money pass in the account's currency or in one that was opened or held.

        Raises CURRENCY_MISMATCH.
        """
        currency_no = wallet.currency_no
        if currency_no == gate.currency_no or wallet.version:
            return
        if currency_no not in gate.opened():
            raise self.currency_mismatch(gate.currency_no, wallet)

    def round_closed(self, round_: Round) -> CageError:
        """Refuse what a closed round does not take, with the balance of its wallet."""
        wallet = self.wallets[round_.player_no, round_.currency_no]
        return CageError(Reason.ROUND_CLOSED, balance=self.balance(wallet))

    def currency_mismatch(self, expected_no: int, wallet: Wallet) -> CageError:
        """Refuse the currency of a wallet where another one is expected."""
        names = self.registry.currencies_by_no
        return CageError(
            Reason.CURRENCY_MISMATCH,
            expected=names[expected_no].currency_code,
            sent=names[wallet.currency_no].currency_code,
        )

    def judge_switches(self, key: ApiKey, gate: Gate, game: Game) -> None:
        """Let a bet or a launch pass every switch, the widest first.

        Raises GAME_UNAVAILABLE or MAINTENANCE.
        """
        registry = self.registry
        brand = registry.brands_by_no[gate.brand_no]
        for by, row in (
            ("operator", registry.operators_by_no[brand.operator_no]),
            ("brand", brand),
            # Whoever launches for an operator has no integration.
            ("integration", registry.integrations_by_no.get(key.integration_no)),
            ("studio", registry.studios_by_no[game.studio_no]),
            ("game", game),
        ):
            if row is None:
                continue
            if not row.enabled:
                raise CageError(Reason.GAME_UNAVAILABLE, game_id=game.game_id, by=by)
            if row.in_maintenance:
                raise CageError(Reason.MAINTENANCE, game_id=game.game_id, by=by)
        if gate.blocks and gate.blocks & (BLOCK_ALL | 1 << game.vertical):
            raise CageError(Reason.GAME_UNAVAILABLE, game_id=game.game_id, by="player")

    def judge_status(self, gate: Gate) -> None:
        """Let an ACTIVE player pass, or raise KYC_REQUIRED or PLAYER_BLOCKED."""
        if gate.status == PlayerStatus.ACTIVE:
            return
        if gate.status == PlayerStatus.PENDING_VERIFICATION:
            raise CageError(Reason.KYC_REQUIRED)
        name = PlayerStatus(gate.status).name
        raise CageError(Reason.PLAYER_BLOCKED, status=name)

    # Effects.

    def record(
        self,
        gate: Gate,
        wallet: Wallet,
        *,
        integration_no: int,
        key_space: int,
        transaction_id: str,
        kind: int,
        state: int,
        amount: int = 0,
        cash: int = 0,
        bonus: int = 0,
        reserved: int = 0,
        game_no: int = 0,
        round_id: str = "",
        round_: Round | None = None,
        variant: int = 0,
        flags: int = 0,
        reference_no: int = 0,
        unit_no: int = 0,
        unit_size: int = 0,
        extra: str | None = None,
        house: int = _GAME,
        tips: int = 0,
    ) -> Transaction:
        """Append one transaction, move its money and post its entries.

        ``cash``, ``bonus`` and ``reserved`` are signed from the player's view.
        ``house`` is the account on the other side, whose number is the game's (0
        without one); ``tips`` is the part of the movement that is on TIP instead.
        """
        item_no = self.next_no
        self.next_no = item_no + 1
        wallet.item_count += 1
        if cash or bonus or reserved:
            self._post(wallet, item_no, cash, bonus, reserved)
        rest = cash + bonus + reserved - tips
        if rest:
            self._post_house(wallet, item_no, rest, house, game_no)
        if tips:
            self._post_house(wallet, item_no, tips, _TIP, game_no)
        player_no, currency_no = wallet.player_no, wallet.currency_no
        if gate.is_test:
            flags |= FLAG_TEST
        id_key = (integration_no, key_space, transaction_id)
        flags |= take_claim(self, wallet, id_key, kind, item_no)
        row = Transaction(
            wallet.lane, item_no, player_no, integration_no, key_space,
            transaction_id, kind, state, variant, flags, currency_no,
            game_no, round_id, amount, cash, bonus, wallet.cash, wallet.bonus,
            wallet.reserved, wallet.version, wallet.item_count, wallet.last_no,
            wallet.anchor_no, round_.last_no if round_ is not None else 0,
            reference_no, unit_no, unit_size, self.now_us, extra,
        )  # fmt: skip
        if state == _POSTED and (gate.limits or kind in REVERSING):
            self._count(gate, row, round_)
        wallet.last_no = item_no
        if wallet.item_count % ANCHOR_EVERY == 0:
            wallet.anchor_no = item_no
        self.dirty_wallets[player_no, currency_no] = wallet
        if round_ is not None:
            round_.last_no = item_no
            round_.added.append(row)
            self.dirty_rounds[player_no, game_no, round_id] = round_
        self.ids[player_no, integration_no, key_space, transaction_id] = row
        self.by_no[item_no] = row
        self.transactions.append(row)
        return row

    def _count(self, gate: Gate, row: Transaction, round_: Round | None) -> None:
        """Count a row against its player's limits, and let it say what it counted."""
        counts = count_row(self, gate, row, round_)
        if counts:
            kept = json.loads(row.extra) if row.extra else {}
            row.extra = canonical({**kept, COUNTED: counts})

    def _post(
        self, wallet: Wallet, item_no: int, cash: int, bonus: int, reserved: int
    ) -> None:
        """Move money in the wallet and write the player's lines."""
        wallet.version += 1
        wallet.cash += cash
        wallet.bonus += bonus
        lane, player_no = wallet.lane, wallet.player_no
        currency_no, version = wallet.currency_no, wallet.version
        if cash:
            self.entries.append(
                (lane, item_no, _CASH, player_no, currency_no, cash,
                 wallet.cash, version)
            )  # fmt: skip
        if bonus:
            self.entries.append(
                (lane, item_no, _BONUS, player_no, currency_no, bonus,
                 wallet.bonus, version)
            )  # fmt: skip
        if reserved:
            wallet.reserved += reserved
            self.entries.append(
                (lane, item_no, _RESERVED, player_no, currency_no, reserved,
                 wallet.reserved, version)
            )  # fmt: skip

    def _post_house(
        self, wallet: Wallet, item_no: int, amount: int, account: int, game_no: int
    ) -> None:
        """Write the line of the other side, which no row on the hot path sums up."""
        self.entries.append(
            (wallet.lane, item_no, account, game_no, wallet.currency_no, -amount,
             None, None)
        )  # fmt: skip

    def open_round(self, gate: Gate, key: RoundKey, currency_no: int) -> Round:
        """Open a round by its first transaction, which is recorded next."""
        round_ = Round(
            gate.lane,
            *key,
            currency_no,
            open_no=self.next_no,
            open_time_us=self.now_us,
            history=[],
        )
        self.rounds[key] = round_
        return round_

    def change(
        self,
        actor: str,
        noun: str,
        noun_id: str,
        action: str,
        *,
        before: str,
        after: str,
    ) -> Change:
        """Append one journalled change that is no money."""
        row = Change(
            self.head.lane, self.next_no, actor, noun, noun_id, action, before, after,
            self.now_us,
        )  # fmt: skip
        self.next_no += 1
        self.changes.append(row)
        return row

    def touch(self, row: object, key: object) -> None:
        """Write a row of the PAM (gate, session, payment ...) with this batch."""
        self.dirty_rows[type(row), key] = row

    def answer(self, request: Request) -> None:
        """Keep the answer of a mutation for its retries."""
        self.requests[request.actor, request.request_id] = request
        self.new_requests.append(request)

    def mark(self, wallets: Iterable[Wallet], rounds: Iterable[RoundKey]) -> "Mark":
        """Remember the state of wallets and rounds, to undo what moves only them."""
        wallet_keys = ((each.player_no, each.currency_no, each) for each in wallets)
        return Mark(
            next_no=self.next_no,
            transaction_count=len(self.transactions),
            entry_count=len(self.entries),
            wallets={
                (player_no, currency_no): (
                    replace(wallet),
                    (player_no, currency_no) in self.dirty_wallets,
                )
                for player_no, currency_no, wallet in wallet_keys
            },
            rounds={
                key: (_copy(self.rounds.get(key)), key in self.dirty_rounds)
                for key in rounds
            },
        )

    def undo(self, mark: "Mark") -> None:
        """Take back everything since a mark. Wallets and rounds are other objects."""
        for row in self.transactions[mark.transaction_count :]:
            del self.ids[
                row.player_no, row.integration_no, row.key_space, row.transaction_id
            ]
            del self.by_no[row.item_no]
            counts = counts_in(row.extra)
            move_counters(self, row.player_no, row.currency_no, counts, -1)
            drop_claim(self, row)
        del self.transactions[mark.transaction_count :]
        del self.entries[mark.entry_count :]
        self.next_no = mark.next_no
        for wallet_key, (wallet, is_dirty) in mark.wallets.items():
            self.wallets[wallet_key] = wallet
            self.dirty_wallets.pop(wallet_key, None)
            if is_dirty:
                self.dirty_wallets[wallet_key] = wallet
        for round_key, (round_, is_dirty) in mark.rounds.items():
            self.rounds.pop(round_key, None)
            self.dirty_rounds.pop(round_key, None)
            if round_ is not None:
                self.rounds[round_key] = round_
                if is_dirty:
                    self.dirty_rounds[round_key] = round_


def _copy(round_: Round | None) -> Round | None:
    return None if round_ is None else replace(round_, added=[*round_.added])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Remember where a command of several moves began.

    Each wallet and each round is there as it was, with whether it was to be written.
    """

    next_no: int
    transaction_count: int
    entry_count: int
    wallets: dict[WalletKey, tuple[Wallet, bool]]
    rounds: dict[RoundKey, tuple[Round | None, bool]]


def canonical(value: object) -> str:
    """Write a value as the one JSON text that stands for it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
