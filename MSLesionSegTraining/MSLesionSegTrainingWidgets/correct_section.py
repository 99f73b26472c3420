"""Section Case: the case that is open, its way through the work list, and when it is saved."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegScene import layouts
from MSLesionSegTrainingLib.worklist.claims import BEAT_S, CaseTaken
from MSLesionSegTrainingLib.worklist.work_list import WorkCase
from MSLesionSegTrainingScene.kept_views import KeptViews
from MSLesionSegTrainingScene.open_case import OpenCase, Purpose, claim_case, load_case
from MSLesionSegWidgets.message_line import MessageLine

from .case_table import CaseTable
from .case_words import agreement_words
from .review_widgets import ReviewWidgets
from .training_context import TrainingContext

#: A draft is saved this often, milliseconds, if something was done.
SAVE_MS = 120_000


class CorrectSection:
    """Opens cases, saves them, and gives them back.

    Args:
        ui: the widgets of ``WorkList.ui``.
        context: of the panel.
        table: of the cases, whose order is the way through them.
        on_change: called when the list has to be read again.

    Attributes:
        case: that is open; None where none is.
    """

    def __init__(self, ui: Any, context: TrainingContext, table: CaseTable, on_change: Callable[[], None]) -> None:
        self.case: OpenCase | None = None
        self.widgets = ReviewWidgets(ui.reviewPlaceLayout, context.study)
        self._ui = ui
        self._context = context
        self._table = table
        self._on_change = on_change
        self._views: KeptViews | None = None
        self._message = MessageLine(ui.workMessage)
        ui.previousCaseButton.connect("clicked()", lambda: self.step(-1))
        ui.nextCaseButton.connect("clicked()", lambda: self.step(1))
        ui.saveButton.connect("clicked()", self.save)
        ui.doneButton.connect("clicked()", self.finish)
        ui.closeCaseButton.connect("clicked()", self.close_case)
        self._save_timer = self._timer(SAVE_MS, self.save)
        self._beat_timer = self._timer(round(BEAT_S * 1000), self._beat)
        self._show()

    def open(self, row: WorkCase, who: str, *, take_over: str = "") -> bool:
        """Open a case; the one that was open is saved and given back.

        Args:
            row: of the work list.
            who: the annotator.
            take_over: see ``claims.take_case``.

        Returns:
            whether it is open now; what went wrong is told.

        Raises:
            MSLesionSegError: it cannot be claimed; what was open stays so.
        """
        if self.case is not None and self.case.name == row.name:
            return True
        purpose, claim = claim_case(self._context.folder, row, who, take_over=take_over)
        if not self._leave():
            claim.release()
            return False
        study = self._context.study
        with self._message.trying(), slicer.util.WaitCursor():
            self.case = load_case(self._context.scene, study.state, self._context.folder, row, purpose, claim)
            study.forget()
            self._show_views()
        self._show()
        self._on_change()
        return self.case is not None

    def step(self, step: int) -> None:
        """Save, and open the next (1) or previous (-1) case that is free, in the order of the table."""
        names = [case.name for case in self._table.beside(self.case.name if self.case else "", step)]
        self._open_first(names)

    def save(self) -> bool:
        """Save the draft if something was done; whether all is well."""
        if self.case is None:
            return True
        if not self.case.present:
            self._gone()
            return True
        self._take_edits()
        try:
            if self.case.save():
                self._ui.savedLabel.setText(_("Saved at {time}.").format(time=f"{datetime.now():%H:%M:%S}"))
        except CaseTaken as error:
            self._lost(error)
            return False
        except MSLesionSegError as error:
            self._message.fail(error.message, error.hint)
            return False
        return True

    def finish(self) -> None:
        """The mask is finished: put it into the data set, give the case back, and open the next one if so chosen."""
        case = self.case
        if case is None or not self.save() or self.case is None:
            return
        after = [row.name for row in self._table.beside(case.name, 1)]
        told = ""
        with self._message.trying(), slicer.util.WaitCursor():
            agreed = case.finish()
            told = _("{case} is finished.").format(case=case.name)
            if agreed is not None:
                told = agreement_words(case.name, case.row.annotator, agreed)
            self._forget()
        if not told:
            return
        self._on_change()
        if not self._ui.goOnCheck.checked or self._open_first(after):
            self._message.say(told)

    def close_case(self) -> None:
        """Save the draft and give the case back."""
        self._message.clear()
        if self._leave():
            self._on_change()

    def scene_closes(self) -> None:
        """The scene is being closed: save and give back what it holds."""
        if self.save() and self.case is not None:
            self.case.claim.release()
        self.case, self._views = None, None
        self.widgets.release()
        self._show()

    def close(self) -> None:
        """The panel goes."""
        self._leave()
        self.widgets.close()
        for timer in (self._save_timer, self._beat_timer):
            timer.stop()

    def _open_first(self, names: list[str]) -> bool:
        """Open the first of these cases that is free; False where its images cannot be loaded."""
        rows = {row.name: row for row in self._table.cases}
        for name in names:
            row = rows.get(name)
            if row is None or row.study.problem or row.claim is not None or row.state in ("done", "excluded"):
                continue
            try:
                opened = self.open(row, str(self._ui.annotatorEdit.text))
            except CaseTaken:
                continue
            except MSLesionSegError as error:
                self._message.fail(error.message, error.hint)
                return False
            self._table.choose(name)
            return opened
        self._message.say(_("No further case in this order is free."))
        return True

    def _take_edits(self) -> None:
        """Let the review have what was painted a moment ago, before it is saved."""
        study = self._context.study
        if study.review.refresh():
            study.clock.note()
            study.tell()

    def _leave(self) -> bool:
        """Save the open case, give it back and take it out of the scene; False where it cannot be saved."""
        if self.case is None:
            return True
        if not self.save():
            return self.case is None
        if self.case is not None:
            self.case.claim.release()
            self._forget()
        return True

    def _forget(self) -> None:
        """The case is no longer open: out of the scene with it."""
        case, self.case = self.case, None
        self._views = KeptViews(self._context.scene, self._context.study.state)
        self.widgets.release()
        case.remove()
        self._context.study.forget()
        self._show()

    def _lost(self, error: CaseTaken) -> None:
        """Somebody took the case over; what was done lies beside it."""
        self._forget()
        self._on_change()
        self._message.fail(error.message, error.hint)

    def _gone(self) -> None:
        """The images were removed from the scene, so that there is nothing to save any more."""
        self.case.claim.release()
        name = self.case.name
        self._forget()
        self._on_change()
        self._message.fail(
            _("The images of {case} were removed from the scene; what was saved last is kept.").format(case=name),
            _("Open the case again to go on."),
        )

    def _beat(self) -> None:
        """Give a sign of life; who was taken over keeps what was done apart, and is told."""
        try:
            self.case.claim.beat()
        except CaseTaken as error:
            if self.save() and self.case is not None:
                self._lost(error)
        except MSLesionSegError as error:
            self._message.fail(error.message, error.hint)

    def _show_views(self) -> None:
        state = self._context.study.state
        if self._views is None or self._views.empty:
            layouts.show_side_by_side(self._context.scene, state)
        else:
            self._views.show(self._context.scene, state)

    def _show(self) -> None:
        """Show what is open."""
        is_open = self.case is not None
        self._ui.caseSection.setVisible(is_open)
        self.widgets.show(is_open)
        self._ui.savedLabel.setText("")
        for timer in (self._save_timer, self._beat_timer):
            timer.start() if is_open else timer.stop()
        if is_open:
            self._ui.caseLabel.setText(f"<b>{self.case.name}</b> {self._purpose_words()}")

    def _purpose_words(self) -> str:
        words = {
            Purpose.annotate: _("Correct the lesions; Done puts the mask into the data set."),
            Purpose.replace: _("Finished by you before; Done puts the changed mask in its place."),
            Purpose.second: _("Second reading: it starts from the model's mask; Done shows how it agrees with {who}."),
        }
        return words[self.case.purpose].format(who=self.case.row.annotator)

    @staticmethod
    def _timer(interval: int, method: Callable[[], Any]) -> Any:
        timer = qt.QTimer()
        timer.setInterval(interval)
        timer.connect("timeout()", method)
        return timer
