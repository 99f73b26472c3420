"""Section Studies of this folder: the studies of a tree that is not BIDS, as a table to be corrected and copied."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import DependencyError, OutputError, UsageError
from MSLesionSegLib.study import CONTRASTS
from MSLesionSegTrainingLib.studies import COLUMNS, StudyFiles, read_table, write_table
from MSLesionSegWidgets.install_dialog import ensure_installed
from MSLesionSegWidgets.message_line import MessageLine
from MSLesionSegWidgets.worker_end import INSTALL_HINT

from .side_job import SideJob
from .training_context import TrainingContext


class MappingSection:
    """Shows the table, and has the studies copied.

    Args:
        ui: the widgets of ``WorkList.ui``.
        context: of the panel.
        on_copied: called with the data set once the studies lie in it.
    """

    def __init__(self, ui: Any, context: TrainingContext, on_copied: Callable[[Path], None]) -> None:
        self._ui = ui
        self._context = context
        self._on_copied = on_copied
        self._message = MessageLine(ui.mappingMessage)
        self._source: Path | None = None
        self._table_folder = tempfile.TemporaryDirectory(prefix="MSLesionSeg-", dir=slicer.app.temporaryPath)
        self.find_job = SideJob(
            context, ui.mappingFindButton, ui.mappingFindProgress, self._message, self._found, self._show_buttons
        )
        self.copy_job = SideJob(
            context, ui.mappingCopyButton, ui.mappingProgress, self._message, self._copied, self._show_buttons
        )
        ui.mappingTable.setColumnCount(len(COLUMNS))
        ui.mappingTable.setHorizontalHeaderLabels([_("Case"), *CONTRASTS, _("Note")])
        ui.mappingTable.horizontalHeader().setStretchLastSection(True)
        ui.mappingTable.verticalHeader().setVisible(False)
        ui.mappingFindButton.connect("clicked()", self.find_or_cancel)
        ui.mappingCopyButton.connect("clicked()", self.copy_or_cancel)
        ui.mappingRemoveButton.connect("clicked()", self.leave_out)
        ui.mappingFolderButton.connect("clicked()", self.choose_data_set)
        ui.mappingFolderEdit.connect("textChanged(QString)", self._show_buttons)

    def show(self, source: Path | None) -> None:
        """Offer the folder, which is not BIDS; None hides the section."""
        self._ui.mappingSection.setVisible(source is not None)
        if source != self._source and not (self.find_job.running or self.copy_job.running):
            self._source = source
            self._ui.mappingTable.setRowCount(0)
            self._message.clear()
        self._show_buttons()

    def find_or_cancel(self) -> None:
        """Look for the studies, or stop that."""
        if self.find_job.running:
            self.find_job.cancel()
            return
        with self._message.trying():
            self._need_packages()
            self._table_file.unlink(missing_ok=True)
            self.find_job.start(
                ("collect", str(self._source), "--mapping", str(self._table_file), "--progress", "json")
            )

    def choose_data_set(self) -> None:
        """Ask for the folder of the data set."""
        found = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Data set"), "")
        if found:
            self._ui.mappingFolderEdit.setText(found)

    def leave_out(self) -> None:
        """Take the rows chosen out of the table."""
        table = self._ui.mappingTable
        for row in sorted({index.row() for index in table.selectionModel().selectedRows()}, reverse=True):
            table.removeRow(row)
        self._show_buttons()

    def copy_or_cancel(self) -> None:
        """Copy the studies of the table into the data set, or stop that; those that are there stay.

        The table is kept beside the data set, since it says which study is which case.
        """
        if self.copy_job.running:
            self.copy_job.cancel()
            return
        with self._message.trying():
            self._need_packages()
            folder = Path(str(self._ui.mappingFolderEdit.text).strip()).expanduser().absolute()
            table = folder.with_name(f"{folder.name}-studies.tsv")
            self._keep(table)
            words = ("collect", str(self._source), str(folder), "--mapping", str(table), "--progress", "json")
            self.copy_job.start(words)

    def close(self) -> None:
        """The panel goes, and the commands that used the table have ended."""
        self._table_folder.cleanup()

    @property
    def _table_file(self) -> Path:
        return Path(self._table_folder.name) / "studies.tsv"

    def _keep(self, table: Path) -> None:
        """Write the table as it is shown.

        Raises:
            UsageError: a name comes twice or cannot be one.
            OutputError: it cannot be written.
        """
        try:
            write_table(table, self._source, self._rows())
            read_table(table, self._source)
        except OSError as error:
            raise OutputError(f"{table} cannot be written ({error.strerror}).", "Choose another data set.") from error

    def _rows(self) -> list[StudyFiles]:
        table, studies = self._ui.mappingTable, []
        for row in range(table.rowCount):
            name, *files, note = (_text(table.item(row, column)) for column in range(len(COLUMNS)))
            images = {contrast: self._source / file for contrast, file in zip(CONTRASTS, files, strict=True) if file}
            studies.append(StudyFiles(name, images, note=note))
        return studies

    def _found(self, _result: dict[str, Any]) -> None:
        with self._message.trying():
            studies = read_table(self._table_file, self._source)
            table = self._ui.mappingTable
            table.setRowCount(len(studies))
            for row, study in enumerate(studies):
                files = [_relative(study.images.get(contrast), self._source) for contrast in CONTRASTS]
                for column, text in enumerate((study.name, *files, study.note)):
                    item = qt.QTableWidgetItem(text)
                    item.setToolTip(text)
                    table.setItem(row, column, item)
            table.resizeColumnsToContents()
            told = _("Studies found: {count}. Look through them, and correct what is wrong.")
            self._message.say(told.format(count=len(studies)))
        self._show_buttons()

    def _copied(self, result: dict[str, Any]) -> None:
        if self.copy_job.warnings:
            self._context.message.fail(str(result["message"]), " ".join(self.copy_job.warnings))
        else:
            self._context.message.say(str(result["message"]))
        self._on_copied(Path(result["folder"]))

    def _show_buttons(self, *_what: Any) -> None:
        ui, busy = self._ui, self.find_job.running or self.copy_job.running
        rows = ui.mappingTable.rowCount
        ui.mappingTable.setVisible(rows > 0)
        for widget in (ui.mappingTable, ui.mappingRemoveButton, ui.mappingFolderEdit, ui.mappingFolderButton):
            widget.setEnabled(rows > 0 and not busy)
        if not self.find_job.running:
            ui.mappingFindButton.setEnabled(not busy)
        if not self.copy_job.running:
            named = bool(str(ui.mappingFolderEdit.text).strip())
            ui.mappingCopyButton.setEnabled(rows > 0 and named and not busy)

    def _need_packages(self) -> None:
        if self._source is None:
            raise UsageError(_("No folder of studies is chosen."), _("Choose it above."))
        if not ensure_installed(slicer.util.mainWindow(), torch=False):
            raise DependencyError(_("What the computation needs is not installed yet."), INSTALL_HINT)


def _text(item: Any) -> str:
    return str(item.text()).strip() if item is not None else ""


def _relative(path: Path | None, root: Path) -> str:
    if path is None:
        return ""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
