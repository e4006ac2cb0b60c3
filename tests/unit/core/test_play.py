"""A play is one unit: all of it happens, is repeated and is reversed, or nothing."""

from typing import Any

import pytest
from tests.simulation.calls import award, bet, close_round, play, rollback, win
from tests.simulation.deployment import BONUS, CASH, Desk, render

from cage.core.errors import CageError, Reason
from cage.core.wallet import JackpotWin, Kind, PlayReceipt, State


@pytest.fixture
def desk() -> Desk:
    """Return a desk whose player has 1.00 of cash and 0.50 of bonus."""
    return Desk()


def state(desk: Desk) -> Any:
    """Return all that a refusal without a record must leave alone."""
    book = desk.book
    return render(
        [
            book.next_no,
            list(book.transactions),
            list(book.entries),
            sorted(book.dirty_wallets.items()),
            sorted(book.dirty_rounds.items()),
            sorted(book.ids),
            sorted(book.rounds),
        ]
    )


def test_actions_apply_in_order(desk: Desk) -> None:
    """Each action sees the money that the ones before it moved."""
    answer = desk.send(play(bet("b1", 150), win("w1", 60), bet("b2", 60)))

    assert isinstance(answer, PlayReceipt)
    assert [each.transaction.transaction_id for each in answer.receipts] == [
        "b1",
        "w1",
        "b2",
    ]
    assert [each.transaction.cash for each in answer.receipts] == [-100, 40, -40]
    assert [each.transaction.bonus for each in answer.receipts] == [-50, 20, -20]
    assert not answer.replayed
    assert answer.current is not None
    assert answer.current.playable == 0


def test_win_may_not_fund_an_earlier_bet(desk: Desk) -> None:
    """A bet is judged before the win that follows it."""
    answer = desk.send(play(bet("b1", 151), win("w1", 500)))

    assert answer.reason == Reason.INSUFFICIENT_FUNDS


def test_win_settles_a_bet_of_its_play(desk: Desk) -> None:
    """A win may name an earlier action of the same play."""
    answer = desk.send(play(bet("b1"), win("w1", 30, bet_transaction_id="b1")))
    bet_row, win_row = (each.transaction for each in answer.receipts)

    assert win_row.reference_no == bet_row.item_no
    assert (bet_row.unit_no, win_row.unit_no) == (bet_row.item_no, bet_row.item_no)
    assert (bet_row.unit_size, win_row.unit_size) == (2, 2)


def test_refusal_undoes_all(desk: Desk) -> None:
    """A refused action undoes those before it and stores every action's id."""
    before = render(desk.wallet())
    answer = desk.send(play(bet("b1", 60), win("w1", 5), bet("b2", 500)))
    wallet = desk.wallet()

    assert answer.reason == Reason.INSUFFICIENT_FUNDS
    assert (wallet.cash, wallet.bonus, wallet.version) == (CASH, BONUS, 2)
    assert wallet.item_count == before["item_count"] + 3
    assert desk.round() is None
    assert [row.state for row in desk.book.transactions[-3:]] == [State.REFUSED] * 3
    assert [row.kind for row in desk.book.transactions[-3:]] == [
        Kind.BET,
        Kind.WIN,
        Kind.BET,
    ]


def test_refusal_keeps_the_round(desk: Desk) -> None:
    """A refused play leaves the totals of a round that was there before."""
    desk.send(bet("b0", 5))
    before = render(desk.round())
    answer = desk.send(play(bet("b1", 60), bet("b2", 500)))

    assert answer.reason == Reason.INSUFFICIENT_FUNDS
    assert render(desk.round()) == before


def test_refusal_shows_the_balance_that_stands(desk: Desk) -> None:
    """The balance of a refusal is the player's, not the one between two actions."""
    sent = play(bet("b1", 60), bet("b2", 500))
    first, again = desk.send(sent), desk.send(sent)

    assert first.balance.cash == CASH
    assert first.balance.version == 2
    assert render(again) == render(first)


def test_refused_play_without_bet_stores_nothing(desk: Desk) -> None:
    """A play of wins only may be tried again after its refusal."""
    before = state(desk)
    answer = desk.send(play(win("w1"), win("w2")))

    assert answer.reason == Reason.BET_NOT_FOUND
    assert state(desk) == before

    desk.send(bet())

    assert isinstance(desk.send(play(win("w1"), win("w2"))), PlayReceipt)


def test_refusal_leaves_nothing_to_write(desk: Desk) -> None:
    """A refused play of wins leaves no row that would have to be written."""
    desk.send(bet("b1", 5))
    desk.book.dirty_wallets.clear()
    desk.book.dirty_rounds.clear()
    answer = desk.send(play(win("w1"), win("w2", bet_transaction_id="b9")))

    assert answer.reason == Reason.BET_NOT_FOUND
    assert not desk.book.dirty_wallets
    assert not desk.book.dirty_rounds


def test_refused_win_is_compared_by_the_bet_it_named(desk: Desk) -> None:
    """A refused play remembers which bet each of its wins named."""
    first = desk.send(play(bet("b1"), win("w1", bet_transaction_id="b9")))
    again = desk.send(play(bet("b1"), win("w1", bet_transaction_id="b9")))
    other = desk.send(play(bet("b1"), win("w1", bet_transaction_id="b8")))

    assert (first.reason, again.reason) == (Reason.BET_NOT_FOUND,) * 2
    assert other.metadata == {"transaction_id": "w1", "field": "bet_transaction_id"}


