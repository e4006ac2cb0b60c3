"""Run consumers of events and kill them; look at what they kept."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.e2e import consumer
from tests.e2e.process import STOP_TIMEOUT_S, Caged, environment


@contextmanager
def consuming(server: Caged, file: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a consumer that keeps what it sees in a file; kill it in the end."""
    process = subprocess.Popen(
        [
            *(sys.executable, consumer.__file__),
            *(server.address, server.ready["studio_key"], file),
        ],
        env=environment(),
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(STOP_TIMEOUT_S)


def kept(file: Path) -> dict[str, list[str]]:
    """List what was seen of each player, in the order in which it came."""
    with closing(consumer.open_file(str(file))) as connection:
        found: dict[str, list[str]] = {}
        for player_id, name in connection.execute(
            "SELECT player_id, transaction_id FROM seen ORDER BY number"
        ):
            found.setdefault(player_id, []).append(name)
        return found


def wait_for(file: Path, count: int, process: "subprocess.Popen[bytes]") -> float:
    """Wait until so many events were kept; return the seconds that it took."""
    started = time.monotonic()
    with closing(consumer.open_file(str(file))) as connection:
        while True:
            (found,) = connection.execute("SELECT count(*) FROM seen").fetchone()
            if found >= count:
                return time.monotonic() - started

            assert process.poll() is None, "the consumer ended"

            time.sleep(0.01)
