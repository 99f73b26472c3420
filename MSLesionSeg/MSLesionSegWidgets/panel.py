"""The panel of the module MSLesionSeg: its sections, wired to one another and to the scene."""

from typing import Any

import slicer

from .areas_list import AreasList
from .edit_section import EditSection
from .export_section import ExportSection
from .followup_section import FollowupSection
from .inputs_section import InputsSection
from .panel_context import PanelContext
from .quality_line import QualityLine
from .report_section import ReportSection
from .review_section import ReviewSection
from .segment_section import SegmentSection


class Panel:
    """Inputs, Segment, Review, Edit, Export and Follow-up.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``, by name.
        scene: the ``vtkMRMLScene``.

    Attributes:
        context: what the sections share.
    """

    def __init__(self, ui: Any, scene: Any) -> None:
        self._ui = ui
        self._scene = scene
        self.context = PanelContext(scene)
        self.inputs = InputsSection(ui, self.context)
        self.segment = SegmentSection(ui, self.context)
        self.quality = QualityLine(ui, self.context)
        self.review = ReviewSection(ui, self.context)
        self.areas = AreasList(ui, self.context, self.review)
        self.edit = EditSection(ui, self.context, self._editing)
        self.export = ExportSection(ui, self.context)
        self.report = ReportSection(ui, self.context)
        self.followup = FollowupSection(ui, self.context)
        self._another_scene = False
        events = {
            slicer.vtkMRMLScene.StartCloseEvent: self._scene_closes,
            slicer.vtkMRMLScene.EndCloseEvent: self._scene_changed,
            slicer.vtkMRMLScene.EndImportEvent: self._scene_changed,
            slicer.vtkMRMLScene.EndBatchProcessEvent: self._batch_ends,
            slicer.vtkMRMLScene.NodeRemovedEvent: self._node_removed,
        }
        self._tags = [scene.AddObserver(event, method) for event, method in events.items()]

    def enter(self) -> None:
        """The module is shown."""
        self.inputs.enter()
        self.segment.enter()
        self.edit.enter()
        self.review.bar.install_keys(slicer.util.mainWindow() or self._ui.reviewSection)
        self.review.bar.enable_keys(not self.edit.open)
        self.context.tell()

    def exit(self) -> None:
        """Another module is shown."""
        self.review.bar.remove_keys()
        self.edit.exit()

    def close(self) -> None:
        """The panel goes: end the computation and let the scene go."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags = []
        self.review.bar.remove_keys()
        self.review.close()
        self.report.close()
        self.followup.close()
        self.edit.release()
        self.segment.close()

    def _editing(self, editing: bool) -> None:
        """While the editor is open its tools take the keys of the review."""
        self.review.bar.enable_keys(not editing)

    def _scene_closes(self, *_: Any) -> None:
        self.segment.abandon()
        self.edit.release()

    def _scene_changed(self, *_: Any) -> None:
        self._another_scene = True
        self._batch_ends()

    def _batch_ends(self, *_: Any) -> None:
        if self._another_scene and not self._scene.IsBatchProcessing():
            self._another_scene = False
            self.context.forget()

    def _node_removed(self, *_: Any) -> None:
        if not (self._scene.IsClosing() or self._scene.IsImporting() or self._scene.IsBatchProcessing()):
            self.context.tell()
