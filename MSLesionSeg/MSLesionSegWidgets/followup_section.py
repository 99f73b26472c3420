"""Section Follow-up: two dates of a patient compared, and every change shown in both."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import DependencyError, StudyError
from MSLesionSegLib.finish import FLAIR_FILE
from MSLesionSegLib.followup.files import PAGE_FILE, STABLE
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegLib.provenance import read_provenance
from MSLesionSegScene.followup_nodes import centre_on_change, load_comparison, show_comparison
from MSLesionSegScene.followup_state import FollowupState
from MSLesionSegScene.layouts import show_side_by_side
from MSLesionSegScene.result_folder import write_result_folder
from MSLesionSegScene.state import ModuleState
from MSLesionSegScene.volumes import node_to_image

from .folder_dialog import EXPORT_FOLDER_KEY, ask_folder, open_page
from .followup_table import FollowupTable
from .install_dialog import ensure_installed
from .panel_context import PanelContext
from .quality_line import show_warnings
from .result_run import unused_folder
from .result_section import ResultSection
from .time_left import time_words
from .worker_end import INSTALL_HINT
from .worker_lines import Step

RESULT_KEY = "MSLesionSeg/ResultFolder"


class FollowupSection(ResultSection):
    """Compares two studies of the scene, or one of them with a result on the disk.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``.
        context: of the panel.
        show_page: shows a page in the browser.
    """

    def __init__(self, ui: Any, context: PanelContext, show_page: Callable[[Path], None] = open_page) -> None:
        self._ui = ui
        self._table = FollowupTable(ui.followupTable, self._go_to)
        self._folders: list[str] = []
        super().__init__(context, ui.followupMessage, ui.followupProgress, ui.followupCancelButton, show_page)
        self.run.worker.on_step = self._step
        ui.baselineFolderButton.connect("clicked()", self.add_folder)
        ui.compareButton.connect("clicked()", self.compare)
        ui.followupViewsButton.connect("clicked()", self.show_views)
        ui.reviewViewsButton.connect("clicked()", self.back_to_review)
        ui.followupPageButton.connect("clicked()", self.open_page)

    def refresh(self) -> None:
        """Show the studies that can be compared, and the comparison that the scene holds."""
        super().refresh()
        studies = [(study.flair.GetName(), study.flair.GetID()) for study in self._context.state.with_results()]
        _fill(self._ui.baselineCombo, [*studies, *((folder, folder) for folder in self._folders)], len(studies) - 1)
        _fill(self._ui.followupCombo, studies, 0)
        self._ui.compareButton.setEnabled(bool(studies) and not self.run.running and not self._context.busy)
        data = FollowupState(self._context.scene).data
        self._ui.followupResult.setVisible(bool(data))
        changes = [row for row in data.get("changes", []) if row["kind"] != STABLE]
        self._ui.followupSummary.setText(html.escape(data.get("summary_sentence", "")))
        show_warnings(self._ui.followupNotes, data.get("notes", []))
        self._table.show(changes)

    def add_folder(self) -> None:
        """Ask for a result of ``segment`` on the disk, as baseline."""
        with self._message.trying():
            found = ask_folder(_("Result of the earlier date"), RESULT_KEY)
            if found is None:
                return
            if read_provenance(found) is None:
                raise StudyError(
                    _("{folder} holds no result.").format(folder=found), _("Take a folder that `segment` has written.")
                )
            if str(found) not in self._folders:
                self._folders.append(str(found))
            self.refresh()
            self._ui.baselineCombo.setCurrentIndex(self._ui.baselineCombo.findData(str(found)))

    def compare(self) -> None:
        """Ask for a folder and compare the two dates in the background."""
        with self._message.trying():
            if not ensure_installed(slicer.util.mainWindow(), torch=False):
                raise DependencyError(_("What compares two dates is not installed yet."), INSTALL_HINT)
            before, after = str(self._ui.baselineCombo.currentData), str(self._ui.followupCombo.currentData)
            if before == after:
                raise StudyError(
                    _("Baseline and follow-up are the same study."), _("Choose the earlier and the later date.")
                )
            earlier, later = self._study(before), self._study(after)
            if later is None or (earlier is None and before not in self._folders):
                raise StudyError(_("The study is no longer in the scene."), _("Choose another one."))
            parent = ask_folder(_("Folder for the comparison"), EXPORT_FOLDER_KEY)
            if parent is None:
                return
            out = unused_folder(parent, "lesion_followup")
            name, flair = (earlier.flair.GetName() if earlier else Path(before).name), later.flair

            def prepare(folder: Path) -> tuple[str, ...]:
                write_result_folder(later, folder / "followup")
                if earlier is not None:
                    write_result_folder(earlier, folder / "baseline")
                baseline = folder / "baseline" if earlier is not None else Path(before)
                dates = ("--baseline", str(baseline), "--followup", str(folder / "followup"))
                return ("followup", *dates, "--out", str(out))

            with slicer.util.WaitCursor():
                image = _flair(earlier, Path(before))
                self._done = lambda _end: self._show(image, name, flair, out)
                self.run.start(prepare, out)
            self._ui.followupProgress.setValue(0)
            self.refresh()

    def show_views(self) -> None:
        """Both dates and the subtraction side by side."""
        show_comparison(self._context.scene)

    def back_to_review(self) -> None:
        """The images of the study under review side by side, with its lesions."""
        show_side_by_side(self._context.scene, self._context.state)

    def open_page(self) -> None:
        """Show the page of the comparison in the browser."""
        with self._message.trying():
            page = Path(FollowupState(self._context.scene).folder, PAGE_FILE)
            if not page.is_file():
                raise StudyError(
                    _("The page no longer lies at {page}.").format(page=page), _("Compare the two dates again.")
                )
            self._show_page(page)

    def _study(self, flair_id: str) -> ModuleState | None:
        """The study of the scene whose FLAIR has that ID."""
        studies = self._context.state.with_results()
        return next((study for study in studies if study.flair.GetID() == flair_id), None)

    def _step(self, step: Step, seconds: float | None) -> None:
        self._ui.followupProgress.setValue(round(step.fraction * self._ui.followupProgress.maximum))
        self._message.say(", ".join(part for part in (step.message, time_words(seconds)) if part))

    def _show(self, baseline: sitk.Image, name: str, flair: Any, folder: Path) -> None:
        load_comparison(self._context.scene, baseline, name, flair, folder)
        self.show_views()

    def _go_to(self, row: dict[str, Any]) -> None:
        centre_on_change(self._context.scene, row)


def _flair(study: ModuleState | None, folder: Path) -> sitk.Image:
    """The FLAIR of a study of the scene, or of a result on the disk."""
    return read_nifti(folder / FLAIR_FILE) if study is None else node_to_image(study.flair, to_world=False)


def _fill(combo: Any, entries: list[tuple[str, str]], otherwise: int) -> None:
    """Offer (text, data); the one chosen stays chosen, else the entry of that number is."""
    if [(combo.itemText(number), combo.itemData(number)) for number in range(combo.count)] == entries:
        return
    chosen = combo.currentData
    blocker = combo.blockSignals(True)
    combo.clear()
    for text, data in entries:
        combo.addItem(text, data)
    found = combo.findData(chosen) if chosen is not None else -1
    combo.setCurrentIndex(found if found >= 0 else max(otherwise, 0))
    combo.blockSignals(blocker)
