"""Tell whoever started a server that it is ready, and where."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import structlog
import typer

from cage.server import demo
from cage.server.config import Config
from cage.server.files import write_private

_log = structlog.get_logger("cage.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Hold what a server that listens has to tell."""

    address: str
    """Address for gRPC."""

    metrics_address: str
    """Address for Prometheus; empty when switched off."""

    keys: demo.DemoKeys | None = None
    """Secrets of the demo's keys, if it was asked for."""

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        """Read what ``to_json`` wrote."""
        found = json.loads(line)
        keys = found.pop("keys")
        return cls(**found, keys=None if keys is None else demo.DemoKeys(**keys))


def announce(config: Config, ready: Ready, ready_file: Path | None) -> None:
    """Write the demo's keys, the banner, the ready file and a line of the log."""
    keys = ready.keys
    if keys is not None:
        demo.write_env(config, ready.address, keys)
        _print_banner(config, ready.address, keys)
    if ready_file is not None:
        told = {
            "address": ready.address,
            "metrics_address": ready.metrics_address,
            "studio_key": keys.studio_key if keys is not None else None,
            "operator_key": keys.operator_key if keys is not None else None,
            "admin_key": keys.admin_key if keys is not None else None,
        }
        write_private(ready_file, json.dumps(told))
    _log.info("ready", address=ready.address, metrics=ready.metrics_address)


def _print_banner(config: Config, address: str, keys: demo.DemoKeys) -> None:
    env_file = demo.env_path(config)
    cagectl = Path(sys.argv[0]).with_name("cagectl")
    option = "" if str(env_file) == "var/demo.env" else f"--env-file {env_file} "
    typer.echo(
        f"Cage listens on  {address}\n"
        f"studio key       {keys.studio_key}\n"
        f"operator key     {keys.operator_key}\n"
        f"All keys are in  {env_file}\n"
        f"Try              {cagectl} {option}demo"
    )
