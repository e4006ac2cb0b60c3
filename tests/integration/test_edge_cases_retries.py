"""Rows of the edge-case catalogue about retries, ids and what is unknown."""

import asyncio
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from tests.integration.carriers import Send, assert_refused, first_answer, is_replay
from tests.integration.deployment import NO_RETRY, TIMEOUT_S, Player, running
from tests.integration.plugs import plugged, until, waiting

from cage.client import CageError, LimitKind, connect
from cage.error.v1.error_detail_pb2 import Advice
from cage.player.v1.player_pb2 import PlayerStatus
from cage.server.serve import Server
from cage.wallet.v1.wallet_pb2 import TransactionKind, TransactionState

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_e3_same_id_same_payload(player: Player, send: Send) -> None:
    """A retry is a success with the first id and balance, and the balance of now."""
    bet = player.bet("10.00", "bet")
    first = await send(player, bet)
    await send(player, player.bet("20.00"))
    again = await send(player, bet)

    assert (is_replay(first), is_replay(again)) == (False, True)
    assert first_answer(again) == first_answer(first)
    assert again.receipt.ledger_id == first.receipt.ledger_id
    assert (again.receipt.after.cash, again.receipt.current.cash) == (9_000, 7_000)
    assert await player.cash() == 7_000


async def test_e4_same_id_other_payload(player: Player, send: Send) -> None:
    """An id that is sent with other content is refused by name, and nothing moves."""
    other = await player.casino.player()
    await send(player, player.bet("10.00", "id"))
    differing = {
        "kind": player.win("10.00", "id"),
        "amount": player.bet("10.01", "id"),
        "round_id": player.bet("10.00", "id", "another"),
        "game_id": player.bet("10.00", "id", game_id="chess"),
    }
    for field, request in differing.items():
        refused = await send(player, request)

        assert_refused(refused, "TRANSACTION_MISMATCH", field=field)
    theirs = await send(other, other.bet("10.00", "id"))

    assert not is_replay(theirs)
    assert (await player.cash(), await other.cash()) == (9_000, 9_000)


async def test_e27_concurrent_identical_requests(player: Player, send: Send) -> None:
    """Equal requests at one time all succeed, and money moves once."""
    requests = [player.bet("10.00", "bet"), player.award("1.00", "award")]
    for request in requests:
        answers = await asyncio.gather(*(send(player, request) for _ in range(8)))

        assert sum(not is_replay(answer) for answer in answers) == 1
        assert len({str(first_answer(answer)) for answer in answers}) == 1
    assert await player.cash() == 9_100


async def test_e28_duplicate_after_a_restart(tmp_path: Path) -> None:
    """A retry and a rollback are answered from the books when nothing is cached."""
    async with running(tmp_path) as first:
        player = await (await first.casino()).player()
        bet = player.bet("10.00", "bet")
        studio_key = player.casino.studio_key
        posted = await player.casino.studio.call(bet)
        refused_bet = player.bet("500.00", "refused")
        with pytest.raises(CageError):
            await player.casino.studio.call(refused_bet)
    second = Server(first.server.config)
    await second.open()
    await second.listen()
    address = second.address
    async with connect(
        address, key=studio_key, retry=NO_RETRY, timeout_s=TIMEOUT_S
    ) as client:
        again = await client.call(bet)
        with pytest.raises(CageError) as still:
            await client.call(refused_bet)
        backs = [await client.call(player.rollback("bet", "back")) for _ in range(2)]
    await second.drain()

    assert first_answer(again) == first_answer(posted)
    assert is_replay(again)
    assert still.value.reason == "INSUFFICIENT_FUNDS"
    assert [is_replay(back) for back in backs] == [False, True]
    assert again.receipt.current.cash == 9_000  # type: ignore[attr-defined]
    assert backs[1].receipt.current.cash == 10_000  # type: ignore[attr-defined]


