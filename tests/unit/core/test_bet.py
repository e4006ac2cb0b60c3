"""A bet passes its guards in their documented order, then debits cash before bonus."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.simulation.calls import award, bet, rollback
from tests.simulation.commands import require_session, switch_game
from tests.simulation.deployment import (
    BONUS,
    CASH,
    Desk,
    render,
    set_blocks,
    set_status,
)

from cage.core.admin import LOCAL_ACTOR, CreateCurrency
from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX
from cage.core.player import BLOCK_ALL, PlayerStatus
from cage.core.registry import Vertical, with_row
from cage.core.wallet import (
    FLAG_ROUND_CLOSED,
    FLAG_TEST,
    Account,
    BetKind,
    Kind,
    Receipt,
    State,
)

Fault = Callable[[Desk, Any], object]


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


def sets(**content: object) -> Fault:
    """Return a fault of the call itself."""

    def fault(_: Desk, call: Any) -> None:
        for name, value in content.items():
            setattr(call, name, value)

    return fault


def needs_session(desk: Desk, call: Any) -> None:
    """Let the policy want a session that the call does not have."""
    desk.send(require_session("need", "hub", bet_needs_session=True))
    call.session_digest = ""


def other_session_currency(desk: Desk, call: Any) -> None:
    """Let the session be in another currency than the bet."""
    call.session_digest = "s-ann"
    session = desk.book.sessions[desk.book.tokens["s-ann"].session_no]
    session.currency_no = desk.book.currency("USD").currency_no


def other_account_currency(desk: Desk, call: Any) -> None:
    """Let the bet be in a currency that the player does not have."""
    call.currency_code = "USD"
    if call.session_digest == "s-ann":
        session = desk.book.sessions[desk.book.tokens["s-ann"].session_no]
        session.currency_no = desk.book.currency("USD").currency_no


def close(desk: Desk, _: Any) -> None:
    """Let the round be closed."""
    round_ = desk.round()

    assert round_ is not None

    round_.closed = 1


def other_round_currency(desk: Desk, _: Any) -> None:
    """Let the round be in another currency."""
    round_ = desk.round()

    assert round_ is not None

    round_.currency_no = desk.book.currency("USD").currency_no


# Guards in order: a reason, whether it is stored, and what brings it about.
GUARDS: list[tuple[Reason, bool, Fault]] = [
    (Reason.KEY_INVALID, False, sets(key_id="no-key")),
    (Reason.PLAYER_NOT_FOUND, False, sets(player_id="zed")),
    (Reason.CURRENCY_NOT_FOUND, False, sets(currency_code="XYZ")),
    (Reason.AMOUNT_OUT_OF_RANGE, False, sets(amount=-1)),
    (Reason.SCALE_MISMATCH, False, sets(scale=-1)),
    (Reason.TRANSACTION_MISMATCH, False, lambda desk, _: desk.send(bet("b1", 1))),
    (Reason.GAME_NOT_FOUND, False, sets(game_id="lost")),
    (Reason.SESSION_REQUIRED, True, needs_session),
    (Reason.SESSION_NOT_FOUND, True, sets(session_digest="s-none")),
    (Reason.SESSION_NOT_FOUND, True, sets(session_digest="s-bob")),
    (Reason.SESSION_ENDED, True, sets(session_digest="s-ended")),
    (Reason.SESSION_ENDED, True, sets(session_digest="s-rotated")),
    (Reason.SESSION_EXPIRED, True, sets(session_digest="s-over")),
    (Reason.CURRENCY_MISMATCH, True, other_session_currency),
    (Reason.CURRENCY_MISMATCH, True, other_account_currency),
    (
        Reason.GAME_UNAVAILABLE,
        True,
        lambda desk, _: desk.send(switch_game("off", "slots", enabled=False)),
    ),
    (
        Reason.PLAYER_BLOCKED,
        True,
        lambda desk, _: desk.send(set_status("no", "ann", PlayerStatus.SUSPENDED)),
    ),
    (Reason.ROUND_CLOSED, True, close),
    (Reason.CURRENCY_MISMATCH, True, other_round_currency),
    (Reason.FREE_ROUNDS_UNAVAILABLE, True, sets(campaign_id="free")),
    (Reason.INSUFFICIENT_FUNDS, True, sets(amount=151)),
]


@pytest.mark.parametrize("index", range(len(GUARDS)))
def test_guards_stand_in_order(desk: Desk, index: int) -> None:
    """Every refusal wins over those after it; those of state are stored."""
    desk.send(bet("b0", 0))
    call = bet("b1", 10)
    # Some faults set the same field, so the earlier one is brought about last.
    for _, _, fault in reversed(GUARDS[index:]):
        fault(desk, call)
    reason, is_stored, _ = GUARDS[index]
    count = len(desk.book.transactions)
    before = render([desk.wallet().cash, desk.wallet().version, desk.round()])
    entry_count = len(desk.book.entries)
    answer = desk.send(call)

    assert isinstance(answer, CageError)
    assert answer.reason == reason
    assert len(desk.book.transactions) == count + is_stored
    assert len(desk.book.entries) == entry_count
    assert render([desk.wallet().cash, desk.wallet().version, desk.round()]) == before


@pytest.mark.parametrize(
    "index", [n for n, (_, is_stored, _) in enumerate(GUARDS) if is_stored]
)
def test_stored_refusal_is_for_ever(desk: Desk, index: int) -> None:
    """A stored refusal is given again when what was wrong is well."""
    desk.send(bet("b0", 0))
    call = bet("b1", 10)
    reason, _, fault = GUARDS[index]
    fault(desk, call)
    first = desk.send(call)
    well = Desk()
    well.book.ids.update(desk.book.ids)
    well.fund(cash=10_000)
    again = well.send(replace(call, session_digest="", round_closed=True))

    assert again.reason == first.reason == reason
    assert again.metadata == first.metadata
    row = desk.book.transactions[-1]
    assert (row.state, row.cash, row.bonus) == (State.REFUSED, 0, 0)
    assert row.amount == call.amount


def test_refusal_shows_funds_of_now(desk: Desk) -> None:
    """INSUFFICIENT_FUNDS carries the balance, on a retry that of the retry."""
    first = desk.send(bet("b1", 151))
    desk.send(award("a1", 500))
    again = desk.send(bet("b1", 151))

    assert (first.balance.cash, first.balance.version) == (CASH, 2)
    assert (again.balance.cash, again.balance.version) == (CASH + 500, 3)


def test_only_funds_show_a_balance(desk: Desk) -> None:
    """Other refusals of state carry no balance."""
    desk.send(set_status("no", "ann", PlayerStatus.DORMANT))
    first, again = desk.send(bet()), desk.send(bet())

    assert first.balance is None
    assert again.balance is None


@pytest.mark.parametrize("status", list(PlayerStatus))
def test_status(desk: Desk, status: PlayerStatus) -> None:
    """Only an active player bets, and the refusal says why."""
    desk.send(set_status("status", "ann", status))
    answer = desk.send(bet())

    if status == PlayerStatus.ACTIVE:
        assert isinstance(answer, Receipt)
    elif status == PlayerStatus.PENDING_VERIFICATION:
        assert (answer.reason, answer.metadata) == (Reason.KYC_REQUIRED, {})
    else:
        assert answer.reason == Reason.PLAYER_BLOCKED
        assert answer.metadata == {"status": status.name}


SWITCHES = ("operator", "brand", "integration", "studio", "game")


@pytest.mark.parametrize("index", range(len(SWITCHES)))
@pytest.mark.parametrize("in_maintenance", [False, True])
def test_switches_stand_in_order(
    desk: Desk, index: int, *, in_maintenance: bool
) -> None:
    """The refusal names the widest switch that is off, or what is in maintenance."""
    desk.send(set_blocks("all", "ann", BLOCK_ALL))
    registry = desk.book.registry
    rows: dict[str, Any] = {
        "operator": registry.operators["acme"],
        "brand": registry.brands["acme-one"],
        "integration": registry.integrations["hub"],
        "studio": registry.studios["north"],
        "game": registry.games["slots"],
    }
    for name in SWITCHES[index:]:
        is_first = name == SWITCHES[index]
        off = replace(
            rows[name],
            enabled=in_maintenance and is_first,
            in_maintenance=in_maintenance,
        )
        desk.book.registry = with_row(desk.book.registry, off)
    answer = desk.send(bet())

    expected = Reason.MAINTENANCE if in_maintenance else Reason.GAME_UNAVAILABLE
    assert answer.reason == expected
    assert answer.metadata == {"game_id": "slots", "by": SWITCHES[index]}


@pytest.mark.parametrize("vertical", list(Vertical))
@pytest.mark.parametrize("blocked", [*Vertical, None])
def test_e25_block_per_vertical(
    desk: Desk, vertical: Vertical, blocked: Vertical | None
) -> None:
    """A block of one kind of gambling, or of all, stops just its games (A7, C5)."""
    game = replace(desk.book.registry.games["slots"], vertical=int(vertical))
    desk.book.registry = with_row(desk.book.registry, game)
    bits = BLOCK_ALL if blocked is None else 1 << blocked
    desk.send(set_blocks("some", "ann", bits))
    desk.send(set_status("no", "ann", PlayerStatus.SUSPENDED))
    answer = desk.send(bet())

    if blocked in (vertical, None):
        assert answer.reason == Reason.GAME_UNAVAILABLE
        assert answer.metadata == {"game_id": "slots", "by": "player"}
    else:
        assert answer.reason == Reason.PLAYER_BLOCKED


@pytest.mark.parametrize(
    ("has_cash", "has_bonus", "amount", "cash", "bonus"),
    [
        (100, 50, 0, 0, 0),
        (100, 50, 1, 1, 0),
        (100, 50, 100, 100, 0),
        (100, 50, 101, 100, 1),
        (100, 50, 150, 100, 50),
        (0, 50, 50, 0, 50),
        (-30, 50, 50, 0, 50),
        (100, -30, 100, 100, 0),
        (0, 0, 0, 0, 0),
        (-30, -30, 0, 0, 0),
        (6_372_709_234, 0, 6_372_709_234, 6_372_709_234, 0),
        (INT64_MAX, 0, INT64_MAX, INT64_MAX, 0),
        (INT64_MAX - 7, 7, INT64_MAX, INT64_MAX - 7, 7),
    ],
)
def test_split(
    desk: Desk, has_cash: int, has_bonus: int, amount: int, cash: int, bonus: int
) -> None:
    """A bet takes cash first and then bonus, and never what is not there."""
    desk.fund(cash=has_cash, bonus=has_bonus)
    answer = desk.send(bet("b1", amount))
    row = answer.transaction

    assert (row.cash, row.bonus, row.amount) == (-cash, -bonus, amount)
    assert (row.cash_after, row.bonus_after) == (has_cash - cash, has_bonus - bonus)
    assert row.version == 2 + bool(amount)
    assert (answer.replayed, answer.moved) == (False, bool(amount))
    assert answer.current.playable == max(has_cash - cash, 0) + max(
        has_bonus - bonus, 0
    )


@pytest.mark.parametrize(
    ("cash", "bonus", "amount"),
    [(100, 50, 151), (0, 0, 1), (-30, 50, 51), (100, -30, 101), (0, 0, INT64_MAX)],
)
def test_funds(desk: Desk, cash: int, bonus: int, amount: int) -> None:
    """A bet of one unit more than what is playable is refused."""
    desk.fund(cash=cash, bonus=bonus)

    assert desk.send(bet("b1", amount)).reason == Reason.INSUFFICIENT_FUNDS


@pytest.mark.parametrize(
    ("kind", "account"), [(BetKind.STAKE, Account.GAME), (BetKind.TIP, Account.TIP)]
)
def test_entries(desk: Desk, kind: BetKind, account: Account) -> None:
    """A bet is a line for each part of the player's and one of the house's."""
    answer = desk.send(bet("b1", 120, kind=kind))
    row, wallet = answer.transaction, desk.wallet()
    game_no = desk.book.game("slots").game_no
    lines = [line for line in desk.book.entries if line[1] == row.item_no]
    place, currency_no = (0, row.item_no), wallet.currency_no

    assert lines == [
        (*place, Account.PLAYER_CASH, wallet.player_no, currency_no, -100, 0, 3),
        (*place, Account.PLAYER_BONUS, wallet.player_no, currency_no, -20, 30, 3),
        (*place, account, game_no, currency_no, 120, None, None),
    ]


def test_zero_bet_posts_no_entry(desk: Desk) -> None:
    """A zero bet is posted without an entry or a new version."""
    count = len(desk.book.entries)
    row = desk.send(bet("b1", 0)).transaction

    assert row.state == State.POSTED
    assert len(desk.book.entries) == count
    assert desk.wallet().version == 2


def test_row(desk: Desk) -> None:
    """A bet's row says what was asked and where it is."""
    desk.book.gates["ann"].is_test = 1
    extra = {"details": "caf\u00e9", "occur_time_us": 1}
    call = bet("b1", 5, session_digest="s-ann", round_closed=True, extra=extra)
    row = desk.send(call).transaction

    assert (row.kind, row.variant) == (Kind.BET, BetKind.STAKE)
    assert row.flags == FLAG_ROUND_CLOSED | FLAG_TEST
    assert (row.game_no, row.round_id) == (desk.book.game("slots").game_no, "r1")
    assert (row.reference_no, row.unit_no, row.unit_size) == (0, 0, 0)
    assert row.commit_time_us == desk.book.now_us
    assert row.extra == '{"details":"caf\u00e9","occur_time_us":1}'


