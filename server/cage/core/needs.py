"""Say what a batch has to read before it can be decided.

The storage asks in passes under the lane's lock: first the gates of all players,
then what each command names, then what the rows just read refer to (the chain of a
round that is rolled back, the bet of a rollback). A pass that adds nothing ends
it; two are the rule.
"""

from collections.abc import Callable, Sequence
from typing import Any

from cage.core import admin, key, kyc, reserve_needs, reversal_needs
from cage.core.adjust import Adjust
from cage.core.book import Book
from cage.core.claim import needed_claims
from cage.core.counter import counter_keys
from cage.core.jurisdiction import LimitPeriod
from cage.core.limit import ConfirmLimit, ListLimits, RemoveLimit, SetLimit
from cage.core.needed import Needs, need_chain, need_wallet
from cage.core.payment import (
    AuthorizeDeposit,
    CancelDeposit,
    TransferDeposit,
    payment_no_of,
)
from cage.core.player import (
    Gate,
    GetPlayer,
    OpenWallet,
    RegisterPlayer,
    SetPlayerBlocks,
    SetPlayerStatus,
)
from cage.core.request import Command
from cage.core.reservation import Capture, Reserve
from cage.core.reserve_needs import need_reservations
from cage.core.rules import WinsPerBetRule
from cage.core.session import Authenticate, CreateLaunchToken, EndSession
from cage.core.space import move_space
from cage.core.wallet import (
    Award,
    Bet,
    CloseRound,
    GetBalance,
    KeySpace,
    Kind,
    Play,
    Win,
)

Move = Bet | Win | Award | Adjust | Reserve


def parts(commands: Sequence[object]) -> list[Sequence[object]]:
    """Cut a batch after every command that changes the registry.

    Keys, games and currencies say which rows the commands need, so whatever uses a
    new one has to be read after it was committed.
    """
    if CHANGE_REGISTRY.isdisjoint(map(type, commands)):
        return [commands]
    ends = [
        index + 1
        for index, command in enumerate(commands)
        if type(command) in CHANGE_REGISTRY
    ]
    cuts = zip([0, *ends], [*ends, len(commands)], strict=True)
    return [commands[start:end] for start, end in cuts if start < end]


def first_needs(book: Book, commands: Sequence[object]) -> Needs:
    """Collect what the commands name themselves."""
    needs = Needs(commands)
    for command in commands:
        need = FIRST.get(type(command))
        if need is not None:
            need(book, needs, command)
        needs.claims.update(needed_claims(book, command))
    return needs


def more_needs(book: Book, commands: Sequence[object]) -> Needs | None:
    """Collect what the rows read so far refer to; None when nothing is missing."""
    needs = Needs(commands)
    asked = False
    for command in commands:
        need = MORE.get(type(command))
        if need is not None and need(book, needs, command):
            asked = True
    asked = need_reservations(book, needs) or asked
    return needs if asked else None


def _move(book: Book, needs: Needs, move: Move, kind: Kind) -> tuple[Gate, int] | None:
    """Need the id, the wallet and the round of a money call; return who it is of."""
    gate = book.gates.get(move.player_id)
    registry = book.registry
    key = registry.find_key(move.key_id)
    if gate is None or key is None:
        return None
    player_no, integration_no = gate.player_no, key.integration_no
    space = move_space(registry, integration_no, kind)
    needs.ids.add((player_no, integration_no, space, move.transaction_id))
    currency = registry.currencies.get(move.currency_code)
    if currency is not None:
        needs.wallets.add((player_no, currency.currency_no))
    game = registry.games.get(move.game_id)
    if game is not None and move.round_id:
        needs.rounds.add((player_no, game.game_no, move.round_id))
    return gate, integration_no


def _bet(book: Book, needs: Needs, bet: Bet | Reserve) -> None:
    found = _move(book, needs, bet, Kind.BET)
    if found is not None and found[0].limits:
        needs.counters.update(counter_keys(book, found[0]))
    if bet.session_digest:
        needs.tokens.add(bet.session_digest)


def _win(book: Book, needs: Needs, win: Win) -> None:
    found = _move(book, needs, win, Kind.WIN)
    if found is not None and win.bet_transaction_id:
        gate, integration_no = found
        needs.ids.add(
            (gate.player_no, integration_no, KeySpace.MOVE, win.bet_transaction_id)
        )


