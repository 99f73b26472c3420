"""The processes that a process started, and how they are ended on Linux, macOS and Windows. Plain Python, no Qt.

On Linux and Windows Slicer's ``PythonSlicer`` is a launcher: the engine is its child, and a signal to the launcher
alone would leave the engine running.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SECONDS_TO_LIST = 10


@dataclass(frozen=True)
class Process:
    """One process: its number, its parent's, and its words joined by spaces."""

    number: int
    parent: int
    words: str


def engine_of(root: int, arguments: Sequence[str], table: Sequence[Process]) -> int:
    """The process among ``root`` and those it started that runs the command itself.

    A launcher starts another program with the same arguments; a copy that a program makes of itself (fork) has the same
    program as well, and is not descended to.

    Args:
        root: the process that was started.
        arguments: the words after the program with which it was started.
        table: all processes, see ``list_processes``.

    Returns:
        Its number; ``root`` where nothing better is known.
    """
    ending = " " + " ".join(arguments)
    by_number = {process.number: process for process in table}
    while root in by_number:
        for process in table:
            if process.parent == root and process.words != by_number[root].words and process.words.endswith(ending):
                root = process.number
                break
        else:
            break
    return root


def tree_of(root: int, table: Sequence[Process]) -> list[int]:
    """``root`` and all that it started, directly or not, parents first."""
    found = [root]
    for number in found:
        found += [process.number for process in table if process.parent == number and process.number not in found]
    return found


def list_processes(platform: str = sys.platform) -> list[Process]:
    """All processes of this machine that can be seen; empty on Windows, where ``taskkill`` knows the tree itself."""
    if platform == "win32":
        return []
    if platform == "linux":
        return _from_proc(Path("/proc"))
    words = ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="]
    listing = subprocess.run(
        words, capture_output=True, encoding="utf-8", errors="replace", timeout=_SECONDS_TO_LIST, check=False
    )
    return from_ps(listing.stdout)


def from_ps(listing: str) -> list[Process]:
    """The processes in what ``ps -o pid=,ppid=,command=`` prints."""
    processes = []
    for line in listing.splitlines():
        number, _, rest = line.strip().partition(" ")
        parent, _, words = rest.strip().partition(" ")
        if number.isdigit() and parent.isdigit():
            processes.append(Process(int(number), int(parent), words.strip()))
    return processes


def kill_words(root: int) -> list[str]:
    """The Windows command that ends a process and all that it started; there is no gentler one for a hidden console."""
    return ["taskkill", "/PID", str(root), "/T", "/F"]


def ask_to_stop(root: int, arguments: Sequence[str]) -> None:
    """Ask the engine that runs under ``root`` to cancel: SIGTERM, once; on Windows the tree is ended at once."""
    if sys.platform == "win32":
        end_tree(root)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(engine_of(root, arguments, list_processes()), signal.SIGTERM)


def end_tree(root: int) -> None:
    """End ``root`` and all that it started, at once."""
    if sys.platform == "win32":
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                kill_words(root),
                capture_output=True,
                timeout=_SECONDS_TO_LIST,
                check=False,
                creationflags=subprocess.CREATE_NO_WINDOW,
            )
        return
    for number in reversed(tree_of(root, list_processes())):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(number, signal.SIGKILL)


def _from_proc(folder: Path) -> list[Process]:
    processes = []
    for entry in folder.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):  # it ended meanwhile
            # "number (name) state parent ..."; the name may hold spaces and brackets.
            parent = int((entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").replace("\0", " ")
            processes.append(Process(int(entry.name), parent, words))
    return processes