async def test_e29_retry_order(player: Player, send: Send) -> None:
    """A retried bet, its rollback and the bet once more cost nothing; a win is paid."""
    bet = player.bet("10.00", "bet")
    await send(player, player.bet("5.00", "other"))
    await send(player, bet)
    again = await send(player, bet)
    backs = [await send(player, player.rollback("bet", "back")) for _ in range(2)]
    late = await send(player, bet)
    win = player.win("3.00", "win", bet_transaction_id="other")
    wins = [await send(player, win) for _ in range(3)]

    assert is_replay(again)
    assert [is_replay(back) for back in backs] == [False, True]
    # The first answer stays what it was: the bet that was posted and undone.
    assert is_replay(late)
    assert late.receipt.current.cash == 9_500
    assert [is_replay(win) for win in wins] == [False, True, True]
    assert await player.cash() == 9_800


async def test_e30_first_attempt_still_runs(player: Player, send: Send) -> None:
    """A retry that overtakes no answer waits for it, and gets the same."""
    bet = player.bet("10.00", "bet")
    deployment = player.casino.deployment
    async with plugged(player, send(player, bet)) as first:  # type: ignore[arg-type]
        retry = asyncio.create_task(send(player, bet))  # type: ignore[arg-type]
        await until(lambda: waiting(deployment) == 1)

        assert not first.done()
    again = await retry

    assert first_answer(again) == first_answer(first.result())
    assert (is_replay(first.result()), is_replay(again)) == (False, True)
    assert await player.cash() == 9_000


async def test_e31_do_not_roll_back(player: Player, send: Send) -> None:
    """A refusal that is final says that there is nothing to roll back."""
    await send(player, player.bet("1.00", round_id="closed", round_closed=True))
    await player.set_limit(LimitKind.LIMIT_KIND_STAKE, "50.00")
    refused = {
        "INSUFFICIENT_FUNDS": await send(player, poor(player)),
        "STAKE_LIMIT": await send(player, player.bet("50.01")),
        "ROUND_CLOSED": await send(player, player.bet("1.00", round_id="closed")),
        "BET_NOT_FOUND": await send(player, player.win("1.00", round_id="none")),
    }
    await player.set_status(PlayerStatus.PLAYER_STATUS_SELF_EXCLUDED)
    refused["PLAYER_BLOCKED"] = await send(player, player.bet("1.00"))

    for reason, answer in refused.items():
        assert_refused(answer, reason)
        assert answer.advice != Advice.ADVICE_ROLL_BACK, reason
    assert refused["INSUFFICIENT_FUNDS"].advice == Advice.ADVICE_DISCARD


def poor(player: Player) -> Message:
    """Build a play of stakes that are within a limit and beyond the funds."""
    return player.play(*[player.stake("40.00") for _ in range(3)])


async def test_e32_transaction_status(player: Player, send: Send) -> None:
    """Whoever is in doubt asks by id what became of a transaction."""
    await send(player, player.bet("10.00", "posted"))
    await send(player, player.bet("500.00", "refused"))
    await send(player, player.rollback("never", "back"))
    wallet = player.casino.studio.wallet

    async def state(id_: str, kind: TransactionKind.ValueType) -> int:
        reply = await wallet.get_transaction(
            player_id=player.player_id, transaction_id=id_, kind=kind
        )
        return reply.transaction.state

    bet = TransactionKind.TRANSACTION_KIND_BET
    rollback = TransactionKind.TRANSACTION_KIND_ROLLBACK
    states = [await state(id_, bet) for id_ in ("posted", "refused")]
    states.append(await state("back", rollback))
    with pytest.raises(CageError) as unknown:
        await state("unknown", bet)

    assert states == [
        TransactionState.TRANSACTION_STATE_POSTED,
        TransactionState.TRANSACTION_STATE_REFUSED,
        TransactionState.TRANSACTION_STATE_TOMBSTONE,
    ]
    assert unknown.value.reason == "TRANSACTION_NOT_FOUND"
    assert unknown.value.code == grpc.StatusCode.NOT_FOUND
