"""Decide a bet: a ladder of guards in documented order, then the debit.

Order: key, player, currency and scale; the id; the game; then what depends on
state: session, currency, kill switches, status, round, free rounds, limits, funds. A
refusal of the last group is stored under the id, so that a delayed first attempt
can never debit after the caller gave it up.
"""

from cage.core.book import Book, canonical
from cage.core.counter import judge_bet_limits
from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX, to_ledger
from cage.core.player import Gate
from cage.core.registry import ApiKey, Game
from cage.core.replay import differing_field, replay_state
from cage.core.reservation import Reserve
from cage.core.round import Round, close_round
from cage.core.rules import BetSessionRule, RefusedBetRule
from cage.core.session import judge_session
from cage.core.space import move_space
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    Account,
    Bet,
    BetKind,
    KeySpace,
    Kind,
    Receipt,
    State,
    Transaction,
    Wallet,
    Win,
)

# Plain integers: building and writing a row with enum members costs twice as much.
_MOVE, _BET, _POSTED = int(KeySpace.MOVE), int(Kind.BET), int(State.POSTED)
_GAME, _TIP = int(Account.GAME), int(Account.TIP)
_TIP_KIND = int(BetKind.TIP)


def decide_bet(book: Book, bet: Bet) -> Receipt:
    """Debit a bet, or replay it; raise what ``BetRequest`` documents."""
    key = book.caller(bet.key_id)
    gate = book.player(key, bet.player_id)
    currency = book.currency(bet.currency_code)
    amount = to_ledger(
        bet.amount,
        bet.scale,
        currency.scale,
        field="amount",
        currency_code=bet.currency_code,
    )
    id_key = (gate.player_no, key.integration_no, _MOVE, bet.transaction_id)
    earlier = book.ids.get(id_key)
    if earlier is not None:
        return replay_bet(book, gate, earlier, bet, amount)
    game = book.game(bet.game_id)
    wallet = book.wallet(gate, currency.currency_no)
    try:
        judge_entry(book, key, gate, game, wallet, bet.session_digest)
        judge_bet(book, gate, game, wallet, bet, amount)
    except CageError as refusal:
        if book.rules(key).refused_bet == RefusedBetRule.STORE:
            store_refusal(book, key, gate, game, wallet, bet, amount, refusal)
        raise
    row = post_bet(book, key, gate, game, wallet, bet, amount)
    return Receipt(row, book.balance(wallet), False)


def judge_entry(
    book: Book, key: ApiKey, gate: Gate, game: Game, wallet: Wallet, digest: str
) -> None:
    """Let a call that holds a bet pass the player's and the deployment's state."""
    if digest:
        token = book.tokens.get(digest)
        if token is None:
            raise CageError(Reason.SESSION_NOT_FOUND)
        session = book.sessions[token.session_no]
        judge_session(
            token,
            session,
            player_no=gate.player_no,
            integration_no=key.integration_no,
            game=game,
            now_us=book.now_us,
        )
        if session.currency_no != wallet.currency_no:
            raise book.currency_mismatch(session.currency_no, wallet)
    elif book.rules(key).bet_needs_session == BetSessionRule.REQUIRED:
        raise CageError(Reason.SESSION_REQUIRED)
    book.judge_currency(gate, wallet)
    book.judge_switches(key, gate, game)
    book.judge_status(gate)


def judge_bet(
    book: Book, gate: Gate, game: Game, wallet: Wallet, bet: Bet | Reserve, amount: int
) -> None:
    """Let a bet pass its round, its campaign and the player's limits and funds."""
    round_ = book.round((gate.player_no, game.game_no, bet.round_id))
    if round_ is not None:
        if round_.cancelled:
            raise CageError(Reason.ALREADY_ROLLED_BACK)
        if round_.closed:
            raise CageError(Reason.ROUND_CLOSED, balance=book.balance(wallet))
        judge_round_currency(book, round_, wallet)
    if bet.campaign_id:
        # No campaign is granted yet: every one is unknown to the player.
        raise CageError(Reason.FREE_ROUNDS_UNAVAILABLE, campaign_id=bet.campaign_id)
    if gate.limits:
        judge_bet_limits(book, gate, wallet, amount)
    if amount > max(wallet.cash, 0) + max(wallet.bonus, 0):
        raise CageError(Reason.INSUFFICIENT_FUNDS, balance=book.balance(wallet))
    if round_ is not None and round_.bet_cash + round_.bet_bonus + amount > INT64_MAX:
        raise CageError(Reason.BALANCE_OUT_OF_RANGE)


