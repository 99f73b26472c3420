"""The areas of dissemination in space as a list that names lesions; a click on a number goes to the lesion."""

import html
from typing import Any

from slicer.i18n import tr as _

from MSLesionSegLib.dissemination import NOTICE
from MSLesionSegScene.areas import Area, supporting_rows

from .panel_context import PanelContext
from .review_section import ReviewSection

#: Of more lesions in one area the largest are named.
NAMED = 12


class AreasList:
    """Shows which lesions support which area.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``.
        context: of the panel.
        review: goes to a lesion.
    """

    def __init__(self, ui: Any, context: PanelContext, review: ReviewSection) -> None:
        self._ui = ui
        self._context = context
        self._review = review
        ui.areasLabel.connect("linkActivated(QString)", self._go_to)
        context.listen(self.refresh)

    def refresh(self) -> None:
        """Show what the review holds now."""
        areas, sentence = supporting_rows(self._context.review.rows())
        self._ui.areasSection.setVisible(bool(areas))
        lines = [_area_html(area) for area in areas]
        self._ui.areasLabel.setText("<br>".join([*lines, html.escape(f"{sentence} {NOTICE}")]) if areas else "")

    def _go_to(self, key: str) -> None:
        if key in self._review.table.keys:
            self._review.table.choose(key)


def _area_html(area: Area) -> str:
    if not area.assessed:
        return f"&#8212; {html.escape(area.name)}: " + html.escape(_("not on these images"))
    if not area.rows:
        return f"&#9744; {html.escape(area.name)}: " + html.escape(_("no lesion of at least 3 mm"))
    links = ", ".join(f'<a href="{row.key}">{row.id}</a>' for row in area.rows[:NAMED])
    rest = len(area.rows) - NAMED
    more = " " + html.escape(_("and {count} more").format(count=rest)) if rest > 0 else ""
    return f"&#9745; {html.escape(area.name)}: {links}{more}"
