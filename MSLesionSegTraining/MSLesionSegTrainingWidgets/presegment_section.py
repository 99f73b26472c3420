"""Section Model's lesions: the model's mask of every case, made in the background."""

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import DependencyError, UsageError
from MSLesionSegTrainingLib.worklist import PRESEGMENTED
from MSLesionSegWidgets.install_dialog import ensure_installed
from MSLesionSegWidgets.install_requirements import BATCH
from MSLesionSegWidgets.message_line import MessageLine
from MSLesionSegWidgets.worker_end import INSTALL_HINT
from MSLesionSegWidgets.worker_lines import Step

from .model_combo import SHIPPED, list_into
from .side_job import SideJob
from .training_context import TrainingContext


class PresegmentSection:
    """Starts, follows and cancels ``batch`` on the folder; what is finished stays, and is not done again.

    Args:
        ui: the widgets of ``WorkList.ui``.
        context: of the panel.
        on_change: called when a case was finished, and at the end.
    """

    def __init__(self, ui: Any, context: TrainingContext, on_change: Callable[[], None]) -> None:
        self._ui = ui
        self._context = context
        self._on_change = on_change
        self._message = MessageLine(ui.workMessage)
        self.job = SideJob(
            context,
            ui.presegmentButton,
            ui.presegmentProgress,
            self._message,
            self._done,
            self._changed,
            on_step=self._step,
        )
        ui.presegmentButton.connect("clicked()", self.start_or_cancel)

    def enter(self) -> None:
        """List the models anew, since some may have been added."""
        list_into(self._ui.presegmentModelCombo)

    def refresh(self) -> None:
        """The button can be pressed where there is a folder."""
        if not self.job.running:
            self._ui.presegmentButton.setEnabled(self._context.folder is not None)

    def start_or_cancel(self) -> None:
        """What the button does."""
        if self.job.running:
            self.job.cancel()
            self._ui.presegmentLabel.setText(_("Cancelling; cases that are finished stay..."))
            return
        with self._message.trying():
            folder = self._context.folder
            if folder is None:
                raise UsageError(_("No folder of studies is chosen."), _("Choose it above."))
            if not ensure_installed(slicer.util.mainWindow(), extra=BATCH):
                raise DependencyError(_("What the computation needs is not installed yet."), INSTALL_HINT)
            model = str(self._ui.presegmentModelCombo.currentData or SHIPPED)
            words = ["batch", str(folder), str(folder / PRESEGMENTED)]
            words += [] if model == SHIPPED else ["--model", model]
            self.job.start((*words, "--device", self._context.study.state.device or "auto", "--progress", "json"))

    def _step(self, step: Step) -> None:
        if step.message and step.message != str(self._ui.presegmentLabel.text):
            self._ui.presegmentLabel.setText(step.message)
            self._on_change()

    def _changed(self) -> None:
        self._ui.presegmentModelCombo.setEnabled(not self.job.running)
        if not self.job.running:
            self._ui.presegmentLabel.setText("")
        self._on_change()

    def _done(self, result: dict[str, Any]) -> None:
        told = _("Lesions found in {done} cases; {kept} were finished before.").format(**result)
        if self.job.warnings:
            self._message.fail(told, " ".join(self.job.warnings))
        else:
            self._message.say(told)