def test_retry_is_answered_as_a_whole(desk: Desk) -> None:
    """A retry gets the first receipts and the balance of now."""
    sent = play(bet("b1", 60), win("w1", 5), round_closed=True)
    first = desk.send(sent)
    desk.send(award("a1", 7))
    before = state(desk)
    again = desk.send(play(bet("b1", 60), win("w1", 5)))

    assert again.replayed
    assert all(each.replayed for each in again.receipts)
    assert [each.transaction for each in again.receipts] == [
        each.transaction for each in first.receipts
    ]
    assert again.current.cash == first.current.cash + 7
    assert all(each.current == again.current for each in again.receipts)
    assert state(desk) == before


FIRST = (bet("b1", 10), win("w1", 5), bet("b2", 3))


@pytest.mark.parametrize(
    ("actions", "transaction_id", "field"),
    [
        ((FIRST[0], FIRST[1], bet("b2", 4)), "b2", "amount"),
        ((bet("b1", 11), FIRST[1], bet("b2", 4)), "b1", "amount"),
        ((win("b1", 10), FIRST[1], FIRST[2]), "b1", "kind"),
        ((FIRST[0], FIRST[1]), "b1", "actions"),
        ((FIRST[1], FIRST[0], FIRST[2]), "w1", "actions"),
        ((FIRST[0], FIRST[1], bet("b9", 3)), "b9", "actions"),
        ((bet("b9", 10), FIRST[1], FIRST[2]), "b9", "actions"),
        ((*FIRST, bet("b9", 3)), "b1", "actions"),
        ((bet("b9"), *FIRST), "b1", "actions"),
        ((FIRST[0], win("w1", 5, bet_transaction_id="b1"), FIRST[2]), "w1",
         "bet_transaction_id"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("funds", [100, 1])
def test_retry_compares_every_action(
    desk: Desk, actions: tuple[Any, ...], transaction_id: str, field: str, funds: int
) -> None:
    """A retry that differs in an action is a mismatch, also of a refused play."""
    desk.fund(cash=funds)
    desk.send(play(*FIRST))
    before = state(desk)
    answer = desk.send(play(*actions))

    assert isinstance(answer, CageError)
    assert answer.reason == Reason.TRANSACTION_MISMATCH
    assert answer.metadata == {"transaction_id": transaction_id, "field": field}
    assert state(desk) == before


def test_actions_of_two_plays_are_no_retry(desk: Desk) -> None:
    """Ids that fit in place and size, but come from two plays, are a mismatch."""
    desk.send(play(bet("b1"), bet("b2")))
    desk.send(play(bet("b3"), bet("b4")))
    answer = desk.send(play(bet("b1"), bet("b4")))

    assert answer.metadata == {"transaction_id": "b4", "field": "actions"}


@pytest.mark.parametrize("stored", [bet("b1"), play(bet("b1"), bet("b2"))])
def test_play_and_bet_are_different_kinds(desk: Desk, stored: Any) -> None:
    """A bet is no retry of a play's action, nor the other way round."""
    desk.send(stored)
    other = play(bet("b1")) if stored == bet("b1") else bet("b1")
    answer = desk.send(other)

    assert answer.reason == Reason.TRANSACTION_MISMATCH
    assert answer.metadata["field"] == "kind"


def test_tombstone_of_an_action_refuses_the_play(desk: Desk) -> None:
    """A play of which an action was rolled back before it came never debits."""
    desk.send(rollback("x1", "b2"))
    before = state(desk)

    for _ in range(2):
        answer = desk.send(play(bet("b1"), bet("b2")))

        assert answer.reason == Reason.ALREADY_ROLLED_BACK
        assert state(desk) == before


def test_amounts_are_named_by_their_path(desk: Desk) -> None:
    """What is wrong with an amount says in which action it is."""
    for actions, field in (
        ((bet("b1"), bet("b2", 1, scale=3)), "actions[1].amount"),
        ((bet("b1"), win("w1", 1, scale=3)), "actions[1].amount"),
        ((bet("b1"), win("w1", -1)), "actions[1].amount"),
    ):
        answer = desk.send(play(*actions))

        assert answer.metadata["field"] == field


def test_jackpots_are_named_by_their_path(desk: Desk) -> None:
    """What is wrong with a jackpot says in which action it is."""
    part = JackpotWin(jackpot_id="j", currency_code="EUR", amount=11, scale=2)
    fine = JackpotWin(jackpot_id="j", currency_code="EUR", amount=1, scale=3)
    too_much = desk.send(play(bet(), win("w1", 10, jackpot_wins=(part,))))
    too_fine = desk.send(play(bet(), win("w1", 10, jackpot_wins=(fine,))))

    assert too_much.reason == Reason.INVALID_FIELD
    assert too_much.metadata["field"] == "actions[1].win.jackpot_wins"
    assert too_fine.reason == Reason.SCALE_MISMATCH
    assert too_fine.metadata["field"] == "actions[1].win.jackpot_wins[0].amount"


def test_last_action_closes_the_round(desk: Desk) -> None:
    """A play that closes its round does so after its last action."""
    answer = desk.send(play(bet("b1"), bet("b2"), round_closed=True))
    round_ = desk.round()

    assert isinstance(answer, PlayReceipt)
    assert round_ is not None
    assert round_.state.name == "CLOSED"
    assert desk.send(play(bet("b3"))).reason == Reason.ROUND_CLOSED


def test_play_without_actions_closes_its_round(desk: Desk) -> None:
    """A play without actions is the close of its round."""
    assert desk.send(play(round_closed=True)).reason == Reason.ROUND_NOT_FOUND

    desk.send(bet())
    first, again = desk.send(play(round_closed=True)), desk.send(close_round())

    assert first == PlayReceipt([], None, False)
    assert again[1]
