"""The commands that README names do what it says, run as a reader would run them."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.process import BIN, Caged, environment, run, serving, verify

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
ADDRESS = "127.0.0.1:7440"
FREE = ("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")
# make takes the environment of the tests for installed.
MAKE = ("make", "-o", ".venv/.installed", f"BIN={BIN}")


def block(language: str, word: str) -> str:
    """Return the one code block of README in a language that holds a word."""
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE
    )
    (found,) = (text for text in blocks if word in text)
    return str(found)


def shell(
    text: str, server: Caged, **values: str
) -> "subprocess.CompletedProcess[str]":
    """Run a block of README in a shell, with what its reader has to fill in."""
    for name, value in values.items():
        assert f"{name}=..." in text

        text = text.replace(f"{name}=...", f"{name}={value}")
    text = text.replace(".venv/bin/", f"{BIN}/").replace(ADDRESS, server.address)
    return run("sh", "-euc", text, cwd=server.folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caged]:
    """Run one server with demo data for the tests that only call."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def player_id(server: Caged) -> str:
    """Find the demo's player as README does."""
    key = server.ready["operator_key"]
    done = shell(block("sh", "ListPlayers"), server, CAGE_OPERATOR_KEY=key)

    assert done.returncode == 0, done.stderr

    (player,) = json.loads(done.stdout)["players"]
    return str(player["playerId"])


# What README tells to type


def test_buf_curl_bets_once(server: Caged, player_id: str) -> None:
    """The bet of README, sent twice with buf curl, debits once."""
    values = {"CAGE_STUDIO_KEY": server.ready["studio_key"], "PLAYER_ID": player_id}
    replies = [shell(block("sh", "/Bet"), server, **values) for _ in range(2)]
    first, second = (json.loads(done.stdout)["receipt"] for done in replies)

    assert [done.returncode for done in replies] == [0, 0]
    assert (first.get("replayed", False), second["replayed"]) == (False, True)
    assert first["ledgerId"] == second["ledgerId"]
    assert second["current"] == second["after"] | {
        "readTime": second["current"]["readTime"]
    }


def test_python_example_bets(server: Caged, player_id: str) -> None:
    """The Python program of README bets and prints the balance."""
    program = block("python", "connect(").replace(ADDRESS, server.address)
    studio_key = server.ready["studio_key"]
    done = run(
        *(sys.executable, "-W", "error", "-c", program),
        cwd=server.folder,
        CAGE_STUDIO_KEY=studio_key,
        PLAYER_ID=player_id,
    )

    assert done.returncode == 0, done.stderr
    assert 'currency_code: "EUR"' in done.stdout


@pytest.mark.parametrize("command", ["caged", "cagectl"])
def test_help_lists_the_commands(command: str, tmp_path: Path) -> None:
    """Both commands say what they do."""
    done = run(BIN / command, "--help", cwd=tmp_path)

    assert done.returncode == 0
    assert {"caged": "verify", "cagectl": "transactions"}[command] in done.stdout


def test_cagectl_calls_any_rpc(server: Caged, player_id: str) -> None:
    """Cagectl call sends JSON to an rpc by the keys that the server wrote down."""
    request = {"player_id": player_id, "currency_code": "EUR"}
    cagectl = (BIN / "cagectl", "--env-file", server.folder / "demo.env", "call")
    found = run(
        *(*cagectl, "WalletService/GetBalance", json.dumps(request)), cwd=server.folder
    )
    unknown = run(*cagectl, "PlayerService/GetPlayer", "-", cwd=server.folder)

    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["balance"]["currency_code"] == "EUR"
    assert unknown.returncode != 0


