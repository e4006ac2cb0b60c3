"""Names and numbers of the core are those of the contract."""

from enum import IntEnum
from typing import Any

import pytest

from cage.admin.v1 import admin_pb2
from cage.core.errors import CageError, Reason, invalid_field
from cage.core.player import PlayerStatus
from cage.core.registry import Role
from cage.core.round import RoundState
from cage.core.rules import (
    AdjustOverdraftRule,
    PlayFundsRule,
    RefusedBetRule,
    RollbackAmountRule,
    SettlementRule,
    Verdict,
    WinRollbackRule,
    WinsPerBetRule,
)
from cage.core.wallet import BetKind, Kind, State
from cage.error.v1 import error_reason_pb2
from cage.player.v1 import player_pb2
from cage.wallet.v1 import wallet_pb2


def test_reasons_are_those_of_the_contract() -> None:
    """The core has every reason of the contract, in its order, and no other."""
    enum = error_reason_pb2.ErrorReason.DESCRIPTOR
    names = [value.name.removeprefix("ERROR_REASON_") for value in enum.values]

    assert names == ["UNSPECIFIED", *Reason]
    assert [reason.name for reason in Reason] == [reason.value for reason in Reason]


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Kind, wallet_pb2.TransactionKind, "TRANSACTION_KIND_"),
        (State, wallet_pb2.TransactionState, "TRANSACTION_STATE_"),
        (RoundState, wallet_pb2.RoundState, "ROUND_STATE_"),
        (BetKind, wallet_pb2.BetKind, "BET_KIND_"),
        (PlayerStatus, player_pb2.PlayerStatus, "PLAYER_STATUS_"),
        (Role, admin_pb2.Role, "ROLE_"),
        (Verdict, wallet_pb2.Verdict, "VERDICT_"),
        (RefusedBetRule, wallet_pb2.RefusedBetRule, "REFUSED_BET_RULE_"),
        (WinRollbackRule, wallet_pb2.WinRollbackRule, "WIN_ROLLBACK_RULE_"),
        (RollbackAmountRule, wallet_pb2.RollbackAmountRule, "ROLLBACK_AMOUNT_RULE_"),
        (WinsPerBetRule, wallet_pb2.WinsPerBetRule, "WINS_PER_BET_RULE_"),
        (SettlementRule, wallet_pb2.SettlementRule, "SETTLEMENT_RULE_"),
        (PlayFundsRule, wallet_pb2.PlayFundsRule, "PLAY_FUNDS_RULE_"),
        (
            AdjustOverdraftRule,
            wallet_pb2.AdjustOverdraftRule,
            "ADJUST_OVERDRAFT_RULE_",
        ),
    ],
)
def test_numbers_are_those_of_the_contract(
    ours: type[IntEnum], theirs: Any, prefix: str
) -> None:
    """Every member has the number of its name in the contract."""
    numbers = {
        value.name.removeprefix(prefix): value.number
        for value in theirs.DESCRIPTOR.values
    }
    found = {member.name: int(member) for member in ours}

    assert {"UNSPECIFIED": 0, **found} == numbers


def test_refusal_reads_as_a_line() -> None:
    """A refusal is printed as its reason and its variables."""
    assert str(invalid_field("amount", "is odd")) == (
        "INVALID_FIELD field=amount problem=is odd"
    )
    assert str(CageError(Reason.OVERLOADED)) == "OVERLOADED"
