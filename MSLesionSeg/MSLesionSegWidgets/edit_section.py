"""Section Edit: Slicer's Segment Editor on the reader's segment; the table follows what is painted."""

from collections.abc import Callable
from typing import Any

import qt
import slicer

from MSLesionSegScene.lesion_segments import READER_SEGMENT

from .panel_context import PanelContext

TAG = "MSLesionSeg"
UNDO_STATES = 10
#: After an edit, further ones are awaited this long before the table follows, milliseconds.
SETTLE_MS = 150


class EditSection:
    """The embedded Segment Editor.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``.
        context: of the panel.
        on_open: called with True when the section is opened and with False when it is folded.
    """

    def __init__(self, ui: Any, context: PanelContext, on_open: Callable[[bool], None]) -> None:
        self._ui = ui
        self._editor = ui.segmentEditor
        self._context = context
        self._on_open = on_open
        self._entered = False
        self._observed: tuple[Any, list[int]] | None = None
        self._settle = qt.QTimer()
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.connect("timeout()", self._take_edits)
        self._editor.setMaximumNumberOfUndoStates(UNDO_STATES)
        self._editor.setSegmentationNodeSelectorVisible(False)
        self._editor.setSourceVolumeNodeSelectorVisible(False)
        self._editor.setSwitchToSegmentationsButtonVisible(False)
        ui.editSection.connect("contentsCollapsed(bool)", self._folded)
        context.listen(self.refresh)

    @property
    def open(self) -> bool:
        """Whether the section is open."""
        return not self._ui.editSection.collapsed

    def refresh(self) -> None:
        """Let the editor work on the segmentation of the state, and watch it."""
        segmentation = self._context.state.segmentation
        self._watch(segmentation)
        self._ui.editSection.setEnabled(segmentation is not None)
        if segmentation is None or not self._entered or self._editor.segmentationNode() is segmentation:
            return
        node = self._parameters()
        self._editor.setMRMLSegmentEditorNode(node)
        self._editor.setSegmentationNode(segmentation)
        self._editor.setSourceVolumeNode(self._context.state.flair)
        self._editor.setCurrentSegmentID(READER_SEGMENT)

    def enter(self) -> None:
        """The module is shown."""
        self._entered = True
        self._take_edits()
        self.refresh()
        self._editor.setupViewObservations()
        if self.open:
            self._editor.installKeyboardShortcuts(self._ui.segmentEditor)

    def exit(self) -> None:
        """Another module is shown: put the tool down."""
        self._entered = False
        self._put_down()
        self._editor.uninstallKeyboardShortcuts()
        self._editor.removeViewObservations()

    def release(self) -> None:
        """Let the nodes go, before the scene is closed or the panel goes."""
        self._settle.stop()
        self._watch(None)
        if self._editor.segmentationNode() is not None:
            self._put_down()
            self._editor.setSegmentationNode(None)

    def _parameters(self) -> Any:
        """The editor's own settings in the scene; painting never takes voxels from other segments."""
        scene = self._context.scene
        node = scene.GetSingletonNode(TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(TAG)
            node = scene.AddNode(node)
        node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
        return node

    def _watch(self, segmentation: Any) -> None:
        """Hear of every change of the segmentation's voxels; None hears of none."""
        watched = segmentation.GetSegmentation() if segmentation is not None else None
        if self._observed is not None:
            if self._observed[0] is watched:
                return
            for tag in self._observed[1]:
                self._observed[0].RemoveObserver(tag)
            self._observed = None
        if watched is not None:
            events = (slicer.vtkSegmentation.SourceRepresentationModified, slicer.vtkSegmentation.SegmentRemoved)
            self._observed = (watched, [watched.AddObserver(event, self._edited) for event in events])

    def _edited(self, *_: Any) -> None:
        self._settle.start()

    def _take_edits(self) -> None:
        """The reader has painted: lesions, volumes and ids anew; of two panels on the scene, the one shown hears it."""
        context = self._context
        if not self._entered or context.busy or context.scene.IsClosing() or not context.review.has_result:
            return
        if context.review.refresh():
            context.clock.note()
            context.tell()

    def _put_down(self) -> None:
        self._editor.setActiveEffect(None)

    def _folded(self, folded: bool) -> None:
        if folded:
            self._put_down()
            self._editor.uninstallKeyboardShortcuts()
        elif self._entered:
            self._editor.installKeyboardShortcuts(self._ui.segmentEditor)
        self._on_open(not folded)
