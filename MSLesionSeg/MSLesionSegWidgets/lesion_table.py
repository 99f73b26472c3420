"""The table of lesions: one row a lesion, sortable, in a ``QTableWidget``."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from MSLesionSegLib.lesion_confidence import CONFIDENCE_NOTICE
from MSLesionSegLib.location import DEEP, INFRATENTORIAL, JUXTACORTICAL, PERIVENTRICULAR
from MSLesionSegScene.review import LesionRow

from .table_columns import set_columns

NUMBER, VOLUME, DIAMETER, PROBABILITY, LOCATION, STATE = range(6)
SHORT = {PERIVENTRICULAR: "PV", JUXTACORTICAL: "JC", INFRATENTORIAL: "IT", DEEP: "WM"}
"""Locations as the table has room for."""
_LEGEND = [f"{short}: {name}" for name, short in SHORT.items()]
PROBABILITY_HINT = "Mean probability that the model gives its voxels"


def state_words(row: LesionRow) -> str:
    """The decision in words, and whether the outline was changed."""
    words = {"accepted": _("accepted"), "rejected": _("rejected"), "undecided": _("undecided")}[row.state]
    return _("{state}, edited").format(state=words) if row.edited else words


def location_words(row: LesionRow) -> str:
    """Where the largest share of the lesion lies, in short, and how large it is where that is not all."""
    share = row.shares.get(row.location, 1.0)
    name = SHORT.get(row.location, row.location)
    return name if share == 1.0 else f"{name} {100.0 * share:.0f} %"


def shares_words(row: LesionRow) -> str:
    """The share of the volume in each location that has one."""
    return "\n".join(f"{place} {100.0 * share:.1f} %" for place, share in row.shares.items() if share)


def sure_words(row: LesionRow) -> str:
    """The confidence, with a question mark where the lesion is doubtful; these sort first, the least sure at the top.

    The blanks of the others are no-break spaces, which come after the question mark.
    """
    if row.doubtful:
        return f"? {row.confidence:.2f}"
    return "\u00a0\u00a0" + ("\u2013" if row.confidence is None else f"{row.confidence:.2f}")


class LesionTable:
    """Shows lesions in a ``QTableWidget`` and tells which one the reader chose.

    Args:
        table: the widget, without rows and columns.
        on_select: called with the key of a lesion that the reader chose, by mouse or keyboard.
    """

    def __init__(self, table: Any, on_select: Callable[[str], None]) -> None:
        self._table = table
        self._on_select = on_select
        self._quiet = False
        self._rated = False
        titles = [_("No."), _("mL"), _("mm"), _("Prob."), _("Where"), _("State")]
        hints = (
            _("1 is the largest"),
            _("Volume in mL"),
            _("Longest diameter in mm"),
            _(PROBABILITY_HINT),
            "\n".join([_("Where its largest share lies, and how large that is"), *_LEGEND]),
            _("Your decision"),
        )
        header = set_columns(table, titles, hints)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(LOCATION, qt.QHeaderView.Stretch)
        header.setSortIndicator(NUMBER, qt.Qt.AscendingOrder)
        table.connect("itemSelectionChanged()", self._selected)

    @property
    def keys(self) -> list[str]:
        """Keys of the lesions in the order that is shown."""
        return [self._table.item(row, 0).data(qt.Qt.UserRole) for row in range(self._table.rowCount)]

    @property
    def current_key(self) -> str | None:
        """Key of the lesion chosen; None where none is."""
        row = self._table.currentRow()
        return self._table.item(row, 0).data(qt.Qt.UserRole) if 0 <= row < self._table.rowCount else None

    def show(self, rows: Sequence[LesionRow]) -> None:
        """Show these lesions in the order chosen; the lesion chosen stays chosen where it is still there."""
        chosen = self.current_key
        with self._quietly():
            self._table.setSortingEnabled(False)
            self._show_rated(any(row.confidence is not None for row in rows))
            self._table.setRowCount(len(rows))
            for number, row in enumerate(rows):
                self._fill(number, row)
            self._table.setSortingEnabled(True)
            self._table.clearSelection()
            self._table.setCurrentCell(-1, -1)
            if chosen is not None:
                self._choose(chosen)

    def choose(self, key: str) -> None:
        """Choose a lesion as if the reader had."""
        with self._quietly():
            self._choose(key)
        self._on_select(key)

    def key_beside(self, step: int) -> str | None:
        """Key of the lesion so many rows below the one chosen, around the end; None where the table is empty."""
        keys = self.keys
        if not keys:
            return None
        return keys[(keys.index(self.current_key) + step) % len(keys)] if self.current_key in keys else keys[0]

    def _show_rated(self, rated: bool) -> None:
        """Show the confidence, by which lesions are in order then, or the probability where there is none."""
        if rated == self._rated:
            return
        self._rated = rated
        head = self._table.horizontalHeaderItem(PROBABILITY)
        head.setText(_("Sure") if rated else _("Prob."))
        doubtful = _("A question mark: doubtful; these come first.")
        head.setToolTip(f"{doubtful} {CONFIDENCE_NOTICE}" if rated else _(PROBABILITY_HINT))
        self._table.horizontalHeader().setSortIndicator(PROBABILITY if rated else NUMBER, qt.Qt.AscendingOrder)

    def _fill(self, number: int, row: LesionRow) -> None:
        texts = (
            f"{row.id:5d}",  # blanks in front, so that texts sort as the numbers do
            f"{row.volume_ml:9.3f}",
            f"{row.diameter_mm:7.1f}",
            sure_words(row) if self._rated else f"{row.mean_probability:5.2f}",
            location_words(row),
            state_words(row),
        )
        for column, text in enumerate(texts):
            item = self._table.item(number, column)
            if item is None:
                item = qt.QTableWidgetItem()
                self._table.setItem(number, column, item)
                if column < LOCATION:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            item.setText(text)
        self._table.item(number, LOCATION).setToolTip(shares_words(row))
        self._table.item(number, PROBABILITY).setToolTip(row.doubtful)
        self._table.item(number, 0).setData(qt.Qt.UserRole, row.key)

    def _choose(self, key: str) -> None:
        keys = self.keys
        if key in keys:
            self._table.setCurrentCell(keys.index(key), 0)
            self._table.selectRow(keys.index(key))

    def _selected(self) -> None:
        key = self.current_key
        if not self._quiet and key is not None:
            self._on_select(key)

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before
