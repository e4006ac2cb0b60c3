"""Run a server of one's own for the time of a demo."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cage.ctl.settings import OPERATOR_KEY, STUDIO_KEY, Settings

_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05


class SpawnError(Exception):
    """Say that the server did not start or did not stop as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawned:
    """Hold a running server."""

    # Its process.
    process: "subprocess.Popen[bytes]"
    # What it wrote when it was ready: address and keys. Secret.
    ready: Mapping[str, str] = field(repr=False)

    @property
    def settings(self) -> Settings:
        """Say how to call it."""
        return Settings(
            address=self.ready["address"],
            keys={
                STUDIO_KEY: self.ready["studio_key"],
                OPERATOR_KEY: self.ready["operator_key"],
            },
        )


@contextmanager
def spawned() -> Iterator[Spawned]:
    """Start ``caged serve --demo`` on free ports and a database that is thrown away.

    Stops it with SIGTERM at the end. Raises SpawnError, with the end of its log, when
    it does not become ready in 60 s, or does not stop with exit code 0 in 30 s.
    """
    with tempfile.TemporaryDirectory(prefix="cage-demo-") as name:
        folder = Path(name)
        with (folder / "caged.log").open("wb") as log:
            process = _start(folder, log.fileno())
            try:
                yield Spawned(process=process, ready=_wait(process, folder))
                _stop(process, folder)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()


def _start(folder: Path, log: int) -> "subprocess.Popen[bytes]":
    caged = Path(sys.executable).parent / "caged"
    if not caged.exists():
        raise SpawnError(f"there is no caged beside {sys.executable}")
    # Configuration meant for another server must not reach this one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CAGE_")}
    command: list[str | Path] = [
        caged,
        "serve",
        "--demo",
        "--database",
        folder / "cage.db",
    ]
    command += ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
    command += ["--ready-file", folder / "ready.json"]
    return subprocess.Popen(  # noqa: S603 - our own program, no shell
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def _wait(process: "subprocess.Popen[bytes]", folder: Path) -> dict[str, str]:
    end = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < end:
        if (folder / "ready.json").exists():
            ready: dict[str, str] = json.loads((folder / "ready.json").read_bytes())
            return ready
        if process.poll() is not None:
            raise SpawnError(
                f"caged ended with exit code {process.returncode}:\n{_log(folder)}"
            )
        time.sleep(_POLL_S)
    raise SpawnError(f"caged was not ready in {_READY_TIMEOUT_S:g} s:\n{_log(folder)}")


def _stop(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired as late:
        raise SpawnError(
            f"caged did not stop in {_STOP_TIMEOUT_S:g} s:\n{_log(folder)}"
        ) from late
    if code != 0:
        raise SpawnError(f"caged ended with exit code {code}:\n{_log(folder)}")


def _log(folder: Path) -> str:
    text = (folder / "caged.log").read_text(encoding="utf-8", errors="replace")
    return "\n".join(text.splitlines()[-30:])
