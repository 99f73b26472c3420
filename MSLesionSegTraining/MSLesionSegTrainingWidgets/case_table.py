"""The table of cases in a ``QTableWidget``; a click on a title gives another order."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import qt
from slicer.i18n import tr as _

from MSLesionSegTrainingLib.worklist.work_list import WorkCase, ordered
from MSLesionSegWidgets.table_columns import set_columns

from .case_words import case_hint, case_state, short_time

#: Orders of ``work_list.ordered`` by column.
ORDERS = ("name", "state", "uncertainty", "annotator", "changed", "contrasts")
FIRST_DOWN = ("uncertainty", "changed")
"""Orders in which a first click puts the greatest on top."""


class CaseTable:
    """Shows cases, and tells which one the annotator chose.

    Args:
        table: the widget, without rows and columns.
        on_select: called when another case is chosen.
        on_open: called when a case is double-clicked.

    Attributes:
        cases: in the order that is shown.
    """

    def __init__(self, table: Any, on_select: Callable[[], None], on_open: Callable[[], None]) -> None:
        self.cases: list[WorkCase] = []
        self._table = table
        self._on_select = on_select
        self._on_open = on_open
        self._by, self._down = "uncertainty", True
        self._quiet = False
        titles = (_("Case"), _("State"), _("Unsure, mL"), _("Annotator"), _("Changed"), _("Images"))
        hints = (
            "",
            _("What was done of it"),
            _("Volume of which the model is unsure; the cases that teach most come first"),
            _("Who has it, or did last something on it"),
            _("When something was done last"),
            _("Which images there are"),
        )
        header = set_columns(table, titles, hints)
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        header.connect("sectionClicked(int)", self._order)
        table.connect("itemSelectionChanged()", self._selected)
        table.connect("cellDoubleClicked(int,int)", self._double_clicked)
        self._show_indicator()

    @property
    def chosen(self) -> WorkCase | None:
        """The case that is chosen; None where none is."""
        row = self._table.currentRow()
        return self.cases[row] if 0 <= row < len(self.cases) else None

    def show(self, cases: Sequence[WorkCase]) -> None:
        """Show these cases in the order chosen; the case chosen stays so where it is still there."""
        chosen = self.chosen.name if self.chosen is not None else None
        self.cases = ordered(cases, self._by, descending=self._down)
        with self._quietly():
            self._table.setRowCount(len(self.cases))
            for row, case in enumerate(self.cases):
                self._fill(row, case)
            self._table.clearSelection()
            self._table.setCurrentCell(-1, -1)
            if chosen is not None:
                self._choose(chosen)
        self._on_select()

    def choose(self, name: str) -> None:
        """Choose a case, if it is there."""
        with self._quietly():
            self._choose(name)
        self._on_select()

    def beside(self, name: str, step: int) -> Iterator[WorkCase]:
        """The cases after (``step`` 1) or before (-1) the one of that name, in the order shown; all where it is not."""
        names = [case.name for case in self.cases]
        if name not in names:
            yield from self.cases[::step]
        elif step > 0:
            yield from self.cases[names.index(name) + 1 :]
        else:
            yield from reversed(self.cases[: names.index(name)])

    def _choose(self, name: str) -> None:
        names = [case.name for case in self.cases]
        if name in names:
            self._table.setCurrentCell(names.index(name), 0)
            self._table.selectRow(names.index(name))

    def _fill(self, row: int, case: WorkCase) -> None:
        unsure = "" if case.uncertain_ml is None else f"{case.uncertain_ml:.2f}"
        texts = (
            case.name,
            case_state(case),
            unsure,
            case.annotator,
            short_time(case.changed, datetime.now(UTC)),
            ", ".join(case.study.images),
        )
        hint = case_hint(case)
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(hint)
            if ORDERS[column] == "uncertainty":
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            self._table.setItem(row, column, item)

    def _order(self, column: int) -> None:
        by = ORDERS[column]
        self._down = not self._down if by == self._by else by in FIRST_DOWN
        self._by = by
        self._show_indicator()
        self.show(self.cases)

    def _show_indicator(self) -> None:
        order = qt.Qt.DescendingOrder if self._down else qt.Qt.AscendingOrder
        self._table.horizontalHeader().setSortIndicator(ORDERS.index(self._by), order)

    def _selected(self) -> None:
        if not self._quiet:
            self._on_select()

    def _double_clicked(self, _row: int, _column: int) -> None:
        self._on_open()

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before
