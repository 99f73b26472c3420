"""Section Data set: what the annotators have left so far."""

from typing import Any

from slicer.i18n import tr as _

from MSLesionSegLib.errors import UsageError
from MSLesionSegTrainingLib.worklist import WORK
from MSLesionSegTrainingLib.worklist.summary import SUMMARY_FILE
from MSLesionSegWidgets.install import ready
from MSLesionSegWidgets.message_line import MessageLine

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
        ui.summaryButton.connect("clicked()", self.open_or_cancel)

    def refresh(self) -> None:
        """The button can be pressed where there is a folder."""
        if not self.job.running:
            self._ui.summaryButton.setEnabled(self._context.folder is not None)

    def open_or_cancel(self) -> None:
        """Make the page anew and open it, or stop that."""
        if self.job.running:
            self.job.cancel()
            return
        with self._message.trying():
            self._start()
            self._opens = True

    def measure(self) -> None:
        """Measure in the background of which cases the model is unsure; does nothing before all is installed."""
        if not self.job.running and ready():
            with self._message.trying():
                self._start()
                self._opens = False

    def _start(self) -> None:
        folder = self._context.folder
        if folder is None:
            raise UsageError(_("No folder of studies is chosen."), _("Choose it above."))
        self.job.start(("worklist", str(folder), "--progress", "json"))

    def _changed(self) -> None:
        self.refresh()

    def _done(self, result: dict[str, Any]) -> None:
        self._ui.summaryLabel.setText(summary_words(result["summary"]))
        self._on_measured()
        if self._opens:
            with self._message.trying():
                self._context.open_path(self._context.folder / WORK / SUMMARY_FILE)
