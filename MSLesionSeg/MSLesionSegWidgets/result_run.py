"""One run of a command that makes something of results in the scene: results to files, the engine in the background.

The process works on copies of its own, so that the reader may go on meanwhile.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from MSLesionSegLib.errors import ResourceError

from .temporary_folder import make_temporary_folder
from .worker import Worker
from .worker_end import End
from .worker_settings import command_from_settings


class ResultRun:
    """Runs one command at a time.

    Args:
        on_end: called once a run with its end; not after ``close``.

    Attributes:
        worker: the process; its ``on_step``, ``on_warning`` and ``on_log`` may be set.
    """

    def __init__(self, on_end: Callable[[End], None]) -> None:
        self.worker = Worker()
        self.worker.on_end = self._ended
        self._on_end = on_end
        self._folder: Path | None = None

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self.worker.running

    def start(self, prepare: Callable[[Path], tuple[str, ...]], out: Path) -> None:
        """Start a run; returns at once.

        Args:
            prepare: given an empty folder, writes there what the command needs and gives the command's words.
            out: folder that the command writes.

        Raises:
            ResourceError: another run is going on.
            MSLesionSegError: of ``prepare``; or the Python of the settings, or Slicer's temporary folder, is not there.
        """
        if self.running:
            raise ResourceError("A computation is still running.", "Wait until it ends, or press Cancel.")
        self._folder = make_temporary_folder()
        try:
            words = prepare(self._folder)
            self.worker.start(command_from_settings((*words, "--progress", "json"), out=out))
        except BaseException:
            self._remove_folder()
            raise

    def cancel(self) -> None:
        """Ask the run to end; ``on_end`` tells when it has."""
        self.worker.cancel()

    def close(self) -> None:
        """End the run before the panel goes."""
        self.worker.close()
        self._remove_folder()

    def _ended(self, end: End) -> None:
        self._remove_folder()
        self._on_end(end)

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def unused_folder(parent: Path, name: str) -> Path:
    """A folder of that name that is not there yet; with a number after the name where one is."""
    number = 1
    while (folder := parent / (name if number == 1 else f"{name}_{number}")).exists():
        number += 1
    return folder
