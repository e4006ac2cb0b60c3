"""Each kind of move has the ids that the rules of its integration give it."""

from typing import Any

import pytest
from tests.simulation.calls import award, bet, play, rollback, win
from tests.simulation.deployment import Desk
from tests.simulation.office import require_session

from cage.core.admin import LOCAL_ACTOR, UpdateIntegration
from cage.core.errors import CageError, Reason
from cage.core.rules import IdsPerKindRule
from cage.core.space import move_space
from cage.core.wallet import KeySpace, Kind

OWN = {
    Kind.WIN: KeySpace.WIN,
    Kind.AWARD: KeySpace.AWARD,
    Kind.ADJUST: KeySpace.ADJUST,
}


@pytest.fixture
def desk() -> Desk:
    """Return a desk where the ids of ``strict`` are separate, those of ``hub`` not."""
    desk = Desk()
    desk.send(require_session("free", "strict", bet_needs_session=False))
    return desk


@pytest.mark.parametrize("kind", Kind)
def test_space_follows_kind_and_integration(desk: Desk, kind: Kind) -> None:
    """Only wins, awards and adjustments of a separating integration are apart."""
    registry = desk.book.registry
    numbers = [registry.integrations[name].integration_no for name in ("hub", "strict")]

    assert move_space(registry, numbers[0], kind) == KeySpace.MOVE
    assert move_space(registry, numbers[1], kind) == OWN.get(kind, KeySpace.MOVE)


def test_one_id_is_three_moves(desk: Desk) -> None:
    """A bet, its win and an award have one id, and each is replayed as itself."""
    key: dict[str, Any] = {"key_id": "strict-key"}
    calls = [
        lambda: bet("x", 10, **key),
        lambda: win("x", 30, bet_transaction_id="x", **key),
        lambda: award("x", 5, **key),
    ]
    first = [desk.send(call()) for call in calls]
    again = [desk.send(call()) for call in calls]

    assert [answer.replayed for answer in first] == [False] * 3
    assert [answer.replayed for answer in again] == [True] * 3
    assert first[1].transaction.reference_no == first[0].transaction.item_no


def test_shared_id_differs_by_its_kind(desk: Desk) -> None:
    """By default a win under the id of its bet is a mismatch."""
    desk.send(bet("x", 10))
    refusal = desk.send(win("x", 30, bet_transaction_id="x"))

    assert refusal.reason == Reason.TRANSACTION_MISMATCH
    assert refusal.metadata["field"] == "kind"


def test_refused_play_keeps_ids_apart(desk: Desk) -> None:
    """A play whose win has the id of its bet is stored, refused and replayed."""
    poor = lambda: play(  # noqa: E731
        bet("x", 10**9), win("x", 1), key_id="strict-key"
    )
    first, again = desk.send(poor()), desk.send(poor())

    assert first.reason == again.reason == Reason.INSUFFICIENT_FUNDS


@pytest.mark.parametrize("kind", [Kind.UNSPECIFIED, Kind.BET, Kind.WIN, Kind.AWARD])
def test_tombstone_is_of_its_kind(desk: Desk, kind: Kind) -> None:
    """A rollback of an unknown id stops the late call of that kind, no other."""
    key: dict[str, Any] = {"key_id": "strict-key"}
    desk.send(bet("b", 1, **key))
    desk.send(rollback("r", "x", original_kind=kind, **key))
    answers = {
        Kind.BET: desk.send(bet("x", 1, **key)),
        Kind.WIN: desk.send(win("x", 1, bet_transaction_id="b", **key)),
        Kind.AWARD: desk.send(award("x", 1, **key)),
    }
    stopped = [name for name, each in answers.items() if isinstance(each, CageError)]

    assert stopped == [kind or Kind.BET]
    assert answers[stopped[0]].reason == Reason.ALREADY_ROLLED_BACK


@pytest.mark.parametrize(
    ("integration", "sent", "is_refused"),
    [
        ("hub", 0, False),
        ("hub", IdsPerKindRule.SHARED, False),
        ("hub", IdsPerKindRule.SEPARATE, True),
        ("strict", 0, False),
        ("strict", IdsPerKindRule.SHARED, True),
        ("strict", IdsPerKindRule.SEPARATE, False),
    ],
)
def test_rule_is_fixed(
    desk: Desk, integration: str, sent: int, is_refused: bool
) -> None:
    """An update keeps the rule; one that would switch it is refused."""
    earlier = desk.book.registry.integrations[integration].rules.ids_per_kind
    answer = desk.send(
        UpdateIntegration(
            key_id=LOCAL_ACTOR,
            request_id="switch",
            integration_id=integration,
            display_name="",
            enabled=True,
            rules={"ids_per_kind": sent},
        )
    )
    now = desk.book.registry.integrations[integration].rules.ids_per_kind

    assert now == earlier
    assert isinstance(answer, CageError) == is_refused
    if is_refused:
        assert answer.reason == Reason.INVALID_FIELD
