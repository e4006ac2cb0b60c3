"""Find out where to call and with which key.

An option of the command line wins over the environment, the environment over the
file that ``caged serve --demo`` writes, that file over the default.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import typer

from cage.client import Client, Tls, connect

DEFAULT_ADDRESS = "127.0.0.1:7440"
DEFAULT_ENV_FILE = Path("var/demo.env")
STUDIO_KEY = "CAGE_STUDIO_KEY"
OPERATOR_KEY = "CAGE_OPERATOR_KEY"
ADMIN_KEY = "CAGE_ADMIN_KEY"


def key_name(service: str) -> str:
    """Name the variable that holds the key for a service, by its full name."""
    if service.startswith("cage.wallet."):
        return STUDIO_KEY
    return ADMIN_KEY if service.startswith("cage.admin.") else OPERATOR_KEY


def read_env_file(path: Path | None) -> dict[str, str]:
    """Read KEY=VALUE lines; without a path the default file, if it is there."""
    if path is None and not DEFAULT_ENV_FILE.exists():
        return {}
    values = {}
    for line in (path or DEFAULT_ENV_FILE).read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("\"'")
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold what every command needs to call."""

    # Where the server listens, "host:port".
    address: str
    # Key that was chosen for every service. Secret.
    key: str | None = field(default=None, repr=False)
    # Keys by the name of their variable. Secret.
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    # How to trust the server; None calls in clear text.
    tls: Tls | None = None
    # Deadline of one attempt, in seconds.
    timeout_s: float = 5.0

    def key_for(self, name: str) -> str:
        """Return the key for a variable; end the command when there is none."""
        key = self.key or self.keys.get(name)
        if not key:
            raise typer.BadParameter(
                f"no API key: give --key, or set CAGE_KEY or {name}, or start the "
                "server with `caged serve --demo`, which writes them to var/demo.env"
            )
        return key

    def connect(self, name: str) -> Client:
        """Connect with the key for a variable."""
        key = self.key_for(name)
        return connect(self.address, key=key, tls=self.tls, timeout_s=self.timeout_s)


def load(
    *,
    address: str | None,
    key: str | None,
    env_file: Path | None,
    tls: Tls | None,
    timeout_s: float,
) -> Settings:
    """Put options, environment and file together."""
    known = read_env_file(env_file)
    known.update((name, value) for name, value in os.environ.items() if value)
    return Settings(
        address=address or known.get("CAGE_ADDRESS") or DEFAULT_ADDRESS,
        key=key,
        keys={
            name: known.get(name, "") for name in (STUDIO_KEY, OPERATOR_KEY, ADMIN_KEY)
        },
        tls=tls,
        timeout_s=timeout_s,
    )
