"""Define the command ``caged``."""

import asyncio
import os
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from cage.app.admin import AdminApp
from cage.core.admin import LOCAL_ACTOR
from cage.core.errors import CageError
from cage.core.key import CreateApiKey
from cage.core.registry import Role
from cage.rpc.status import to_status
from cage.rpc.validation import CHOSEN_ID
from cage.server import demo as demo_data
from cage.server.config import Config, ConfigError, load_config
from cage.server.interpreter import hand_over_fast, keep_what_lives
from cage.server.listen import ListenError
from cage.server.log import configure_log
from cage.server.ready import Ready, announce
from cage.server.serve import Server
from cage.server.signals import renew_on_signal, stop_on_signal
from cage.server.supervisor import Supervisor
from cage.server.worker import WorkerError, hear_task, tell_ready, until_alone
from cage.storage import (
    DatabaseLockedError,
    DurabilityError,
    SchemaError,
    UnusableDatabaseError,
    is_postgres,
    open_store,
    shown,
    verify,
)

_KEY_TIMEOUT_S = 30.0

app = typer.Typer(
    name="caged",
    help="Run Cage: a seamless wallet and player account management over gRPC.",
    no_args_is_help=True,
    add_completion=False,
    # Local variables hold keys.
    pretty_exceptions_show_locals=False,
)
keys = typer.Typer(name="keys", help="Manage API keys offline.", no_args_is_help=True)
app.add_typer(keys)

_log = structlog.get_logger("cage.server")

DatabaseArgument = Annotated[
    str,
    typer.Argument(
        envvar="CAGE_DATABASE", help="The database file, or postgresql://..."
    ),
]


def _chosen_id(text: str) -> str:
    """Refuse an id that the contract would refuse."""
    if not CHOSEN_ID.is_valid(text):
        raise typer.BadParameter(CHOSEN_ID.problem)
    return text


