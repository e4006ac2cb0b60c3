"""A rollback says in one way what it reverses, and a reinstatement names a rollback."""

import pytest
from google.protobuf.message import Message
from tests.simulation.deployment import Desk
from tests.unit.rpc.test_validation import ID, ROLLBACK

from cage.core.errors import CageError
from cage.rpc.operation import OPERATIONS
from cage.wallet.v1 import wallet_service_pb2 as pb

ROUND = {"game_id": "slots", "round_id": "r1"}
LIST = {
    "player_id": "ann",
    "transaction_id": "t1",
    "originals": [{"transaction_id": "t0"}, {"transaction_id": "t2", "kind": 1}],
}
WHOLE = {"player_id": "ann", "transaction_id": "t1", "whole_round": True}
REINSTATE = {
    "player_id": "ann",
    "transaction_id": "t1",
    "rollback_transaction_id": "t1",
}


def refusal(request: Message) -> tuple[str, str] | None:
    """Return field and problem of a refusal, None for a request that passes."""
    name = "rollback" if isinstance(request, pb.RollbackRequest) else "reinstate"
    try:
        OPERATIONS[name].to_command(request, "k", Desk().book.registry)
    except CageError as error:
        return error.metadata["field"], error.metadata["problem"]
    return None


LEGAL: list[Message] = [
    pb.RollbackRequest(**LIST),
    pb.RollbackRequest(
        **{**LIST, "originals": [{"transaction_id": f"t{n}"} for n in range(100)]}
    ),
    pb.RollbackRequest(**WHOLE, **ROUND),
    pb.ReinstateRequest(**REINSTATE),
]


@pytest.mark.parametrize("request_", LEGAL, ids=lambda each: type(each).__name__)
def test_legal_request_passes(request_: Message) -> None:
    """A request inside its documented ranges passes."""
    assert refusal(request_) is None


# A request, the field that is refused, and why.
ILLEGAL: list[tuple[Message, str, str]] = [
    (
        pb.RollbackRequest(player_id="ann", transaction_id="t"),
        "original",
        "is required",
    ),
    (
        pb.RollbackRequest(**ROLLBACK, originals=[{"transaction_id": "u"}]),
        "originals",
        "must be the only one to say what is reversed",
    ),
    (
        pb.RollbackRequest(**ROLLBACK, whole_round=True, **ROUND),
        "whole_round",
        "must be the only one to say what is reversed",
    ),
    (
        pb.RollbackRequest(**LIST, whole_round=True, **ROUND),
        "whole_round",
        "must be the only one to say what is reversed",
    ),
    (
        pb.RollbackRequest(**ROUND, player_id="ann", transaction_id="t"),
        "original",
        "is required",
    ),
    (
        pb.RollbackRequest(**{**LIST, "originals": [{"transaction_id": "u"}, {}]}),
        "originals[1].transaction_id",
        ID,
    ),
    (
        pb.RollbackRequest(**{**LIST, "originals": [{"transaction_id": "u"}] * 2}),
        "originals[1].transaction_id",
        "must differ between originals",
    ),
    (
        pb.RollbackRequest(
            **{**LIST, "originals": [{"transaction_id": str(n)} for n in range(101)]}
        ),
        "originals",
        "must hold 0 to 100 items",
    ),
    (
        pb.RollbackRequest(**WHOLE, round_id="r"),
        "game_id",
        "is required with whole_round",
    ),
    (
        pb.RollbackRequest(**WHOLE, game_id="g"),
        "round_id",
        "is required with whole_round",
    ),
    (
        pb.ReinstateRequest(player_id="ann", transaction_id="t"),
        "rollback_transaction_id",
        ID,
    ),
    (
        pb.ReinstateRequest(player_id="ann", rollback_transaction_id="t"),
        "transaction_id",
        ID,
    ),
]


@pytest.mark.parametrize(("request_", "field", "problem"), ILLEGAL)
def test_illegal_request_is_refused(
    request_: Message, field: str, problem: str
) -> None:
    """A request outside of them names the field and the problem."""
    assert refusal(request_) == (field, problem)
