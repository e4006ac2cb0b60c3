"""The largest requests of the contract are answered, and so are their lists."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.integration.deployment import Player, running
from tests.integration.wire import connected

from cage.client import CageError, new_id
from cage.wallet.v1.wallet_service_pb2 import (
    ListTransactionsRequest,
    ListTransactionsResponse,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

DETAILS = "\u20ac" * 1_365 + "d"
# What gRPC clients take unless they are told otherwise.
CLIENT_MAX_BYTES = 4 << 20
COUNT = 1_000
# So many receipts of ids this long are more than that.
PLAYS, ACTIONS = 130, 50


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def writer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Player]:
    """Bring a player of a server of its own."""
    async with running(tmp_path_factory.mktemp("sizes")) as deployment:
        yield await (await deployment.casino()).player("1000.00")


def long_id(number: int) -> str:
    """Return an id of 128 characters of four bytes each."""
    return f"{number:08}" + "\U0001f3b0" * 120


async def test_batch_of_long_details(writer: Player) -> None:
    """A batch of 1,000 bets with all the details they may have is answered."""
    bets = [writer.bet("0.01", details=DETAILS) for _ in range(COUNT)]
    answers = await writer.casino.studio.wallet.batch_execute(bets)

    assert len(DETAILS.encode()) == 4_096
    assert sum(bet.ByteSize() for bet in bets) > CLIENT_MAX_BYTES
    assert not any(isinstance(answer, CageError) for answer in answers)


async def test_list_of_long_details(writer: Player) -> None:
    """A page of 1,000 ends before it is too large for a plain client, and goes on."""
    studio, other = writer.casino.studio, await writer.casino.player("1000.00")
    for _ in range(4):
        bets = [other.bet("0.01", details=DETAILS) for _ in range(COUNT // 4)]
        await studio.wallet.batch_execute(bets)
    request = ListTransactionsRequest(player_id=other.player_id, page_size=COUNT)
    pages: list[ListTransactionsResponse] = []
    async with connected(writer.casino.deployment.address) as wire:
        while not pages or request.page_token:
            page = await wire.call(request, writer.casino.studio_key)
            request.page_token = page.next_page_token
            pages.append(page)
    ids = [row.ledger_id for page in pages for row in page.transactions]

    # The deposit is a row too.
    assert len(ids) == len(set(ids)) == COUNT + 1
    assert max(page.ByteSize() for page in pages) < CLIENT_MAX_BYTES
    assert len(pages) == 2


async def test_batch_of_long_plays(writer: Player) -> None:
    """The receipts of many plays reach the client, however many bytes they take."""
    plays = [
        writer.play(
            *(writer.stake("0", long_id(play * ACTIONS + n)) for n in range(ACTIONS)),
            round_id=new_id(),
        )
        for play in range(PLAYS)
    ]
    answers = await writer.casino.studio.wallet.batch_execute(plays)

    sizes = [0 if isinstance(a, CageError) else a.ByteSize() for a in answers]

    assert all(sizes)
    assert sum(sizes) > CLIENT_MAX_BYTES
