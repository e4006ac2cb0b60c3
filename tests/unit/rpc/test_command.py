"""Test which commands the requests of the wallet become."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cage.core.adjust import Adjust, Reference
from cage.core.errors import CageError, Reason
from cage.core.registry import Currency, Registry, index_registry
from cage.core.reservation import Capture, Reserve
from cage.core.secret import digest_of
from cage.core.wallet import (
    Award,
    Bet,
    BetKind,
    CloseRound,
    GetBalance,
    JackpotWin,
    Kind,
    Original,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Win,
)
from cage.rpc import command, reserve, reversal
from cage.rpc.validation import checker_of
from cage.wallet.v1 import wallet_service_pb2 as pb

EURO = {"currency_code": "EUR", "amount": 100, "scale": 2}
MOVE: dict[str, Any] = {
    "player_id": "ann",
    "game_id": "slots",
    "round_id": "r1",
    "transaction_id": "t1",
}
COMMON: dict[str, Any] = {**MOVE, "key_id": "k"}
PLACE = {name: MOVE[name] for name in ("player_id", "game_id", "round_id")}
SENT = {"currency_code": "EUR", "amount": 100, "scale": 2}
TIME = {"seconds": 1_700_000_000, "nanos": 5_000}
TIME_US = 1_700_000_000_000_005

CASES: list[tuple[Any, Any, object]] = [
    (
        command.to_bet,
        pb.BetRequest(**MOVE, amount=EURO),
        Bet(**COMMON, **SENT),
    ),
    (
        command.to_bet,
        pb.BetRequest(
            **MOVE,
            amount={"currency_code": "EUR", "amount": 0},
            session_token="s.token",
            round_closed=True,
            occur_time=TIME,
            details="hello",
            kind=2,
            free_round={
                "campaign_id": "summer",
                "remaining": 3,
                "nominal_stake": {"currency_code": "EUR", "amount": 5, "scale": 1},
            },
            jackpot_contributions=[
                {
                    "jackpot_id": "mega",
                    "amount": {"currency_code": "EUR", "amount": 7, "scale": 5},
                }
            ],
        ),
        Bet(
            **COMMON,
            currency_code="EUR",
            amount=0,
            scale=-1,
            session_digest=digest_of("s.token"),
            round_closed=True,
            kind=BetKind.TIP,
            campaign_id="summer",
            extra={
                "details": "hello",
                "occur_time_us": TIME_US,
                "free_round": {
                    "remaining": 3,
                    "nominal_stake": {
                        "currency_code": "EUR",
                        "amount": 50,
                        "scale": 2,
                    },
                },
                "jackpot_contributions": [
                    {
                        "jackpot_id": "mega",
                        "currency_code": "EUR",
                        "amount": 7,
                        "scale": 5,
                    }
                ],
            },
        ),
    ),
    (
        command.to_bet,
        pb.BetRequest(**MOVE, amount=EURO, free_round={"campaign_id": "summer"}),
        Bet(
            **COMMON,
            **SENT,
            campaign_id="summer",
            extra={"free_round": {"remaining": 0}},
        ),
    ),
    (
        command.to_win,
        pb.WinRequest(**MOVE, amount={**EURO, "scale": 0}),
        Win(**COMMON, **{**SENT, "scale": 0}),
    ),
    (
        command.to_win,
        pb.WinRequest(
            **MOVE,
            amount=EURO,
            session_token="ignored",
            bet_transaction_id="t0",
            round_closed=True,
            details="won",
            jackpot_wins=[{"jackpot_id": "mega", "amount": EURO}],
        ),
        Win(
            **COMMON,
            **SENT,
            bet_transaction_id="t0",
            round_closed=True,
            jackpot_wins=(JackpotWin(jackpot_id="mega", **SENT),),
            extra={
                "details": "won",
                "jackpot_wins": [{"jackpot_id": "mega", **SENT}],
            },
        ),
    ),
    (
        command.to_play,
        pb.PlayRequest(
            **PLACE,
            session_token="s.token",
            round_closed=True,
            details="spin",
            actions=[
                {
                    "transaction_id": "t1",
                    "amount": EURO,
                    "bet": {"free_round": {"campaign_id": "summer"}},
                },
                {
                    "transaction_id": "t2",
                    "amount": EURO,
                    "win": {
                        "bet_transaction_id": "t1",
                        "jackpot_wins": [{"jackpot_id": "mega", "amount": EURO}],
                    },
                },
            ],
        ),
        Play(
            key_id="k",
            **PLACE,
            session_digest=digest_of("s.token"),
            round_closed=True,
            actions=(
                Bet(
                    **COMMON,
                    **SENT,
                    campaign_id="summer",
                    extra={"details": "spin", "free_round": {"remaining": 0}},
                ),
                Win(
                    **{**COMMON, "transaction_id": "t2"},
                    **SENT,
                    bet_transaction_id="t1",
                    jackpot_wins=(JackpotWin(jackpot_id="mega", **SENT),),
                    extra={"jackpot_wins": [{"jackpot_id": "mega", **SENT}]},
                ),
            ),
        ),
    ),
    (
        command.to_play,
        pb.PlayRequest(**PLACE, round_closed=True, details="over"),
        Play(
            key_id="k",
            **PLACE,
            round_closed=True,
            actions=(),
            extra={"details": "over"},
        ),
    ),
    (
        reversal.to_rollback,
        pb.RollbackRequest(
            **MOVE,
            amount=EURO,
            round_closed=True,
            original={"kind": 1, "transaction_id": "t0"},
        ),
        Rollback(
            key_id="k",
            player_id="ann",
            transaction_id="t1",
            original_id="t0",
            original_kind=Kind.BET,
            **SENT,
            round_closed=True,
            extra={"game_id": "slots", "round_id": "r1"},
        ),
    ),
    (
        reversal.to_rollback,
        pb.RollbackRequest(
            player_id="ann", transaction_id="t1", original={"transaction_id": "t0"}
        ),
        Rollback(key_id="k", player_id="ann", transaction_id="t1", original_id="t0"),
    ),
    (
        reversal.to_rollback,
        pb.RollbackRequest(
            **MOVE,
            amount=EURO,
            originals=[{"transaction_id": "t0"}, {"transaction_id": "t9", "kind": 2}],
        ),
        RollbackList(
            key_id="k",
            player_id="ann",
            transaction_id="t1",
            originals=(
                Original(transaction_id="t0"),
                Original(transaction_id="t9", kind=Kind.WIN),
            ),
            extra={"game_id": "slots", "round_id": "r1"},
        ),
    ),
    (
        reversal.to_rollback,
        pb.RollbackRequest(**MOVE, whole_round=True, round_closed=True, details="no"),
        RollbackRound(**COMMON, round_closed=True, extra={"details": "no"}),
    ),
    (
        reversal.to_reinstate,
        pb.ReinstateRequest(
            **MOVE, rollback_transaction_id="t0", round_closed=True, occur_time=TIME
        ),
        Reinstate(
            key_id="k",
            player_id="ann",
            transaction_id="t1",
            rollback_id="t0",
            round_closed=True,
            extra={"occur_time_us": TIME_US, "game_id": "slots", "round_id": "r1"},
        ),
    ),
    (
        reversal.to_reinstate,
        pb.ReinstateRequest(
            player_id="ann", transaction_id="t1", rollback_transaction_id="t0"
        ),
        Reinstate(key_id="k", player_id="ann", transaction_id="t1", rollback_id="t0"),
    ),
    (
        command.to_close_round,
        pb.CloseRoundRequest(**PLACE, occur_time=TIME),
        CloseRound(key_id="k", **PLACE, extra={"occur_time_us": TIME_US}),
    ),
    (
        command.to_award,
        pb.AwardRequest(
            **MOVE, amount=EURO, kind=4, campaign_id="mega", informational=True
        ),
        Award(**COMMON, **SENT, kind=4, campaign_id="mega", informational=True),
    ),
    (
        reserve.to_reserve,
        pb.ReserveRequest(
            **MOVE,
            amount=EURO,
            session_token="s.token",
            life={"seconds": 60, "nanos": 5_000},
        ),
        Reserve(
            **COMMON, **SENT, session_digest=digest_of("s.token"), life_us=60_000_005
        ),
    ),
    (
        reserve.to_reserve,
        pb.ReserveRequest(**MOVE, amount=EURO, details="slip"),
        Reserve(**COMMON, **SENT, extra={"details": "slip"}),
    ),
    (
        reserve.to_capture,
        pb.CaptureRequest(
            **MOVE, amount=EURO, reserve_transaction_id="h1", round_closed=True
        ),
        Capture(**COMMON, **SENT, reserve_transaction_id="h1", round_closed=True),
    ),
    (
        reserve.to_release,
        pb.ReleaseRequest(
            **MOVE, reserve_transaction_id="h1", round_closed=True, occur_time=TIME
        ),
        Rollback(
            key_id="k",
            player_id="ann",
            transaction_id="t1",
            original_id="h1",
            original_kind=Kind.RESERVE,
            releases=True,
            round_closed=True,
            extra={"game_id": "slots", "round_id": "r1", "occur_time_us": TIME_US},
        ),
    ),
    (
        command.to_adjust,
        pb.AdjustRequest(
            **MOVE,
            delta={"currency_code": "EUR", "amount": -12, "scale": 1},
            references=[{"transaction_id": "b1"}, {"transaction_id": "w1", "kind": 2}],
        ),
        Adjust(
            **COMMON,
            currency_code="EUR",
            delta=-12,
            scale=1,
            references=(
                Reference(transaction_id="b1"),
                Reference(transaction_id="w1", kind=Kind.WIN),
            ),
        ),
    ),
    (
        command.to_get_balance,
        pb.GetBalanceRequest(
            player_id="ann", currency_code="EUR", session_token="s.token"
        ),
        GetBalance(
            key_id="k",
            player_id="ann",
            game_id="",
            currency_code="EUR",
            session_digest=digest_of("s.token"),
        ),
    ),
]


@pytest.mark.parametrize(("convert", "request_", "expected"), CASES)
def test_request_becomes_a_command(
    convert: Any, request_: Any, expected: object, registry: Registry
) -> None:
    """Every field of a request arrives in its command; what is rare in its extra."""
    assert convert(request_, "k", registry) == expected


REFUSED: list[tuple[dict[str, Any], Reason, str]] = [
    (
        {"nominal_stake": {"currency_code": "USD", "amount": 1, "scale": 2}},
        Reason.CURRENCY_MISMATCH,
        "",
    ),
    (
        {"nominal_stake": {"currency_code": "EUR", "amount": 1, "scale": 3}},
        Reason.SCALE_MISMATCH,
        "free_round.nominal_stake",
    ),
    (
        {"nominal_stake": {"currency_code": "EUR", "amount": -1, "scale": 2}},
        Reason.AMOUNT_OUT_OF_RANGE,
        "free_round.nominal_stake",
    ),
]
CONTRIBUTIONS: list[tuple[dict[str, Any], Reason, str]] = [
    (
        {"currency_code": "EUR", "amount": 1},
        Reason.SCALE_MISMATCH,
        "missing",
    ),
    (
        {"currency_code": "XYZ", "amount": 1, "scale": 19},
        Reason.SCALE_MISMATCH,
        "19",
    ),
    (
        {"currency_code": "EUR", "amount": -1, "scale": 2},
        Reason.AMOUNT_OUT_OF_RANGE,
        "",
    ),
]


@pytest.mark.parametrize(("free_round", "reason", "field"), REFUSED)
def test_nominal_stake_is_judged(
    free_round: dict[str, Any], reason: Reason, field: str, registry: Registry
) -> None:
    """A free round's stake that the ledger cannot hold is refused."""
    bet = pb.BetRequest(
        **MOVE, amount=EURO, free_round={"campaign_id": "summer", **free_round}
    )
    with pytest.raises(CageError) as caught:
        command.to_bet(bet, "k", registry)

    assert (caught.value.reason, caught.value.metadata.get("field", "")) == (
        reason,
        field,
    )


