"""Kinds of transactions share their ids, or have their own, by the integration."""

from typing import Any

import pytest
from tests.integration.carriers import Send, assert_refused, is_replay
from tests.integration.deployment import Deployment, Player

from cage.client import IdsPerKindRule, InvalidFieldError, WalletRules
from cage.wallet.v1.wallet_pb2 import TransactionKind

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHARED = IdsPerKindRule.IDS_PER_KIND_RULE_SHARED
SEPARATE = IdsPerKindRule.IDS_PER_KIND_RULE_SEPARATE
KINDS = [
    TransactionKind.TRANSACTION_KIND_BET,
    TransactionKind.TRANSACTION_KIND_WIN,
    TransactionKind.TRANSACTION_KIND_AWARD,
]


async def player_of(
    deployment: Deployment, rule: IdsPerKindRule.ValueType, **rules: Any
) -> Player:
    """Bring a player of an integration with the rule."""
    chosen = WalletRules(ids_per_kind=rule, **rules)
    return await (await deployment.casino(rules=chosen)).player()


@pytest.mark.parametrize("rule", [SHARED, SEPARATE])
async def test_e5_win_and_award_under_the_id_of_the_bet(
    deployment: Deployment, send: Send, rule: IdsPerKindRule.ValueType
) -> None:
    """One id is one transaction, or one of each kind with its own first answer."""
    player = await player_of(deployment, rule)
    calls = [
        player.bet("10.00", "x"),
        player.win("30.00", "x", bet_transaction_id="x"),
        player.award("5.00", "x"),
    ]
    first = [await send(player, call) for call in calls]
    again = [await send(player, call) for call in calls]

    if rule == SHARED:
        for answer in (*first[1:], *again[1:]):
            assert_refused(answer, "TRANSACTION_MISMATCH", field="kind")
        assert await player.cash() == 9_000
    else:
        assert not any(map(is_replay, first))
        assert all(map(is_replay, again))
        assert await player.cash() == 12_500


@pytest.mark.parametrize("rule", [SHARED, SEPARATE])
async def test_e5_play_whose_win_has_the_id_of_its_bet(
    deployment: Deployment, send: Send, rule: IdsPerKindRule.ValueType
) -> None:
    """Within a play too the kinds share ids or not; the play is one unit under both."""
    player = await player_of(deployment, rule)
    play = player.play(player.stake("10.00", "b"), player.prize("30.00", "x"))
    await send(player, play)
    late = await send(player, player.bet("1.00", "x", "other"))
    again = await send(player, play)

    assert is_replay(again)
    if rule == SHARED:
        assert_refused(late, "TRANSACTION_MISMATCH", field="kind")
    else:
        assert not is_replay(late)
        back = await send(player, player.rollback("b", "r"))
        assert not back.tombstone
        assert await player.cash() == 9_900


async def test_e5_rollback_names_the_kind(deployment: Deployment, send: Send) -> None:
    """A rollback takes the bet, unless it says another kind."""
    player = await player_of(deployment, SEPARATE)
    award = TransactionKind.TRANSACTION_KIND_AWARD
    await send(player, player.award("5.00", "x"))
    none = await send(player, player.rollback("x", "r1"))
    late = await send(player, player.bet("1.00", "x"))
    refused = await send(player, player.rollback("x", "r2", original_kind=award))
    unknown = await send(player, player.rollback("y", "r3", original_kind=award))
    free = await send(player, player.bet("1.00", "y"))
    stopped = await send(player, player.award("1.00", "y"))

    assert none.tombstone
    assert_refused(late, "ALREADY_ROLLED_BACK")
    assert_refused(refused, "ROLLBACK_NOT_ALLOWED")
    assert unknown.tombstone
    assert not is_replay(free)
    assert_refused(stopped, "ALREADY_ROLLED_BACK")


async def test_e32_reads_find_each_kind(deployment: Deployment, send: Send) -> None:
    """A read without a kind finds the bet; with one, or without a bet, the other."""
    player = await player_of(deployment, SEPARATE)
    for call in (
        player.bet("1.00", "x"),
        player.win("2.00", "x"),
        player.award("3.00", "x"),
        player.award("4.00", "only"),
    ):
        await send(player, call)
    wallet = player.casino.studio.wallet
    asked = {"player_id": player.player_id, "transaction_id": "x"}
    found = [await wallet.get_transaction(**asked, kind=kind) for kind in [0, *KINDS]]
    only = await wallet.get_transaction(
        player_id=player.player_id, transaction_id="only"
    )

    kinds = [each.transaction.kind for each in found]
    assert kinds == [KINDS[0], *KINDS]
    assert only.transaction.amount.amount == 400


async def test_rule_is_fixed_at_creation(deployment: Deployment) -> None:
    """An update that would switch the rule is refused; one that is silent keeps it."""
    player = await player_of(deployment, SEPARATE)
    kept = await player.casino.rule()
    with pytest.raises(InvalidFieldError) as refused:
        await player.casino.rule(ids_per_kind=SHARED)

    assert kept.ids_per_kind == SEPARATE
    assert refused.value.metadata["field"] == "integration.rules.ids_per_kind"
