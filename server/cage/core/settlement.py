"""Judge what a win settles: a bet, or a round, by the rules of the integration.

Guards in order: what the win may name, which is a matter of form; the bet or the
round; its currency; a rollback; the close of the round; the wins that were there
before.
"""

from cage.core.bet import judge_round_currency
from cage.core.book import Book
from cage.core.errors import CageError, Reason, invalid_field
from cage.core.player import Gate
from cage.core.registry import ApiKey, Game
from cage.core.reservation import ReservationState
from cage.core.round import Round, RoundState
from cage.core.rules import Rules, SettlementRule, Verdict, WinsPerBetRule
from cage.core.wallet import BetKind, KeySpace, Kind, State, Transaction, Wallet, Win

# Kinds that a win may name.
_STAKES = (Kind.BET, Kind.RESERVE)


def judge_win(
    book: Book, key: ApiKey, gate: Gate, game: Game, wallet: Wallet, win: Win
) -> Transaction | None:
    """Return the bet that a win names, or None when it settles no single bet.

    Raises BET_NOT_FOUND, REFERENCE_MISMATCH, CURRENCY_MISMATCH, ALREADY_ROLLED_BACK,
    ROUND_CLOSED or ALREADY_SETTLED.
    """
    rules = book.rules(key)
    round_ = book.round((gate.player_no, game.game_no, win.round_id))
    bet = None
    if win.bet_transaction_id:
        bet = find_bet(book, key, gate, game, win, rules)
    elif round_ is None or not (round_.bet_count or round_.cancelled):
        judge_no_bet(rules)
    if round_ is None:
        book.judge_currency(gate, wallet)
    else:
        judge_round_currency(book, round_, wallet)
        judge_round(book, rules, round_, win, bet)
    return bet


def judge_form(rules: Rules, win: Win, path: str = "") -> None:
    """Let a win pass that names what the integration settles by.

    Raises INVALID_FIELD. ``path`` leads to an action of a play: "actions[2].win.".
    """
    field = f"{path}bet_transaction_id"
    if rules.settlement == SettlementRule.BET and not win.bet_transaction_id:
        raise invalid_field(field, "is required by the rules")
    if rules.settlement == SettlementRule.ROUND and win.bet_transaction_id:
        raise invalid_field(field, "must be empty by the rules")


def find_bet(
    book: Book, key: ApiKey, gate: Gate, game: Game, win: Win, rules: Rules
) -> Transaction | None:
    """Return the bet that a win names, None when the rules do without it."""
    bet = book.ids.get(
        (gate.player_no, key.integration_no, KeySpace.MOVE, win.bet_transaction_id)
    )
    if bet is None or bet.state == State.REFUSED:
        judge_no_bet(rules)
        return None
    if bet.state == State.TOMBSTONE:
        judge_rolled_back(rules)
        return None
    for field, differs in (
        ("kind", bet.kind not in _STAKES or bet.variant == BetKind.TIP),
        ("round_id", bet.round_id != win.round_id),
        ("game_id", bet.game_no != game.game_no),
    ):
        if differs:
            raise CageError(Reason.REFERENCE_MISMATCH, field=field)
    if bet.kind == Kind.RESERVE and not _judge_captured(book, bet, rules):
        return None
    return bet


def _judge_captured(book: Book, reserve: Transaction, rules: Rules) -> bool:
    """Say whether a reserve is a bet: something was captured of it.

    Where nothing was it is no bet, and after its release one that was rolled back.
    """
    reservation = book.reservations[reserve.item_no]
    if reservation.capture_count:
        return True
    if reservation.state == ReservationState.OPEN:
        judge_no_bet(rules)
    else:
        judge_rolled_back(rules)
    return False


def judge_no_bet(rules: Rules) -> None:
    """Let a win without its bet pass, or raise BET_NOT_FOUND."""
    if rules.win_without_bet == Verdict.REFUSE:
        raise CageError(Reason.BET_NOT_FOUND)


def judge_rolled_back(rules: Rules) -> None:
    """Let a win of a rolled back bet pass, or raise ALREADY_ROLLED_BACK."""
    if rules.win_after_rollback == Verdict.REFUSE:
        raise CageError(Reason.ALREADY_ROLLED_BACK)


def judge_round(
    book: Book, rules: Rules, round_: Round, win: Win, bet: Transaction | None
) -> None:
    """Let a win pass the state of its round and the wins before it."""
    if bet is not None:
        is_rolled_back = round_.rollback_of(bet) is not None
    else:
        names_round = not win.bet_transaction_id
        is_rolled_back = names_round and round_.state == RoundState.CANCELLED
    if is_rolled_back:
        judge_rolled_back(rules)
    if round_.closed and rules.late_win == Verdict.REFUSE:
        raise book.round_closed(round_)
    if rules.wins_per_bet == WinsPerBetRule.ONE and round_.has_win(bet):
        raise CageError(Reason.ALREADY_SETTLED)
