"""Read the configuration of a server into one frozen model.

Every setting is an environment variable CAGE_NAME or a key of the TOML file that
``--config`` names. Options of the command line win over the environment, the
environment over the file, the file over the default. What is not a setting is
refused, because a misspelt one would silently not be set.
"""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cage.core.ids import LANES_MAX
from cage.storage.file import WAL_BYTES_KEPT
from cage.storage.store import SQLITE, is_postgres

PREFIX = "CAGE_"
WORKERS_MAX = 128
# Variables that clients and tests read; a server that shares their environment does
# not take them for its own.
FOREIGN = ("ADDRESS", "KEY", "STUDIO_KEY", "OPERATOR_KEY", "ADMIN_KEY", "TEST_")

Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ConfigError(Exception):
    """Say which settings are wrong, a line for each."""


class Config(BaseSettings):
    """Hold every setting of a server."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    listen: str = "127.0.0.1:7440"
    """Address for gRPC, "host:port"; port 0 takes a free one. Any other host than a
    loopback one wants TLS, or allow_insecure."""

    metrics_listen: str = "127.0.0.1:7441"
    """Address for Prometheus, "host:port", in clear text; port 0 takes a free one,
    empty switches it off."""

    database: str = "var/cage.db"
    """Where the books are: a path, or "sqlite:///" before one, or the address of a
    PostgreSQL database, "postgresql://user:password@host:port/name"."""

    lanes: Annotated[int, Field(ge=1, le=LANES_MAX)] = 8
    """How many lanes a new PostgreSQL database gets, for ever; an old one keeps its
    own, and an embedded one has one."""

    workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = 1
    """How many processes serve, all on one PostgreSQL and one address; an embedded
    database has one. Each has queues, bounds and one connection per lane of its own."""

    wal_bytes: Annotated[int, Field(ge=0, le=1 << 30)] = WAL_BYTES_KEPT
    """How much of the database's write-ahead log is made in advance, in bytes, so that
    commits do not wait for a file to grow; 0 is none. It goes when the server stops."""

    queue_capacity: Annotated[int, Field(ge=1)] = 4_096
    """How many operations wait for the writer before the rest is shed. Bets are shed
    from four fifths on."""

    in_flight_max: Annotated[int, Field(ge=1)] = 4_096
    """How many single calls run at once before the rest is shed. Bets are shed from
    four fifths on."""

    rate_max_per_s: Annotated[int, Field(ge=0)] = 0
    """How many operations a second one key may send before the rest is shed; 0 is no
    bound. What brings money back may go to twice as many for a second."""

    default_timeout_s: Seconds = 10.0
    """How long an operation may wait that came without a deadline, in seconds."""

    session_life_s: Annotated[int, Field(ge=1)] = 8 * 3_600
    """How long a game session lives, in seconds."""

    launch_token_life_s: Annotated[int, Field(ge=1)] = 300
    """How long a launch token lives, in seconds."""

    journal_poll_s: Annotated[float, Field(gt=0, le=10)] = 0.02
    """How often streams of events look for what other processes committed, in
    seconds. What this process commits they see at once."""

    round_sweep_s: Annotated[float, Field(ge=0)] = 60.0
    """How often rounds are looked for that were left open, and finished as their
    integration says, in seconds; 0 is never."""

    reserve_sweep_s: Seconds = 1.0
    """How often reserves whose life is over are looked for and released, in seconds."""

    tls_cert: Path | None = None
    """PEM file of the server's certificate chain. Wants tls_key."""

    tls_key: Path | None = None
    """PEM file of the server's private key."""

    tls_client_ca: Path | None = None
    """PEM file of the authorities whose client certificates are wanted: mutual TLS.
    Wants tls_cert."""

    allow_insecure: bool = False
    """True lets clear text listen beyond loopback, for a trusted network only."""

    reflection: bool = True
    """False hides the contract from reflection."""

    drain_delay_s: Annotated[float, Field(ge=0)] = 0.0
    """How long probes may see NOT_SERVING before calls are refused, in seconds."""

    drain_grace_s: Seconds = 20.0
    """How long calls may take to end when the server stops, in seconds."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged, to standard error, as JSON lines."""

    log_share: Share = 0.01
    """Which share of the calls that succeed is logged, 0 to 1."""

    refusal_log_share: Share = 0.1
    """Which share of the calls that are refused is logged, 0 to 1. Failures of the
    server itself always are."""

    @property
    def has_postgres(self) -> bool:
        """Say whether the books are in PostgreSQL."""
        return is_postgres(self.database)

    @property
    def database_path(self) -> Path:
        """Return the path of the database file."""
        return Path(self.database.removeprefix(SQLITE))

    @property
    def folder(self) -> Path:
        """Return where files go that belong to the database."""
        return Path("var") if self.has_postgres else self.database_path.parent

    @property
    def has_tls(self) -> bool:
        """Say whether gRPC listens with TLS."""
        return self.tls_cert is not None

    @model_validator(mode="after")
    def _judge(self) -> "Config":
        if "://" in self.database.removeprefix(SQLITE) and not self.has_postgres:
            raise ValueError("database: a path, sqlite:/// or postgresql:// is served")
        if self.workers > 1 and not self.has_postgres:
            raise ValueError(
                "workers: an embedded database is served by one process; several "
                "want postgresql://"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together")
        if self.tls_client_ca is not None and not self.has_tls:
            raise ValueError("tls_client_ca wants tls_cert and tls_key")
        host, _ = split_address(self.listen)
        if self.metrics_listen:
            split_address(self.metrics_listen)
        if not (self.has_tls or self.allow_insecure or is_loopback(host)):
            raise ValueError(
                f"listen: {host} is not loopback: set tls_cert and tls_key, or "
                "allow_insecure on a trusted network"
            )
        return self


def load_config(file: Path | None, **options: Any) -> Config:
    """Put options, environment and file together; options that are None do not count.

    Raises ConfigError.
    """
    unknown = sorted(name for name in os.environ if _is_unknown(name))
    if unknown:
        raise ConfigError(f"no such setting: {', '.join(unknown)}")

    class Loaded(Config):
        @classmethod
        def settings_customise_sources(  # type: ignore[override] # passed by name
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            **_: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            if file is None:
                return init_settings, env_settings
            toml = TomlConfigSettingsSource(settings_cls, toml_file=file)
            return init_settings, env_settings, toml

    chosen = {name: value for name, value in options.items() if value is not None}
    try:
        return Loaded(**chosen)
    except ValidationError as exc:
        raise ConfigError("\n".join(map(_line, exc.errors()))) from exc
    except ValueError as exc:
        raise ConfigError(f"{file}: {exc}") from exc


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of "host:port"; an IPv6 host stands in brackets."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_unknown(variable: str) -> bool:
    if not variable.startswith(PREFIX):
        return False
    name = variable.removeprefix(PREFIX)
    is_foreign = any(
        name.startswith(known) if known.endswith("_") else name == known
        for known in FOREIGN
    )
    return not is_foreign and name.lower() not in Config.model_fields


def _line(error: Any) -> str:
    """Tell one mistake in one line, without the value: it may be a secret."""
    place = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
