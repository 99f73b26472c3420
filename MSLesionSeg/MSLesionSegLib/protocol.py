"""How a running command tells its progress, takes a cancel, and reports its end.

Three voices share one interface: a bar for a person (stderr), one JSON object per line for a program (stdout), silence.
A line of JSON is ``{"stage", "fraction", "message"}``, ``{"warning"}``, and last ``{"result"}`` or
``{"error": {"kind", "message", "hint"}}``; a reader ignores every line that is not such an object.
"""

import contextlib
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from .errors import Cancelled, MSLesionSegError, UsageError

#: Stages of ``segment`` in order, with their usual share of the time.
SEGMENT_STAGES: Mapping[str, float] = {
    "read": 5,
    "register": 12,
    "brain": 8,
    "bias": 10,
    "resample": 2,
    "network": 40,
    "confidence": 16,
    "lesions": 1,
    "write": 6,
}
#: Updates of the same stage and message that move the overall fraction by less than this are not shown.
SMALLEST_STEP = 0.001


class Progress:
    """Progress that is not shown; base of the ones that are.

    The overall fraction runs from 0 to 1 and never goes back, also where stages are skipped or come in another order.

    Args:
        stages: name of each stage, in order, with its share of the time (any positive unit).

    Attributes:
        fraction: overall fraction done, 0 to 1.
        cancelled: set from a signal handler or another thread; the next ``check`` raises.
        outlives_reader: whether the run goes on when nobody reads its lines any more.
    """

    def __init__(self, stages: Mapping[str, float] = SEGMENT_STAGES) -> None:
        self._shown: tuple[str, str, float] | None = None
        self.fraction = 0.0
        self.cancelled = False
        self.outlives_reader = False
        self.plan(stages)

    def plan(self, stages: Mapping[str, float]) -> None:
        """Set the table of stages, before the first of them; the first is entered."""
        total, before = sum(stages.values()), 0.0
        self._start, self._share = {}, {}
        for name, weight in stages.items():
            self._start[name], self._share[name] = before / total, weight / total
            before += weight
        self._stage, self._message = next(iter(stages)), ""

    def stage(self, name: str, message: str = "") -> None:
        """Enter a stage; everything before it counts as done.

        Raises:
            Cancelled: a cancel was asked for.
            KeyError: the stage is not in the table.
        """
        self.check()
        self._stage, self._message = name, message
        self._advance(self._start[name])

    def update(self, fraction_of_stage: float, message: str = "") -> None:
        """Say how much of the present stage is done, 0 to 1; without a message the last one stays.

        Raises:
            Cancelled: a cancel was asked for.
        """
        self.check()
        done = min(max(fraction_of_stage, 0.0), 1.0) if math.isfinite(fraction_of_stage) else 0.0
        self._message = message or self._message
        self._advance(self._start[self._stage] + done * self._share[self._stage])

    def check(self) -> None:
        """Raise ``Cancelled`` if a cancel was asked for."""
        if self.cancelled:
            raise Cancelled()

    def warn(self, message: str) -> None:
        """Tell the user something that does not stop the run."""

    def result(self, payload: dict[str, Any]) -> None:
        """Report the end of a run that went well; ``payload["message"]`` is the sentence for a person."""

    def error(self, error: MSLesionSegError) -> None:
        """Report the end of a run that failed."""

    def close(self) -> None:
        """Take the bar off the screen; may be called twice."""

    def _advance(self, fraction: float) -> None:
        self.fraction = max(self.fraction, min(fraction, 1.0))
        shown = (self._stage, self._message, self.fraction)
        if self._shown and shown[:2] == self._shown[:2] and self.fraction - self._shown[2] < SMALLEST_STEP:
            return
        self._shown = shown
        self._show()

    def _show(self) -> None:
        """Show stage, message and fraction; nothing here."""


class SilentProgress(Progress):
    """Only warnings and errors, as sentences on stderr."""

    def warn(self, message: str) -> None:
        """Print the warning on stderr."""
        print(f"Warning: {message}", file=sys.stderr, flush=True)

    def error(self, error: MSLesionSegError) -> None:
        """Print the sentence and the hint on stderr."""
        self.close()
        print(f"Error: {error.message}", file=sys.stderr)
        if error.hint:
            print(error.hint, file=sys.stderr)
        sys.stderr.flush()


