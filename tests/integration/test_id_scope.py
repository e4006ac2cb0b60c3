"""Ids are a player's own, or unique in an integration where its rules say so."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused, is_replay
from tests.integration.deployment import Casino, Deployment, Player

from cage.client import CageError, IdScopeRule, WalletRules
from cage.wallet.v1.wallet_pb2 import TransactionKind

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLAYER = IdScopeRule.ID_SCOPE_RULE_PLAYER
INTEGRATION = IdScopeRule.ID_SCOPE_RULE_INTEGRATION


async def pair(deployment: Deployment, scope: IdScopeRule.ValueType) -> list[Player]:
    """Bring two players whose integration has a scope of ids."""
    casino = await deployment.casino(rules=WalletRules(id_scope=scope))
    return [await casino.player(), await casino.player()]


def calls(player: Player) -> dict[str, Any]:
    """Build one call of each kind under the id "x"."""
    return {
        "bet": player.bet("1.00", "x"),
        "win": player.win("1.00", "x", "won"),
        "play": player.play(player.stake("1.00", "x"), player.stake("1.00", "y")),
        "award": player.award("1.00", "x"),
        "rollback": player.rollback("never", "x"),
    }


@pytest.mark.parametrize("name", ["bet", "win", "play", "award", "rollback"])
@pytest.mark.parametrize("scope", [PLAYER, INTEGRATION])
async def test_e5_same_id_of_another_player(
    deployment: Deployment, send: Send, name: str, scope: IdScopeRule.ValueType
) -> None:
    """By default two players have one id; in an integration only the first has it."""
    ann, bob = await pair(deployment, scope)
    for player in (ann, bob):
        await send(player, player.bet("0", f"of {player.player_id}", "won"))
    first = await send(ann, calls(ann)[name])
    other = await send(bob, calls(bob)[name])
    again = await send(ann, calls(ann)[name])

    assert not is_replay(first)
    assert is_replay(again)
    if scope == PLAYER:
        assert not is_replay(other)
    else:
        assert_refused(other, "TRANSACTION_MISMATCH", transaction_id="x")
        assert other.metadata["field"] == "player_id"
        assert await bob.cash() == 10_000


async def test_e5_other_kind_is_named_first(deployment: Deployment, send: Send) -> None:
    """Another player's id of another kind differs by its kind, as one's own does."""
    ann, bob = await pair(deployment, INTEGRATION)
    await send(ann, ann.bet("1.00", "x"))
    award = await send(bob, bob.award("1.00", "x"))
    rollback = await send(bob, bob.rollback("other", "x"))

    assert_refused(award, "TRANSACTION_MISMATCH", field="kind")
    # The ids of rollbacks are a space of their own.
    assert rollback.tombstone


async def test_e5_reference_to_another_player(
    deployment: Deployment, send: Send
) -> None:
    """A win or a rollback of another player's bet is refused, and leaves nothing."""
    ann, bob = await pair(deployment, INTEGRATION)
    await send(ann, ann.bet("1.00", "x"))
    await send(bob, bob.bet("1.00", "y"))
    win = await send(bob, bob.win("5.00", "w", bet_transaction_id="x"))
    prize = bob.prize("5.00", "w", bet_transaction_id="x")
    play = await send(bob, bob.play(prize))
    rollback = await send(bob, bob.rollback("x", "r"))
    back = await send(ann, ann.rollback("x", "r"))

    for answer in (win, play, rollback):
        assert_refused(answer, "REFERENCE_MISMATCH", field="player_id")
    assert back.receipt.cash.amount == 100
    assert not back.tombstone
    assert (await ann.cash(), await bob.cash()) == (10_000, 9_900)


# Calls of other key spaces under the id "x"; each player has a bet "b-NAME", its
# rollback "r-NAME", the rollback "l-NAME" of a list, and an open reserve "h-NAME".
SPACES: dict[str, Callable[[Player, str], Message]] = {
    "reinstate": lambda p, name: p.reinstate(f"r-{name}", "x"),
    "reinstate of a list": lambda p, name: p.reinstate(f"l-{name}", "x"),
    "capture": lambda p, name: p.capture("1.00", f"h-{name}", "x"),
    "release": lambda p, name: p.release(f"h-{name}", "x"),
    "reserve": lambda p, _: p.reserve("1.00", "x"),
    "adjust": lambda p, name: p.adjust("1.00", f"w-{name}", id_="x", round_id="won"),
    "rollback of a list": lambda p, name: p.rollback_list(f"late-{name}", id_="x"),
    "rollback of a round": lambda p, _: p.rollback_round("x", "nowhere"),
}


async def prepare(player: Player, send: Send, name: str) -> None:
    """Post what the calls of other key spaces are about."""
    for request in (
        player.bet("1.00", f"b-{name}"),
        player.rollback(f"b-{name}", f"r-{name}"),
        player.bet("1.00", f"c-{name}"),
        player.rollback_list(f"c-{name}", id_=f"l-{name}"),
        player.bet("1.00", f"d-{name}", "won"),
        player.win("1.00", f"w-{name}", "won"),
        player.reserve("5.00", f"h-{name}"),
    ):
        answer = await send(player, request)

        assert not isinstance(answer, CageError), answer


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("scope", [PLAYER, INTEGRATION])
async def test_e5_every_key_space(
    deployment: Deployment, send: Send, kind: str, scope: IdScopeRule.ValueType
) -> None:
    """No two players of an integration share an id of any kind of call."""
    ann, bob = await pair(deployment, scope)
    await prepare(ann, send, "ann")
    await prepare(bob, send, "bob")
    build = SPACES[kind]
    first = await send(ann, build(ann, "ann"))
    before = await bob.balance()
    other = await send(bob, build(bob, "bob"))
    again = await send(ann, build(ann, "ann"))
    after = await bob.balance()

    assert not is_replay(first)
    assert is_replay(again)
    if scope == PLAYER:
        assert not is_replay(other)
        return
    assert_refused(other, "TRANSACTION_MISMATCH", transaction_id="x", field="player_id")
    assert (after.version, after.reserved) == (before.version, before.reserved)