@app.command()
def serve(
    database: Annotated[
        str | None, typer.Option(help="Where the books are; default var/cage.db.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(help="Address for gRPC; default 127.0.0.1:7440.")
    ] = None,
    metrics_listen: Annotated[
        str | None, typer.Option(help="Address for Prometheus; empty switches it off.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes on one PostgreSQL; default 1.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="TOML file of settings."),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Create demo data and print its keys.")
    ] = False,
    ready_file: Annotated[
        Path | None,
        typer.Option(help="Write addresses and demo keys here, as JSON, when ready."),
    ] = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; SIGHUP renews workers one by one.

    Every other setting is an environment variable CAGE_NAME or a key of --config.
    """
    with _friendly():
        settings = load_config(
            config,
            database=database,
            listen=listen,
            metrics_listen=metrics_listen,
            workers=workers,
        )
        configure_log(settings.log_level)
        # The books and the keys are for this user only.
        os.umask(0o077)
        settings.folder.mkdir(parents=True, exist_ok=True)
        hand_over_fast()
        run = _serve if settings.workers == 1 else _supervise
        uvloop.run(run(settings, is_demo=demo, ready_file=ready_file))


async def _serve(settings: Config, *, is_demo: bool, ready_file: Path | None) -> None:
    stopped = stop_on_signal()
    server = Server(settings)
    try:
        announce(settings, await _begin(server, is_demo=is_demo), ready_file)
        keep_what_lives()
        await stopped.wait()
        _log.info("draining")
    finally:
        await server.drain()
    _log.info("stopped")


async def _begin(server: Server, *, is_demo: bool) -> Ready:
    """Open the database and listen."""
    await server.open()
    made = await demo_data.seed(server) if is_demo else None
    await server.listen()
    return Ready(
        address=server.address, metrics_address=server.metrics_address, keys=made
    )


async def _supervise(
    settings: Config, *, is_demo: bool, ready_file: Path | None
) -> None:
    stopped, renewed = stop_on_signal(), renew_on_signal()
    supervisor = Supervisor(settings)
    try:
        announce(settings, await supervisor.start(is_demo=is_demo), ready_file)
        await supervisor.run(stopped, renewed)
        _log.info("draining")
    finally:
        await supervisor.drain()
    _log.info("stopped")


@app.command(hidden=True)
def worker() -> None:
    """Serve as one of several; what to do comes on standard input."""
    with _friendly():
        settings, is_demo = hear_task()
        configure_log(settings.log_level)
        os.umask(0o077)
        hand_over_fast()
        uvloop.run(_work(settings, is_demo=is_demo))


async def _work(settings: Config, *, is_demo: bool) -> None:
    stopped = stop_on_signal()
    server = Server(settings)
    alone = asyncio.create_task(until_alone())
    alone.add_done_callback(lambda _: stopped.set())
    try:
        tell_ready(await _begin(server, is_demo=is_demo))
        keep_what_lives()
        await stopped.wait()
    finally:
        await server.drain()


@app.command("verify")
def verify_command(database: DatabaseArgument) -> None:
    """Recompute the books and print what differs; exit code 1 when something does."""
    with _friendly():
        _require(database)
        findings = verify(database)
    for finding in findings:
        typer.echo(str(finding))
    if findings:
        raise typer.Exit(1)
    typer.echo(f"{shown(database)}: the books are right")


@app.command()
def migrate(database: DatabaseArgument) -> None:
    """Create the schema of a new database, or bring an old one to this version.

    ``serve`` creates too, but refuses a database of another version.
    """
    with _friendly():
        _require(database)
        asyncio.run(_migrate(database))
    typer.echo(f"{shown(database)}: the schema is that of this version")


async def _migrate(database: str) -> None:
    """Apply what an old database lacks; to open a new one creates its tables."""
    # Alembic is in memory only where it is needed.
    from cage.storage.upgrade import upgrade  # noqa: PLC0415

    await upgrade(database)
    store = open_store(database, lanes=load_config(None).lanes)
    await store.start(asyncio.get_running_loop())
    await store.drain()


@keys.command("create")
def create_key(
    database: DatabaseArgument,
    key_id: Annotated[
        str,
        typer.Option(
            callback=_chosen_id,
            help="Id of the new key: lower-case letters, digits, . _ -",
        ),
    ] = "admin",
    display_name: Annotated[str, typer.Option(help="Name for humans.")] = "",
) -> None:
    """Create an ADMIN key while no server runs, and print its secret once.

    Every other key is created with this one, through AdminService.
    """
    with _friendly():
        if not is_postgres(database):
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        typer.echo(asyncio.run(_create_key(database, key_id, display_name)))


async def _create_key(database: str, key_id: str, display_name: str) -> str:
    """Create an ADMIN key by the ordinary use case and return its secret."""
    os.umask(0o077)
    store = open_store(database, lanes=load_config(None).lanes)
    await store.start(asyncio.get_running_loop())
    admin = AdminApp(
        writer=store.writer, reads=store.reads, random_bytes=secrets.token_bytes
    )
    command = CreateApiKey(
        key_id=LOCAL_ACTOR,
        request_id=str(uuid.uuid4()),
        new_key_id=key_id,
        role=Role.ADMIN,
        integration_id="",
        operator_ids=(),
        display_name=display_name,
        expire_time_us=0,
    )
    try:
        answer = await admin.create_key(command, timeout_s=_KEY_TIMEOUT_S)
    finally:
        await store.drain()
    return answer.api_key


def _require(database: str) -> None:
    if not is_postgres(database) and not Path(database).exists():
        raise typer.BadParameter(f"there is no {database}")


@contextmanager
def _friendly() -> Iterator[None]:
    """Tell what a person can mend in a line, and end with exit code 2."""
    try:
        yield
    except (
        ConfigError,
        ListenError,
        DatabaseLockedError,
        DurabilityError,
        SchemaError,
        UnusableDatabaseError,
        WorkerError,
    ) as error:
        typer.echo(f"caged: {error}", err=True)
    except CageError as error:
        typer.echo(f"caged: {to_status(error).message}", err=True)
    else:
        return
    raise typer.Exit(2)


def main() -> None:
    """Run the command."""
    app()
