"""Hold a server that came back against what callers had sent and were answered."""

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.e2e.story import CURRENCY, FUNDS, Step, Story, is_replay

from cage.client import (
    CageError,
    Client,
    OperationRequest,
    RoundNotFoundError,
    ShuttingDownError,
    TransactionNotFoundError,
)
from cage.storage import verify
from cage.wallet.v1.wallet_pb2 import RoundState, TransactionKind

RESEND_SIZE = 250
# What grpc's client says of a stream instead of its status, when the stream ended
# while a frame was being written.
WRITE_FAILED = "Internal error from Core"


def verify_copy(database: Path) -> None:
    """Verify the books as a crash left them, without touching the file."""
    folder = database.parent / "crashed"
    folder.mkdir(exist_ok=True)
    copy = folder / database.name
    for suffix in ("", "-wal"):
        source = database.with_name(database.name + suffix)
        target = copy.with_name(copy.name + suffix)
        target.unlink(missing_ok=True)
        if source.exists():
            shutil.copyfile(source, target)
    copy.with_name(copy.name + "-shm").unlink(missing_ok=True)

    assert verify(copy) == []


async def find_present(client: Client, stories: Iterable[Story]) -> dict[Step, bool]:
    """Say of each step sent whether the server has it.

    What was acknowledged has to be there; of what was not, a play is there as a whole
    or not at all, and no step is there without those before it in its story.
    """
    present: dict[Step, bool] = {}
    asked = [
        (story, step)
        for story in stories
        for step in story.sent
        if step.leaves_trace and not step.answers
    ]
    found = await asyncio.gather(*(_is_there(client, *pair) for pair in asked))
    for (_, step), is_there in zip(asked, found, strict=True):
        present[step] = is_there
    for story in stories:
        before = True
        for step in story.sent:
            is_there = present.setdefault(step, bool(step.answers))
            if step.leaves_trace:
                assert before or not is_there, (story.name, step.request)

                before = is_there
    return present


async def _is_there(client: Client, story: Story, step: Step) -> bool:
    """Ask for every id of a step."""
    if step.round_sums is not None:
        try:
            reply = await client.wallet.get_round(**story.place())
        except RoundNotFoundError:
            return False
        return reply.round.state == RoundState.ROUND_STATE_CLOSED
    kind = TransactionKind.TRANSACTION_KIND_UNSPECIFIED
    if step.is_rollback:
        kind = TransactionKind.TRANSACTION_KIND_ROLLBACK
    elif step.is_capture:
        kind = TransactionKind.TRANSACTION_KIND_CAPTURE
    found = []
    for transaction_id in step.transaction_ids:
        try:
            await client.wallet.get_transaction(
                player_id=story.player_id, transaction_id=transaction_id, kind=kind
            )
        except TransactionNotFoundError:
            found.append(False)
        else:
            found.append(True)

    assert len(set(found)) == 1, f"{story.name}: {found} of a play"

    return found[0]


async def resend(client: Client, stories: Sequence[Story]) -> None:
    """Send everything again under its own ids, in order.

    What was acknowledged answers as before and says that nothing moved; what was not
    is there from now on.
    """
    steps = [step for story in stories for step in story.sent]
    for start in range(0, len(steps), RESEND_SIZE):
        part = steps[start : start + RESEND_SIZE]
        answers = await client.wallet.batch_execute(step.request for step in part)
        for step, answer in zip(part, answers, strict=True):
            was_known = bool(step.answers)
            step.judge(answer)
            if was_known and not isinstance(answer, CageError):
                assert is_replay(answer), step.request


async def judge_balances(
    client: Client, player_ids: Sequence[str], steps: Iterable[tuple[str, Step]]
) -> None:
    """Compare every balance with the funds and what each step there has moved."""
    cash = dict.fromkeys(player_ids, FUNDS)
    version = dict.fromkeys(player_ids, 1)
    reserved = dict.fromkeys(player_ids, 0)
    for player_id, step in steps:
        cash[player_id] += sum(step.moved)
        reserved[player_id] += step.held
        changes = sum(amount != 0 for amount in step.moved)
        version[player_id] += changes or step.held != 0
    for player_id in player_ids:
        reply = await client.wallet.get_balance(
            player_id=player_id, currency_code=CURRENCY
        )
        balance = reply.balance

        assert (balance.cash, balance.playable) == (cash[player_id],) * 2
        assert (balance.bonus, balance.reserved) == (0, reserved[player_id])
        assert balance.version == version[player_id]


