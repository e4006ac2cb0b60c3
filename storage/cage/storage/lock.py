"""Hold a database file for one process, and name the holder to all others."""

import fcntl
import os
from pathlib import Path

from cage.storage.errors import DatabaseLockedError


class FileLock:
    """Lock ``<database>.lock`` exclusively until release or the end of the process.

    The kernel drops the lock when the process dies, so nothing has to be cleaned up
    after a crash; the file itself stays.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.read(self._fd, 256).decode(errors="replace").strip()
            os.close(self._fd)
            raise DatabaseLockedError(str(database), holder) from exc
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"process {os.getpid()}".encode())

    def release(self) -> None:
        """Give the database up."""
        os.close(self._fd)
