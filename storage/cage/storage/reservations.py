"""Find the reserves that are due, and recompute what became of each."""

from typing import Any

import orjson
from sqlalchemy import Select, bindparam, select, tuple_

from cage.core.reservation import Reservation, ReservationState
from cage.core.reserve import give_back, new_reservation, take_captured
from cage.core.wallet import Kind, Transaction
from cage.storage import schema
from cage.storage.finding import Books, BrokenError, expect
from cage.storage.statements import compile_text, row_getter

_ROW = row_getter(Reservation)
_STORED = compile_text(
    select(schema.reservations).where(schema.reservations.c.lane == bindparam("lane"))
)


def due_reserves(
    lane: int, now_us: int, after: tuple[int, int], limit: int
) -> Select[Any]:
    """Select player, number and expiry of open reserves that are due, in their order.

    The condition on the state is the index's own, so that nothing else is looked at.
    """
    r, g = schema.reservations, schema.gates
    return (
        select(g.c.player_id, r.c.reserve_no, r.c.expire_time_us)
        .join(g, (g.c.lane == r.c.lane) & (g.c.player_no == r.c.player_no))
        .where(
            r.c.lane == lane,
            schema.is_open_reservation,
            r.c.expire_time_us <= now_us,
            tuple_(r.c.expire_time_us, r.c.reserve_no) > tuple_(*after),
        )
        .order_by(r.c.expire_time_us, r.c.reserve_no)
        .limit(limit)
    )


def move_reservation(
    reservations: dict[int, Reservation],
    reserve: Transaction,
    row: Transaction,
    place: str,
) -> tuple[int, int, bool] | None:
    """Apply a posted reserve, capture or release to its reservation.

    Returns the split of a capture, and whether it is the first of its reserve; None
    for other kinds. Raises BrokenError.
    """
    if row.kind == Kind.RESERVE:
        extra = orjson.loads(row.extra or "{}")
        expire_time_us = extra.get("expire_time_us", 0)
        reservations[row.item_no] = new_reservation(row, expire_time_us)
        return None
    reservation = reservations.get(row.reference_no)
    if reservation is None:
        raise BrokenError("missing original", place, row.reference_no, "none")
    if row.kind == Kind.CAPTURE:
        if row.amount > reservation.left:
            raise BrokenError("changed amount", place, reservation.left, row.amount)
        cash, bonus = take_captured(reserve, reservation, row.amount)
        return cash, bonus, reservation.capture_count == 1
    expect("changed amount", place, reservation.left, row.amount)
    # Nobody's integration: the life of the reserve was over.
    is_own = bool(row.integration_no)
    state = ReservationState.RELEASED if is_own else ReservationState.EXPIRED
    give_back(reservation, row.item_no, state)
    return None


def check_reservations(
    connection: Books, lane: int, reservations: dict[int, Reservation]
) -> None:
    """Hold every stored reservation against the recomputed one."""
    found = {row[1]: tuple(row) for row in connection.execute(_STORED, (lane,))}
    for reserve_no in sorted(reservations.keys() | found.keys()):
        place = f"reservation {lane}/{reserve_no}"
        reservation = reservations.get(reserve_no)
        if reservation is None or reserve_no not in found:
            raise BrokenError(
                "missing reservation", place, reservation, found.get(reserve_no)
            )
        expect("wrong reservation", place, _ROW(reservation), found[reserve_no])
