"""The wheel alone, in a clean environment, is a client and then a server."""

import json
import sys
import venv
from pathlib import Path

from tests.e2e.process import run, serving

ROOT = Path(__file__).resolve().parents[2]
# Bytecode would be written for many modules that nobody imports here.
PIP = (sys.executable, "-m", "pip")
INSTALL = ("install", "--quiet", "--no-compile", "--constraint")
# Names where every part of cage was found, and what should not be there.
ASK = """
import importlib.util, json, sys
import cage, cage.client
parts = [m.__file__ for n, m in sys.modules.items() if n.startswith("cage.")]
parts += cage.__path__
absent = [n for n in sys.argv[1:] if importlib.util.find_spec(n) is None]
print(json.dumps({"parts": [p for p in parts if p], "absent": absent}))
"""


def test_wheel_runs_without_the_sources(tmp_path: Path) -> None:
    """A plain install calls, one with [server] serves, from nothing but the wheel."""
    wheel = build(tmp_path / "dist")
    home = tmp_path / "home"
    venv.create(home, with_pip=False)
    for extra in ("", "[server]"):
        install(home, f"{wheel}{extra}")
        parts, absent = ask(home, "sqlalchemy", "uvloop")

        assert all(Path(part).is_relative_to(home) for part in parts), parts
        assert absent == ([] if extra else ["sqlalchemy", "uvloop"])

    folder = tmp_path / "books"
    folder.mkdir()
    with serving(folder, command=home / "bin" / "caged") as server:
        cagectl = (home / "bin" / "cagectl", "--env-file", "demo.env")
        told = run(*cagectl, "demo", cwd=folder)
        code = server.terminate()
    checked = run(home / "bin" / "caged", "verify", "cage.db", cwd=folder)

    assert told.returncode == 0, told.stdout + told.stderr
    assert code == 0, server.tail()
    assert checked.returncode == 0, checked.stdout


def build(folder: Path) -> Path:
    """Build the wheel, without a network."""
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    built = run(*command, cwd=ROOT)

    assert built.returncode == 0, built.stderr

    (wheel,) = folder.glob("*.whl")
    return wheel


def install(home: Path, what: str) -> None:
    """Install into an environment, in the versions that are tested together."""
    pip = (*PIP, "--python", home / "bin" / "python")
    done = run(*pip, *INSTALL, ROOT / "constraints.txt", what, cwd=home, timeout_s=240)

    assert done.returncode == 0, done.stderr


def ask(home: Path, *names: str) -> tuple[list[str], list[str]]:
    """Return where an environment finds cage, and which of some names it lacks."""
    python = home / "bin" / "python"
    done = run(python, "-W", "error", "-c", ASK, *names, cwd=home)

    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)
    return found["parts"], found["absent"]
