"""Runs the engine in a process of its own, watched from Slicer's event loop, so that Slicer stays usable.

The engine's contract: stdout carries the protocol (``worker_lines``), stderr is the log, SIGTERM asks for a cancel, and
a result is written whole or not at all.
"""

import sys
import time
from collections import deque
from collections.abc import Callable

import qt

from MSLesionSegLib.errors import ResourceError

from .process_tree import ask_to_stop, end_tree
from .time_left import TimeLeft
from .worker_cleanup import remove_leftovers
from .worker_command import WorkerCommand
from .worker_end import End, end_of_run, not_started
from .worker_lines import Failed, Finished, LineSplitter, Step, Warned, understand

#: Lines of the log that are kept for the sentence about a crash and for the details.
LOG_LINES = 1000
#: A cancelled run that has not ended after this long is ended by force, milliseconds.
GRACE_MS = 15_000
#: When Slicer closes, a run gets this long to end by itself, milliseconds.
GRACE_AT_CLOSE_MS = 3_000


class Worker:
    """One run at a time of the engine's command line.

    The callbacks are called from the event loop of the thread that made the worker, never from ``start`` or ``cancel``
    themselves. Set those that are wanted:

    Attributes:
        on_step: called with (``worker_lines.Step``, seconds left or None).
        on_warning: called with a sentence.
        on_log: called with a line of the log.
        on_end: called once a run, with a ``worker_end.End``, when the process is gone.
        log: the last lines of the log of the present or the last run.
    """

    def __init__(self) -> None:
        self.on_step: Callable[[Step, float | None], None] = _ignore
        self.on_warning: Callable[[str], None] = _ignore
        self.on_log: Callable[[str], None] = _ignore
        self.on_end: Callable[[End], None] = _ignore
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._process: qt.QProcess | None = None
        self._command: WorkerCommand | None = None
        self._force = qt.QTimer()
        self._force.setSingleShot(True)
        self._force.connect("timeout()", self._end_by_force)

    @property
    def running(self) -> bool:
        """Whether a run is going on, also while it is being cancelled."""
        return self._command is not None

    @property
    def cancelling(self) -> bool:
        """Whether a cancel was asked for and the process is still there."""
        return self.running and self._cancelled

    def seconds_left(self) -> float | None:
        """Seconds that the run will probably take from now; None where that cannot be told."""
        return self._time_left.seconds(time.monotonic()) if self.running else None

    def start(self, command: WorkerCommand) -> None:
        """Start a run; returns at once.

        Raises:
            ResourceError: another run is going on.
        """
        if self.running:
            raise ResourceError("A computation is still running.", "Wait until it ends, or press Cancel.")
        self.log.clear()
        self._command, self._cancelled, self._said = command, False, None
        self._out, self._err = LineSplitter(), LineSplitter()
        self._time_left = TimeLeft(time.monotonic())
        process = self._process = qt.QProcess()
        environment = qt.QProcessEnvironment()
        for name, value in command.environment.items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.setStandardInputFile(qt.QProcess.nullDevice())
        process.connect("readyReadStandardOutput()", self._read_lines)
        process.connect("readyReadStandardError()", self._read_log)
        process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._failed)
        process.start(command.program, list(command.arguments))

    def cancel(self) -> None:
        """Ask the run to end; ``on_end`` tells when it has. Does nothing where no run is going on."""
        if not self.running or self._cancelled:
            return
        self._cancelled = True
        self._force.start(GRACE_MS)
        if number := self._number():
            ask_to_stop(number, self._command.arguments)

    def close(self) -> None:
        """End the run, by force where it takes longer than three seconds, and call nobody back any more.

        For when Slicer or the panel closes. A worker that was closed can be started again.
        """
        self.on_step = self.on_warning = self.on_log = self.on_end = _ignore
        if not self.running:
            return
        self.cancel()
        if not self._process.waitForFinished(GRACE_AT_CLOSE_MS) and self.running:
            self._end_by_force()
            self._process.waitForFinished(GRACE_AT_CLOSE_MS)
        if self.running:  # the loop does not turn any more and told nothing
            self._over(End("cancelled", ""))

    def _number(self) -> int:
        """The process's number; 0 where it is not there."""
        return int(self._process.processId())

    def _end_by_force(self) -> None:
        if self.running and (number := self._number()):
            end_tree(number)

    def _read_lines(self) -> None:
        for line in self._out.feed(_bytes(self._process.readAllStandardOutput())):
            self._hear(line)

    def _read_log(self) -> None:
        for line in self._err.feed(_bytes(self._process.readAllStandardError())):
            self._note(line)

    def _hear(self, line: str) -> None:
        said = understand(line)
        if isinstance(said, Step):
            now = time.monotonic()
            self._time_left.step(now, said.fraction)
            _call(self.on_step, said, self._time_left.seconds(now))
        elif isinstance(said, Warned):
            _call(self.on_warning, said.message)
        elif isinstance(said, Finished | Failed):
            self._said = said

    def _note(self, line: str) -> None:
        self.log.append(line)
        _call(self.on_log, line)

    def _failed(self, error: int) -> None:
        """Only a process that never started is told here; any other end comes through ``_finished``."""
        if error == qt.QProcess.FailedToStart:
            qt.QTimer.singleShot(0, self._not_started)  # Qt may say so while ``start`` has not returned

    def _not_started(self) -> None:
        if self.running:
            self._over(not_started(self._command.program, self._process.errorString()))

    def _finished(self, code: int, status: int) -> None:
        if not self.running:
            return
        self._read_lines()
        self._read_log()
        for line in self._out.end():
            self._hear(line)
        for line in self._err.end():
            self._note(line)
        self._over(
            end_of_run(
                self._said,
                code=int(code),
                crashed=status == qt.QProcess.CrashExit,
                cancelled=self._cancelled,
                log=self.log,
                program=self._command.program,
            )
        )

    def _over(self, end: End) -> None:
        command, self._command = self._command, None
        self._force.stop()
        if command.out is not None and end.kind != "done":
            remove_leftovers(command.out)
        _call(self.on_end, end)


def _ignore(*_what: object) -> None:
    """The callback that nobody set."""


def _call(callback: Callable[..., None], *what: object) -> None:
    """Call back; a defect of the panel is told where Slicer tells them, and the run goes on."""
    try:
        callback(*what)
    except Exception:
        sys.excepthook(*sys.exc_info())


def _bytes(array: "qt.QByteArray") -> bytes:
    """The bytes of a QByteArray; PythonQt gives None for an empty one."""
    return array.data() or b""
