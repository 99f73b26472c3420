"""Follows one run from Slicer's event loop, and ends it; the run itself needs nobody."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import qt
import slicer

from MSLesionSegLib.errors import ResourceError
from MSLesionSegTrainingLib.run_following import FollowedRun, RunState
from MSLesionSegTrainingLib.run_start import let_go, start_run
from MSLesionSegWidgets.process_tree import ask_to_stop, end_tree, list_processes
from MSLesionSegWidgets.worker_command import WorkerCommand

from .training_context import TrainingContext

#: The run chosen last, so that it is followed again after Slicer was closed.
RUN_KEY = "MSLesionSegTraining/Run"
#: How often the run is looked at, milliseconds.
LOOK_MS = 1000


def chosen_run(context: TrainingContext) -> Path | None:
    """Folder of the run of the scene, or of the one chosen last; None where none is."""
    text = context.state.run or str(slicer.util.settingsValue(RUN_KEY, "") or "")
    return Path(text) if text else None


def choose_run(context: TrainingContext, folder: Path) -> None:
    """Let both tabs follow the run in a folder, also after Slicer was closed."""
    context.state.run = str(folder.absolute())
    qt.QSettings().setValue(RUN_KEY, context.state.run)
    context.tell()


class RunFollower:
    """Looks at a run once a second and tells whoever listens when something is new.

    Nothing ties the run to Slicer: closing this only stops looking.

    Attributes:
        run: what is known of the run; None where none is followed.
        cancelling: whether the run was asked to end and is still there.
    """

    def __init__(self) -> None:
        self.run: FollowedRun | None = None
        self.cancelling = False
        self._listeners: list[Callable[[], None]] = []
        self._state = RunState.none
        self._timer = qt.QTimer()
        self._timer.setInterval(LOOK_MS)
        self._timer.connect("timeout()", self.look)

    @property
    def state(self) -> RunState:
        """How the run stood when it was last looked at."""
        return self._state

    @property
    def running(self) -> bool:
        """Whether the run goes on."""
        return self._state is RunState.running

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever the run has told something, or another one is followed."""
        self._listeners.append(listener)

    def follow_chosen(self, context: TrainingContext) -> None:
        """Follow the run of the scene, or nothing where none is chosen."""
        run = chosen_run(context)
        if run is None:
            self.forget()
        else:
            self.follow(run)

    def follow(self, folder: Path) -> None:
        """Follow the run in a folder from now on, as one that was started before Slicer was."""
        if self.run is not None and self.run.folder == folder:
            self.look()
            return
        self.run = FollowedRun(folder)
        self.cancelling = False
        self._timer.start()
        self.look(always=True)

    def forget(self) -> None:
        """Follow nothing."""
        self._timer.stop()
        self.run, self._state, self.cancelling = None, RunState.none, False
        self._tell()

    def start(self, command: WorkerCommand, folder: Path) -> None:
        """Start a run apart from Slicer, and follow it.

        Raises:
            ResourceError: a run is going on, here or in the folder.
            OutputError: the folder cannot be written.
            DependencyError: the Python cannot be started.
        """
        if self.running:
            raise ResourceError("A training is still running.", "Wait until it ends, or press Cancel.")
        start_run(command.program, command.arguments, command.environment, folder)
        self.run = None
        self.follow(folder)

    def cancel(self) -> None:
        """Ask the run to end, which keeps its last state and its best epoch; ask again to end it at once."""
        if not self.running:
            return
        process = self.run.process
        words = _words_of(process.number, self.run.words)
        if self.cancelling:
            logging.info("MSLesionSeg: the training is ended by force")
            end_tree(process.number)
        else:
            self.cancelling = True
            ask_to_stop(process.number, words)
        self.look(always=True)

    def look(self, *, always: bool = False) -> None:
        """See what is new."""
        if self.run is None:
            return
        let_go()
        news = self.run.read()
        state = self.run.state
        changed, self._state = state is not self._state, state
        if not self.running:
            self.cancelling = False
        if news or changed or always:
            self._tell()

    def close(self) -> None:
        """Stop looking; the run goes on."""
        self._timer.stop()
        self._listeners.clear()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _words_of(number: int, recorded: Sequence[str]) -> Sequence[str]:
    """The words of a process after its program, by which a launcher's child is known."""
    for process in list_processes():
        if process.number == number and " -m " in process.words:
            return ("-m", *process.words.partition(" -m ")[2].split(" "))
    return recorded
