"""Which process works on a run, so that another program knows later whether it still does.

A number alone says little: after a restart of the computer it belongs to another program. So the moment at which the
process began is kept with it, as the system tells it, and the name of the computer. Standard library only.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SECONDS_TO_ASK = 10


@dataclass(frozen=True)
class RunProcess:
    """A process of some computer.

    Attributes:
        number: of the process.
        began: when it began, in the words of the system; two processes with one number differ in it.
        computer: name of the computer.
    """

    number: int
    began: str
    computer: str

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this computer."""
        return self.computer == platform.node()

    @property
    def lives(self) -> bool:
        """Whether it is still there. False for one of another computer, of which nothing can be known."""
        return self.is_here and bool(self.began) and beginning_of(self.number) == self.began

    def as_line(self) -> dict[str, Any]:
        """Plain values for a line of ``progress.jsonl``."""
        return {"number": self.number, "began": self.began, "computer": self.computer}


def process_of(number: int) -> RunProcess:
    """The process of that number on this computer; one that has ended already has an empty beginning."""
    return RunProcess(number, beginning_of(number), platform.node())


def process_from_line(values: object) -> RunProcess | None:
    """What ``as_line`` wrote; None where it is not that."""
    if not isinstance(values, dict):
        return None
    number, began, computer = (values.get(name) for name in ("number", "began", "computer"))
    if not isinstance(number, int) or not isinstance(began, str) or not isinstance(computer, str):
        return None
    return RunProcess(number, began, computer)


def beginning_of(number: int, platform_name: str = sys.platform) -> str:
    """When the process of that number began; empty where there is none, or where it has ended and waits to be counted.

    Linux: start of the computer and clock ticks since then (proc(5), field 22 of ``stat``). Windows: the creation time
    of ``GetProcessTimes``. Elsewhere: ``lstart`` of ``ps``.
    """
    if platform_name == "linux":
        return _from_proc(number)
    if platform_name == "win32":
        return _from_windows(number)
    return _from_ps(number)


def _from_proc(number: int) -> str:
    try:
        # "number (name) state parent ..."; the name may hold spaces and brackets.
        fields = Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        computer_began = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
    state, ticks = fields[0], fields[19]
    return "" if state in ("Z", "X") else f"{computer_began} {ticks}"


def _from_ps(number: int) -> str:
    words = ["ps", "-o", "state=,lstart=", "-p", str(number)]
    try:
        told = subprocess.run(
            words,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS_TO_ASK,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    state, _, began = told.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else " ".join(began.split())


def _from_windows(number: int) -> str:
    import ctypes
    from ctypes import wintypes

    query_limited_information, still_active = 0x1000, 259
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    kernel.GetExitCodeProcess.argtypes = (wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD))
    kernel.GetProcessTimes.argtypes = (wintypes.HANDLE, *[ctypes.POINTER(wintypes.FILETIME)] * 4)
    kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
    handle = kernel.OpenProcess(query_limited_information, False, number)
    if not handle:
        return ""
    try:
        code = wintypes.DWORD()
        created, *others = (wintypes.FILETIME() for _ in range(4))
        if not kernel.GetExitCodeProcess(handle, ctypes.byref(code)) or code.value != still_active:
            return ""
        if not kernel.GetProcessTimes(handle, *(ctypes.byref(time) for time in (created, *others))):
            return ""
        return str(created.dwHighDateTime << 32 | created.dwLowDateTime)
    finally:
        kernel.CloseHandle(handle)
