"""``caged`` keeps the books in PostgreSQL from the first command to the last."""

from pathlib import Path

from tests.e2e.process import BIN, run, serving
from tests.postgres import new_database


def test_books_in_postgres(tmp_path: Path) -> None:
    """A server plays the demo, is killed, comes back, and its books are right."""
    url = new_database()
    for _ in range(2):
        with serving(tmp_path, settings={"CAGE_LANES": "3"}, database=url) as server:
            demo = run(
                BIN / "cagectl",
                "--env-file",
                tmp_path / "var" / "demo.env",
                "demo",
                cwd=tmp_path,
            )

            assert demo.returncode == 0, demo.stdout + demo.stderr + server.tail()

            server.kill()
    verified = run(BIN / "caged", "verify", url, cwd=tmp_path)

    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "the books are right" in verified.stdout


def test_commands_on_postgres(tmp_path: Path) -> None:
    """Keys, migrate and verify take the address, which the environment may hold."""
    url = new_database()
    made = run(BIN / "caged", "keys", "create", url, cwd=tmp_path)
    migrated = run(BIN / "caged", "migrate", cwd=tmp_path, CAGE_DATABASE=url)
    verified = run(BIN / "caged", "verify", cwd=tmp_path, CAGE_DATABASE=url)

    assert made.returncode == 0, made.stderr
    assert made.stdout.strip()
    assert migrated.returncode == 0, migrated.stderr
    assert verified.returncode == 0, verified.stderr


def test_no_postgres_there(tmp_path: Path) -> None:
    """What cannot be reached is told in a line, without the password."""
    url = "postgresql://cage:hidden@127.0.0.1:1/cage"
    for command in ("verify", "migrate"):
        failed = run(BIN / "caged", command, url, cwd=tmp_path)

        assert failed.returncode in {1, 2}
        assert "hidden" not in failed.stdout + failed.stderr
        assert "127.0.0.1:1" in failed.stdout + failed.stderr
        assert "Traceback" not in failed.stderr
