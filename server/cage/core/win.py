"""Decide what brings money to a player: wins and awards, and the close of a round.

Neither session, status nor kill switches stand in the way. Guards in order: key,
player, currency and scale; the id; what the win may name; the game; the reference;
the range of the balance.
"""

from cage.core.bet import judge_round_currency
from cage.core.book import Book, canonical
from cage.core.errors import CageError, Reason, invalid_field
from cage.core.money import INT64_MAX, to_ledger
from cage.core.player import Gate
from cage.core.registry import ApiKey, Currency, Game
from cage.core.replay import differing_field, replay_state, stored_extra
from cage.core.round import Round, close_round
from cage.core.settlement import judge_form, judge_win
from cage.core.space import move_space
from cage.core.wallet import (
    FLAG_INFORMATIONAL,
    FLAG_ROUND_CLOSED,
    Account,
    Award,
    CloseRound,
    KeySpace,
    Kind,
    Receipt,
    State,
    Transaction,
    Wallet,
    Win,
)

# The reference of a win that names a bet which is not there: it settles nothing.
NO_SUCH_BET = -1
# Plain integers: building and writing a row with enum members costs twice as much.
_WIN, _POSTED = int(Kind.WIN), int(State.POSTED)


def decide_win(book: Book, win: Win) -> Receipt:
    """Credit a win, or replay it; raise what ``WinRequest`` documents."""
    key = book.caller(win.key_id)
    gate = book.player(key, win.player_id)
    currency, amount = win_amount(book, win)
    space = move_space(book.registry, key.integration_no, _WIN)
    id_key = (gate.player_no, key.integration_no, space, win.transaction_id)
    earlier = book.ids.get(id_key)
    if earlier is not None:
        return replay_win(book, key, gate, earlier, win, amount)
    judge_form(book.rules(key), win)
    game = book.game(win.game_id)
    wallet = book.wallet(gate, currency.currency_no)
    bet = judge_win(book, key, gate, game, wallet, win)
    row = post_win(book, key, gate, game, wallet, win, amount, bet)
    return Receipt(row, book.balance(wallet), False)


def win_amount(book: Book, win: Win, path: str = "") -> tuple[Currency, int]:
    """Return a win's currency and its amount at the ledger scale, jackpots checked.

    ``path`` leads to an action of a play: "actions[2].".
    """
    currency = book.currency(win.currency_code)
    amount = to_ledger(
        win.amount,
        win.scale,
        currency.scale,
        field=f"{path}amount",
        currency_code=win.currency_code,
    )
    left = amount
    # Inside a Play the list is a field of the action's win.
    jackpots = f"{path}win.jackpot_wins" if path else "jackpot_wins"
    for index, jackpot in enumerate(win.jackpot_wins):
        if jackpot.currency_code != win.currency_code:
            raise CageError(
                Reason.CURRENCY_MISMATCH,
                expected=win.currency_code,
                sent=jackpot.currency_code,
            )
        left -= to_ledger(
            jackpot.amount,
            jackpot.scale,
            currency.scale,
            field=f"{jackpots}[{index}].amount",
            currency_code=win.currency_code,
        )
        if left < 0:
            raise invalid_field(jackpots, "sum up to more than the amount")
    return currency, amount


def split_win(amount: int, bet_cash: int, bet_bonus: int) -> tuple[int, int]:
    """Split a win by the stored split of its stake: bonus rounded down, cash the rest.

    >>> split_win(100, 2, 1)
    (67, 33)
    """
    if bet_bonus <= 0:
        return amount, 0
    bonus = amount * bet_bonus // (bet_cash + bet_bonus)
    return amount - bonus, bonus