def judge_round_currency(book: Book, round_: Round, wallet: Wallet) -> None:
    """Keep a round in the currency of its first transaction."""
    if round_.currency_no != wallet.currency_no:
        raise book.currency_mismatch(round_.currency_no, wallet)


def post_bet(
    book: Book,
    key: ApiKey,
    gate: Gate,
    game: Game,
    wallet: Wallet,
    bet: Bet,
    amount: int,
    unit: tuple[int, int] = (0, 0),
) -> Transaction:
    """Debit a judged bet, cash first and then bonus, and move its round."""
    cash = min(amount, max(wallet.cash, 0))
    bonus = amount - cash
    round_key = (gate.player_no, game.game_no, bet.round_id)
    round_ = book.round(round_key)
    if round_ is None:
        round_ = book.open_round(gate, round_key, wallet.currency_no)
    is_tip = bet.kind == _TIP_KIND
    row = book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=_MOVE,
        transaction_id=bet.transaction_id,
        kind=_BET,
        state=_POSTED,
        amount=amount,
        cash=-cash,
        bonus=-bonus,
        game_no=game.game_no,
        round_id=bet.round_id,
        round_=round_,
        variant=int(bet.kind),
        flags=FLAG_ROUND_CLOSED if bet.round_closed else 0,
        unit_no=unit[0],
        unit_size=unit[1],
        extra=canonical(bet.extra) if bet.extra else None,
        house=_TIP if is_tip else _GAME,
    )
    if not is_tip:
        round_.bet_count += 1
        round_.standing_count += 1
        round_.bet_cash += cash
        round_.bet_bonus += bonus
    if round_.standing_count and not round_.closed:
        round_.close_time_us = 0
    if bet.round_closed:
        close_round(round_, book.now_us)
    return row


def store_refusal(
    book: Book,
    key: ApiKey,
    gate: Gate,
    game: Game,
    wallet: Wallet,
    move: Bet | Win | Reserve,
    amount: int,
    refusal: CageError,
    unit: tuple[int, int] = (0, 0),
) -> None:
    """Store a refusal that depends on state under its id, without money."""
    extra: dict[str, object] = dict(move.extra or {})
    kind, variant = Kind.WIN, 0
    if isinstance(move, Reserve):
        kind = Kind.RESERVE
    elif isinstance(move, Bet):
        kind, variant = Kind.BET, int(move.kind)
        if move.campaign_id:
            extra["campaign_id"] = move.campaign_id
    elif move.bet_transaction_id:
        extra["bet_transaction_id"] = move.bet_transaction_id
    extra["refusal"] = {
        "reason": refusal.reason.value,
        "metadata": dict(refusal.metadata),
    }
    book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=move_space(book.registry, key.integration_no, kind),
        transaction_id=move.transaction_id,
        kind=kind,
        state=State.REFUSED,
        amount=amount,
        game_no=game.game_no,
        round_id=move.round_id,
        variant=variant,
        flags=FLAG_ROUND_CLOSED if move.round_closed else 0,
        unit_no=unit[0],
        unit_size=unit[1],
        extra=canonical(extra),
    )


def replay_bet(
    book: Book, gate: Gate, earlier: Transaction, bet: Bet, amount: int
) -> Receipt:
    """Answer a bet whose id is known: the first answer, or what differs."""
    differs = differing_field(
        book,
        earlier,
        kind=Kind.BET,
        currency_code=bet.currency_code,
        amount=amount,
        round_id=bet.round_id,
        reference_no=0,
        game_id=bet.game_id,
        campaign_id=bet.campaign_id,
        is_unit=False,
    )
    return replay_state(book, gate, earlier, bet.transaction_id, differs)