def test_refusal_keeps_what_was_sent(desk: Desk) -> None:
    """A stored refusal holds the campaign and the texts of its bet."""
    call = bet("b1", 5, campaign_id="free", extra={"details": "x"})
    desk.send(call)
    row = desk.book.transactions[-1]

    assert json.loads(row.extra or "") == {
        "campaign_id": "free",
        "details": "x",
        "refusal": {
            "reason": "FREE_ROUNDS_UNAVAILABLE",
            "metadata": {"campaign_id": "free"},
        },
    }
    assert row.round_previous_no == 0
    assert desk.round() is None


@pytest.mark.parametrize(
    ("amount", "scale", "units"),
    [(1, 0, 100), (12, 1, 120), (1500, 3, 150), (0, 18, 0)],
)
def test_scales(desk: Desk, amount: int, scale: int, units: int) -> None:
    """An amount in another scale is the same money."""
    answer = desk.send(bet("b1", amount, scale=scale))

    assert answer.transaction.amount == units


def test_five_places(desk: Desk) -> None:
    """A ledger of 10^-5 takes 0.00001 and 63,727,092.34 exactly."""
    desk.send(
        CreateCurrency(
            key_id=LOCAL_ACTOR, request_id="fun", currency_code="FUN", scale=5
        )
    )
    desk.book.gates["ann"].currency_no = desk.book.currency("FUN").currency_no
    fun = {"currency_code": "FUN"}
    desk.send(award("a1", 6_372_709_234, **fun))
    small = desk.send(bet("b1", 1, scale=5, **fun))
    large = desk.send(bet("b2", 6_372_709_233, **fun))

    assert small.transaction.cash_after == 6_372_709_233_999
    assert large.transaction.cash_after == 999
    assert desk.send(bet("b3", 1, **fun)).reason == Reason.INSUFFICIENT_FUNDS