def post_win(
    book: Book,
    key: ApiKey,
    gate: Gate,
    game: Game,
    wallet: Wallet,
    win: Win,
    amount: int,
    bet: Transaction | None,
    unit: tuple[int, int] = (0, 0),
) -> Transaction:
    """Credit a judged win and move its round, or raise BALANCE_OUT_OF_RANGE."""
    round_key = (gate.player_no, game.game_no, win.round_id)
    round_ = book.round(round_key)
    if bet is not None:
        cash, bonus = split_win(amount, -bet.cash, -bet.bonus)
    elif round_ is not None and not win.bet_transaction_id:
        cash, bonus = split_win(amount, round_.bet_cash, round_.bet_bonus)
    else:
        cash, bonus = amount, 0
    judge_range(wallet, round_, cash, bonus, amount)
    if round_ is None:
        round_ = book.open_round(gate, round_key, wallet.currency_no)
    extra = dict(win.extra or {})
    reference_no = bet.item_no if bet is not None else 0
    if win.bet_transaction_id and bet is None:
        # A bet that is not there has no number, so its name is kept for retries.
        extra["bet_transaction_id"] = win.bet_transaction_id
        reference_no = NO_SUCH_BET
    row = book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=move_space(book.registry, key.integration_no, _WIN),
        transaction_id=win.transaction_id,
        kind=_WIN,
        state=_POSTED,
        amount=amount,
        cash=cash,
        bonus=bonus,
        game_no=game.game_no,
        round_id=win.round_id,
        round_=round_,
        flags=FLAG_ROUND_CLOSED if win.round_closed else 0,
        reference_no=reference_no,
        unit_no=unit[0],
        unit_size=unit[1],
        extra=canonical(extra) if extra else None,
    )
    round_.win_count += 1
    round_.win_amount += amount
    if win.round_closed:
        close_round(round_, book.now_us)
    return row


def judge_range(
    wallet: Wallet, round_: Round | None, cash: int, bonus: int, amount: int
) -> None:
    """Keep balances and round totals inside 64 bits, or raise BALANCE_OUT_OF_RANGE."""
    total = round_.win_amount + amount if round_ is not None else 0
    cash_after, bonus_after = wallet.cash + cash, wallet.bonus + bonus
    # playable is cash + bonus, and what is reserved comes back, so all has to fit.
    whole = cash_after + bonus_after + wallet.reserved
    if max(cash_after, bonus_after, whole, total) > INT64_MAX:
        raise CageError(Reason.BALANCE_OUT_OF_RANGE)


def replay_win(
    book: Book, key: ApiKey, gate: Gate, earlier: Transaction, win: Win, amount: int
) -> Receipt:
    """Answer a win whose id is known: the first answer, or what differs."""
    differs = win_differs(book, key, gate, earlier, win, amount, is_unit=False)
    return replay_state(book, gate, earlier, win.transaction_id, differs)


def win_differs(
    book: Book,
    key: ApiKey,
    gate: Gate,
    earlier: Transaction,
    win: Win,
    amount: int,
    *,
    is_unit: bool,
) -> str:
    """Name the first field in which a retried win differs, or nothing."""
    reference_no = 0
    kept = stored_extra(earlier).get("bet_transaction_id", "")
    if kept or earlier.state == State.REFUSED:
        # It did not find its bet, so the name itself was stored.
        reference_no = earlier.reference_no if kept == win.bet_transaction_id else -2
    elif win.bet_transaction_id:
        bet = book.ids.get(
            (gate.player_no, key.integration_no, KeySpace.MOVE, win.bet_transaction_id)
        )
        reference_no = bet.item_no if bet is not None else -1
    return differing_field(
        book,
        earlier,
        kind=Kind.WIN,
        currency_code=win.currency_code,
        amount=amount,
        round_id=win.round_id,
        reference_no=reference_no,
        game_id=win.game_id,
        campaign_id="",
        is_unit=is_unit,
    )


