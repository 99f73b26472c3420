"""One process at a time for one folder: a lock file beside it, held through the operating system.

The kernel drops the lock when the process ends in whatever way, so a lock file left by a killed run locks nothing and
no process number has to be trusted.
"""

import contextlib
import os
from pathlib import Path

from .errors import OutputError

if os.name == "nt":
    import msvcrt
else:
    import fcntl

_LOCKED_BYTE = 1 << 20
"""Windows locks a byte range; one far behind the text leaves the file readable for others."""


class FolderLock:
    """Exclusive lock on ``path``; :meth:`acquire` never waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            OutputError: another process holds it; ``folder`` is named.
            OSError: the lock file cannot be made.
        """
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            if not _try_lock(descriptor):
                os.close(descriptor)
                raise OutputError(
                    f"Another process{self._holder()} is writing into {folder} at this moment.",
                    "Wait until it ends, or name another folder.",
                )
            if self._is_current(descriptor):
                break
            os.close(descriptor)  # the holder removed the file between our open and our lock
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Drop the lock and remove its file; safe to call twice."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        with contextlib.suppress(OSError):
            if os.name == "nt":  # an open file cannot be removed there
                os.close(descriptor)
                self.path.unlink()
            else:
                self.path.unlink()
                os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _holder(self) -> str:
        try:
            return f" (number {int(self.path.read_text()[:20])})"
        except (OSError, ValueError):
            return ""


def _try_lock(descriptor: int) -> bool:
    """Lock an open file without waiting; False where another process holds it."""
    try:
        if os.name == "nt":
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