@pytest.mark.parametrize(("money", "reason", "sent_scale"), CONTRIBUTIONS)
def test_contribution_is_judged(
    money: dict[str, Any], reason: Reason, sent_scale: str, registry: Registry
) -> None:
    """A contribution without a legal scale, or below zero, is refused by its path."""
    play = pb.PlayRequest(
        **PLACE,
        actions=[
            {
                "transaction_id": "t1",
                "amount": EURO,
                "bet": {
                    "jackpot_contributions": [{"jackpot_id": "mega", "amount": money}]
                },
            }
        ],
    )
    with pytest.raises(CageError) as caught:
        command.to_play(play, "k", registry)

    assert caught.value.reason is reason
    assert caught.value.metadata.get("sent_scale", "") == sent_scale
    assert (
        caught.value.metadata["field"]
        == "actions[0].bet.jackpot_contributions[0].amount"
    )


texts = st.sampled_from(["", "a", "x" * 128, "x" * 129, "a\tb", "ü"])
monies = (
    st.fixed_dictionaries({"currency_code": st.sampled_from(["", "EUR", "XYZ", "eur"])})
    | st.none()
)
EUROS = index_registry(
    version=1,
    operators=[],
    brands=[],
    integrations=[],
    studios=[],
    games=[],
    currencies=[Currency(currency_no=1, currency_code="EUR", scale=2)],
    keys=[],
)


