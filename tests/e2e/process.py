"""Run the commands of this environment as processes, and end them by their id."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.01


def environment(**extra: str) -> dict[str, str]:
    """Return this environment without settings meant for other servers."""
    kept = {
        name: value
        for name, value in os.environ.items()
        # A path to the sources would hide what is installed.
        if not name.startswith("CAGE_") and name != "PYTHONPATH"
    }
    # Wide enough that tables of rich and usage errors of typer do not wrap.
    return kept | {"COLUMNS": "200", "NO_COLOR": "1"} | extra


def run(
    *command: str | Path,
    cwd: Path,
    timeout_s: float = 120.0,
    stdin: str | None = None,
    **extra: str,
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; its output is text."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(**extra),
        # None would leave the terminal's.
        input="" if stdin is None else stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


class Caged:
    """Hold one server process on a database file: started, then stopped or killed."""

    def __init__(
        self,
        folder: Path,
        *,
        command: Path = BIN / "caged",
        settings: Mapping[str, str] | None = None,
        database: str = "",
    ) -> None:
        self.folder = folder
        self.database = folder / "cage.db"
        self.log = folder / "caged.log"
        self.ready: dict[str, str] = {}
        self._ready_file = folder / "ready.json"
        self._ready_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(command, "serve", "--demo"),
                    *("--database", database or self.database),
                    *("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"),
                    *("--ready-file", self._ready_file),
                ],
                cwd=folder,
                env=environment(**(settings or {})),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def address(self) -> str:
        """Return where it listens."""
        return self.ready["address"]

    def wait_ready(self) -> None:
        """Wait until it takes calls."""
        end = time.monotonic() + READY_TIMEOUT_S
        while not self._ready_file.exists():
            assert self.process.poll() is None, self.tail()
            assert time.monotonic() < end, self.tail()

            time.sleep(POLL_S)
        self.ready = json.loads(self._ready_file.read_text())

    def worker_pids(self) -> list[int]:
        """Return the ids of its worker processes."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in children.split()]

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut of the process would."""
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)

    def terminate(self) -> int:
        """Ask it with SIGTERM to drain; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)

    def tail(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def memory_bytes(self) -> int:
        """Return how much memory of its own the process has now."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Caged]:
    """Run a server that takes calls; kill it at the end if it still runs."""
    server = Caged(folder, **options)
    try:
        server.wait_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def verify(
    database: Path, *, timeout_s: float = 120.0
) -> "subprocess.CompletedProcess[str]":
    """Run ``caged verify`` on a database."""
    command = (BIN / "caged", "verify", database)
    return run(*command, cwd=database.parent, timeout_s=timeout_s)
