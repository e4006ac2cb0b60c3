"""Decide any command: the one table from command to decision.

``decide`` raises CageError for a refusal. Whatever a refused command may record
(the stored refusal of a bet) it has recorded before it raises; nothing else of it
is left in the book.
"""

from collections.abc import Callable
from typing import Any

from cage.core import admin, key, kyc
from cage.core.account import (
    decide_get_player,
    decide_open_wallet,
    decide_register_player,
    decide_set_player_blocks,
    decide_set_player_status,
)
from cage.core.adjust import Adjust, decide_adjust
from cage.core.balance import decide_get_balance
from cage.core.bet import decide_bet
from cage.core.book import Book
from cage.core.claim import judge_claims
from cage.core.deposit import (
    decide_authorize_deposit,
    decide_cancel_deposit,
    decide_transfer_deposit,
)
from cage.core.errors import CageError
from cage.core.launch import (
    decide_authenticate,
    decide_create_launch_token,
    decide_end_session,
)
from cage.core.limit import ConfirmLimit, ListLimits, RemoveLimit, SetLimit
from cage.core.limit_change import (
    decide_confirm_limit,
    decide_list_limits,
    decide_remove_limit,
    decide_set_limit,
)
from cage.core.payment import AuthorizeDeposit, CancelDeposit, TransferDeposit
from cage.core.play import decide_play
from cage.core.player import (
    GetPlayer,
    OpenWallet,
    RegisterPlayer,
    SetPlayerBlocks,
    SetPlayerStatus,
)
from cage.core.reinstate import decide_reinstate
from cage.core.reservation import Capture, ExpireReserve, Reserve
from cage.core.reserve import decide_capture, decide_expire_reserve, decide_reserve
from cage.core.rollback import (
    decide_rollback,
    decide_rollback_list,
    decide_rollback_round,
)
from cage.core.session import Authenticate, CreateLaunchToken, EndSession
from cage.core.wallet import (
    Award,
    Bet,
    CloseRound,
    GetBalance,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Win,
)
from cage.core.win import decide_award, decide_close_round, decide_win

Decision = Callable[[Book, Any], object]

DECISIONS: dict[type, Decision] = {
    Bet: decide_bet,
    Win: decide_win,
    Play: decide_play,
    Rollback: decide_rollback,
    RollbackList: decide_rollback_list,
    RollbackRound: decide_rollback_round,
    Reinstate: decide_reinstate,
    CloseRound: decide_close_round,
    Award: decide_award,
    Adjust: decide_adjust,
    Reserve: decide_reserve,
    Capture: decide_capture,
    ExpireReserve: decide_expire_reserve,
    GetBalance: decide_get_balance,
    RegisterPlayer: decide_register_player,
    SetPlayerStatus: decide_set_player_status,
    SetPlayerBlocks: decide_set_player_blocks,
    OpenWallet: decide_open_wallet,
    GetPlayer: decide_get_player,
    kyc.RecordVerification: kyc.decide_record_verification,
    SetLimit: decide_set_limit,
    RemoveLimit: decide_remove_limit,
    ConfirmLimit: decide_confirm_limit,
    ListLimits: decide_list_limits,
    CreateLaunchToken: decide_create_launch_token,
    Authenticate: decide_authenticate,
    EndSession: decide_end_session,
    AuthorizeDeposit: decide_authorize_deposit,
    TransferDeposit: decide_transfer_deposit,
    CancelDeposit: decide_cancel_deposit,
    **dict.fromkeys(admin.CREATED, admin.decide_create),
    **dict.fromkeys(admin.UPDATED, admin.decide_update),
    admin.ReadRegistry: admin.decide_read_registry,
    key.CreateApiKey: key.decide_create_api_key,
    key.RevokeApiKey: key.decide_revoke_api_key,
}


def decide(book: Book, command: object) -> object:
    """Decide one command against a book and return its answer.

    A refusal is told in the language of the player it is about.
    """
    try:
        judge_claims(book, command)
        return DECISIONS[type(command)](book, command)
    except CageError as refusal:
        gate = book.gates.get(getattr(command, "player_id", ""))
        if gate is not None:
            refusal.language_code = gate.language_code
        raise
