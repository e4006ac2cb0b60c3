"""Decide two-phase bets: reserve a stake, capture it in parts, release the rest.

A reserve is judged as a bet, in its order, and its refusals are stored; a capture
passes like a win. Guards of a capture in order: key, player, currency and scale; the
id; the game; the reserve and what fits it; its end; the close of the round; what is
left; the range of the round.
"""

from cage.core.bet import (
    judge_bet,
    judge_entry,
    store_refusal,
)
from cage.core.book import Book, canonical
from cage.core.errors import CageError, Reason
from cage.core.ids import public_id
from cage.core.money import INT64_MAX, to_ledger
from cage.core.player import Gate
from cage.core.registry import ApiKey, Game
from cage.core.replay import differing_field, replay_state
from cage.core.reservation import (
    Capture,
    ExpireReserve,
    Reservation,
    ReservationState,
    Reserve,
    split_captured,
)
from cage.core.round import close_round
from cage.core.rules import RefusedBetRule
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    KeySpace,
    Kind,
    Receipt,
    State,
    Transaction,
    Wallet,
)

_SECOND_US = 1_000_000


def decide_reserve(book: Book, reserve: Reserve) -> Receipt:
    """Set a stake aside, or replay it; raise what ``ReserveRequest`` documents."""
    key = book.caller(reserve.key_id)
    gate = book.player(key, reserve.player_id)
    currency = book.currency(reserve.currency_code)
    amount = to_ledger(
        reserve.amount,
        reserve.scale,
        currency.scale,
        field="amount",
        currency_code=reserve.currency_code,
    )
    who = (gate.player_no, key.integration_no, KeySpace.MOVE)
    earlier = book.ids.get((*who, reserve.transaction_id))
    if earlier is not None:
        differs = differing_field(
            book,
            earlier,
            kind=Kind.RESERVE,
            currency_code=reserve.currency_code,
            amount=amount,
            round_id=reserve.round_id,
            reference_no=0,
            game_id=reserve.game_id,
            campaign_id="",
            is_unit=False,
        )
        return replay_state(book, gate, earlier, reserve.transaction_id, differs)
    game = book.game(reserve.game_id)
    wallet = book.wallet(gate, currency.currency_no)
    try:
        judge_entry(book, key, gate, game, wallet, reserve.session_digest)
        judge_bet(book, gate, game, wallet, reserve, amount)
    except CageError as refusal:
        if book.rules(key).refused_bet == RefusedBetRule.STORE:
            store_refusal(book, key, gate, game, wallet, reserve, amount, refusal)
        raise
    row = _post_reserve(book, key, gate, game, wallet, reserve, amount)
    return Receipt(row, book.balance(wallet), False)


def _post_reserve(
    book: Book,
    key: ApiKey,
    gate: Gate,
    game: Game,
    wallet: Wallet,
    reserve: Reserve,
    amount: int,
) -> Transaction:
    """Move a judged stake aside, cash first and then bonus, and open its round."""
    cash = min(amount, max(wallet.cash, 0))
    round_key = (gate.player_no, game.game_no, reserve.round_id)
    round_ = book.round(round_key)
    if round_ is None:
        round_ = book.open_round(gate, round_key, wallet.currency_no)
    life_us = reserve.life_us or book.rules(key).reserve_life_s * _SECOND_US
    expire_time_us = book.now_us + life_us
    row = book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=KeySpace.MOVE,
        transaction_id=reserve.transaction_id,
        kind=Kind.RESERVE,
        state=State.POSTED,
        amount=amount,
        cash=-cash,
        bonus=cash - amount,
        reserved=amount,
        game_no=game.game_no,
        round_id=reserve.round_id,
        round_=round_,
        extra=canonical({**(reserve.extra or {}), "expire_time_us": expire_time_us}),
    )
    reservation = new_reservation(row, expire_time_us)
    book.reservations[row.item_no] = reservation
    _touch(book, reservation)
    return row


