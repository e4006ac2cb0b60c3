"""Turn wallet requests into commands of the core.

The hot requests are judged while they are read: what passes the quick test here is
well-formed, and whatever does not goes through the full check of ``validation``,
which finds the field or lets the request pass after all.

What is sent rarely and never decided on travels in ``extra`` as plain JSON values:
details, occur_time_us, free_round, jackpot_contributions, jackpot_wins, and the
game_id and round_id that a rollback or a reinstatement repeats.
"""

from operator import attrgetter
from typing import Any

from cage.core.adjust import Adjust, Reference
from cage.core.errors import CageError, Reason
from cage.core.money import SCALE_MAX, default_scale, to_ledger
from cage.core.registry import Registry
from cage.core.secret import digest_of
from cage.core.wallet import (
    Award,
    Bet,
    BetKind,
    CloseRound,
    GetBalance,
    JackpotWin,
    Kind,
    Play,
    Win,
)
from cage.rpc.convert import to_microseconds
from cage.rpc.validation import ID_MAX, checker_of
from cage.type.v1 import money_pb2
from cage.wallet.v1 import wallet_pb2, wallet_service_pb2

Extra = dict[str, Any]

_BET_KINDS = {0: BetKind.STAKE, 1: BetKind.STAKE, 2: BetKind.TIP}

_check_bet = checker_of(wallet_service_pb2.BetRequest.DESCRIPTOR)
_check_win = checker_of(wallet_service_pb2.WinRequest.DESCRIPTOR)
_check_play = checker_of(wallet_service_pb2.PlayRequest.DESCRIPTOR)
_check_close_round = checker_of(wallet_service_pb2.CloseRoundRequest.DESCRIPTOR)
_check_award = checker_of(wallet_service_pb2.AwardRequest.DESCRIPTOR)
_check_adjust = checker_of(wallet_service_pb2.AdjustRequest.DESCRIPTOR)
_check_get_balance = checker_of(wallet_service_pb2.GetBalanceRequest.DESCRIPTOR)

_read_bet = attrgetter(
    "player_id", "game_id", "round_id", "transaction_id", "session_token", "details",
    "kind", "round_closed", "amount",
)  # fmt: skip
_read_win = attrgetter(
    "player_id", "game_id", "round_id", "transaction_id", "session_token", "details",
    "bet_transaction_id", "round_closed", "amount",
)  # fmt: skip


def to_bet(
    request: wallet_service_pb2.BetRequest, key_id: str, registry: Registry
) -> Bet:
    """Read a bet; raise INVALID_FIELD, SCALE_MISMATCH or AMOUNT_OUT_OF_RANGE."""
    (
        player_id, game_id, round_id, transaction_id, session_token, details, kind,
        round_closed, money,
    ) = _read_bet(request)  # fmt: skip
    currency_code, scale = money.currency_code, money.scale
    has_more = (
        request.HasField("free_round")
        or request.HasField("occur_time")
        or len(request.jackpot_contributions)
    )
    if (
        has_more
        or kind > BetKind.TIP
        or kind < 0
        or details
        or currency_code not in registry.currencies
        or not _are_ids(player_id, game_id, round_id, transaction_id, session_token)
    ):
        _check_bet(request)
    return Bet(
        key_id=key_id,
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id,
        currency_code=currency_code,
        amount=money.amount,
        scale=scale if scale or money.HasField("scale") else -1,
        session_digest=digest_of(session_token) if session_token else "",
        round_closed=round_closed,
        kind=_BET_KINDS[kind],
        campaign_id=request.free_round.campaign_id if has_more else "",
        extra=_bet_extra(request, currency_code, registry)
        if details or has_more
        else None,
    )


def to_win(
    request: wallet_service_pb2.WinRequest, key_id: str, registry: Registry
) -> Win:
    """Read a win; raise INVALID_FIELD, SCALE_MISMATCH or AMOUNT_OUT_OF_RANGE."""
    (
        player_id, game_id, round_id, transaction_id, session_token, details,
        bet_transaction_id, round_closed, money,
    ) = _read_win(request)  # fmt: skip
    currency_code, scale = money.currency_code, money.scale
    has_more = request.HasField("occur_time") or len(request.jackpot_wins)
    if (
        has_more
        or details
        or len(bet_transaction_id) > ID_MAX
        or not bet_transaction_id.isprintable()
        or currency_code not in registry.currencies
        or not _are_ids(player_id, game_id, round_id, transaction_id, session_token)
    ):
        _check_win(request)
    return Win(
        key_id=key_id,
        player_id=player_id,
        game_id=game_id,
        round_id=round_id,
        transaction_id=transaction_id,
        currency_code=currency_code,
        amount=money.amount,
        scale=scale if scale or money.HasField("scale") else -1,
        bet_transaction_id=bet_transaction_id,
        round_closed=round_closed,
        jackpot_wins=_jackpot_wins(request.jackpot_wins) if has_more else (),
        extra=_win_extra(request) if details or has_more else None,
    )


