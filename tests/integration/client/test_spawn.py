"""A demo's own server is started, found, stopped, and its failures are told."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from cage.ctl.spawn import SpawnError, spawned

READY = (
    '{"address": "127.0.0.1:1", "metrics_address": "127.0.0.1:2", '
    '"studio_key": "s", "operator_key": "o", "admin_key": "a"}'
)
RIGHT = f"""
assert not [name for name in os.environ if name.startswith("CAGE_")]
assert sys.argv[1:3] == ["serve", "--demo"]
option = dict(zip(sys.argv[3::2], sys.argv[4::2]))
assert option["--listen"] == option["--metrics-listen"] == "127.0.0.1:0"
pathlib.Path("new").write_text('{READY}')
os.rename("new", option["--ready-file"])
signal.sigwait([signal.SIGTERM])
"""
Install: TypeAlias = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a program in the place of caged."""
    interpreter = sys.executable
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("CAGE_ADDRESS", "elsewhere")

    def write(program: str) -> None:
        # Blocked before the ready file, so that SIGTERM cannot come too early.
        head = f"#!{interpreter}\nimport os, pathlib, signal, sys\n"
        block = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        (tmp_path / "caged").write_text(head + block + program)
        (tmp_path / "caged").chmod(0o755)

    return write


def test_server_is_started_and_stopped(install: Install, tmp_path: Path) -> None:
    """The address and keys come from the ready file, and SIGTERM ends the server."""
    install(RIGHT)

    with spawned() as server:
        settings = server.settings
        assert len(list(tmp_path.glob("cage-demo-*"))) == 1
        assert server.process.poll() is None

    assert settings.address == "127.0.0.1:1"
    assert settings.key_for("CAGE_STUDIO_KEY") == "s"
    assert settings.key_for("CAGE_OPERATOR_KEY") == "o"
    assert server.process.returncode == 0
    assert list(tmp_path.glob("cage-demo-*")) == []


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ('sys.exit("no disk")', "exit code 1:\nno disk"),
        (RIGHT + "print('torn', flush=True)\nsys.exit(3)", "exit code 3:\ntorn"),
    ],
    ids=["at the start", "at the end"],
)
def test_failures_are_told(install: Install, program: str, told: str) -> None:
    """A server that fails is named with its exit code and the end of its log."""
    install(program)

    with pytest.raises(SpawnError, match=told), spawned():
        pass


def test_server_ends_with_a_failing_demo(install: Install) -> None:
    """An exception of the demo leaves no server behind."""
    install(RIGHT)

    with pytest.raises(ZeroDivisionError), spawned() as server:
        raise ZeroDivisionError

    assert server.process.returncode is not None


@pytest.mark.usefixtures("install")
def test_missing_server_is_told() -> None:
    """Without a caged beside the interpreter the demo says so."""
    with pytest.raises(SpawnError, match="no caged"), spawned():
        pass