async def judge_ledger(
    client: Client, player_ids: Sequence[str], stories: Sequence[Story]
) -> None:
    """Read every player's transactions: each id once, each row after the one before."""
    wanted: dict[str, Counter[tuple[int, str]]] = {p: Counter() for p in player_ids}
    for story in stories:
        for step in story.sent:
            for transaction_id in step.transaction_ids if step.leaves_trace else ():
                space = 2 if step.is_capture else int(step.is_rollback)
                wanted[story.player_id][space, transaction_id] = 1
    for player_id in player_ids:
        cash, found = 0, Counter[tuple[int, str]]()
        async for row in client.wallet.list_transactions(
            player_id=player_id, page_size=1_000
        ):
            assert row.after.cash == cash + row.cash.amount

            cash = row.after.cash
            found[_SPACES.get(row.kind, 0), row.transaction_id] += 1

        assert _of_stories(found) == wanted[player_id]


# Which ids of one caller share a name space.
_SPACES = {
    TransactionKind.TRANSACTION_KIND_ROLLBACK: 1,
    TransactionKind.TRANSACTION_KIND_RELEASE: 1,
    TransactionKind.TRANSACTION_KIND_CAPTURE: 2,
}


def _of_stories(found: Counter[tuple[int, str]]) -> Counter[tuple[int, str]]:
    """Leave out the rows that no step asked for: the deposit, closes, placeholders."""
    return Counter({key: n for key, n in found.items() if "." in key[1]})


def judge_rows(database: Path) -> None:
    """Sum the rows up without the product's help: entries, wallets, ids."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        found = {
            name: connection.execute(sql).fetchall() for name, sql in _WRONG.items()
        }
    finally:
        connection.close()

    assert found == {name: [] for name in _WRONG}


# What must not be found, and how to look for it. Account 1 is the player's cash.
_WRONG = {
    "transactions whose entries do not sum up to zero": """
        SELECT item_no FROM entries GROUP BY item_no, currency_no HAVING sum(amount)
        """,
    "transactions whose entries move something else": """
        SELECT t.item_no, t.cash, e.amount
        FROM transactions t
        LEFT JOIN entries e
        ON e.lane = t.lane AND e.item_no = t.item_no AND e.account = 1
        WHERE t.cash != coalesce(e.amount, 0)
        """,
    "wallets that are not the sum of their entries": """
        SELECT w.player_no, w.cash, sum(e.amount)
        FROM wallets w
        LEFT JOIN transactions t USING (lane, player_no, currency_no)
        LEFT JOIN entries e
        ON e.lane = t.lane AND e.item_no = t.item_no AND e.account = 1
        GROUP BY w.player_no, w.currency_no
        HAVING w.cash != coalesce(sum(e.amount), 0)
        """,
    "entries without their transaction": """
        SELECT item_no FROM entries EXCEPT SELECT item_no FROM transactions
        """,
    "ids that stand twice": """
        SELECT transaction_id FROM transactions
        GROUP BY player_no, integration_no, key_space, transaction_id
        HAVING count(*) > 1
        """,
}


def counted(stories: Iterable[Story]) -> Iterator[tuple[str, Step]]:
    """Yield each step that was sent, with its player."""
    for story in stories:
        for step in story.sent:
            yield story.player_id, step


def left_in_doubt(
    stories: Iterable[Story], signal_time: float
) -> list[tuple[OperationRequest, CageError]]:
    """List calls sent before a signal that failed and may have happened anyway."""
    return [
        (step.request, failure)
        for _, step in counted(stories)
        for failure in step.failures
        if step.send_time < signal_time and not _was_refused(failure)
    ]


def _was_refused(failure: CageError) -> bool:
    """Say whether a caller knows that its call did not happen."""
    return isinstance(failure, ShuttingDownError) or failure.message == WRITE_FAILED
