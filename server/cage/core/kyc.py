"""Decide what a check of a player's identity changes."""

from dataclasses import dataclass
from enum import IntEnum

from cage.core.account import player_columns, player_of_reply, write_player
from cage.core.book import Book
from cage.core.player import Player, PlayerStatus
from cage.core.request import earlier_reply


class VerificationMethod(IntEnum):
    """How a player was checked; as in ``cage.player.v1.VerificationMethod``."""

    DOCUMENT = 1
    SELFIE = 2
    ADDRESS = 3
    VIDEO = 4
    CERTIFICATE = 5
    PHONE = 6
    OTHER = 7


@dataclass(slots=True, kw_only=True)
class RecordVerification:
    """Record a passed check. ``reference`` is the checker's own, for the audit."""

    key_id: str
    request_id: str
    player_id: str
    method: VerificationMethod
    reference: str
    level: int


def decide_record_verification(book: Book, command: RecordVerification) -> Player:
    """Activate a player who waits for it, and raise the level, never lower it."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return player_of_reply(reply)
    gate = book.player(key, command.player_id)
    profile = book.profiles[gate.player_no]
    before = player_columns(gate, profile)
    if gate.status == PlayerStatus.PENDING_VERIFICATION:
        gate.status = int(PlayerStatus.ACTIVE)
    gate.kyc_level = max(gate.kyc_level, command.level)
    profile.update_time_us = book.now_us
    return write_player(
        book,
        command,
        gate,
        profile,
        before=before,
        method=command.method.name,
        reference=command.reference,
        level=command.level,
    )
