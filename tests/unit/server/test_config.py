"""Test how settings are put together and which are refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from cage.server.config import Config, ConfigError, is_loopback, load_config


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Config.model_fields:
        monkeypatch.delenv(f"CAGE_{name.upper()}", raising=False)


def test_sources_win_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option wins over the environment, that over the file, that over defaults."""
    file = tmp_path / "cage.toml"
    file.write_text('listen = "[::1]:1"\nlog_level = "error"\nqueue_capacity = 3\n')
    monkeypatch.setenv("CAGE_LISTEN", "localhost:2")
    monkeypatch.setenv("CAGE_LOG_LEVEL", "debug")
    config = load_config(file, listen="127.0.0.1:3", database=None)

    assert config.listen == "127.0.0.1:3"
    assert config.log_level == "debug"
    assert config.queue_capacity == 3
    assert config.database == "var/cage.db"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"listen": "0.0.0.0:7440"}, "listen: 0.0.0.0 is not loopback"),
        ({"listen": "cage.example:7440"}, "is not loopback"),
        ({"listen": "127.0.0.1"}, "is not host:port"),
        ({"metrics_listen": "127.0.0.1:70000"}, "is not host:port"),
        ({"tls_cert": "c.pem"}, "tls_cert and tls_key go together"),
        ({"tls_client_ca": "c.pem"}, "tls_client_ca wants tls_cert"),
        ({"database": "mysql://host/cage"}, "sqlite:/// or postgresql://"),
        ({"lanes": 0}, "lanes: "),
        ({"workers": 0}, "workers: "),
        ({"workers": 2}, "workers: an embedded database is served by one process"),
        ({"queue_capacity": 0}, "queue_capacity: "),
        ({"log_share": 1.5}, "log_share: "),
        ({"log_level": "loud"}, "log_level: "),
        ({"colour": "red"}, "colour: "),
    ],
)
def test_wrong_setting_is_named(settings: dict[str, Any], told: str) -> None:
    """A setting that is unknown or out of range is refused in a line of its own."""
    with pytest.raises(ConfigError, match=re.escape(told)):
        load_config(None, **settings)


def test_unknown_settings_are_refused_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt key of the file, or variable, is refused; those of clients are not."""
    file = tmp_path / "cage.toml"
    file.write_text("lisen = 1\n")
    broken = tmp_path / "broken.toml"
    broken.write_text("listen\n")
    monkeypatch.setenv("CAGE_STUDIO_KEY", "secret")
    load_config(None)
    with pytest.raises(ConfigError, match="lisen"):
        load_config(file)
    with pytest.raises(ConfigError, match=re.escape("broken.toml")):
        load_config(broken)
    monkeypatch.setenv("CAGE_LISEN", "x")
    with pytest.raises(ConfigError, match="no such setting: CAGE_LISEN"):
        load_config(None)


@pytest.mark.parametrize(
    "settings",
    [
        {"listen": "0.0.0.0:7440", "allow_insecure": True},
        {"listen": "0.0.0.0:7440", "tls_cert": "c.pem", "tls_key": "k.pem"},
        {"listen": "[::1]:0", "metrics_listen": ""},
    ],
)
def test_safe_addresses_pass(settings: dict[str, Any]) -> None:
    """An address beyond loopback passes with TLS, or when clear text is wanted."""
    assert load_config(None, **settings).listen == settings["listen"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - only looked at
        ("::", False),
        ("10.0.0.1", False),
        ("example.com", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    """Only what no other machine can reach is loopback."""
    assert is_loopback(host) is expected


def test_database_is_a_path_or_a_url() -> None:
    """A database is named by its path, with or without sqlite:/// before it."""
    assert load_config(None, database="sqlite:////a/b.db").database_path == Path(
        "/a/b.db"
    )
    assert load_config(None, database="a/b.db").database_path == Path("a/b.db")


def test_every_setting_is_documented() -> None:
    """Every setting says what it is for."""
    undocumented = [
        name for name, field in Config.model_fields.items() if not field.description
    ]

    assert not undocumented


def test_guide_names_every_setting() -> None:
    """The operator's guide has every setting, with the default of plain ones."""
    guide = Path(__file__).resolve().parents[3] / "docs" / "operating.md"
    rows = re.findall(r"^\| (`CAGE_.+?) \| (.*?) \|", guide.read_text(), re.MULTILINE)
    told = {name: default for names, default in rows for name in names.split(", ")}
    settings = {f"`CAGE_{name.upper()}`": name for name in Config.model_fields}

    assert told.keys() == settings.keys()

    for shown, name in settings.items():
        default = Config.model_fields[name].default
        if isinstance(default, bool):
            assert told[shown] == str(default).lower(), shown
        elif isinstance(default, int | float) and "MiB" in told[shown]:
            assert told[shown] == f"{int(default) >> 20} MiB", shown
        elif isinstance(default, int | float):
            assert float(told[shown]) == default, shown
        else:
            assert told[shown] == (default or "none"), shown
