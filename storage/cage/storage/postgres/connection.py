"""Connect a lane to PostgreSQL, and judge what goes wrong there."""

import asyncio
import socket
from enum import Enum
from typing import Any

import asyncpg

from cage.storage.errors import DurabilityError, UnusableDatabaseError
from cage.storage.store import shown

CONNECT_TIMEOUT_S = 5.0
# A batch that waits so long for its lane gives up; an orphan's lock dies before.
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 10_000
# Transactions of processes that died or hang, and peers that do not answer, end.
IDLE_TIMEOUT_MS = 4_000
TCP_TIMEOUT_MS = 4_000
# Longer than the server needs to give a statement up by itself.
COMMAND_TIMEOUT_S = STATEMENT_TIMEOUT_MS / 1_000 + 2.0

# Keys lead to rows one by one, whatever the planner thinks of tables that are empty
# or were never analysed; plans are made once per text.
_PLANS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "enable_material": "off",
    "jit": "off",
}
_LIMITS = {
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_TIMEOUT_MS),
    "tcp_user_timeout": str(TCP_TIMEOUT_MS),
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "2",
}
Connection = Any


class Trouble(Enum):
    """Say what follows from an error of the database."""

    RACED = "the transaction lost a race: the same batch again"
    WAITED = "no lock in time: the same batch again, then give up"
    LOST = "the connection is gone: connect, then the same batch again"
    DOWN = "the database takes no writes: refuse until it does"
    BAD = "one of the commands is to blame"


_RACED = frozenset({"40001", "40P01", "23505"})
_WAITED = frozenset({"55P03", "57014"})
_LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04"})
# Read-only (a standby), a full disk, no memory, no room for a connection.
_DOWN = frozenset({"25006", "53000", "53100", "53200", "53300"})


def judge(error: BaseException) -> Trouble:
    """Say what follows from an error of a batch."""
    state = getattr(error, "sqlstate", None) or ""
    if state in _RACED:
        return Trouble.RACED
    if state in _WAITED:
        return Trouble.WAITED
    if state in _LOST or state.startswith("08"):
        return Trouble.LOST
    if state in _DOWN:
        return Trouble.DOWN
    if state or isinstance(error, asyncpg.DataError):
        return Trouble.BAD
    lost = (OSError, TimeoutError, EOFError, asyncpg.InternalClientError)
    if isinstance(error, lost) or _is_closed(error):
        return Trouble.LOST
    return Trouble.BAD


def _is_closed(error: BaseException) -> bool:
    """Say whether the driver refuses to use a connection that is gone."""
    return (
        isinstance(error, asyncpg.InterfaceError)
        and not isinstance(error, asyncpg.DataError)
        and "clos" in str(error)
    )


async def connect(url: str, name: str) -> Connection:
    """Open a connection for a lane. Raises what ``judge`` understands."""
    connection = await asyncpg.connect(
        url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        # Every text of the hot path stays prepared.
        statement_cache_size=1_024,
        max_cached_statement_lifetime=0,
        max_cacheable_statement_size=0,
        server_settings={"application_name": f"caged {name}", **_LIMITS, **_PLANS},
    )
    _guard_socket(connection)
    return connection


def _guard_socket(connection: Connection) -> None:
    """Let the kernel end a connection whose peer does not answer."""
    transport: asyncio.Transport = connection._transport  # noqa: SLF001
    peer: socket.socket | None = transport.get_extra_info("socket")
    if peer is None or peer.family == socket.AF_UNIX:
        return
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    user_timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
    if user_timeout is not None:
        peer.setsockopt(socket.IPPROTO_TCP, user_timeout, TCP_TIMEOUT_MS)


async def check_durability(connection: Connection, url: str) -> None:
    """Raise unless a COMMIT that is answered is on disk, and texts are UTF-8."""
    for name, wanted in (("fsync", "on"), ("full_page_writes", "on")):
        found = await connection.fetchval("SELECT current_setting($1)", name)
        if found != wanted:
            raise DurabilityError(name, wanted, found)
    found = await connection.fetchval("SELECT current_setting('synchronous_commit')")
    if found == "off":
        raise DurabilityError("synchronous_commit", "on", found)
    encoding = await connection.fetchval("SELECT current_setting('server_encoding')")
    if encoding != "UTF8":
        raise UnusableDatabaseError(shown(url), f"its encoding is {encoding}, not UTF8")