def new_reservation(row: Transaction, expire_time_us: int) -> Reservation:
    """Return the reservation of a posted reserve of which nothing was taken yet."""
    return Reservation(
        row.lane, row.item_no, row.player_no, row.currency_no, row.amount, 0, 0, 0,
        int(ReservationState.OPEN), 0, expire_time_us,
    )  # fmt: skip


def decide_capture(book: Book, capture: Capture) -> Receipt:
    """Take a part of a reserve, or replay it; raise what ``CaptureRequest`` says."""
    key = book.caller(capture.key_id)
    gate = book.player(key, capture.player_id)
    currency = book.currency(capture.currency_code)
    amount = to_ledger(
        capture.amount,
        capture.scale,
        currency.scale,
        field="amount",
        currency_code=capture.currency_code,
    )
    who = (gate.player_no, key.integration_no)
    row = book.ids.get((*who, KeySpace.MOVE, capture.reserve_transaction_id))
    earlier = book.ids.get((*who, KeySpace.CAPTURE, capture.transaction_id))
    if earlier is not None:
        differs = differing_field(
            book,
            earlier,
            kind=Kind.CAPTURE,
            currency_code=capture.currency_code,
            amount=amount,
            round_id=capture.round_id,
            reference_no=row.item_no if row is not None else 0,
            game_id=capture.game_id,
            campaign_id="",
            is_unit=False,
            reference="reserve_transaction_id",
        )
        return replay_state(book, gate, earlier, capture.transaction_id, differs)
    game = book.game(capture.game_id)
    wallet = book.wallet(gate, currency.currency_no)
    reserve = _judge_reserve(row, game, capture)
    if reserve.currency_no != wallet.currency_no:
        raise book.currency_mismatch(reserve.currency_no, wallet)
    reservation = book.reservations[reserve.item_no]
    _judge_capture(book, reserve, reservation, amount)
    posted = _post_capture(book, key, gate, wallet, capture, reserve, amount)
    return Receipt(posted, book.balance(wallet), False)


def _judge_reserve(
    row: Transaction | None, game: Game, capture: Capture
) -> Transaction:
    """Return the posted reserve that a capture names.

    Raises RESERVE_NOT_FOUND, RESERVE_RELEASED or REFERENCE_MISMATCH.
    """
    if row is None or row.state == State.REFUSED:
        raise CageError(Reason.RESERVE_NOT_FOUND)
    if row.state == State.TOMBSTONE:
        raise CageError(Reason.RESERVE_RELEASED)
    for field, differs in (
        ("kind", row.kind != Kind.RESERVE),
        ("round_id", row.round_id != capture.round_id),
        ("game_id", row.game_no != game.game_no),
    ):
        if differs:
            raise CageError(Reason.REFERENCE_MISMATCH, field=field)
    return row


def _judge_capture(
    book: Book, reserve: Transaction, reservation: Reservation, amount: int
) -> None:
    """Let a capture pass that its reserve and its round still bear."""
    if reservation.state == ReservationState.EXPIRED:
        raise CageError(Reason.RESERVE_EXPIRED)
    if reservation.state == ReservationState.RELEASED:
        raise CageError(Reason.RESERVE_RELEASED)
    round_ = book.rounds[reserve.player_no, reserve.game_no, reserve.round_id]
    if round_.closed:
        raise book.round_closed(round_)
    if amount > reservation.left:
        raise CageError(Reason.RESERVE_EXCEEDED, left=str(reservation.left))
    if round_.bet_cash + round_.bet_bonus + amount > INT64_MAX:
        raise CageError(Reason.BALANCE_OUT_OF_RANGE)