def test_make_serve_tells_the_next_command(tmp_path: Path) -> None:
    """Make serve prints address, keys and a command that then works; it drains."""
    log = tmp_path / "log"
    with log.open("wb") as output:
        made = subprocess.Popen(
            [*MAKE, f"DATABASE={tmp_path / 'cage.db'}", "LISTEN=127.0.0.1:0", "serve"],
            cwd=ROOT,
            env=environment(CAGE_METRICS_LISTEN="127.0.0.1:0"),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        banner = wait_for_banner(log, made)
        tried = run("sh", "-euc", banner["Try"], cwd=tmp_path)
    finally:
        # As a service manager ends it: make forwards what the server gets as well.
        os.killpg(made.pid, signal.SIGTERM)
        made.wait(60)
    keys = (tmp_path / "demo.env").read_text()

    assert f"CAGE_ADDRESS={banner['Cage listens on']}\n" in keys
    assert f"CAGE_STUDIO_KEY={banner['studio key']}\n" in keys
    assert f"CAGE_OPERATOR_KEY={banner['operator key']}\n" in keys
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert '"event":"stopped"' in log.read_text()
    assert not (tmp_path / "cage.db-wal").exists()


def wait_for_banner(log: Path, process: "subprocess.Popen[bytes]") -> dict[str, str]:
    """Read the banner of a server once it is whole."""
    for _ in range(9_000):
        lines = [re.split(r"  +", line) for line in log.read_text().splitlines()]
        banner = {line[0]: line[1] for line in lines if len(line) == 2}
        if "Try" in banner:
            return banner

        assert process.poll() is None, log.read_text()

        time.sleep(0.01)
    raise AssertionError(log.read_text())


def test_make_demo_passes(tmp_path: Path) -> None:
    """Make demo plays against a server of its own and leaves nothing behind."""
    done = run(*MAKE, "demo", cwd=ROOT, TMPDIR=str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^all \d+ checks passed$", done.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


# Starting


def test_second_start_takes_the_same_keys(tmp_path: Path) -> None:
    """A second start on a database reuses what the first made, in seconds."""
    with serving(tmp_path) as first:
        assert first.terminate() == 0, first.tail()
    started = time.monotonic()
    with serving(tmp_path) as second:
        took_s = time.monotonic() - started
        with sqlite3.connect(f"file:{second.database}?mode=ro", uri=True) as reader:
            counts = [
                reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                for table in ("operators", "games", "players", "api_keys")
            ]
        reader.close()

    for name in ("studio_key", "operator_key", "admin_key"):
        assert first.ready[name] == second.ready[name]
    assert counts == [1, 2, 1, 3]
    assert took_s < 30


@pytest.mark.parametrize(
    "command",
    [
        ("serve", *FREE, "--database", "cage.db"),
        ("keys", "create", "cage.db"),
        ("migrate", "cage.db"),
    ],
    ids=["serve", "keys", "migrate"],
)
def test_database_has_one_holder(server: Caged, command: tuple[str, ...]) -> None:
    """Another caged on the same file is refused and names who holds it."""
    done = run(BIN / "caged", *command, cwd=server.folder)

    assert done.returncode == 2
    assert f"held by process {server.process.pid}" in done.stderr
    assert verify(server.database).returncode == 0


@pytest.mark.parametrize(
    "command",
    [("serve", *FREE, "--database", "cage.db"), ("keys", "create", "cage.db")],
    ids=["serve", "keys"],
)
def test_file_that_is_no_database_is_told(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """A file of something else is refused in one line and left as it is."""
    text = "dear diary\n" * 1_000
    (tmp_path / "cage.db").write_text(text)
    done = run(BIN / "caged", *command, cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr == "caged: cage.db cannot be used: file is not a database\n"
    assert (tmp_path / "cage.db").read_text() == text


def test_clear_text_stays_on_loopback(tmp_path: Path) -> None:
    """An address that others reach is refused without TLS, and nothing is made."""
    done = run(
        *(BIN / "caged", "serve", "--database", "cage.db"),
        *("--listen", "0.0.0.0:0", "--metrics-listen", "127.0.0.1:0"),
        cwd=tmp_path,
    )

    assert done.returncode == 2
    assert "0.0.0.0 is not loopback: set tls_cert and tls_key" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_taken_port_is_told(server: Caged, tmp_path: Path) -> None:
    """An address that another server has is refused in one line."""
    done = run(
        *(BIN / "caged", "serve", "--database", "cage.db"),
        *("--listen", server.address, "--metrics-listen", "127.0.0.1:0"),
        cwd=tmp_path,
    )

    assert done.returncode == 2
    assert f"cannot listen on {server.address}" in done.stderr
    assert "Traceback" not in done.stderr


def test_created_key_administers(tmp_path: Path) -> None:
    """Caged keys create makes a key that works with a server, and shows it once."""
    create = (BIN / "caged", "keys", "create", "cage.db")
    made = run(*create, "--key-id", "root", cwd=tmp_path)
    again = run(*create, "--key-id", "root", cwd=tmp_path)
    key = made.stdout.strip()
    with serving(tmp_path) as server:
        listed = run(
            *(BIN / "cagectl", "--address", server.address, "--key", key),
            *("call", "AdminService/ListApiKeys"),
            cwd=tmp_path,
        )

    assert made.returncode == 0, made.stderr
    assert (again.returncode, again.stdout) == (2, "")
    assert "caged: key root exists" in again.stderr
    assert listed.returncode == 0, listed.stderr
    assert "root" in {found["key_id"] for found in json.loads(listed.stdout)["keys"]}
    assert key not in listed.stdout
    assert key.encode() not in (tmp_path / "cage.db").read_bytes()


# Verifying


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the books of a demo, closed."""
    folder = tmp_path_factory.mktemp("books")
    with serving(folder) as server:
        # A busy machine makes a slow call, not a wrong one.
        cagectl = (BIN / "cagectl", "--env-file", "demo.env", "--timeout", "30")
        told = run(*cagectl, "demo", cwd=folder)
        code = server.terminate()

    assert told.returncode == 0, told.stdout + told.stderr
    assert code == 0, server.tail()

    return server.database


def test_right_books_are_found_right(books: Path) -> None:
    """Caged verify says that the books are right and exits with 0."""
    done = verify(books)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{books}: the books are right\n"


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE wallets SET cash = cash + 1", "wrong balance at wallet "),
        (
            "UPDATE transactions SET amount = 9 WHERE kind = 1",
            "changed amount at item ",
        ),
        ("UPDATE changes SET actor = 'nobody'", "broken chain at batch "),
        ("DELETE FROM batches WHERE sequence > 5", "missing batch at head of lane "),
        ("UPDATE rounds SET closed = 0", "wrong round at round "),
        ("DROP TABLE lanes", "unreadable database at "),
    ],
)
def test_wrong_books_are_found_wrong(
    books: Path, tmp_path: Path, damage: str, finding: str
) -> None:
    """Caged verify names the first thing that somebody changed and exits with 1."""
    database = tmp_path / "cage.db"
    shutil.copyfile(books, database)
    connection = sqlite3.connect(database)
    connection.execute(damage)
    connection.commit()
    connection.close()
    done = verify(database)

    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(finding), done.stdout
    assert ": expected " in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_torn_file_is_found_torn(books: Path, tmp_path: Path, kept: float) -> None:
    """Caged verify names a file of which a part is lost and exits with 1."""
    whole = books.read_bytes()
    size = int(len(whole) * kept)
    database = tmp_path / "cage.db"
    database.write_bytes(whole[:size] + bytes(len(whole) - size))
    done = verify(database)

    assert (done.returncode, done.stderr) == (1, "")
    assert ": expected " in done.stdout