def test_round_total_stays_in_range(desk: Desk) -> None:
    """The stakes of a round cannot add up to more than 64 bits."""
    for number in range(2):
        desk.fund(cash=INT64_MAX)
        desk.send(bet(f"b{number}", INT64_MAX - 1 if not number else 1))
    desk.fund(cash=1)
    answer = desk.send(bet("b2", 1))

    assert answer.reason == Reason.BALANCE_OUT_OF_RANGE
    assert isinstance(desk.send(bet("b3", 1, round_id="r2")), Receipt)


def test_held_currency_is_taken(desk: Desk) -> None:
    """A player may bet in another currency that the wallet has held before."""
    usd = desk.wallet("ann", "USD")
    usd.cash, usd.version = 40, 1

    assert isinstance(desk.send(bet("b1", 40, currency_code="USD")), Receipt)
    assert (usd.cash, usd.version, desk.wallet().cash) == (0, 2, CASH)


def test_ids_are_of_player_and_integration(desk: Desk) -> None:
    """The same id of another player or another integration is another bet."""
    desk.send(bet("b1", 1))
    other_player = desk.send(bet("b1", 2, player_id="bob"))
    same_integration = desk.send(bet("b1", 1, key_id="wide-key"))
    desk.send(require_session("free", "strict", bet_needs_session=False))
    other_integration = desk.send(bet("b1", 3, key_id="strict-key"))

    assert not other_player.replayed
    assert same_integration.replayed
    assert not other_integration.replayed
    assert desk.wallet().cash == CASH - 4


@pytest.mark.parametrize("integration", ["strict-key"])
def test_session_is_of_its_integration(desk: Desk, integration: str) -> None:
    """A session of another integration is not found."""
    answer = desk.send(bet(key_id=integration, session_digest="s-ann"))

    assert answer.reason == Reason.SESSION_NOT_FOUND


def test_late_bet_after_its_rollback(desk: Desk) -> None:
    """A bet whose rollback came first is refused every time, and never debits."""
    desk.send(rollback("b1", "b1"))
    for call in (bet("b1", 10), bet("b1", 99, game_id="dice")):
        assert desk.send(call).reason == Reason.ALREADY_ROLLED_BACK
    assert (desk.wallet().cash, desk.wallet().bonus) == (CASH, BONUS)
