"""The part of section Export that the engine writes in the background: the report, and DICOM."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import DependencyError, StudyError
from MSLesionSegScene.dicom_source import dicom_folder, is_from_dicom
from MSLesionSegScene.result_folder import write_result_folder

from .folder_dialog import EXPORT_FOLDER_KEY, ask_folder, open_page
from .install_dialog import ensure_installed
from .install_dicom import ensure_dicom
from .panel_context import PanelContext
from .result_run import unused_folder
from .result_section import ResultSection
from .worker_end import INSTALL_HINT, End

DICOM_KEY = "MSLesionSeg/StudyFolder"
PAGE = "report.html"


class ReportSection(ResultSection):
    """Writes the report and the DICOM files of the reader's lesions.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``.
        context: of the panel.
        show_page: shows a page in the browser.
    """

    def __init__(self, ui: Any, context: PanelContext, show_page: Callable[[Path], None] = open_page) -> None:
        self._ui = ui
        super().__init__(context, ui.reportMessage, ui.reportProgress, ui.reportCancelButton, show_page)
        ui.reportButton.connect("clicked()", self.write_report)
        ui.dicomButton.connect("clicked()", self.write_dicom)

    def refresh(self) -> None:
        """Let the buttons be pressed where there is something to write."""
        super().refresh()
        ready = self._context.review.has_result and not self._context.busy and not self.run.running
        self._ui.reportButton.setEnabled(ready)
        self._ui.dicomButton.setEnabled(ready)

    def write_report(self) -> None:
        """Ask for a folder, write the report into a new one in it, and open its page."""
        with self._message.trying():
            if not ensure_installed(slicer.util.mainWindow(), torch=False):
                raise DependencyError(_("What writes the report is not installed yet."), INSTALL_HINT)
            parent = ask_folder(_("Folder for the report"), EXPORT_FOLDER_KEY)
            if parent is None:
                return
            out = unused_folder(parent, "lesion_report")
            title = str(self._ui.reportTitleEdit.text).strip()
            self._done = lambda _end: self._show_report(out)
            self._start(out, lambda result, lesions: ("report", result, "--lesions", lesions, "--title", title))

    def write_dicom(self) -> None:
        """Ask for a folder, and write Segmentation and Structured Report into a new one in it."""
        with self._message.trying():
            flair = self._context.state.flair
            if not is_from_dicom(flair):
                raise StudyError(
                    _("The FLAIR {name} was not loaded from DICOM, so there is no series to refer to.").format(
                        name=flair.GetName()
                    ),
                    _("Load the DICOM series itself and find the lesions on it."),
                )
            ensure_dicom(slicer.util.mainWindow())
            source = dicom_folder(flair) or ask_folder(_("Folder of the FLAIR's DICOM files"), DICOM_KEY)
            parent = None if source is None else ask_folder(_("Folder for the DICOM files"), EXPORT_FOLDER_KEY)
            if source is None or parent is None:
                return
            out = unused_folder(parent, "lesion_dicom")
            self._done = lambda end: self._tell_dicom(out, end)
            self._start(out, lambda result, lesions: ("dicom", result, "--lesions", lesions, "--source", str(source)))

    def _start(self, out: Path, words: Callable[[str, str], tuple[str, ...]]) -> None:
        def prepare(folder: Path) -> tuple[str, ...]:
            lesions = write_result_folder(self._context.state, folder / "result")
            return (*words(str(folder / "result"), str(lesions)), "--out", str(out))

        with slicer.util.WaitCursor():
            self.run.start(prepare, out)
        self.refresh()

    def _show_report(self, out: Path) -> None:
        self._message.say(_("The report lies in {page}.").format(page=out / PAGE))
        self._show_page(out / PAGE)

    def _tell_dicom(self, out: Path, end: End) -> None:
        text = _("Segmentation and Structured Report of {count} lesions, {volume:.2f} mL, lie in {folder}.")
        count, volume = end.result["lesion_count"], end.result["lesion_volume_ml"]
        self._message.say(text.format(count=count, volume=volume, folder=out))