def refusal(run: Any) -> object:
    """Return what a call is refused with, None when it passes."""
    try:
        run()
    except CageError as error:
        return error.reason, error.metadata
    return None


@given(
    st.fixed_dictionaries(
        dict.fromkeys([*MOVE, "session_token"], texts)
        | {"amount": monies, "kind": st.integers(-1, 3), "details": texts}
    )
)
def test_quick_judge_of_bets_agrees(fields: dict[str, Any]) -> None:
    """A bet is refused while it is read exactly when the full check refuses it."""
    bet = pb.BetRequest(**fields)
    full = checker_of(pb.BetRequest.DESCRIPTOR)

    assert refusal(lambda: command.to_bet(bet, "k", EUROS)) == refusal(
        lambda: full(bet)
    )


@given(
    st.fixed_dictionaries(
        dict.fromkeys([*MOVE, "session_token", "bet_transaction_id"], texts)
        | {"amount": monies, "details": texts}
    )
)
def test_quick_judge_of_wins_agrees(fields: dict[str, Any]) -> None:
    """A win is refused while it is read exactly when the full check refuses it."""
    win = pb.WinRequest(**fields)
    full = checker_of(pb.WinRequest.DESCRIPTOR)

    assert refusal(lambda: command.to_win(win, "k", EUROS)) == refusal(
        lambda: full(win)
    )
