"""Tab Work list: the folder of studies, its cases, and what is done of them."""

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegTrainingLib.worklist.claims import CaseTaken
from MSLesionSegTrainingLib.worklist.saving import exclude_case, include_case
from MSLesionSegTrainingLib.worklist.work_list import WorkCase, take, work_list
from MSLesionSegWidgets.export_section import ANNOTATOR_KEY
from MSLesionSegWidgets.message_line import MessageLine

from .case_table import CaseTable
from .case_words import counts_words
from .correct_section import CorrectSection
from .data_set_section import DataSetSection
from .mapping_section import MappingSection
from .presegment_section import PresegmentSection
from .training_context import TrainingContext
from .ui_files import load_ui
from .word_line import WordLine


class WorklistSection:
    """The tab; ``build`` makes it.

    Attributes:
        ui: its widgets by name.
        table: of the cases.
        correct: the case that is open.
        presegment: the model's masks.
        data_set: what is finished.
        mapping: the studies of a folder that is not BIDS.
    """

    def build(self, layout: Any, context: TrainingContext) -> None:
        """Make the widgets.

        Args:
            layout: of the tab.
            context: of the panel.
        """
        self.ui = ui = load_ui("WorkList", layout)
        self._context = context
        self._message = MessageLine(ui.workMessage)
        self._word = WordLine(ui)
        self._measured: set[tuple[Path, int]] = set()
        self.table = CaseTable(ui.caseTable, self._show_buttons, self.open_chosen)
        self.correct = CorrectSection(ui, context, self.table, self.read_list)
        self.presegment = PresegmentSection(ui, context, self.read_list)
        self.data_set = DataSetSection(ui, context, self.read_list)
        self.mapping = MappingSection(ui, context, self._copied)
        ui.annotatorEdit.setText(str(slicer.util.settingsValue(ANNOTATOR_KEY, "") or ""))
        ui.annotatorEdit.connect("editingFinished()", self._annotator_named)
        ui.folderButton.connect("clicked()", self.choose_folder)
        ui.openButton.connect("clicked()", self.open_chosen)
        ui.leaveOutButton.connect("clicked()", self.leave_out_or_take_in)
        ui.refreshButton.connect("clicked()", self.read_list)
        context.listen(self.read_list)

    def enter(self) -> None:
        """The module is shown: read the list, as others may have worked on it."""
        self.presegment.enter()
        self.correct.widgets.enter()
        self._context.study.tell()
        self.read_list()

    def exit(self) -> None:
        """Another module is shown; the open case stays open, and goes on being saved."""
        self.correct.widgets.exit()

    def close(self) -> None:
        """The panel goes."""
        self.correct.close()
        self.mapping.close()

    def scene_closes(self) -> None:
        """The scene is being closed."""
        self.correct.scene_closes()

    def choose_folder(self) -> None:
        """Ask for the folder of the studies."""
        start = str(self._context.folder or "")
        found = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of the studies"), start)
        if found:
            self.correct.close_case()
            with self._message.trying():
                self._context.choose_folder(Path(found))

    def read_list(self) -> None:
        """Read the folder and show its cases."""
        folder, cases = self._context.folder, []
        self.ui.folderEdit.setText("" if folder is None else str(folder))
        if folder is not None:
            try:
                cases = work_list(folder, measure=False)
            except MSLesionSegError as error:
                self._message.fail(error.message, error.hint)
            except OSError as error:
                told = _("{folder} cannot be read: {reason}.").format(folder=folder, reason=error.strerror or error)
                self._message.fail(told, _("Check its permissions, or choose another folder."))
        self.mapping.show(folder if folder is not None and folder.is_dir() and not cases else None)
        for section in (self.ui.casesSection, self.ui.presegmentSection, self.ui.dataSetSection):
            section.setVisible(bool(cases))
        self.table.show(cases)
        self.ui.countsLabel.setText(counts_words(cases))
        self.ui.countsLabel.setVisible(bool(cases))
        self.presegment.refresh()
        self.data_set.refresh()
        self._measure(folder, cases)

    def open_chosen(self) -> None:
        """Open the case that is chosen in the table."""
        row = self.table.chosen
        if row is not None:
            self._open(row, "")

    def leave_out_or_take_in(self) -> None:
        """Take the case chosen out of the work, with a word, or in again."""
        row = self.table.chosen
        if row is None:
            return
        if row.state != "excluded":
            question = _("Why is {case} left out?").format(case=row.name)
            self._word.ask(question, _("Leave out"), lambda word: self._leave_out(row, word))
            return
        with self._message.trying():
            claim = take(self._context.folder, row, self._who)
            include_case(claim)
            claim.release()
        self.read_list()

    @property
    def _who(self) -> str:
        return str(self.ui.annotatorEdit.text).strip()

    def _open(self, row: WorkCase, word: str) -> None:
        self._message.clear()
        self._word.close()
        try:
            self.correct.open(row, self._who, take_over=word)
        except CaseTaken as error:
            self._message.fail(error.message, error.hint)
            self.read_list()
            self._ask_to_take_over(row.name)
        except MSLesionSegError as error:
            self._message.fail(error.message, error.hint)

    def _ask_to_take_over(self, name: str) -> None:
        """Ask for a word, where the claim is one that may be taken over."""
        row = next((case for case in self.table.cases if case.name == name), None)
        if row is not None and row.claim is not None and (row.claim.stale or row.claim.who == self._who):
            question = _("Why is {case} taken over from {who}?").format(case=name, who=row.claim.who)
            self._word.ask(question, _("Take over"), lambda reason: self._open(row, reason))

    def _leave_out(self, row: WorkCase, reason: str) -> None:
        case = self.correct.case
        if case is not None and case.name == row.name:
            self.correct.close_case()
        with self._message.trying():
            exclude_case(take(self._context.folder, row, self._who), reason)
        self.read_list()

    def _show_buttons(self) -> None:
        row = self.table.chosen
        for button in (self.ui.openButton, self.ui.leaveOutButton):
            button.setEnabled(row is not None)
        excluded = row is not None and row.state == "excluded"
        self.ui.leaveOutButton.setText(_("Take in again") if excluded else _("Leave out..."))

    def _measure(self, folder: Path | None, cases: list[WorkCase]) -> None:
        """Measure results whose uncertainty is not known yet, once for each number of them."""
        unknown = sum(case.uncertain_ml is None and case.state == "pre-segmented" for case in cases)
        if unknown and not self.presegment.job.running and (folder, unknown) not in self._measured:
            self._measured.add((folder, unknown))
            self.data_set.measure()

    def _copied(self, data_set: Path) -> None:
        with self._message.trying():
            self._context.choose_folder(data_set)

    def _annotator_named(self) -> None:
        qt.QSettings().setValue(ANNOTATOR_KEY, self._who)
