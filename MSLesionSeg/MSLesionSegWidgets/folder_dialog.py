"""Asking for a folder, and showing a page that was written into one."""

from pathlib import Path

import qt
import slicer

EXPORT_FOLDER_KEY = "MSLesionSeg/ExportFolder"
"""Setting with the folder that files went to last."""


def ask_folder(title: str, key: str) -> Path | None:
    """The folder that a person chose; None where none was.

    Args:
        title: of the dialog.
        key: setting with the folder chosen last, in which the dialog opens.
    """
    before = str(slicer.util.settingsValue(key, "") or "")
    found = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, before)
    if not found:
        return None
    qt.QSettings().setValue(key, found)
    return Path(found)


def open_page(page: Path) -> None:
    """Show a page in the browser of the system."""
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(page)))