class BarProgress(SilentProgress):
    """A bar with the time left on stderr (a line per stage where stderr is no terminal); the result on stdout."""

    def __init__(self, stages: Mapping[str, float] = SEGMENT_STAGES) -> None:
        super().__init__(stages)
        self._bar: Any = None
        self._task: Any = None
        self._printed_stage = ""

    def warn(self, message: str) -> None:
        """Print the warning above the bar."""
        if self._bar is not None and self._bar.live.is_started:
            self._bar.console.print(f"Warning: {message}", markup=False, highlight=False, soft_wrap=True)
        else:
            super().warn(message)

    def result(self, payload: dict[str, Any]) -> None:
        """Print the sentence for a person on stdout."""
        if self._bar is not None:
            self._bar.update(self._task, completed=1.0, description="done")
        self.close()
        print(payload["message"], flush=True)

    def close(self) -> None:
        """Stop the bar and give the cursor back."""
        if self._bar is not None:
            self._bar.stop()

    def _show(self) -> None:
        text = f"{self._stage}: {self._message}" if self._message else self._stage
        if not sys.stderr.isatty():
            if self._printed_stage != self._stage:
                self._printed_stage = self._stage
                print(text, file=sys.stderr, flush=True)
            return
        if self._bar is None:
            self._start_bar()
        self._bar.update(self._task, completed=self.fraction, description=text)

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=1.0)
        self._bar.start()


class JsonProgress(Progress):
    """One JSON object per line.

    Args:
        stages: see ``Progress``.
        stream: where the lines go; by default stdout as it is now.
    """

    def __init__(self, stages: Mapping[str, float] = SEGMENT_STAGES, stream: TextIO | None = None) -> None:
        super().__init__(stages)
        self._stream = sys.stdout if stream is None else stream

    def warn(self, message: str) -> None:
        """Write ``{"warning": message}``."""
        self._write({"warning": message})

    def result(self, payload: dict[str, Any]) -> None:
        """Write ``{"result": payload}``."""
        self._write({"result": payload})

    def error(self, error: MSLesionSegError) -> None:
        """Write ``{"error": {"kind", "message", "hint"}}``."""
        self._write({"error": {"kind": error.kind, "message": error.message, "hint": error.hint}})

    def _show(self) -> None:
        self._write({"stage": self._stage, "fraction": round(self.fraction, 4), "message": self._message})

    def _write(self, line: dict[str, Any]) -> None:
        try:
            self._stream.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
            self._stream.flush()
        except OSError:  # the reader is gone
            self.cancelled = self.cancelled or not self.outlives_reader


def make_progress(kind: str, stages: Mapping[str, float] = SEGMENT_STAGES, stream: TextIO | None = None) -> Progress:
    """Progress by name: ``bar``, ``json`` (lines to ``stream``, by default stdout) or ``none``.

    Raises:
        UsageError: another name.
    """
    if kind == "bar":
        return BarProgress(stages)
    if kind == "json":
        return JsonProgress(stages, stream)
    if kind == "none":
        return SilentProgress(stages)
    raise UsageError(f"--progress is '{kind}', which is not known.", "Use bar, json or none.")


def claim_stdout() -> TextIO:
    """Keep stdout for the protocol alone.

    Returns:
        a UTF-8 stream on what was stdout. From now on whatever else is printed on stdout, also by a C library, goes to
        stderr.
    """
    sys.stdout.flush()
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="\n")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return stream


@contextlib.contextmanager
def cancel_on_signals(progress: Progress) -> Iterator[None]:
    """Inside, SIGINT, SIGTERM and (Windows) SIGBREAK ask ``progress`` to cancel.

    A second signal raises ``Cancelled`` at once, for a step that never looks. Does nothing outside the main thread,
    where Python takes no signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(_number: int, _frame: object) -> None:
        if progress.cancelled:
            raise Cancelled()
        progress.cancelled = True

    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    before = {number: signal.signal(number, ask) for name in names if (number := getattr(signal, name, None))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
