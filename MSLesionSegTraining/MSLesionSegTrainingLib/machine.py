"""What this computer has free for a run: memory and disk."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def free_memory() -> int | None:
    """Bytes of memory that programs can still take; None where the system does not say.

    Linux: ``MemAvailable`` of ``/proc/meminfo``; Windows: ``ullAvailPhys`` of ``GlobalMemoryStatusEx``.
    """
    if sys.platform == "win32":
        return _free_on_windows()
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def free_disk(folder: Path) -> int:
    """Bytes free on the disk where a folder lies, or will lie."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def peak_memory() -> int | None:
    """Most bytes of memory that this process has held; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def same_disk(first: Path, second: Path) -> bool:
    """Whether two folders, which may not be there yet, lie on one disk."""
    devices = []
    for folder in (first, second):
        place = folder.absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        devices.append(os.stat(place).st_dev)
    return devices[0] == devices[1]


def _free_on_windows() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        """``MEMORYSTATUSEX``."""

        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("free", ctypes.c_ulonglong),
            ("others", ctypes.c_ulonglong * 5),
        )

    status = Status(length=ctypes.sizeof(Status))
    return status.free if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)) else None
