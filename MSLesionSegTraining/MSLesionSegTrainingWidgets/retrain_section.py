"""Tab Retrain: plan a run, start it apart from Slicer, and follow it."""

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import UsageError
from MSLesionSegTrainingLib.run_start import log_lines
from MSLesionSegWidgets.message_line import MessageLine
from MSLesionSegWidgets.worker_settings import choose_interpreter, interpreter_setting

from . import train_words
from .curves_view import CurvesView
from .masks_job import MasksJob
from .model_combo import list_into
from .run_follower import RunFollower, choose_run, chosen_run
from .run_words import epochs_words, stage_words, told_of
from .side_job import PER_MILLE, SideJob
from .train_packages import need_train_packages
from .training_context import TrainingContext
from .ui_files import load_ui

EPOCHS, HOURS = "epochs", "hours"


class RetrainSection:
    """The tab; ``build`` makes it.

    Attributes:
        ui: its widgets by name.
        follower: of the run.
        curves: of the run, in the scene.
    """

    def build(self, layout: Any, context: TrainingContext) -> None:
        """Make the widgets.

        Args:
            layout: of the tab.
            context: of the panel.
        """
        self.ui = ui = load_ui("RetrainSection", layout)
        self._context = context
        self._plan_message, self._run_message = MessageLine(ui.planMessage), MessageLine(ui.runMessage)
        self._proposed = ""
        self.follower = RunFollower()
        self.curves = CurvesView(context.scene)
        self.check_job = SideJob(
            context, ui.checkButton, ui.checkProgress, self._plan_message, self._checked, self.refresh
        )
        self.masks_job = MasksJob(context, ui.masksButton, ui.masksProgress, MessageLine(ui.masksMessage), self.refresh)
        for words, unit in ((_("epochs"), EPOCHS), (_("hours"), HOURS)):
            ui.lengthUnitCombo.addItem(words, unit)
        for words, device in ((_("Automatic"), "auto"), (_("Processor (CPU)"), "cpu"), (_("NVIDIA GPU"), "cuda")):
            ui.trainDeviceCombo.addItem(words, device)
        ui.trainInterpreterEdit.setText(interpreter_setting())
        ui.lengthUnitCombo.connect("currentIndexChanged(int)", self._unit_chosen)
        ui.trainInterpreterEdit.connect("editingFinished()", self._interpreter_chosen)
        ui.runFolderButton.connect("clicked()", self._choose_folder)
        ui.checkButton.connect("clicked()", self.check_or_cancel)
        ui.trainButton.connect("clicked()", self.train)
        ui.openRunButton.connect("clicked()", self.open_run)
        ui.cancelButton.connect("clicked()", self.follower.cancel)
        ui.resumeButton.connect("clicked()", self.resume)
        ui.curvesButton.connect("clicked()", self.show_curves)
        ui.masksButton.connect("clicked()", self.show_masks_or_cancel)
        ui.runLogButton.connect("toggled(bool)", self._show_log)
        ui.runLogText.setVisible(False)
        self._unit_chosen()
        self.follower.listen(self._show_run)
        context.listen(self.refresh)

    def enter(self) -> None:
        """The module is shown: list the models anew, and follow the run that was followed before."""
        list_into(self.ui.startModelCombo)
        self.refresh()

    def exit(self) -> None:
        """Another module is shown; the run and its curves go on."""

    def close(self) -> None:
        """The panel goes; the run goes on by itself."""
        self.follower.close()

    def refresh(self) -> None:
        """Show the data set and the run of the scene."""
        self.follower.follow_chosen(self._context)
        folder = self._context.folder
        self.ui.retrainDataSetLabel.setText(
            _("Data set: {folder}").format(folder=folder)
            if folder is not None
            else _("No data set is chosen; choose the folder of the studies in the tab Work list.")
        )
        self._propose_folder(folder)
        self._show_buttons()

    def check_or_cancel(self) -> None:
        """Tell what the run would take on this machine, or stop finding out."""
        if self.check_job.running:
            self.check_job.cancel()
            return
        with self._plan_message.trying():
            self.ui.checkLabel.setText("")
            self.check_job.start(train_words.preflight_words(self._choices()))

    def train(self) -> None:
        """Start the run; it goes on when Slicer is closed."""
        with self._plan_message.trying():
            need_train_packages()
            choices = self._choices()
            if (choices.run / "checkpoint.pt").exists():
                raise UsageError(f"{choices.run} holds a run already.", "Open it to go on, or name another folder.")
            self.follower.start(self._context.command(train_words.train_words(choices)), choices.run)
            choose_run(self._context, choices.run)

    def resume(self) -> None:
        """Go on from the last checkpoint of the run."""
        with self._run_message.trying():
            need_train_packages()
            run = self.follower.run
            dataset = train_words.data_set_of(run.words) or self._data_set()
            words = train_words.resume_words(dataset, run.folder, str(self.ui.trainDeviceCombo.currentData))
            self.follower.start(self._context.command(words), run.folder)

    def open_run(self) -> None:
        """Ask for the folder of a run and follow it."""
        before = chosen_run(self._context)
        start = str(before.parent) if before is not None else ""
        found = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Open run"), start)
        if found:
            choose_run(self._context, Path(found))

    def show_curves(self) -> None:
        """Show the curves of the run in a plot view."""
        with self._run_message.trying():
            self.curves.show(self.follower.run)

    def show_masks_or_cancel(self) -> None:
        """Show what the best epoch so far marks in the validation case chosen."""
        run = self.follower.run
        dataset = train_words.data_set_of(run.words) or self._context.folder
        self.masks_job.show_or_cancel(dataset, run, str(self.ui.validationCaseCombo.currentText))

    def _choices(self) -> train_words.TrainChoices:
        ui = self.ui
        if not str(ui.runFolderEdit.text).strip():
            raise UsageError(_("No folder is named for the run."), _("Name one beside Run folder."))
        in_epochs = ui.lengthUnitCombo.currentData == EPOCHS
        return train_words.TrainChoices(
            dataset=self._data_set(),
            run=Path(str(ui.runFolderEdit.text).strip()).expanduser(),
            model=str(ui.startModelCombo.currentData),
            epochs=round(ui.lengthSpin.value) if in_epochs else None,
            hours=None if in_epochs else float(ui.lengthSpin.value),
            epoch_steps=int(ui.epochStepsSpin.value),
            patience=int(ui.patienceSpin.value),
            leave_out=str(ui.leaveOutEdit.text).strip(),
            device=str(ui.trainDeviceCombo.currentData),
        )

    def _data_set(self) -> Path:
        folder = self._context.folder
        if folder is None:
            raise UsageError(_("No data set is chosen."), _("Choose the folder of the studies in the tab Work list."))
        return folder

    def _checked(self, result: dict[str, Any]) -> None:
        self.ui.checkLabel.setText(str(result["message"]))
        if self.check_job.warnings:
            self._plan_message.fail(" ".join(self.check_job.warnings))

    def _show_run(self) -> None:
        """Show what the run has told."""
        ui, run = self.ui, self.follower.run
        ui.runLabel.setText(_("No run is open.") if run is None else str(run.folder))
        self.curves.update(run)
        if run is None:
            self._run_message.clear()
            ui.epochsLabel.setText("")
        else:
            self._tell(run)
            ui.epochsLabel.setText(epochs_words(run))
        if run is not None and ui.runLogButton.checked:
            self._show_log(True)
        self._show_cases()
        self._show_buttons()

    def _tell(self, run: Any) -> None:
        told = told_of(run, self.follower.state, log_lines(run.folder))
        sentences = " ".join([told.message, *run.warnings, *([told.hint] if not told.wrong else [])]).strip()
        if told.wrong:
            self._run_message.fail(told.message, told.hint)
        elif sentences:
            self._run_message.say(sentences)
        else:
            self._run_message.clear()

    def _show_buttons(self) -> None:
        ui, run = self.ui, self.follower.run
        running, cancelling = self.follower.running, self.follower.cancelling
        ui.runProgress.setVisible(running)
        ui.runStageLabel.setVisible(running)
        if running:
            ui.runProgress.setValue(round(run.fraction * PER_MILLE))
            stage = ", ".join(part for part in (stage_words(run.stage), run.message) if part)
            ui.runStageLabel.setText(_("Cancelling...") if cancelling else stage or _("Starting..."))
        ui.cancelButton.setText(_("End at once") if cancelling else _("Cancel"))
        ui.cancelButton.setEnabled(running)
        ui.trainButton.setEnabled(not running and self._context.folder is not None)
        ui.resumeButton.setEnabled(run is not None and run.can_resume)
        ui.curvesButton.setEnabled(run is not None and bool(run.epochs))
        if not self.check_job.running:
            ui.checkButton.setEnabled(not running and self._context.folder is not None)
        if not self.masks_job.running:
            has_weights = run is not None and (run.folder / "checkpoint.pt").is_file()
            ui.masksButton.setEnabled(has_weights and ui.validationCaseCombo.count > 0)

    def _show_cases(self) -> None:
        """List the cases that validate, once the run has told them."""
        combo = self.ui.validationCaseCombo
        names = self.masks_job.validation_cases(self.follower.run)
        if names != [combo.itemText(index) for index in range(combo.count)]:
            combo.clear()
            for name in names:
                combo.addItem(name)

    def _show_log(self, shown: bool) -> None:
        self.ui.runLogText.setVisible(shown)
        run = self.follower.run
        if shown and run is not None:
            self.ui.runLogText.setPlainText("\n".join(log_lines(run.folder)))

    def _propose_folder(self, dataset: Path | None) -> None:
        """Name a folder for the next run, unless the user named one."""
        edit = self.ui.runFolderEdit
        if dataset is not None and str(edit.text) == self._proposed:
            self._proposed = str(train_words.next_run_folder(dataset))
            edit.setText(self._proposed)

    def _choose_folder(self) -> None:
        found = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Run folder"), self._proposed)
        if found:
            self.ui.runFolderEdit.setText(found)

    def _unit_chosen(self, _index: int = 0) -> None:
        in_epochs = self.ui.lengthUnitCombo.currentData == EPOCHS
        self.ui.lengthSpin.setDecimals(0 if in_epochs else 2)
        self.ui.lengthSpin.setMinimum(1 if in_epochs else 0.01)

    def _interpreter_chosen(self) -> None:
        with self._plan_message.trying():
            choose_interpreter(str(self.ui.trainInterpreterEdit.text))
