"""The drawn histories reach every answer that the wallet has."""

from random import Random

from tests.simulation.commands import expand
from tests.simulation.model import Model
from tests.simulation.reversals import reversal
from tests.simulation.rules import VALUES, first_rules
from tests.simulation.test_machine import call_or_again, draw_change

REASONS = set(
    """ALREADY_ROLLED_BACK ALREADY_SETTLED AMOUNT_OUT_OF_RANGE BALANCE_OUT_OF_RANGE
    BET_NOT_FOUND CURRENCY_MISMATCH CURRENCY_NOT_FOUND FREE_ROUNDS_UNAVAILABLE
    GAME_NOT_FOUND GAME_UNAVAILABLE INSUFFICIENT_FUNDS INVALID_FIELD KEY_INVALID
    KYC_REQUIRED LOSS_LIMIT MAINTENANCE PLAYER_BLOCKED PLAYER_NOT_FOUND
    REFERENCE_MISMATCH REINSTATE_NOT_ALLOWED RESERVE_EXCEEDED RESERVE_NOT_FOUND
    RESERVE_RELEASED ROLLBACK_NOT_ALLOWED ROUND_CLOSED ROUND_NOT_FOUND
    SCALE_MISMATCH SESSION_ENDED SESSION_EXPIRED SESSION_NOT_FOUND SESSION_REQUIRED
    STAKE_LIMIT TRANSACTION_MISMATCH TRANSACTION_NOT_FOUND
    WAGER_LIMIT""".split()
)
FIELDS = set(
    """actions amount bet_transaction_id campaign_id currency_code delta game_id kind
    original originals player_id references reserve_transaction_id
    rollback_transaction_id round_id whole_round""".split()
)
# Some answers are rare; the search ends when all were met.
HISTORIES_MAX = 4_000
# Every value of every rule, the rollback of a win that was spent, and the undo of the
# rollback of a bet that was.
REACHED = {(name, value) for name, values in VALUES.items() for value in values} | {
    ("spent", "ALLOW_NEGATIVE"),
    ("spent", "NO_OP"),
    ("overdrawn", "ALLOW_NEGATIVE"),
    ("gone again", "REJECT"),
    ("gone again", "ALLOW_NEGATIVE"),
    ("gone again", "NO_OP"),
}


def test_histories_reach_every_answer() -> None:
    """Drawn calls meet every reason, rule, and field in which a retry may differ."""
    reasons, fields, tombstones, reached = set(), set(), 0, set()
    rng = Random(1)
    for number in range(HISTORIES_MAX):
        model = Model()
        for switch in first_rules(rng.randrange(2**24)):
            model.apply(switch)
        draw = reversal if number % 4 == 0 else call_or_again
        for command in expand([rng.randrange(2**24) for _ in range(40)], draw):
            if rng.random() < 0.05:
                model.apply(draw_change(rng, "change"))
            answer = model.apply(command)
            if isinstance(answer, tuple):
                reasons.add(answer[1])
                if answer[1] == "TRANSACTION_MISMATCH":
                    fields.add(answer[2]["field"])
            else:
                tombstones += bool(answer.get("tombstone"))
        reached |= model.reached
        if (reasons, fields, reached) == (REASONS, FIELDS, REACHED):
            break

    assert reasons == REASONS
    assert fields == FIELDS
    assert tombstones
    assert reached == REACHED