def decide_award(book: Book, award: Award) -> Receipt:
    """Credit an award, or replay it; raise what ``AwardRequest`` documents."""
    key = book.caller(award.key_id)
    gate = book.player(key, award.player_id)
    currency = book.currency(award.currency_code)
    amount = to_ledger(
        award.amount,
        award.scale,
        currency.scale,
        field="amount",
        currency_code=award.currency_code,
    )
    space = move_space(book.registry, key.integration_no, Kind.AWARD)
    id_key = (gate.player_no, key.integration_no, space, award.transaction_id)
    earlier = book.ids.get(id_key)
    if earlier is not None:
        differs = differing_field(
            book,
            earlier,
            kind=Kind.AWARD,
            currency_code=award.currency_code,
            amount=amount,
            round_id=award.round_id,
            reference_no=0,
            game_id=award.game_id,
            campaign_id=award.campaign_id,
            is_unit=False,
            variant=award.kind,
        )
        return replay_state(book, gate, earlier, award.transaction_id, differs)
    game = book.game(award.game_id)
    wallet = book.wallet(gate, currency.currency_no)
    book.judge_currency(gate, wallet)
    row = _post_award(book, key, gate, game, wallet, award, amount)
    return Receipt(row, book.balance(wallet), False)


def _post_award(
    book: Book,
    key: ApiKey,
    gate: Gate,
    game: Game,
    wallet: Wallet,
    award: Award,
    amount: int,
) -> Transaction:
    """Credit a judged award to cash, or only record an informational one."""
    posted = 0 if award.informational else amount
    round_ = None
    if award.round_id:
        round_key = (gate.player_no, game.game_no, award.round_id)
        round_ = book.round(round_key)
        if round_ is not None:
            judge_round_currency(book, round_, wallet)
        judge_range(wallet, round_, posted, 0, posted)
        if round_ is None:
            round_ = book.open_round(gate, round_key, wallet.currency_no)
    else:
        judge_range(wallet, None, posted, 0, posted)
    extra: dict[str, object] = dict(award.extra or {})
    if award.campaign_id:
        extra["campaign_id"] = award.campaign_id
    flags = FLAG_ROUND_CLOSED if award.round_closed else 0
    row = book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=move_space(book.registry, key.integration_no, Kind.AWARD),
        transaction_id=award.transaction_id,
        kind=Kind.AWARD,
        state=State.POSTED,
        amount=amount,
        cash=posted,
        game_no=game.game_no,
        round_id=award.round_id,
        round_=round_,
        variant=award.kind,
        flags=flags | (FLAG_INFORMATIONAL if award.informational else 0),
        extra=canonical(extra) if extra else None,
        house=Account.AWARD,
    )
    if round_ is not None:
        round_.win_count += 1
        round_.win_amount += posted
        if award.round_closed:
            close_round(round_, book.now_us)
    return row


def decide_close_round(book: Book, close: CloseRound) -> tuple[Round, bool]:
    """Close a round, or say that it was closed; raise ROUND_NOT_FOUND.

    Returns the round and whether nothing changed.
    """
    key = book.caller(close.key_id)
    gate = book.player(key, close.player_id)
    game = book.game(close.game_id)
    round_ = book.round((gate.player_no, game.game_no, close.round_id))
    if round_ is None:
        raise CageError(Reason.ROUND_NOT_FOUND, round_id=close.round_id)
    if round_.closed:
        return snapshot(round_), True
    wallet = book.wallet(gate, round_.currency_no)
    book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=KeySpace.CLOSE,
        transaction_id=f"{game.game_no}/{close.round_id}",
        kind=Kind.CLOSE_ROUND,
        state=State.POSTED,
        game_no=game.game_no,
        round_id=close.round_id,
        round_=round_,
        flags=FLAG_ROUND_CLOSED,
        extra=canonical(close.extra) if close.extra else None,
    )
    close_round(round_, book.now_us)
    return snapshot(round_), False


def snapshot(round_: Round) -> Round:
    """Copy a round's totals, so that later commands do not change the answer."""
    return Round(
        round_.lane, round_.player_no, round_.game_no, round_.round_id,
        round_.currency_no, round_.bet_count, round_.win_count,
        round_.rolled_back_count, round_.standing_count, round_.bet_cash,
        round_.bet_bonus, round_.win_amount, round_.adjust_count,
        round_.adjust_amount, round_.closed, round_.cancelled, round_.last_no,
        round_.open_no, round_.open_time_us, round_.close_time_us,
    )  # fmt: skip
