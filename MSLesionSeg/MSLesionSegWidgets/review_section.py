"""Section Review: threshold, minimum size, the table, the decisions."""

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegScene import layouts
from MSLesionSegScene.lesion_segments import MODEL_SEGMENT, READER_SEGMENT
from MSLesionSegScene.state import ACCEPTED, REJECTED, UNDECIDED

from .lesion_table import LesionTable
from .message_line import MessageLine
from .panel_context import PanelContext
from .review_bar import ReviewBar

#: While a slider moves, its last place is taken this often, milliseconds.
SLIDER_MS = 20


class ReviewSection:
    """Shows the lesions and takes the reader's word on them.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``.
        context: of the panel.
    """

    def __init__(self, ui: Any, context: PanelContext) -> None:
        self._ui = ui
        self._context = context
        self._message = MessageLine(ui.reviewMessage)
        self._showing = False
        self.table = LesionTable(ui.lesionTable, self._go_to)
        actions = {
            "next": lambda: self._step(1),
            "previous": lambda: self._step(-1),
            "accept": lambda: self._decide(ACCEPTED),
            "reject": lambda: self._decide(REJECTED),
            "undecided": lambda: self._decide(UNDECIDED),
            "undo": lambda: self._take_back("undo"),
            "redo": lambda: self._take_back("redo"),
        }
        self.bar = ReviewBar(ui, actions)
        self._slider_timer = qt.QTimer()
        self._slider_timer.setSingleShot(True)
        self._slider_timer.setInterval(SLIDER_MS)
        self._slider_timer.connect("timeout()", self._take_sliders)
        ui.thresholdSlider.connect("valueChanged(double)", self._slider_moved)
        ui.minimumSlider.connect("valueChanged(double)", self._slider_moved)
        ui.modelCheck.connect("toggled(bool)", self._show_model)
        ui.show3DButton.connect("toggled(bool)", self._show_3d)
        context.listen(self.refresh)

    def refresh(self) -> None:
        """Show what is in the scene."""
        state, review = self._context.state, self._context.review
        rows = review.rows()
        self._showing = True
        if not self._slider_timer.isActive():
            self._ui.thresholdSlider.value = state.threshold
            self._ui.minimumSlider.value = state.minimum_mm3
        self.table.show(rows)
        self._ui.modelCheck.setChecked(self._shows_model())
        self._ui.show3DButton.setChecked(self._shows_3d())
        self._showing = False
        for name in ("thresholdSlider", "minimumSlider", "modelCheck", "show3DButton"):
            getattr(self._ui, name).setEnabled(review.has_result)
        kept = [row for row in rows if row.state != REJECTED]
        text = _("{count} lesions, {volume:.2f} mL, without the rejected ones")
        volume = sum(row.volume_ml for row in kept)
        self._ui.summaryLabel.setText(text.format(count=len(kept), volume=volume) if review.has_result else "")
        self._show_bar()

    def close(self) -> None:
        """Stop what waits for its time."""
        self._slider_timer.stop()

    def _show_bar(self) -> None:
        review = self._context.review
        chosen = self.table.current_key is not None
        self.bar.show(review.reviewed, chosen=chosen, can_undo=review.can_undo, can_redo=review.can_redo)

    def _go_to(self, key: str) -> None:
        """Centre all slice views on a lesion and outline it."""
        self._context.clock.note()
        with self._message.trying():
            self._context.review.centre_views(key)
            layouts.outline(self._context.scene, self._context.state, key)
            self._tell_doubt(key)
        self._show_bar()

    def _tell_doubt(self, key: str) -> None:
        """Why the lesion is doubtful, if it is."""
        for row in self._context.review.rows():
            if row.key == key and row.doubtful:
                self._message.say(_("Lesion {id} is doubtful: {why}.").format(id=row.id, why=row.doubtful))

    def _step(self, step: int) -> None:
        key = self.table.key_beside(step)
        if key is not None:
            self.table.choose(key)

    def _decide(self, decision: str) -> None:
        key = self.table.current_key
        if key is None:
            return
        self._context.clock.note()
        beside = self.table.key_beside(1)
        with self._message.trying():
            self._context.review.decide(key, decision)
        self._context.tell()
        if decision != UNDECIDED and self._ui.advanceCheck.checked and beside in self.table.keys:
            self.table.choose(beside)

    def _take_back(self, way: str) -> None:
        self._context.clock.note()
        key = None
        with self._message.trying():
            key = getattr(self._context.review, way)()
        self._context.tell()
        if key is not None and key in self.table.keys:
            self.table.choose(key)

    def _slider_moved(self, _value: float) -> None:
        if not self._showing and not self._slider_timer.isActive():
            self._slider_timer.start()

    def _take_sliders(self) -> None:
        self._context.clock.note()
        state, review = self._context.state, self._context.review
        with self._message.trying():
            if self._ui.thresholdSlider.value != state.threshold:
                review.set_threshold(self._ui.thresholdSlider.value)
            if self._ui.minimumSlider.value != state.minimum_mm3:
                review.set_minimum_mm3(self._ui.minimumSlider.value)
        self._context.tell()

    def _shows_model(self) -> bool:
        display = self._display()
        return display is not None and display.GetSegmentVisibility(MODEL_SEGMENT)

    def _shows_3d(self) -> bool:
        segmentation = self._context.state.segmentation
        surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        return segmentation is not None and segmentation.GetSegmentation().ContainsRepresentation(surface)

    def _show_model(self, shown: bool) -> None:
        display = self._display()
        if display is not None and not self._showing:
            display.SetSegmentVisibility(MODEL_SEGMENT, shown)
            display.SetSegmentVisibility(READER_SEGMENT, True)

    def _show_3d(self, shown: bool) -> None:
        """Surfaces of the lesions, in a layout that has a view for them."""
        if self._showing or self._context.state.segmentation is None:
            return
        with self._message.trying(), slicer.util.WaitCursor():
            layouts.show_closed_surface(self._context.scene, self._context.state, shown)
            manager = slicer.app.layoutManager()
            if shown and manager is not None:
                if manager.threeDViewCount == 0:
                    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
                manager.resetThreeDViews()

    def _display(self) -> Any:
        """The display node of the lesions; None where there are none."""
        segmentation = self._context.state.segmentation
        return segmentation.GetDisplayNode() if segmentation is not None else None