def _play(book: Book, needs: Needs, play: Play) -> None:
    for action in play.actions:
        if isinstance(action, Bet):
            _bet(book, needs, action)
        else:
            _win(book, needs, action)
    if play.session_digest:
        needs.tokens.add(play.session_digest)
    _round(book, needs, play)


def _round(book: Book, needs: Needs, command: Play | CloseRound | Capture) -> None:
    gate = book.gates.get(command.player_id)
    game = book.registry.games.get(command.game_id)
    if gate is not None and game is not None:
        needs.rounds.add((gate.player_no, game.game_no, command.round_id))


def _get_balance(book: Book, needs: Needs, read: GetBalance) -> None:
    gate = book.gates.get(read.player_id)
    currency = book.registry.currencies.get(read.currency_code)
    if gate is not None and currency is not None:
        needs.wallets.add((gate.player_no, currency.currency_no))
    if read.session_digest:
        needs.tokens.add(read.session_digest)


def _award(book: Book, needs: Needs, award: Award) -> None:
    _move(book, needs, award, Kind.AWARD)


def _adjust(book: Book, needs: Needs, adjust: Adjust) -> None:
    found = _move(book, needs, adjust, Kind.ADJUST)
    if found is not None:
        player_no, integration_no = found[0].player_no, found[1]
        for each in adjust.references:
            space = move_space(book.registry, integration_no, each.kind)
            needs.ids.add((player_no, integration_no, space, each.transaction_id))


def _request(_: Book, needs: Needs, command: Command) -> None:
    needs.requests.add((command.key_id, command.request_id))


def _profile(
    book: Book,
    needs: Needs,
    command: SetPlayerStatus
    | SetPlayerBlocks
    | OpenWallet
    | kyc.RecordVerification
    | SetLimit
    | RemoveLimit
    | ConfirmLimit,
) -> None:
    _request(book, needs, command)
    gate = book.gates.get(command.player_id)
    if gate is not None:
        needs.profiles.add(gate.player_no)


def _get_player(book: Book, needs: Needs, read: GetPlayer) -> None:
    gate = book.gates.get(read.player_id)
    if gate is not None:
        needs.profiles.add(gate.player_no)
        needs.all_wallets.add(gate.player_no)


def _limits(
    book: Book, needs: Needs, command: SetLimit | RemoveLimit | ConfirmLimit
) -> None:
    """Need the counters of all limits, and that of the limit which is named."""
    _profile(book, needs, command)
    gate = book.gates.get(command.player_id)
    currency = book.registry.currencies.get(command.currency_code)
    if gate is None:
        return
    needs.counters.update(counter_keys(book, gate))
    if currency is None:
        return
    needs.wallets.add((gate.player_no, currency.currency_no))
    if command.period != LimitPeriod.BET:
        start_us, _ = book.jurisdiction(gate).window(command.period, book.now_us)
        kind, period = int(command.kind), int(command.period)
        needs.counters.add(
            (gate.player_no, kind, period, currency.currency_no, start_us)
        )


def _list_limits(book: Book, needs: Needs, read: ListLimits) -> None:
    gate = book.gates.get(read.player_id)
    if gate is not None:
        needs.counters.update(counter_keys(book, gate))


def _account(
    book: Book,
    needs: Needs,
    command: CreateLaunchToken | AuthorizeDeposit | TransferDeposit,
) -> None:
    """Need the wallet in the currency that a command names."""
    gate = book.gates.get(command.player_id)
    currency = book.registry.currencies.get(command.currency_code)
    if gate is not None and currency is not None:
        needs.wallets.add((gate.player_no, currency.currency_no))


def _entry(
    book: Book, needs: Needs, command: CreateLaunchToken | AuthorizeDeposit
) -> None:
    _request(book, needs, command)
    _account(book, needs, command)
    gate = book.gates.get(command.player_id)
    if gate is not None:
        needs.counters.update(counter_keys(book, gate))


def _authenticate(book: Book, needs: Needs, command: Authenticate) -> None:
    needs.launches.add(command.launch_digest)
    gate = book.gates.get(command.player_id)
    if gate is not None:
        needs.profiles.add(gate.player_no)


