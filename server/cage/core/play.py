"""Decide a Play: ordered bets and wins of one round, all or nothing, as one unit."""

from cage.core.bet import judge_bet, judge_entry, post_bet, store_refusal
from cage.core.book import Book
from cage.core.errors import CageError, Reason
from cage.core.money import to_ledger
from cage.core.player import Gate
from cage.core.registry import ApiKey, Currency, Game
from cage.core.replay import differing_field, mismatch, replay_state
from cage.core.rules import PlayFundsRule, RefusedBetRule
from cage.core.settlement import judge_form, judge_win
from cage.core.space import move_space
from cage.core.wallet import (
    Bet,
    CloseRound,
    KeySpace,
    Kind,
    Play,
    PlayReceipt,
    Receipt,
    State,
    Transaction,
    Wallet,
    Win,
)
from cage.core.win import (
    decide_close_round,
    post_win,
    win_amount,
    win_differs,
)

_MOVE = int(KeySpace.MOVE)


def decide_play(book: Book, play: Play) -> PlayReceipt:
    """Apply a play, or replay it; raise what ``PlayRequest`` documents.

    A refusal that depends on state is stored under every action's id when the play
    holds a bet; nothing of the play moves then.
    """
    if not play.actions:
        return _close_only(book, play)
    key = book.caller(play.key_id)
    gate = book.player(key, play.player_id)
    currency, amounts = _amounts(book, play)
    replayed = _replay(book, key, gate, play, amounts)
    if replayed is not None:
        return replayed
    for index, action in enumerate(play.actions):
        if isinstance(action, Win):
            judge_form(book.rules(key), action, f"actions[{index}].win.")
    game = book.game(play.game_id)
    wallet = book.wallet(gate, currency.currency_no)
    mark = book.mark([wallet], [(gate.player_no, game.game_no, play.round_id)])
    has_bet = any(isinstance(action, Bet) for action in play.actions)
    try:
        if has_bet:
            judge_entry(book, key, gate, game, wallet, play.session_digest)
            _judge_funds(book, key, wallet, play, amounts)
        rows = _apply(book, key, gate, game, wallet, play, amounts)
    except CageError as refusal:
        book.undo(mark)
        wallet = book.wallet(gate, currency.currency_no)
        if refusal.balance is not None:
            # It was seen between two actions; what counts is what stands now.
            refusal.balance = book.balance(wallet)
        if has_bet and book.rules(key).refused_bet == RefusedBetRule.STORE:
            _store_refusals(book, key, gate, game, wallet, play, amounts, refusal)
        raise
    current = book.balance(wallet)
    return PlayReceipt([Receipt(row, current, False) for row in rows], current, False)


def _close_only(book: Book, play: Play) -> PlayReceipt:
    """Close the round of a play without actions."""
    close = CloseRound(
        key_id=play.key_id,
        player_id=play.player_id,
        game_id=play.game_id,
        round_id=play.round_id,
        extra=play.extra,
    )
    _, unchanged = decide_close_round(book, close)
    return PlayReceipt([], None, unchanged)


def _amounts(book: Book, play: Play) -> tuple[Currency, list[int]]:
    """Return the play's currency and every action's amount at the ledger scale."""
    amounts = []
    currency = book.currency(play.actions[0].currency_code)
    for index, action in enumerate(play.actions):
        path = f"actions[{index}]."
        if isinstance(action, Win):
            _, amount = win_amount(book, action, path)
        else:
            amount = to_ledger(
                action.amount,
                action.scale,
                currency.scale,
                field=f"{path}amount",
                currency_code=action.currency_code,
            )
        amounts.append(amount)
    return currency, amounts


def _apply(
    book: Book,
    key: ApiKey,
    gate: Gate,
    game: Game,
    wallet: Wallet,
    play: Play,
    amounts: list[int],
) -> list[Transaction]:
    """Judge and post every action against the effects of those before it."""
    unit = (book.next_no, len(play.actions))
    play.actions[-1].round_closed = play.round_closed
    rows = []
    for action, amount in zip(play.actions, amounts, strict=True):
        if isinstance(action, Bet):
            judge_bet(book, gate, game, wallet, action, amount)
            row = post_bet(book, key, gate, game, wallet, action, amount, unit)
        else:
            bet = judge_win(book, key, gate, game, wallet, action)
            row = post_win(book, key, gate, game, wallet, action, amount, bet, unit)
        rows.append(row)
    return rows


def _judge_funds(
    book: Book, key: ApiKey, wallet: Wallet, play: Play, amounts: list[int]
) -> None:
    """Where no win may pay for a bet, cover all bets by what is there before.

    A bet of a free round costs nothing.
    """
    if book.rules(key).play_funds == PlayFundsRule.REQUEST_ORDER:
        return
    bets = sum(
        amount
        for action, amount in zip(play.actions, amounts, strict=True)
        if isinstance(action, Bet) and not action.campaign_id
    )
    balance = book.balance(wallet)
    if bets > balance.playable:
        raise CageError(Reason.INSUFFICIENT_FUNDS, balance=balance)


def _store_refusals(
    book: Book,
    key: ApiKey,
    gate: Gate,
    game: Game,
    wallet: Wallet,
    play: Play,
    amounts: list[int],
    refusal: CageError,
) -> None:
    """Store a refused play under the id of each of its actions."""
    unit = (book.next_no, len(play.actions))
    for action, amount in zip(play.actions, amounts, strict=True):
        store_refusal(book, key, gate, game, wallet, action, amount, refusal, unit)


def _replay(
    book: Book, key: ApiKey, gate: Gate, play: Play, amounts: list[int]
) -> PlayReceipt | None:
    """Answer a play of which an id is known; None when all are new.

    It is one unit: every action has to be stored as the same action of one play of
    the same size. Anything else is TRANSACTION_MISMATCH, whatever was answered then.
    """
    ids, who = book.ids, (gate.player_no, key.integration_no)
    wins = move_space(book.registry, key.integration_no, Kind.WIN)
    rows = [
        ids.get((*who, wins if isinstance(each, Win) else _MOVE, each.transaction_id))
        for each in play.actions
    ]
    known = [row for row in rows if row is not None]
    if not known:
        return None
    unit = (known[0].unit_no, len(rows))
    for index, (action, row) in enumerate(zip(play.actions, rows, strict=True)):
        if row is None:
            continue
        if row.state == State.TOMBSTONE:
            raise CageError(Reason.ALREADY_ROLLED_BACK)
        differs = _differs(book, key, gate, row, action, amounts[index])
        place = (row.unit_no, row.unit_size, row.item_no - row.unit_no)
        if differs or place != (*unit, index):
            raise mismatch(action.transaction_id, differs or "actions")
    if len(known) != len(rows):
        new = play.actions[rows.index(None)]
        raise mismatch(new.transaction_id, "actions")
    receipts = [replay_state(book, gate, row, row.transaction_id, "") for row in known]
    return PlayReceipt(receipts, receipts[-1].current, True)


def _differs(
    book: Book,
    key: ApiKey,
    gate: Gate,
    row: Transaction,
    action: Bet | Win,
    amount: int,
) -> str:
    """Name the first field in which one action differs from its stored row."""
    if isinstance(action, Win):
        return win_differs(book, key, gate, row, action, amount, is_unit=True)
    return differing_field(
        book,
        row,
        kind=Kind.BET,
        currency_code=action.currency_code,
        amount=amount,
        round_id=action.round_id,
        reference_no=0,
        game_id=action.game_id,
        campaign_id=action.campaign_id,
        is_unit=True,
    )