def _post_capture(
    book: Book,
    key: ApiKey,
    gate: Gate,
    wallet: Wallet,
    capture: Capture,
    reserve: Transaction,
    amount: int,
) -> Transaction:
    """Pay a judged capture to the game; it is the stake of its round."""
    round_ = book.rounds[reserve.player_no, reserve.game_no, reserve.round_id]
    row = book.record(
        gate,
        wallet,
        integration_no=key.integration_no,
        key_space=KeySpace.CAPTURE,
        transaction_id=capture.transaction_id,
        kind=Kind.CAPTURE,
        state=State.POSTED,
        amount=amount,
        reserved=-amount,
        game_no=reserve.game_no,
        round_id=reserve.round_id,
        round_=round_,
        flags=FLAG_ROUND_CLOSED if capture.round_closed else 0,
        reference_no=reserve.item_no,
        extra=canonical(capture.extra) if capture.extra else None,
    )
    reservation = book.reservations[reserve.item_no]
    cash, bonus = take_captured(reserve, reservation, amount)
    if reservation.capture_count == 1:
        # From its first capture on a reserve is a bet of its round.
        round_.bet_count += 1
        round_.standing_count += 1
    round_.bet_cash += cash
    round_.bet_bonus += bonus
    if not round_.closed:
        round_.close_time_us = 0
    _touch(book, reservation)
    if capture.round_closed:
        close_round(round_, book.now_us)
    return row


def take_captured(
    reserve: Transaction, reservation: Reservation, amount: int
) -> tuple[int, int]:
    """Count a capture in its reservation; return its split into cash and bonus."""
    before = split_captured(reserve, reservation.captured)
    reservation.captured += amount
    reservation.capture_count += 1
    after = split_captured(reserve, reservation.captured)
    if reservation.amount and not reservation.left:
        reservation.state = int(ReservationState.CAPTURED)
    return after[0] - before[0], after[1] - before[1]


def post_release(
    book: Book,
    gate: Gate,
    reserve: Transaction,
    *,
    integration_no: int,
    transaction_id: str,
    state: ReservationState = ReservationState.RELEASED,
    round_closed: bool = False,
    extra: str | None = None,
) -> Transaction:
    """Give what is left of a reserve back to where it came from."""
    reservation = book.reservations[reserve.item_no]
    wallet = book.wallet(gate, reserve.currency_no)
    round_ = book.rounds[reserve.player_no, reserve.game_no, reserve.round_id]
    cash, bonus = split_captured(reserve, reservation.captured)
    left = reservation.left
    row = book.record(
        gate,
        wallet,
        integration_no=integration_no,
        key_space=KeySpace.REVERSE,
        transaction_id=transaction_id,
        kind=Kind.RELEASE,
        state=State.POSTED,
        amount=left,
        cash=-reserve.cash - cash,
        bonus=-reserve.bonus - bonus,
        reserved=-left,
        game_no=reserve.game_no,
        round_id=reserve.round_id,
        round_=round_,
        flags=FLAG_ROUND_CLOSED if round_closed else 0,
        reference_no=reserve.item_no,
        extra=extra,
    )
    give_back(reservation, row.item_no, state)
    _touch(book, reservation)
    if round_closed:
        close_round(round_, book.now_us)
    return row


def give_back(
    reservation: Reservation, release_no: int, state: ReservationState
) -> None:
    """Count a release in its reservation, of which nothing is left then."""
    reservation.released = reservation.left
    reservation.release_no = release_no
    reservation.state = int(state)


def decide_expire_reserve(book: Book, expire: ExpireReserve) -> bool:
    """Release a reserve whose life is over; say whether it was still open.

    Its id follows from the reserve, and its integration is none: whoever asks again
    finds the reserve released.
    """
    reservation = book.reservations.get(expire.reserve_no)
    gate = book.gates.get(expire.player_id)
    if (
        gate is None
        or reservation is None
        or reservation.player_no != gate.player_no
        or reservation.state != ReservationState.OPEN
        or reservation.expire_time_us > book.now_us
    ):
        return False
    reserve = book.by_no[reservation.reserve_no]
    ledger_id = public_id(reserve.commit_time_us, reserve.lane, reserve.item_no)
    post_release(
        book,
        gate,
        reserve,
        integration_no=0,
        transaction_id=f"expire/{ledger_id}",
        state=ReservationState.EXPIRED,
    )
    return True


def _touch(book: Book, reservation: Reservation) -> None:
    book.touch(reservation, (reservation.lane, reservation.reserve_no))
