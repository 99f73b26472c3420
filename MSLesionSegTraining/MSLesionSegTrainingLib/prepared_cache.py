"""A folder of prepared cases: each is made once, is either whole or not there, and is read without being loaded.

An entry is a folder named by a hash of all that it depends on. It is written beside its place and renamed, so that two
processes may build the same entry at once (the later one is thrown away) and a kill leaves nothing under its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import OutputError

_PARTIAL = ".partial-"
_LEFT_BEHIND_S = 24 * 3600.0


class PreparedCache:
    """Entries in a folder.

    Args:
        folder: made where it is missing.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _allow_many_files()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._remove_left_behind()
        except OSError as error:
            raise _not_writable(folder) from error

    def holds(self, facts: dict[str, Any]) -> bool:
        """Whether the entry with these facts is there."""
        return (self.folder / entry_name(facts)).is_dir()

    def entry(self, facts: dict[str, Any], build: Callable[[Path], None]) -> Path:
        """The folder of an entry, built if it is not there.

        Args:
            facts: all that the entry depends on: plain values. They are kept in it as ``facts.json``.
            build: writes the entry's files into the empty folder that it is given.

        Raises:
            OutputError: the folder cannot be written.
        """
        place = self.folder / entry_name(facts)
        if self.holds(facts):
            return place
        partial = self.folder / f"{_PARTIAL}{os.getpid()}-{uuid.uuid4().hex}"
        try:
            try:
                partial.mkdir()
            except OSError as error:
                raise _not_writable(self.folder) from error
            build(partial)
            (partial / "facts.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            with contextlib.suppress(OSError):
                os.rename(partial, place)
            if not place.is_dir():
                raise _not_writable(self.folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return place

    def _remove_left_behind(self) -> None:
        """Remove what killed processes left, once it is a day old."""
        for partial in self.folder.glob(f"{_PARTIAL}*"):
            with contextlib.suppress(OSError):
                if time.time() - partial.stat().st_mtime > _LEFT_BEHIND_S:
                    shutil.rmtree(partial, ignore_errors=True)


def _allow_many_files() -> None:
    """Let this process have as many files open as the system allows: each mapped array keeps one."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def entry_name(facts: dict[str, Any]) -> str:
    """32 hexadecimal digits of the SHA-256 of the facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _not_writable(folder: Path) -> OutputError:
    return OutputError(f"Prepared cases cannot be written into {folder}.", "Name another folder with --cache.")