def to_play(
    request: wallet_service_pb2.PlayRequest, key_id: str, registry: Registry
) -> Play:
    """Read a play; its own details and time go with its first action."""
    _check_play(request)
    actions = tuple(
        _to_action(request, action, key_id, registry, f"actions[{index}]")
        for index, action in enumerate(request.actions)
    )
    extra = common_extra(request) or None
    if extra and actions:
        actions[0].extra = {**extra, **(actions[0].extra or {})}
        extra = None
    return Play(
        key_id=key_id,
        player_id=request.player_id,
        game_id=request.game_id,
        round_id=request.round_id,
        actions=actions,
        session_digest=digest(request.session_token),
        round_closed=request.round_closed,
        extra=extra,
    )


def to_close_round(
    request: wallet_service_pb2.CloseRoundRequest, key_id: str, _registry: Registry
) -> CloseRound:
    """Read the close of a round."""
    _check_close_round(request)
    return CloseRound(
        key_id=key_id,
        player_id=request.player_id,
        game_id=request.game_id,
        round_id=request.round_id,
        extra=common_extra(request) or None,
    )


def to_award(
    request: wallet_service_pb2.AwardRequest, key_id: str, _registry: Registry
) -> Award:
    """Read an award."""
    _check_award(request)
    return Award(
        key_id=key_id,
        player_id=request.player_id,
        game_id=request.game_id,
        round_id=request.round_id,
        transaction_id=request.transaction_id,
        currency_code=request.amount.currency_code,
        amount=request.amount.amount,
        scale=scale_of(request.amount),
        kind=request.kind,
        campaign_id=request.campaign_id,
        informational=request.informational,
        round_closed=request.round_closed,
        extra=common_extra(request) or None,
    )


def to_adjust(
    request: wallet_service_pb2.AdjustRequest, key_id: str, _registry: Registry
) -> Adjust:
    """Read an adjustment; the core judges what it refers to."""
    _check_adjust(request)
    return Adjust(
        key_id=key_id,
        player_id=request.player_id,
        game_id=request.game_id,
        round_id=request.round_id,
        transaction_id=request.transaction_id,
        currency_code=request.delta.currency_code,
        delta=request.delta.amount,
        scale=scale_of(request.delta),
        references=tuple(
            Reference(transaction_id=each.transaction_id, kind=Kind(each.kind))
            for each in request.references
        ),
        round_closed=request.round_closed,
        extra=common_extra(request) or None,
    )


def to_get_balance(
    request: wallet_service_pb2.GetBalanceRequest, key_id: str, _registry: Registry
) -> GetBalance:
    """Read the question for a balance."""
    _check_get_balance(request)
    return GetBalance(
        key_id=key_id,
        player_id=request.player_id,
        game_id=request.game_id,
        currency_code=request.currency_code,
        session_digest=digest(request.session_token),
    )


def _are_ids(
    player_id: str, game_id: str, round_id: str, transaction_id: str, session_token: str
) -> bool:
    """Say whether four required ids and an optional token are well-formed."""
    return (
        0 < len(player_id) <= ID_MAX
        and 0 < len(game_id) <= ID_MAX
        and 0 < len(round_id) <= ID_MAX
        and 0 < len(transaction_id) <= ID_MAX
        and len(session_token) <= ID_MAX
        and (
            player_id + game_id + round_id + transaction_id + session_token
        ).isprintable()
    )


def _to_action(
    request: wallet_service_pb2.PlayRequest,
    action: wallet_service_pb2.PlayAction,
    key_id: str,
    registry: Registry,
    path: str,
) -> Bet | Win:
    """Read one action of a play, which has its key, player, game and round."""
    money = action.amount
    if action.HasField("bet"):
        bet = action.bet
        return Bet(
            key_id=key_id,
            player_id=request.player_id,
            game_id=request.game_id,
            round_id=request.round_id,
            transaction_id=action.transaction_id,
            currency_code=money.currency_code,
            amount=money.amount,
            scale=scale_of(money),
            kind=_BET_KINDS[bet.kind],
            campaign_id=bet.free_round.campaign_id,
            extra=_stake_extra(bet, money.currency_code, registry, f"{path}.bet.")
            or None,
        )
    win = action.win
    return Win(
        key_id=key_id,
        player_id=request.player_id,
        game_id=request.game_id,
        round_id=request.round_id,
        transaction_id=action.transaction_id,
        currency_code=money.currency_code,
        amount=money.amount,
        scale=scale_of(money),
        bet_transaction_id=win.bet_transaction_id,
        jackpot_wins=_jackpot_wins(win.jackpot_wins),
        extra=_jackpot_extra(win) or None,
    )


