"""What the tabs of the panel share: the data set, the state in the scene, worker processes, and word of changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer

import MSLesionSegTrainingLib
from MSLesionSegLib.errors import UsageError
from MSLesionSegTrainingScene.training_state import TrainingState
from MSLesionSegWidgets.message_line import MessageLine
from MSLesionSegWidgets.panel_context import PanelContext
from MSLesionSegWidgets.worker import Worker
from MSLesionSegWidgets.worker_command import WorkerCommand, package_folder
from MSLesionSegWidgets.worker_settings import command_from_settings

FOLDER_KEY = "MSLesionSegTraining/DataSet"
TRAINING = "MSLesionSegTrainingLib"


class TrainingContext:
    """One panel on one scene.

    Args:
        scene: the ``vtkMRMLScene``.
        message: the line above the tabs.

    Attributes:
        state: the module's state in the scene.
        study: state, review and clock of MSLesionSeg on the case that is open.
        message: says how it went, and tells errors (``with context.message.trying(): ...``).
    """

    def __init__(self, scene: Any, message: MessageLine) -> None:
        self.scene = scene
        self.message = message
        self.state = TrainingState(scene)
        self.study = PanelContext(scene)
        self._listeners: list[Callable[[], None]] = []
        self._workers: list[Worker] = []

    @property
    def folder(self) -> Path | None:
        """The data set, a folder of studies in BIDS: that of the scene, or the one chosen last; None where none is."""
        text = self.state.data_set or str(slicer.util.settingsValue(FOLDER_KEY, "") or "")
        return Path(text) if text else None

    def choose_folder(self, folder: Path) -> None:
        """Take another data set.

        Raises:
            UsageError: there is no such folder.
        """
        if not folder.is_dir():
            raise UsageError(f"There is no folder {folder}.", "Choose the folder of the studies.")
        self.state.data_set = str(folder.absolute())
        qt.QSettings().setValue(FOLDER_KEY, self.state.data_set)
        self.tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever something that a tab shows may have changed."""
        self._listeners.append(listener)

    def tell(self) -> None:
        """Let every tab show how things are now."""
        for listener in self._listeners:
            listener()

    def new_worker(self) -> Worker:
        """A worker for short commands; it is ended with the panel."""
        worker = Worker()
        self._workers.append(worker)
        return worker

    def command(self, words: tuple[str, ...], *, out: Path | None = None) -> WorkerCommand:
        """The command ``python -m MSLesionSegTrainingLib WORDS`` with the Python of the settings.

        Args:
            words: of the command line; give ``"--progress", "json"`` for a ``Worker``.
            out: see ``WorkerCommand``.

        Raises:
            DependencyError: that Python is not there.
        """
        folders = (package_folder(), Path(MSLesionSegTrainingLib.__file__).resolve().parents[1])
        return command_from_settings(words, out=out, module=TRAINING, folders=tuple(dict.fromkeys(folders)))

    def open_path(self, path: Path) -> None:
        """Open a file or folder in the program that the system has for it.

        Raises:
            UsageError: it is not there.
        """
        if not path.exists():
            raise UsageError(f"There is no {path}.", "It may have been moved; make it anew.")
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path.absolute())))

    def close(self) -> None:
        """The panel goes: end what the workers do."""
        for worker in self._workers:
            worker.close()
