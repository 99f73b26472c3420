"""Section Export: files for others, and a case for training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegScene import data_set, export

from .folder_dialog import EXPORT_FOLDER_KEY
from .message_line import MessageLine
from .panel_context import PanelContext

DATA_SET_KEY = "MSLesionSeg/DataSetFolder"
ANNOTATOR_KEY = "MSLesionSeg/Annotator"


class ExportSection:
    """Saves what the reader decided.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``.
        context: of the panel.
    """

    def __init__(self, ui: Any, context: PanelContext) -> None:
        self._ui = ui
        self._context = context
        self._message = MessageLine(ui.exportMessage)
        ui.annotatorEdit.setText(_setting(ANNOTATOR_KEY))
        ui.exportSegmentationButton.connect("clicked()", self.save_segmentation)
        ui.exportMaskButton.connect("clicked()", self.save_mask)
        ui.exportTableButton.connect("clicked()", self.save_table)
        ui.dataSetButton.connect("clicked()", self.add_to_data_set)
        context.listen(self.refresh)

    def refresh(self) -> None:
        """Let the buttons be pressed where there is something to save."""
        ready = self._context.review.has_result and not self._context.busy
        for name in ("exportSegmentationButton", "exportMaskButton", "exportTableButton", "dataSetButton"):
            getattr(self._ui, name).setEnabled(ready)

    def save_segmentation(self) -> None:
        """Ask for a file and save the reader's lesions as .seg.nrrd."""
        self._save(_("Save segmentation"), "lesions.seg.nrrd", "*.seg.nrrd", export.export_segmentation)

    def save_mask(self) -> None:
        """Ask for a file and save the reader's mask as NIfTI."""
        self._save(_("Save mask"), "lesion_mask.nii.gz", "*.nii.gz", export.export_mask)

    def save_table(self) -> None:
        """Ask for a file and save the lesion table."""
        self._save(_("Save lesion table"), "lesions.csv", "*.csv", export.export_table)

    def add_to_data_set(self) -> None:
        """Ask for the data set, and for the key file where one is wanted, and add this study."""
        window = slicer.util.mainWindow()
        root = qt.QFileDialog.getExistingDirectory(window, _("Data set"), _setting(DATA_SET_KEY))
        if not root:
            return
        key_file = ""
        if self._ui.keyCheck.checked:
            suggestion = str(Path(root).parent / "key.tsv")
            key_file = qt.QFileDialog.getSaveFileName(window, _("Key of ids"), suggestion, "*.tsv")
            if not key_file:
                return
        annotator = str(self._ui.annotatorEdit.text).strip()
        with self._message.trying(), slicer.util.WaitCursor():
            self._context.review.refresh()
            case = data_set.add_to_data_set(
                self._context.state,
                Path(root),
                annotator=annotator,
                seconds_spent=self._context.clock.seconds,
                key_file=Path(key_file) if key_file else None,
                replace=self._ui.replaceCheck.checked,
            )
            qt.QSettings().setValue(DATA_SET_KEY, root)
            qt.QSettings().setValue(ANNOTATOR_KEY, annotator)
            self._message.say(_("Added as {case} to {folder}.").format(case=case, folder=root))

    def _save(self, title: str, name: str, pattern: str, write: Callable[[Any, Path], None]) -> None:
        suggestion = str(Path(_setting(EXPORT_FOLDER_KEY)) / name)
        path = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, suggestion, pattern)
        if not path:
            return
        with self._message.trying(), slicer.util.WaitCursor():
            self._context.review.refresh()
            write(self._context.state, Path(path))
            qt.QSettings().setValue(EXPORT_FOLDER_KEY, str(Path(path).parent))
            self._message.say(_("Saved as {path}.").format(path=path))


def _setting(key: str) -> str:
    return str(slicer.util.settingsValue(key, "") or "")