async def test_e5_ids_of_parts_are_nobodys(deployment: Deployment, send: Send) -> None:
    """The parts of a list are stored under its id, so they never meet another's."""
    ann, bob = await pair(deployment, INTEGRATION)
    await prepare(ann, send, "ann")
    await send(ann, ann.rollback_list("late", "later", id_="x"))
    # What the parts are stored under is an id like others to whoever sends it.
    answers = [
        await send(bob, bob.rollback("never", "2/x/0")),
        await send(bob, bob.bet("1.00", "2/x/1")),
    ]

    assert not [answer for answer in answers if isinstance(answer, CageError)]


async def test_e5_reinstate_of_another_players_rollback(
    deployment: Deployment, send: Send
) -> None:
    """A rollback of another player is not there to be undone."""
    ann, bob = await pair(deployment, INTEGRATION)
    await prepare(ann, send, "ann")
    refused = await send(bob, bob.reinstate("r-ann", "x"))
    own = await send(ann, ann.reinstate("r-ann", "x"))

    assert_refused(refused, "TRANSACTION_NOT_FOUND")
    assert own.receipt.cash.amount == -100


async def test_e5_tombstone_and_refusal_claim(
    deployment: Deployment, send: Send
) -> None:
    """Whatever is stored under an id takes it: tombstones and refusals too."""
    ann, bob = await pair(deployment, INTEGRATION)
    await send(ann, ann.rollback("late", "r"))
    await send(ann, ann.bet("500.00", "poor"))
    late = await send(bob, bob.bet("1.00", "late"))
    poor = await send(bob, bob.bet("1.00", "poor"))
    own = await send(ann, ann.bet("1.00", "late"))

    assert_refused(late, "TRANSACTION_MISMATCH", field="player_id")
    assert_refused(poor, "TRANSACTION_MISMATCH", field="player_id")
    assert_refused(own, "ALREADY_ROLLED_BACK")


async def test_e5_refused_play_leaves_ids_free(
    deployment: Deployment, send: Send
) -> None:
    """A play without a bet that is refused stores and takes no id."""
    ann, bob = await pair(deployment, INTEGRATION)
    await send(ann, ann.bet("1.00", "b"))
    prizes = (ann.prize("1.00", "x"), ann.prize("1", "y", bet_transaction_id="none"))
    refused = await send(ann, ann.play(*prizes))
    taken = await send(bob, bob.bet("1.00", "x"))

    assert_refused(refused, "BET_NOT_FOUND")
    assert taken.receipt.cash.amount == -100


async def test_e5_switch_takes_nothing_back(deployment: Deployment, send: Send) -> None:
    """Ids stored before a switch stay their player's own, with their first answers."""
    ann, bob = await pair(deployment, PLAYER)
    casino = ann.casino
    for player in (ann, bob):
        await send(player, player.bet("1.00", "old"))
    await casino.rule(id_scope=INTEGRATION)
    replays = [await send(player, player.bet("1.00", "old")) for player in (ann, bob)]
    await send(ann, ann.bet("1.00", "new"))
    claimed = await send(bob, bob.bet("1.00", "new"))
    await casino.rule()
    free = await send(bob, bob.bet("1.00", "new"))
    await casino.rule(id_scope=INTEGRATION)
    kept = [await send(player, player.bet("1.00", "new")) for player in (ann, bob)]
    back = await send(bob, bob.rollback("new"))

    assert all(map(is_replay, replays))
    assert_refused(claimed, "TRANSACTION_MISMATCH", field="player_id")
    assert not is_replay(free)
    assert all(map(is_replay, kept))
    assert back.receipt.cash.amount == 100


async def test_e5_scope_is_of_one_integration(
    deployment: Deployment, send: Send, casino: Casino
) -> None:
    """Players of another integration have their own ids."""
    ann, _ = await pair(deployment, INTEGRATION)
    eve = await casino.player()
    answers = [await send(player, player.bet("1.00", "x")) for player in (ann, eve)]

    assert [answer.receipt.cash.amount for answer in answers] == [-100, -100]


async def test_e5_reads_find_the_own(deployment: Deployment, send: Send) -> None:
    """A read of an id finds the player's own transaction only."""
    ann, bob = await pair(deployment, INTEGRATION)
    await send(ann, ann.bet("1.00", "x"))
    wallet = ann.casino.studio.wallet
    found = await wallet.get_transaction(player_id=ann.player_id, transaction_id="x")
    listed = [row async for row in wallet.list_transactions(player_id=bob.player_id)]

    assert found.transaction.kind == TransactionKind.TRANSACTION_KIND_BET
    assert [row for row in listed if row.transaction_id == "x"] == []
