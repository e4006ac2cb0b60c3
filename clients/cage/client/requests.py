"""Build the requests that are calls, frames of a stream and items of a batch alike.

``client.wallet.bet(...)``, ``stream.bet(...)`` and ``requests.bet(...)`` take the same
arguments: the first two send what the last one builds, and
``client.wallet.batch_execute([...])`` takes a list of it. A ``transaction_id`` that is
left out is made here, once, so that every retry carries the same one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from cage.client._ids import new_id
from cage.client._times import duration_of, timestamp_of
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import (
    AwardKind,
    BetKind,
    FreeRound,
    JackpotContribution,
    JackpotWin,
    TransactionKind,
)
from cage.wallet.v1.wallet_service_pb2 import (
    AdjustRequest,
    AwardRequest,
    BetRequest,
    CaptureRequest,
    CloseRoundRequest,
    GetBalanceRequest,
    Original,
    PlayAction,
    PlayBet,
    PlayRequest,
    PlayWin,
    Reference,
    ReinstateRequest,
    ReleaseRequest,
    ReserveRequest,
    RollbackRequest,
    WinRequest,
)

__all__ = [
    "adjust",
    "award",
    "bet",
    "capture",
    "close_round",
    "get_balance",
    "play",
    "play_bet",
    "play_win",
    "reinstate",
    "release",
    "reserve",
    "rollback",
    "win",
]


def get_balance(
    *, player_id: str, currency_code: str, game_id: str = "", session_token: str = ""
) -> GetBalanceRequest:
    """Read the balance of a player, as of after every call answered before.

    ``playable`` of the reply is for ``game_id``, or for a game without restrictions.

    Raises PlayerNotFoundError, GameNotFoundError, CurrencyNotFoundError,
    CurrencyMismatchError, SessionNotFoundError.
    """
    return GetBalanceRequest(
        player_id=player_id,
        currency_code=currency_code,
        game_id=game_id,
        session_token=session_token,
    )


def bet(
    *,
    player_id: str,
    game_id: str,
    round_id: str,
    amount: Money,
    transaction_id: str | None = None,
    session_token: str = "",
    round_closed: bool = False,
    kind: BetKind.ValueType = BetKind.BET_KIND_UNSPECIFIED,
    free_round: FreeRound | None = None,
    jackpot_contributions: Iterable[JackpotContribution] = (),
    occur_time: datetime | None = None,
    details: str = "",
) -> BetRequest:
    """Debit a stake or a tip; zero is legal.

    Raises RefusedError for what funds, session, status, round or a kill switch
    forbid (InsufficientFundsError holds the balance): the id then keeps its refusal.
    Raises TransactionMismatchError for an id used with other content. After
    UnknownOutcomeError send the same id again or roll it back.
    """
    return BetRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id or new_id(),
        amount=amount,
        session_token=session_token,
        round_closed=round_closed,
        occur_time=timestamp_of(occur_time),
        details=details,
        kind=kind,
        free_round=free_round,
        jackpot_contributions=jackpot_contributions,
    )


def win(
    *,
    player_id: str,
    game_id: str,
    round_id: str,
    amount: Money,
    transaction_id: str | None = None,
    bet_transaction_id: str = "",
    session_token: str = "",
    round_closed: bool = False,
    jackpot_wins: Iterable[JackpotWin] = (),
    occur_time: datetime | None = None,
    details: str = "",
) -> WinRequest:
    """Credit the outcome of a bet, zero for a loss.

    Settles ``bet_transaction_id``, or without one every bet of the round. After
    UnknownOutcomeError repeat it with the same id until it is answered.

    Raises BetNotFoundError, ReferenceMismatchError, AlreadyRolledBackError,
    TransactionMismatchError, CurrencyMismatchError, BalanceOutOfRangeError.
    """
    return WinRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id or new_id(),
        amount=amount,
        session_token=session_token,
        round_closed=round_closed,
        occur_time=timestamp_of(occur_time),
        details=details,
        bet_transaction_id=bet_transaction_id,
        jackpot_wins=jackpot_wins,
    )


def play(
    *,
    player_id: str,
    game_id: str,
    round_id: str,
    actions: Iterable[PlayAction] = (),
    session_token: str = "",
    round_closed: bool = False,
    occur_time: datetime | None = None,
    details: str = "",
) -> PlayRequest:
    """Apply bets and wins of one round in order, in one commit, all or nothing.

    Build ``actions`` with play_bet and play_win: 0 to 50, at least one unless
    ``round_closed``. Rolling one of them back reverses all of them.

    Raises what bet and win raise, for the first action that fails.
    """
    return PlayRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        session_token=session_token,
        round_closed=round_closed,
        occur_time=timestamp_of(occur_time),
        details=details,
        actions=actions,
    )


def play_bet(
    *,
    amount: Money,
    transaction_id: str | None = None,
    kind: BetKind.ValueType = BetKind.BET_KIND_UNSPECIFIED,
    free_round: FreeRound | None = None,
    jackpot_contributions: Iterable[JackpotContribution] = (),
) -> PlayAction:
    """Build a bet inside a play."""
    return PlayAction(
        transaction_id=transaction_id or new_id(),
        amount=amount,
        bet=PlayBet(
            kind=kind,
            free_round=free_round,
            jackpot_contributions=jackpot_contributions,
        ),
    )


def play_win(
    *,
    amount: Money,
    transaction_id: str | None = None,
    bet_transaction_id: str = "",
    jackpot_wins: Iterable[JackpotWin] = (),
) -> PlayAction:
    """Build a win inside a play; it may name an earlier bet of the same play."""
    return PlayAction(
        transaction_id=transaction_id or new_id(),
        amount=amount,
        win=PlayWin(bet_transaction_id=bet_transaction_id, jackpot_wins=jackpot_wins),
    )


def rollback(
    *,
    player_id: str,
    original_transaction_id: str = "",
    original_kind: TransactionKind.ValueType = (
        TransactionKind.TRANSACTION_KIND_UNSPECIFIED
    ),
    originals: Iterable[Original | str] = (),
    whole_round: bool = False,
    transaction_id: str | None = None,
    game_id: str = "",
    round_id: str = "",
    amount: Money | None = None,
    session_token: str = "",
    round_closed: bool = False,
    occur_time: datetime | None = None,
    details: str = "",
) -> RollbackRequest:
    """Reverse an earlier transaction, whose amount comes from the ledger.

    Or several: ``originals``, their ids in order, or the ``whole_round`` of ``game_id``
    and ``round_id``; all or nothing, with an answer for each in ``reversals``. An
    unknown original succeeds with ``tombstone``: should it come later it is refused,
    and so is a bet of an unknown round. After UnknownOutcomeError repeat it until it
    is answered.

    Raises AlreadySettledError, RollbackNotAllowedError, ReferenceMismatchError,
    TransactionMismatchError, PlayerNotFoundError, BalanceOutOfRangeError; of several
    the error's ``transaction_id`` is the one that was refused.
    """
    original = None
    if original_transaction_id:
        original = Original(kind=original_kind, transaction_id=original_transaction_id)
    return RollbackRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id or new_id(),
        amount=amount,
        session_token=session_token,
        round_closed=round_closed,
        occur_time=timestamp_of(occur_time),
        details=details,
        original=original,
        originals=[
            Original(transaction_id=each) if isinstance(each, str) else each
            for each in originals
        ],
        whole_round=whole_round,
    )


def reinstate(
    *,
    player_id: str,
    rollback_transaction_id: str,
    transaction_id: str | None = None,
    game_id: str = "",
    round_id: str = "",
    session_token: str = "",
    round_closed: bool = False,
    occur_time: datetime | None = None,
    details: str = "",
) -> ReinstateRequest:
    """Undo a rollback, once: what it reversed stands again.

    A new rollback may then reverse the original again.

    Raises TransactionNotFoundError, ReinstateNotAllowedError, InsufficientFundsError
    for money that was spent, AlreadyRolledBackError, TransactionMismatchError.
    """
    return ReinstateRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id or new_id(),
        session_token=session_token,
        round_closed=round_closed,
        occur_time=timestamp_of(occur_time),
        details=details,
        rollback_transaction_id=rollback_transaction_id,
    )


def close_round(
    *,
    player_id: str,
    game_id: str,
    round_id: str,
    occur_time: datetime | None = None,
    details: str = "",
) -> CloseRoundRequest:
    """Close a round; closing it again changes nothing.

    Raises PlayerNotFoundError, GameNotFoundError, RoundNotFoundError.
    """
    return CloseRoundRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        occur_time=timestamp_of(occur_time),
        details=details,
    )


def award(
    *,
    player_id: str,
    game_id: str,
    amount: Money,
    kind: AwardKind.ValueType,
    transaction_id: str | None = None,
    round_id: str = "",
    campaign_id: str = "",
    informational: bool = False,
    session_token: str = "",
    round_closed: bool = False,
    occur_time: datetime | None = None,
    details: str = "",
) -> AwardRequest:
    """Credit a payment that needs no bet; nothing is posted if ``informational``.

    Raises TransactionMismatchError, PlayerNotFoundError, GameNotFoundError,
    CurrencyNotFoundError, CurrencyMismatchError, BalanceOutOfRangeError.
    """
    return AwardRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id or new_id(),
        amount=amount,
        session_token=session_token,
        round_closed=round_closed,
        occur_time=timestamp_of(occur_time),
        details=details,
        kind=kind,
        campaign_id=campaign_id,
        informational=informational,
    )


def adjust(
    *,
    player_id: str,
    game_id: str,
    delta: Money,
    references: Iterable[Reference | str],
    transaction_id: str | None = None,
    round_id: str = "",
    session_token: str = "",
    round_closed: bool = False,
    occur_time: datetime | None = None,
    details: str = "",
) -> AdjustRequest:
    """Correct what was posted before, up (``delta`` positive) or down.

    ``references`` are the transaction ids that it corrects, 1 to 50, or References
    that name their kind too; all of ``round_id``. After UnknownOutcomeError repeat it
    until it is answered.

    Raises TransactionNotFoundError, ReferenceMismatchError, CurrencyMismatchError,
    TransactionMismatchError, BalanceOutOfRangeError; InsufficientFundsError where the
    rule ``adjust_overdraft`` is REJECT.
    """
    named = (
        Reference(transaction_id=each) if isinstance(each, str) else each
        for each in references
    )
    return AdjustRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id or new_id(),
        session_token=session_token,
        round_closed=round_closed,
        occur_time=timestamp_of(occur_time),
        details=details,
        delta=delta,
        references=named,
    )


def reserve(
    *,
    player_id: str,
    game_id: str,
    round_id: str,
    amount: Money,
    transaction_id: str | None = None,
    session_token: str = "",
    life: timedelta | None = None,
    occur_time: datetime | None = None,
    details: str = "",
) -> ReserveRequest:
    """Set the stake of a two-phase bet aside, for ``capture`` and ``release``.

    ``life`` is 1 second to 90 days; without it the rules say how long. After
    UnknownOutcomeError send the same id again or release it.

    Raises what ``bet`` raises.
    """
    return ReserveRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id or new_id(),
        amount=amount,
        session_token=session_token,
        occur_time=timestamp_of(occur_time),
        details=details,
        life=duration_of(life),
    )


def capture(
    *,
    player_id: str,
    game_id: str,
    round_id: str,
    amount: Money,
    reserve_transaction_id: str,
    transaction_id: str | None = None,
    session_token: str = "",
    round_closed: bool = False,
    occur_time: datetime | None = None,
    details: str = "",
) -> CaptureRequest:
    """Take a part of a reserve, or all of it, as the stake of the round.

    After UnknownOutcomeError repeat it with the same id until it is answered.

    Raises ReserveNotFoundError, ReserveExceededError, ReserveReleasedError,
    ReserveExpiredError, ReferenceMismatchError, RoundClosedError,
    TransactionMismatchError, CurrencyMismatchError, BalanceOutOfRangeError.
    """
    return CaptureRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id or new_id(),
        amount=amount,
        session_token=session_token,
        round_closed=round_closed,
        occur_time=timestamp_of(occur_time),
        details=details,
        reserve_transaction_id=reserve_transaction_id,
    )


def release(
    *,
    player_id: str,
    reserve_transaction_id: str,
    transaction_id: str | None = None,
    game_id: str = "",
    round_id: str = "",
    session_token: str = "",
    round_closed: bool = False,
    occur_time: datetime | None = None,
    details: str = "",
) -> ReleaseRequest:
    """Give back what is left of a reserve; what was captured stays.

    An unknown reserve succeeds with ``tombstone``: should it come later it is refused.
    After UnknownOutcomeError repeat it until it is answered.

    Raises ReferenceMismatchError, TransactionMismatchError, PlayerNotFoundError.
    """
    return ReleaseRequest(
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id or new_id(),
        session_token=session_token,
        round_closed=round_closed,
        occur_time=timestamp_of(occur_time),
        details=details,
        reserve_transaction_id=reserve_transaction_id,
    )
