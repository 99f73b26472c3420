"""One command of the training package beside the panel: its button, its bar and how it ended."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from MSLesionSegWidgets.message_line import MessageLine
from MSLesionSegWidgets.worker_end import CANCELLED, DONE, End
from MSLesionSegWidgets.worker_lines import Step

from .train_packages import need_train_packages
from .training_context import TrainingContext

PER_MILLE = 1000


class SideJob:
    """Runs one command at a time; while it does, its button says Cancel and its bar is shown.

    Args:
        context: of the panel, which ends the command when it closes.
        button: that starts and cancels it.
        bar: a ``QProgressBar`` from 0 to 1000.
        message: takes a failure, and a cancel.
        on_done: called with what the command reported.
        on_change: called when a run begins and when it has ended.
        on_step: called with each step that it tells.

    Attributes:
        warnings: sentences of the present or the last run.
    """

    def __init__(
        self,
        context: TrainingContext,
        button: Any,
        bar: Any,
        message: MessageLine,
        on_done: Callable[[dict[str, Any]], None],
        on_change: Callable[[], None],
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        self._context = context
        self._button = button
        self._bar = bar
        self._message = message
        self._on_done = on_done
        self._on_change = on_change
        self._on_step = on_step
        self._text = str(button.text)
        self.warnings: list[str] = []
        self._worker = context.new_worker()
        self._worker.on_step = self._step
        self._worker.on_warning = self.warnings.append
        self._worker.on_end = self._ended
        bar.setVisible(False)

    @property
    def running(self) -> bool:
        """Whether the command runs."""
        return self._worker.running

    def start(self, words: tuple[str, ...], out: Path | None = None) -> None:
        """Start the command; ``out`` is the folder of its result, if it leaves one.

        Raises:
            ResourceError: it runs already.
            DependencyError: the Python of the settings is not there, or lacks what training needs.
        """
        need_train_packages()
        self._worker.start(self._context.command(words, out=out))
        self.warnings.clear()
        self._bar.setValue(0)
        self._show()

    def cancel(self) -> None:
        """Ask the command to end."""
        self._worker.cancel()
        self._button.setEnabled(False)

    def _show(self) -> None:
        running = self.running
        self._button.setText(_("Cancel") if running else self._text)
        self._button.setEnabled(True)
        self._bar.setVisible(running)
        self._on_change()

    def _step(self, step: Step, _seconds: float | None) -> None:
        self._bar.setValue(round(step.fraction * PER_MILLE))
        self._bar.setToolTip(step.message)
        self._on_step(step)

    def _ended(self, end: End) -> None:
        self._show()
        if end.kind == DONE:
            self._on_done(end.result)
        elif end.kind == CANCELLED:
            self._message.say(end.message)
        else:
            self._message.fail(end.message, end.hint)
