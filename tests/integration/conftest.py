"""Share one server between the tests of a worker; each brings its own players."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import structlog
from tests.integration.carriers import CARRIERS, Send, sender
from tests.integration.deployment import Casino, Deployment, Player, Ruled, running

from cage.client import WalletRules
from cage.storage import verify


@pytest.fixture(autouse=True)
def _log_in_plain_text() -> Iterator[None]:
    """Spare tests the coloured tracebacks of structlog, which take seconds."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def deployment(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Deployment]:
    """Run the server that most tests share; its books are checked at the end."""
    async with running(tmp_path_factory.mktemp("shared")) as shared:
        yield shared


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def casino(deployment: Deployment) -> Casino:
    """Share one casino, whose switches nobody touches."""
    return await deployment.casino()


@pytest_asyncio.fixture(loop_scope="session")
async def player(casino: Casino) -> Player:
    """Bring a player of the shared casino with 100.00 EUR."""
    return await casino.player()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ruled(deployment: Deployment) -> AsyncIterator[Ruled]:
    """Bring players with 100.00 EUR, by the rules that their integration shall have.

    The books are checked when the module is done.
    """
    casinos: dict[frozenset[tuple[str, int]], Casino] = {}

    async def bring(cash: str = "100.00", /, **rules: int) -> Player:
        chosen = frozenset(rules.items())
        if chosen not in casinos:
            casinos[chosen] = await deployment.casino(
                rules=WalletRules(**rules)  # type: ignore[arg-type]
            )
        return await casinos[chosen].player(cash)

    yield bring
    findings = [str(finding) for finding in verify(deployment.path)]

    assert not findings, findings


@pytest.fixture(params=list(CARRIERS))
def send(request: pytest.FixtureRequest) -> Send:
    """Send requests as calls, as frames of a stream and as items of a batch."""
    return sender(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def idle(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Player]:
    """Bring a player on a small database of a module's own, for refusals only."""
    async with running(tmp_path_factory.mktemp("idle")) as deployment:
        player = await (await deployment.casino()).player()
        await player.casino.studio.call(player.bet("10.00", "first"))
        yield player
