"""The table of lesions before and after: one row a lesion, sortable, in a ``QTableWidget``."""

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from MSLesionSegWidgets.table_columns import set_columns

from .comparison import ChangedLesion


def state_words(state: str) -> str:
    """What became of a lesion, in words; one that is not known as the report says it."""
    words = {
        "found now": _("found now"),
        "lost now": _("lost now"),
        "found by both": _("found by both"),
        "missed by both": _("missed by both"),
        "false lesion new": _("false, new"),
        "false lesion gone": _("false, gone"),
        "false lesion in both": _("false in both"),
    }
    return words.get(state, state)


class ChangeTable:
    """Shows lesions and tells which one was chosen.

    Args:
        table: a ``QTableWidget`` without rows and columns.
        on_select: called with a lesion that a person chose, by mouse or keyboard.
    """

    def __init__(self, table: Any, on_select: Callable[[ChangedLesion], None]) -> None:
        self._table = table
        self._on_select = on_select
        self._quiet = False
        self._lesions: Sequence[ChangedLesion] = ()
        titles = [_("Case"), _("What"), _("mm3"), _("Centre, RAS mm")]
        set_columns(table, titles).setSortIndicator(0, qt.Qt.AscendingOrder)
        table.connect("itemSelectionChanged()", self._selected)

    @property
    def current(self) -> ChangedLesion | None:
        """The lesion chosen; None where none is."""
        row = self._table.currentRow()
        if not 0 <= row < self._table.rowCount:
            return None
        return self._lesions[self._table.item(row, 0).data(qt.Qt.UserRole)]

    def show(self, lesions: Sequence[ChangedLesion]) -> None:
        """Show these lesions in the order chosen."""
        if tuple(lesions) == tuple(self._lesions):
            return
        self._quiet = True
        self._lesions = lesions
        self._table.setSortingEnabled(False)
        self._table.setRowCount(len(lesions))
        for row, lesion in enumerate(lesions):
            centre = ", ".join(f"{mm:.1f}" for mm in lesion.centre)
            for column, value in enumerate((lesion.case, state_words(lesion.state), round(lesion.volume_mm3), centre)):
                item = qt.QTableWidgetItem()
                item.setData(qt.Qt.DisplayRole, value)
                self._table.setItem(row, column, item)
            self._table.item(row, 0).setData(qt.Qt.UserRole, row)
        self._table.setSortingEnabled(True)
        self._table.clearSelection()
        self._table.setCurrentCell(-1, -1)
        self._quiet = False

    def _selected(self) -> None:
        lesion = self.current
        if lesion is not None and not self._quiet:
            self._on_select(lesion)
