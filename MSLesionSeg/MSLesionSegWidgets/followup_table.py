"""The table of changes between two dates: one row a change, in a ``QTableWidget``."""

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from .table_columns import set_columns


def kind_words(kind: str) -> str:
    """A kind of change in words."""
    words = {
        "new": _("new"),
        "enlarging": _("enlarging"),
        "shrinking": _("shrinking"),
        "resolved": _("resolved"),
    }
    return words.get(kind, kind)


class FollowupTable:
    """Shows changes, largest first, and tells which one was chosen.

    Args:
        table: the widget, without rows and columns.
        on_select: called with the row of ``changes.csv`` that a person chose, by mouse or keyboard.
    """

    def __init__(self, table: Any, on_select: Callable[[dict[str, Any]], None]) -> None:
        self._table = table
        self._on_select = on_select
        self._rows: list[dict[str, Any]] = []
        titles = [_("Change"), _("mL"), _("Noise"), _("z"), _("Then"), _("Now")]
        hints = (
            _("New, enlarging, shrinking or resolved"),
            _("Volume that changed"),
            _("What noise alone would give (95 %), mL"),
            _("Peak of the subtraction over its noise"),
            _("Volume of the whole lesion at baseline, mL"),
            _("Volume of the whole lesion at follow-up, mL"),
        )
        set_columns(table, titles, hints)
        table.connect("itemSelectionChanged()", self._selected)

    def show(self, rows: Sequence[dict[str, Any]]) -> None:
        """Show these changes; where they are the same as before, the one chosen stays chosen."""
        if list(rows) == self._rows:
            return
        self._rows = []  # nothing can be chosen meanwhile
        self._table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            texts = (
                kind_words(row["kind"]),
                f"{row['change_ml']:+.3f}",
                f"{row['noise_ml']:.3f}",
                f"{row['z']:+.1f}",
                f"{row['baseline_ml']:.3f}",
                f"{row['followup_ml']:.3f}",
            )
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem()
                item.setText(text)
                if column:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                self._table.setItem(number, column, item)
        self._table.clearSelection()
        self._table.setCurrentCell(-1, -1)
        self._rows = list(rows)

    def _selected(self) -> None:
        row = self._table.currentRow()
        if 0 <= row < len(self._rows):
            self._on_select(self._rows[row])