def _bet_extra(
    request: wallet_service_pb2.BetRequest, currency_code: str, registry: Registry
) -> Extra:
    return common_extra(request) | _stake_extra(request, currency_code, registry, "")


def _win_extra(request: wallet_service_pb2.WinRequest) -> Extra:
    return common_extra(request) | _jackpot_extra(request)


def common_extra(request: Any) -> Extra:
    """Return what every money call may carry: the caller's own text and time."""
    extra: Extra = {}
    if request.details:
        extra["details"] = request.details
    if request.HasField("occur_time"):
        extra["occur_time_us"] = to_microseconds(request.occur_time)
    return extra


def _stake_extra(
    bet: wallet_service_pb2.BetRequest | wallet_service_pb2.PlayBet,
    currency_code: str,
    registry: Registry,
    path: str,
) -> Extra:
    """Return what a bet records of its free round and its jackpots."""
    extra: Extra = {}
    if bet.HasField("free_round"):
        extra["free_round"] = _free_round(
            bet.free_round, currency_code, registry, f"{path}free_round.nominal_stake"
        )
    if bet.jackpot_contributions:
        extra["jackpot_contributions"] = [
            _contribution(part, registry, f"{path}jackpot_contributions[{index}]")
            for index, part in enumerate(bet.jackpot_contributions)
        ]
    return extra


def _free_round(
    free_round: wallet_pb2.FreeRound, currency_code: str, registry: Registry, field: str
) -> Extra:
    """Return what is recorded of a free round, its stake at the ledger scale."""
    recorded: Extra = {"remaining": free_round.remaining}
    if not free_round.HasField("nominal_stake"):
        return recorded
    money = free_round.nominal_stake
    if money.currency_code != currency_code:
        raise CageError(
            Reason.CURRENCY_MISMATCH, expected=currency_code, sent=money.currency_code
        )
    ledger_scale = _ledger_scale(registry, currency_code)
    amount = to_ledger(
        money.amount,
        scale_of(money),
        ledger_scale,
        field=field,
        currency_code=currency_code,
    )
    recorded["nominal_stake"] = {
        "currency_code": currency_code,
        "amount": amount,
        "scale": ledger_scale,
    }
    return recorded


def _contribution(
    part: wallet_pb2.JackpotContribution, registry: Registry, path: str
) -> Extra:
    """Return a contribution as sent; it may be finer than the ledger."""
    money, field = part.amount, f"{path}.amount"
    if money.amount < 0:
        raise CageError(
            Reason.AMOUNT_OUT_OF_RANGE, field=field, problem="must not be negative"
        )
    scale = scale_of(money)
    if not 0 <= scale <= SCALE_MAX:
        raise CageError(
            Reason.SCALE_MISMATCH,
            field=field,
            currency_code=money.currency_code,
            ledger_scale=str(_ledger_scale(registry, money.currency_code)),
            sent_scale="missing" if scale < 0 else str(scale),
        )
    return {
        "jackpot_id": part.jackpot_id,
        "currency_code": money.currency_code,
        "amount": money.amount,
        "scale": scale,
    }


def _jackpot_wins(parts: Any) -> tuple[JackpotWin, ...]:
    return tuple(
        JackpotWin(
            jackpot_id=part.jackpot_id,
            currency_code=part.amount.currency_code,
            amount=part.amount.amount,
            scale=scale_of(part.amount),
        )
        for part in parts
    )


def _jackpot_extra(
    win: wallet_service_pb2.WinRequest | wallet_service_pb2.PlayWin,
) -> Extra:
    """Return what a win records of its jackpots; the core judges their amounts."""
    if not win.jackpot_wins:
        return {}
    return {
        "jackpot_wins": [
            {
                "jackpot_id": part.jackpot_id,
                "currency_code": part.amount.currency_code,
                "amount": part.amount.amount,
                "scale": scale_of(part.amount),
            }
            for part in win.jackpot_wins
        ]
    }


def _ledger_scale(registry: Registry, currency_code: str) -> int:
    """Return a currency's scale; an unknown currency is refused by the core."""
    currency = registry.currencies.get(currency_code)
    return default_scale(currency_code) if currency is None else currency.scale


def scale_of(money: money_pb2.Money) -> int:
    """Return the scale that was sent, -1 for none."""
    return money.scale if money.HasField("scale") else -1


def digest(session_token: str) -> str:
    """Return the digest of a session token, nothing for none."""
    return digest_of(session_token) if session_token else ""