def _authenticate_more(book: Book, needs: Needs, command: Authenticate) -> bool:
    gate = book.gates.get(command.player_id)
    launch = book.launches.get(command.launch_digest)
    if gate is None or launch is None or launch.player_no != gate.player_no:
        return False
    return need_wallet(book, needs, (launch.player_no, launch.currency_no))


def _end_session(book: Book, needs: Needs, command: EndSession) -> None:
    _request(book, needs, command)
    gate = book.gates.get(command.player_id)
    if gate is not None:
        needs.open_sessions.add(gate.player_no)


def _transfer_deposit(book: Book, needs: Needs, command: TransferDeposit) -> None:
    # The wallet follows from the currency that was sent, which has to be the
    # payment's: so it is read also when this very batch authorizes the payment.
    _account(book, needs, command)
    _payment(book, needs, command)


def _cancel_deposit(book: Book, needs: Needs, command: CancelDeposit) -> None:
    _request(book, needs, command)
    _payment(book, needs, command)


def _payment(
    book: Book, needs: Needs, command: TransferDeposit | CancelDeposit
) -> None:
    payment_no = payment_no_of(command.payment_id, book.head.lane)
    if payment_no:
        needs.payments.add(payment_no)


def _win_more(book: Book, needs: Needs, win: Win) -> bool:
    gate = book.gates.get(win.player_id)
    game = book.registry.games.get(win.game_id)
    if gate is None or game is None:
        return False
    key = (gate.player_no, game.game_no, win.round_id)
    round_ = book.rounds.get(key)
    if round_ is None or not (round_.rolled_back_count or _is_single(book, win)):
        return False
    return need_chain(book, needs, key)


def _is_single(book: Book, win: Win) -> bool:
    """Say whether a win has to be the first of what it settles."""
    key = book.registry.find_key(win.key_id)
    if key is None or not key.integration_no:
        return False
    return book.rules(key).wins_per_bet == WinsPerBetRule.ONE


def _play_more(book: Book, needs: Needs, play: Play) -> bool:
    wins = [action for action in play.actions if isinstance(action, Win)]
    asked = [_win_more(book, needs, win) for win in wins[:1]]
    asked.append(_close_more(book, needs, play))
    return any(asked)


def _close_more(book: Book, needs: Needs, close: Play | CloseRound) -> bool:
    gate = book.gates.get(close.player_id)
    game = book.registry.games.get(close.game_id)
    if gate is None or game is None:
        return False
    round_ = book.rounds.get((gate.player_no, game.game_no, close.round_id))
    if round_ is None:
        return False
    return need_wallet(book, needs, (gate.player_no, round_.currency_no))


CHANGE_REGISTRY = frozenset(
    (*admin.CREATED, *admin.UPDATED, key.CreateApiKey, key.RevokeApiKey)
)

# The last argument of each is the command of the key's own type.
First = Callable[[Book, Needs, Any], None]
More = Callable[[Book, Needs, Any], bool]

FIRST: dict[type, First] = {
    Bet: _bet,
    Win: _win,
    Play: _play,
    **reversal_needs.FIRST,
    CloseRound: _round,
    Award: _award,
    Adjust: _adjust,
    Reserve: _bet,
    **reserve_needs.FIRST,
    GetBalance: _get_balance,
    RegisterPlayer: _request,
    SetPlayerStatus: _profile,
    SetPlayerBlocks: _profile,
    OpenWallet: _profile,
    kyc.RecordVerification: _profile,
    GetPlayer: _get_player,
    SetLimit: _limits,
    RemoveLimit: _limits,
    ConfirmLimit: _limits,
    ListLimits: _list_limits,
    CreateLaunchToken: _entry,
    Authenticate: _authenticate,
    EndSession: _end_session,
    AuthorizeDeposit: _entry,
    TransferDeposit: _transfer_deposit,
    CancelDeposit: _cancel_deposit,
    **dict.fromkeys((*admin.CREATED, *admin.UPDATED), _request),
    key.CreateApiKey: _request,
    key.RevokeApiKey: _request,
}
MORE: dict[type, More] = {
    Win: _win_more,
    Play: _play_more,
    **reversal_needs.MORE,
    CloseRound: _close_more,
    **reserve_needs.MORE,
    Authenticate: _authenticate_more,
}
