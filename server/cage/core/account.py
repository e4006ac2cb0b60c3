"""Decide the account of a player: registration, status, and what a reader sees.

Guards in order: key; the request id; the player; everything else.
"""

from dataclasses import asdict
from typing import Any

from cage.core.book import Book
from cage.core.errors import CageError, Reason
from cage.core.player import (
    Gate,
    GetPlayer,
    OpenWallet,
    Player,
    PlayerStatus,
    Profile,
    RegisterPlayer,
    SetPlayerBlocks,
    SetPlayerStatus,
    show_player,
)
from cage.core.request import columns, earlier_reply, journal, keep_reply


def decide_register_player(book: Book, command: RegisterPlayer) -> Player:
    """Register a player; raise what ``RegisterPlayerRequest`` documents."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return player_of_reply(reply)
    brand = book.registry.brands.get(command.brand_id)
    if brand is None or not key.sees(brand.operator_no):
        raise CageError(Reason.BRAND_NOT_FOUND, brand_id=command.brand_id)
    currency = book.currency(command.currency_code)
    gate = Gate(
        lane=book.head.lane,
        player_no=book.next_no,
        player_id=command.player_id,
        brand_no=brand.brand_no,
        currency_no=currency.currency_no,
        status=int(PlayerStatus.PENDING_VERIFICATION),
        kyc_level=0,
        is_test=int(command.is_test),
        language_code=command.language_code,
        jurisdiction=command.jurisdiction,
    )
    profile = Profile(
        lane=gate.lane,
        player_no=gate.player_no,
        display_name=command.display_name,
        country_code=command.country_code,
        create_time_us=book.now_us,
        update_time_us=book.now_us,
    )
    book.gates[gate.player_id] = gate
    book.profiles[gate.player_no] = profile
    return write_player(book, command, gate, profile, before=None)


def decide_set_player_status(book: Book, command: SetPlayerStatus) -> Player:
    """Change a status; raise what ``SetPlayerStatusRequest`` documents."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return player_of_reply(reply)
    gate = book.player(key, command.player_id)
    profile = book.profiles[gate.player_no]
    before = player_columns(gate, profile)
    gate.status = int(command.status)
    profile.update_time_us = book.now_us
    return write_player(
        book, command, gate, profile, before=before, reason=command.reason
    )


def decide_set_player_blocks(book: Book, command: SetPlayerBlocks) -> Player:
    """Replace what a player may not bet on, as ``SetPlayerBlocksRequest`` says."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return player_of_reply(reply)
    gate = book.player(key, command.player_id)
    profile = book.profiles[gate.player_no]
    before = player_columns(gate, profile)
    gate.blocks = command.blocks
    profile.update_time_us = book.now_us
    return write_player(
        book, command, gate, profile, before=before, reason=command.reason
    )


def decide_open_wallet(book: Book, command: OpenWallet) -> Player:
    """Open a wallet in a currency; that of the account, or an open one, stays."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return player_of_reply(reply)
    gate = book.player(key, command.player_id)
    currency = book.currency(command.currency_code)
    profile = book.profiles[gate.player_no]
    before = player_columns(gate, profile)
    opened = {*gate.opened(), currency.currency_no} - {gate.currency_no}
    gate.more_currencies = " ".join(map(str, sorted(opened)))
    profile.update_time_us = book.now_us
    return write_player(book, command, gate, profile, before=before)


def decide_get_player(book: Book, read: GetPlayer) -> Player:
    """Show a player with a balance for each currency that ever held money."""
    key = book.caller(read.key_id)
    gate = book.player(key, read.player_id)
    player = show_player(gate, book.profiles[gate.player_no])
    balances = [
        book.balance(wallet)
        for wallet in book.wallets.values()
        if wallet.player_no == gate.player_no and wallet.version
    ]
    player.read_time_us = book.now_us
    player.balances = sorted(balances, key=lambda shown: shown.currency.currency_code)
    return player


def write_player(
    book: Book,
    command: Any,
    gate: Gate,
    profile: Profile,
    *,
    before: dict[str, Any] | None,
    **told: object,
) -> Player:
    """Write the rows of a changed player, journal the change and keep the reply."""
    journal_player(book, command, gate, profile, before=before, **told)
    player = show_player(gate, profile)
    keep_reply(
        book, command, {"gate": asdict(player.gate), "profile": asdict(player.profile)}
    )
    return player


def journal_player(
    book: Book,
    command: Any,
    gate: Gate,
    profile: Profile,
    *,
    before: dict[str, Any] | None,
    **told: object,
) -> None:
    """Write the rows of a changed player and journal the change.

    ``told`` goes into the audit beside the columns.
    """
    after = {**told, **player_columns(gate, profile)}
    journal(book, command, "player", gate.player_id, before=before, after=after)
    book.touch(gate, (gate.lane, gate.player_no))
    book.touch(profile, (profile.lane, profile.player_no))


def player_columns(gate: Gate, profile: Profile) -> dict[str, Any]:
    """Return the columns of both rows of a player, which share lane and number."""
    return {**columns(gate), **columns(profile)}


def player_of_reply(reply: Any) -> Player:
    """Rebuild the first answer."""
    return Player(gate=Gate(**reply["gate"]), profile=Profile(**reply["profile"]))
