"""Review and editor of MSLesionSeg in this panel: the same sections, from the same .ui file."""

from pathlib import Path
from typing import Any

import slicer

import MSLesionSegWidgets
from MSLesionSegWidgets.areas_list import AreasList
from MSLesionSegWidgets.edit_section import EditSection
from MSLesionSegWidgets.panel_context import PanelContext
from MSLesionSegWidgets.quality_line import QualityLine
from MSLesionSegWidgets.review_section import ReviewSection

UI_FILE = Path(MSLesionSegWidgets.__file__).resolve().parents[1] / "Resources" / "UI" / "MSLesionSeg.ui"
SECTIONS = ("reviewSection", "editSection")


class ReviewWidgets:
    """The two sections, shown while a study is open.

    Args:
        layout: where they go.
        context: the study.

    Attributes:
        ui: the widgets of ``MSLesionSeg.ui``, by name; only those of the two sections are shown.
    """

    def __init__(self, layout: Any, context: PanelContext) -> None:
        self._whole = slicer.util.loadUI(str(UI_FILE))
        self.ui = slicer.util.childWidgetVariables(self._whole)
        self._whole.setMRMLScene(slicer.mrmlScene)
        layout.addWidget(self._whole)
        self._whole.setVisible(False)
        for name in SECTIONS:
            layout.addWidget(getattr(self.ui, name))
        self.quality = QualityLine(self.ui, context)
        self.review = ReviewSection(self.ui, context)
        self.areas = AreasList(self.ui, context, self.review)
        self.edit = EditSection(self.ui, context, self._editing)
        self._shown = False
        self.show(False)

    def show(self, shown: bool) -> None:
        """Show the sections, or hide them while no study is open."""
        for name in SECTIONS:
            getattr(self.ui, name).setVisible(shown)

    def enter(self) -> None:
        """The module is shown."""
        self.edit.enter()
        self.review.bar.install_keys(slicer.util.mainWindow() or self.ui.reviewSection.window())
        self.review.bar.enable_keys(not self.edit.open)

    def exit(self) -> None:
        """Another module is shown."""
        self.review.bar.remove_keys()
        self.edit.exit()

    def release(self) -> None:
        """Let the nodes of the study go, before they leave the scene."""
        self.edit.release()

    def close(self) -> None:
        """The panel goes."""
        self.review.bar.remove_keys()
        self.review.close()
        self.edit.release()

    def _editing(self, editing: bool) -> None:
        """While the editor is open its tools take the keys of the review."""
        self.review.bar.enable_keys(not editing)
