"""Section Data set: what the annotators have left so far."""

from collections import Counter
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import DependencyError, UsageError
from MSLesionSegTrainingLib.split import SHARES, read_split
from MSLesionSegTrainingLib.worklist import WORK
from MSLesionSegTrainingLib.worklist.summary import SUMMARY_FILE
from MSLesionSegWidgets.install import ready
from MSLesionSegWidgets.install_dialog import ensure_installed
from MSLesionSegWidgets.message_line import MessageLine
from MSLesionSegWidgets.worker_end import INSTALL_HINT

from .case_words import summary_words
from .side_job import SideJob
from .training_context import TrainingContext


class DataSetSection:
    """Sums up, measures what is new, and opens the page.

    Args:
        ui: the widgets of ``WorkList.ui``.
        context: of the panel.
        on_measured: called when the command ``worklist`` has ended, which also measures how unsure the model is.
    """

    def __init__(self, ui: Any, context: TrainingContext, on_measured: Any) -> None:
        self._ui = ui
        self._context = context
        self._on_measured = on_measured
        self._message = MessageLine(ui.summaryMessage)
        self._opens = False
        self.job = SideJob(context, ui.summaryButton, ui.summaryProgress, self._message, self._done, self._changed)
        self.split_job = SideJob(context, ui.splitButton, ui.splitProgress, self._message, self._split, self._changed)
        ui.summaryButton.connect("clicked()", self.open_or_cancel)
        ui.splitButton.connect("clicked()", self.split_or_cancel)

    def refresh(self) -> None:
        """The buttons can be pressed where there is a folder."""
        for job, button in ((self.job, self._ui.summaryButton), (self.split_job, self._ui.splitButton)):
            if not job.running:
                button.setEnabled(self._context.folder is not None)

    def open_or_cancel(self) -> None:
        """Make the page anew and open it, or stop that."""
        if self.job.running:
            self.job.cancel()
            return
        with self._message.trying():
            self._start()
            self._opens = True

    def split_or_cancel(self) -> None:
        """Read every image and mask, and allot annotated patients to training, validation and test; or stop that."""
        if self.split_job.running:
            self.split_job.cancel()
            return
        with self._message.trying():
            self.split_job.start(("cases", str(self._folder()), "--check", "--split", "--progress", "json"))

    def measure(self) -> None:
        """Measure in the background of which cases the model is unsure; does nothing before all is installed."""
        if not self.job.running and ready(torch=False):
            with self._message.trying():
                self._start()
                self._opens = False

    def _start(self) -> None:
        self.job.start(("worklist", str(self._folder()), "--progress", "json"))

    def _folder(self) -> Path:
        if self._context.folder is None:
            raise UsageError(_("No folder of studies is chosen."), _("Choose it above."))
        if not ensure_installed(slicer.util.mainWindow(), torch=False):
            raise DependencyError(_("What the computation needs is not installed yet."), INSTALL_HINT)
        return self._context.folder

    def _changed(self) -> None:
        self.refresh()

    def _split(self, result: dict[str, Any]) -> None:
        parts = Counter(read_split(self._context.folder).values())
        told = ", ".join(f"{parts[part]} {part}" for part in SHARES)
        words = _("{message} Patients: {parts}.").format(message=f"{result['message']}.", parts=told)
        if self.split_job.warnings:
            self._message.fail(words, " ".join(self.split_job.warnings))
        else:
            self._message.say(words)

    def _done(self, result: dict[str, Any]) -> None:
        self._ui.summaryLabel.setText(summary_words(result["summary"]))
        self._on_measured()
        if self._opens:
            with self._message.trying():
                self._context.open_path(self._context.folder / WORK / SUMMARY_FILE)
