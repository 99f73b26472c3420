"""Tab Compare and promote: is the new model better, where is it worse, and shall it be used from now on."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MSLesionSegTrainingLib.run_cases import RunCases, read_run_cases
from MSLesionSegTrainingLib.run_following import CHECKPOINT_FILE, FollowedRun, RunState
from MSLesionSegWidgets.message_line import MessageLine

from . import train_words
from .change_table import ChangeTable
from .comparison import FOLDER, REPORT_FILE, ChangedLesion, Comparison, read_comparison
from .masks_job import MasksJob
from .model_combo import list_into
from .run_follower import RunFollower
from .side_job import SideJob
from .training_context import TrainingContext
from .ui_files import load_ui

CHANGED, ALL = "changed", "all"


class PromoteSection:
    """The tab; ``build`` makes it.

    Attributes:
        ui: its widgets by name.
        follower: of the run.
    """

    def build(self, layout: Any, context: TrainingContext) -> None:
        """Make the widgets.

        Args:
            layout: of the tab.
            context: of the panel.
        """
        self.ui = ui = load_ui("PromoteSection", layout)
        self._context = context
        self._compare_message = MessageLine(ui.compareMessage)
        self._promote_message = MessageLine(ui.promoteMessage)
        self._comparison: Comparison | None = None
        self._named = ""
        self.follower = RunFollower()
        self.table = ChangeTable(ui.changeTable, self._go_to)
        self.compare_job = SideJob(
            context, ui.compareButton, ui.compareProgress, self._compare_message, self._compared, self.refresh
        )
        self.masks_job = MasksJob(
            context, ui.bothMasksButton, ui.bothMasksProgress, MessageLine(ui.bothMasksMessage), self.refresh
        )
        self.promote_job = SideJob(
            context, ui.promoteButton, ui.promoteProgress, self._promote_message, self._promoted, self.refresh
        )
        for words, which in ((_("Lesions that changed"), CHANGED), (_("All lesions"), ALL)):
            ui.changeCombo.addItem(words, which)
        ui.changeCombo.connect("currentIndexChanged(int)", self._show_lesions)
        ui.compareButton.connect("clicked()", self.compare_or_cancel)
        ui.reportButton.connect("clicked()", self.open_report)
        ui.bothMasksButton.connect("clicked()", self.show_masks_or_cancel)
        ui.promoteButton.connect("clicked()", self.promote_or_cancel)
        for edit in (ui.modelNameEdit, ui.modelVersionEdit):
            edit.connect("textChanged(QString)", self._show_buttons)
        self.follower.listen(self._show_run)
        context.listen(self.refresh)

    def enter(self) -> None:
        """The module is shown."""
        list_into(self.ui.beforeCombo)
        self.refresh()

    def exit(self) -> None:
        """Another module is shown."""

    def close(self) -> None:
        """The panel goes."""
        self.follower.close()

    def refresh(self) -> None:
        """Show the run of the scene."""
        self.follower.follow_chosen(self._context)
        self._show_buttons()

    def compare_or_cancel(self) -> None:
        """Compare the run with the model chosen, or stop doing so."""
        if self.compare_job.running:
            self.compare_job.cancel()
            return
        run = self.follower.run
        with self._compare_message.trying():
            out = run.folder / FOLDER
            words = ("compare", str(self._data_set(run)), "--before", self._before(), "--after", str(run.folder))
            self.compare_job.start((*words, "--out", str(out), "--progress", "json"), out=out)

    def open_report(self) -> None:
        """Open the report in the program that the system has for it."""
        with self._compare_message.trying():
            self._context.open_path(self.follower.run.folder / FOLDER / REPORT_FILE)

    def show_masks_or_cancel(self) -> None:
        """Show what both models mark in the case of the lesion chosen."""
        lesion = self.table.current
        if lesion is None and not self.masks_job.running:
            return
        run = self.follower.run
        case = lesion.case if lesion is not None else ""
        self.masks_job.show_or_cancel(
            self._data_set(run), run, case, self._before(), then=lambda: self.masks_job.view.jump(lesion.centre)
        )

    def promote_or_cancel(self) -> None:
        """Make a model of the run that can be chosen, after a question where nothing says that it is better."""
        if self.promote_job.running:
            self.promote_job.cancel()
            return
        run = self.follower.run
        name, version = (str(edit.text).strip() for edit in (self.ui.modelNameEdit, self.ui.modelVersionEdit))
        with self._promote_message.trying():
            if not self._may_promote(run):
                return
            words = ("models", "promote", str(run.folder), "--name", name, "--version", version)
            self.promote_job.start((*words, "--progress", "json"))

    def _may_promote(self, run: FollowedRun) -> bool:
        """Ask before a model is promoted that is not said to be better."""
        doubts = []
        if self.follower.state is not RunState.done:
            doubts.append(_("The training has not come to its end; its best epoch so far would be taken."))
        if self._comparison is None:
            doubts.append(_("The model was not compared with the one before."))
        elif self._comparison.word != "better":
            doubts.append(self._comparison.sentence)
        if not doubts:
            return True
        return slicer.util.confirmOkCancelDisplay(" ".join(doubts), _("Promote all the same?"))

    def _compared(self, _result: dict[str, Any]) -> None:
        self._compare_message.clear()
        self._show_run()

    def _promoted(self, result: dict[str, Any]) -> None:
        self._promote_message.say(str(result["message"]))
        list_into(self.ui.beforeCombo)
        self._context.tell()

    def _go_to(self, lesion: ChangedLesion) -> None:
        """Show the lesion in the views; its case is loaded where it is not there."""
        with self._compare_message.trying(), slicer.util.WaitCursor():
            self.masks_job.view.show(self._data_set(self.follower.run), lesion.case)
            self.masks_job.view.jump(lesion.centre)
        self._show_buttons()

    def _data_set(self, run: FollowedRun) -> Path | None:
        return train_words.data_set_of(run.words) or self._context.folder

    def _before(self) -> str:
        return str(self.ui.beforeCombo.currentData)

    def _show_run(self) -> None:
        """Show what is known of the run and of the comparison."""
        ui, run = self.ui, self.follower.run
        ui.promoteRunLabel.setText(_("No run is open.") if run is None else str(run.folder))
        cases = read_run_cases(run.folder) if run is not None else None
        ui.neverTrainedLabel.setText(never_trained_words(cases) if cases is not None else "")
        self._comparison = read_comparison(run.folder) if run is not None else None
        told = self._comparison
        ui.verdictLabel.setText(f"<b>{html.escape(told.sentence, quote=False)}</b>" if told is not None else "")
        ui.worseLabel.setText(worse_words(told.worse_in) if told is not None else "")
        if run is not None and str(ui.modelNameEdit.text) == self._named:
            self._named = run.folder.name
            ui.modelNameEdit.setText(self._named)
        self._show_lesions()

    def _show_lesions(self, _index: int = 0) -> None:
        told = self._comparison
        lesions: Sequence[ChangedLesion] = ()
        if told is not None:
            lesions = told.changed if self.ui.changeCombo.currentData == CHANGED else told.lesions
        self.table.show(lesions)
        self._show_buttons()

    def _show_buttons(self, *_what: Any) -> None:
        ui, run = self.ui, self.follower.run
        has_weights = run is not None and (run.folder / CHECKPOINT_FILE).is_file()
        ready = has_weights and not self.follower.running
        if not self.compare_job.running:
            ui.compareButton.setEnabled(ready)
        if not self.masks_job.running:
            ui.bothMasksButton.setEnabled(has_weights and self.table.current is not None)
        if not self.promote_job.running:
            named = str(ui.modelNameEdit.text).strip() and str(ui.modelVersionEdit.text).strip()
            ui.promoteButton.setEnabled(ready and bool(named))
        ui.reportButton.setEnabled(self._comparison is not None)
        ui.changeTable.setVisible(self._comparison is not None)


def never_trained_words(cases: RunCases) -> str:
    """Whether the cases that validate were never trained on, as their hashes say."""
    if cases.known:
        return _("Trained on, though it must not be: {cases}. Figures on it mean little.").format(
            cases=", ".join(cases.known)
        )
    if not cases.validation:
        return _("Nobody validates in this run.")
    hashes = ", ".join(f"{case} ({sha256[:8]}...)" for case, sha256 in sorted(cases.validation.items()))
    return _(
        "Never trained on, by the SHA-256 of the FLAIR's voxels: {cases}. The model knows {count} other images."
    ).format(cases=hashes, count=len(cases.trained_on))


def worse_words(worse_in: Sequence[str]) -> str:
    """Where the new model is worse, a line each."""
    if not worse_in:
        return _("Worse in none of these cases.")
    return _("Worse in:") + "".join(f"\n- {sentence}" for sentence in worse_in)
