"""What is the matter with the images, in a label of the panel."""

import html
from collections.abc import Sequence
from typing import Any

from slicer.i18n import tr as _

from .panel_context import PanelContext


def show_warnings(label: Any, sentences: Sequence[str]) -> None:
    """Show these sentences with a sign that says more than a colour; hide the label where there are none."""
    lines = [f"<b>&#9888;</b> {html.escape(sentence)}" for sentence in sentences]
    label.setText("<br>".join(lines))
    label.setVisible(bool(lines))


class QualityLine:
    """The warnings that the computation gave with the result; they are kept in the scene.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``.
        context: of the panel.
    """

    def __init__(self, ui: Any, context: PanelContext) -> None:
        self._ui = ui
        self._context = context
        ui.qualityLabel.setToolTip(_("What makes the result less reliable; thresholds in docs/validation/quality.md"))
        context.listen(self.refresh)

    def refresh(self) -> None:
        """Show those of the result that is under review."""
        found = self._context.state.provenance.get("quality", []) if self._context.review.has_result else []
        show_warnings(self._ui.qualityLabel, [one["message"] for one in found])
