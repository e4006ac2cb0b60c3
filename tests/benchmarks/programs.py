"""Start the programs of a measurement, ask them, read what they cost, end them."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
# What a load generator may take longer than it was told to.
ANSWER_GRACE_S = 60.0
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProgramError(Exception):
    """Say that a program did not start, answer or stop as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Hold a running server, with what it wrote when it was ready."""

    process: "subprocess.Popen[bytes]"
    ready: Mapping[str, str] = field(repr=False)

    @property
    def cpu_s(self) -> float:
        """Return the seconds of CPU, user and system, of all its threads so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    @property
    def rss_bytes(self) -> int:
        """Return its resident memory."""
        statm = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * PAGE_BYTES


@contextmanager
def caged(
    folder: Path, *, database: str | None = None, **settings: object
) -> Iterator[Server]:
    """Run ``caged serve --demo``, by default on a file in the folder."""
    command: list[str | Path] = [
        Path(sys.executable).parent / "caged",
        "serve",
        "--demo",
        "--database",
        database or folder / "cage.db",
    ]
    command += ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
    chosen = {f"CAGE_{name.upper()}": str(value) for name, value in settings.items()}
    with _server(command, folder, "caged", chosen) as server:
        yield server


@contextmanager
def empty_server(folder: Path) -> Iterator[Server]:
    """Run the server that does nothing."""
    command: list[str | Path] = [sys.executable, HERE / "empty_server.py"]
    with _server(command, folder, "empty", {}) as server:
        yield server


@contextmanager
def _server(
    command: list[str | Path], folder: Path, name: str, settings: dict[str, str]
) -> Iterator[Server]:
    ready_file, log_file = folder / f"{name}.json", folder / f"{name}.log"
    ready_file.unlink(missing_ok=True)
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--ready-file", ready_file],
            cwd=folder,
            env=_environment() | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(ready_file, process, log_file)
            ready = json.loads(ready_file.read_bytes())
            yield Server(process=process, ready=ready)
        finally:
            end(process)


def _environment() -> dict[str, str]:
    """Return the environment without the settings of other servers."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CAGE_")}
    return kept | {"GRPC_VERBOSITY": "ERROR"}


def _wait_for(
    ready_file: Path, process: "subprocess.Popen[bytes]", log_file: Path
) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if ready_file.exists():
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    log = log_file.read_text(encoding="utf-8", errors="replace")[-2_000:]
    raise ProgramError(f"{log_file.stem} did not become ready:\n{log}")


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a program by its process, gently and then by force."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


class Load:
    """Talk to a load generator: one JSON line asks, one answers."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def ask(self, do: str, *, seconds: float, **how: object) -> dict[str, Any]:
        """Run one kind of load and return what became of it."""
        line = json.dumps({"do": do, "seconds": seconds, **how}) + "\n"
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ProgramError("the load generator has no pipes")
        stdin.write(line.encode())
        stdin.flush()
        readable, _, _ = select.select([stdout], [], [], seconds + ANSWER_GRACE_S)
        answer = stdout.readline() if readable else b""
        if not answer:
            raise ProgramError(f"the load generator did not answer to {line}")
        found: dict[str, Any] = json.loads(answer)
        return found


@contextmanager
def load_on(server: Server, players: Path) -> Iterator[Load]:
    """Run a load generator with the players of a file."""
    process = subprocess.Popen(
        [sys.executable, HERE / "load.py", players],
        env=_environment()
        | {
            "BENCH_ADDRESS": server.ready["address"],
            "BENCH_KEY": server.ready["studio_key"],
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Load(process)
    finally:
        end(process)


def seed_players(server: Server, count: int, players: Path) -> None:
    """Register, verify, fund and seat players by real calls; write them to a file."""
    run_program(
        ["players.py", str(count), str(players)],
        timeout_s=600,
        BENCH_ADDRESS=server.ready["address"],
        BENCH_KEY=server.ready["studio_key"],
        BENCH_OPERATOR_KEY=server.ready["operator_key"],
    )


def run_program(
    arguments: list[str], *, timeout_s: float, **environment: str
) -> list[dict[str, Any]]:
    """Run a program of this folder to its end; return the JSON lines it printed."""
    script, *rest = arguments
    done = subprocess.run(
        [sys.executable, HERE / script, *rest],
        env=_environment() | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise ProgramError(f"{script} ended with exit code {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]
