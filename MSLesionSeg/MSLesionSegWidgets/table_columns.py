"""The columns of a table in the panel: what stands above them, and how wide they are."""

from collections.abc import Sequence
from typing import Any

import qt


def set_columns(table: Any, titles: Sequence[str], hints: Sequence[str] = ()) -> Any:
    """Give a ``QTableWidget`` its columns, as wide as what they hold, and low rows without numbers.

    Args:
        table: without columns.
        titles: above the columns.
        hints: tool tips of the titles, one each; none leaves them out.

    Returns:
        The header above the columns; its last one takes the width that is left.
    """
    table.setColumnCount(len(titles))
    table.setHorizontalHeaderLabels(list(titles))
    for column, hint in enumerate(hints):
        table.horizontalHeaderItem(column).setToolTip(hint)
    table.verticalHeader().setVisible(False)
    table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 6)
    header = table.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    header.setStretchLastSection(True)
    return header
