"""The Segment Editor's widget: the nodes it works on and the segment chosen; its tools are not there."""

from typing import Any

from PySide6 import QtCore, QtWidgets

from .mrml_widgets import qMRMLWidget


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Shows which segment of which segmentation would be edited; tests edit the segment itself."""

    currentSegmentIDChanged = QtCore.Signal(str)
    segmentationNodeChanged = QtCore.Signal(object)
    sourceVolumeNodeChanged = QtCore.Signal(object)
    _signals = {
        **qMRMLWidget._signals,
        "currentSegmentIDChanged(QString)": ("currentSegmentIDChanged", None),
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)": ("segmentationNodeChanged", None),
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)": ("sourceVolumeNodeChanged", None),
    }

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._values: dict[str, Any] = {"maximumNumberOfUndoStates": 10, "undoEnabled": True, "readOnly": False}
        self._effect = ""
        self._shortcuts = False
        self._label = QtWidgets.QLabel("Segment Editor (its tools are not part of the test host)", self)
        self._label.setWordWrap(True)
        self._label.setMinimumHeight(60)
        column = QtWidgets.QVBoxLayout(self)
        column.addWidget(self._label)

    def _option(name: str, kind: Any, default: Any) -> Any:  # noqa: N805 - makes class attributes
        def write(self: "qMRMLSegmentEditorWidget", value: Any) -> None:
            self._values[name] = value

        return QtCore.Property(kind, lambda self: self._values.get(name, default), write)

    maximumNumberOfUndoStates = _option("maximumNumberOfUndoStates", int, 10)
    undoEnabled = _option("undoEnabled", bool, True)
    readOnly = _option("readOnly", bool, False)
    segmentationNodeSelectorVisible = _option("segmentationNodeSelectorVisible", bool, True)
    sourceVolumeNodeSelectorVisible = _option("sourceVolumeNodeSelectorVisible", bool, True)
    switchToSegmentationsButtonVisible = _option("switchToSegmentationsButtonVisible", bool, True)
    addRemoveSegmentButtonsVisible = _option("addRemoveSegmentButtonsVisible", bool, True)
    show3DButtonVisible = _option("show3DButtonVisible", bool, True)
    specifyGeometryButtonVisible = _option("specifyGeometryButtonVisible", bool, True)
    autoShowSourceVolumeNode = _option("autoShowSourceVolumeNode", bool, True)
    maskingSectionVisible = _option("maskingSectionVisible", bool, True)
    jumpToSelectedSegmentEnabled = _option("jumpToSelectedSegmentEnabled", bool, False)
    del _option

    def setSegmentationNodeSelectorVisible(self, visible: bool) -> None:
        """Show or hide the selector of the segmentation."""
        self.segmentationNodeSelectorVisible = visible

    def setSourceVolumeNodeSelectorVisible(self, visible: bool) -> None:
        """Show or hide the selector of the source volume."""
        self.sourceVolumeNodeSelectorVisible = visible

    def setSwitchToSegmentationsButtonVisible(self, visible: bool) -> None:
        """Show or hide the button that leads to the module Segmentations."""
        self.switchToSegmentationsButtonVisible = visible

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        """How many edits can be undone."""
        self.maximumNumberOfUndoStates = count

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        """Set the node that holds the editor's parameters."""
        self._node = node
        self.updateWidgetFromMRML()

    def mrmlSegmentEditorNode(self) -> Any:
        """The node that holds the editor's parameters."""
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        """Choose the segmentation.

        Raises:
            RuntimeError: no parameter node was set, which the application would report.
        """
        self._parameters().SetAndObserveSegmentationNode(node)
        self.updateWidgetFromMRML()
        self.segmentationNodeChanged.emit(node)

    def segmentationNode(self) -> Any:
        """The segmentation chosen."""
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSourceVolumeNode(self, node: Any) -> None:
        """Choose the volume that is painted on."""
        self._parameters().SetAndObserveSourceVolumeNode(node)
        self.sourceVolumeNodeChanged.emit(node)

    def sourceVolumeNode(self) -> Any:
        """The volume that is painted on."""
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def setCurrentSegmentID(self, segment_id: str) -> None:
        """Choose the segment."""
        self._parameters().SetSelectedSegmentID(segment_id)
        self.updateWidgetFromMRML()
        self.currentSegmentIDChanged.emit(segment_id)

    def currentSegmentID(self) -> str:
        """The segment chosen."""
        return (self._node.GetSelectedSegmentID() or "") if self._node is not None else ""

    def setActiveEffectByName(self, name: str) -> None:
        """Take up a tool; "" or None puts it down."""
        self._effect = name or ""

    def setActiveEffect(self, effect: None) -> None:
        """Put the tool down; the tools themselves are not there."""
        self._effect = ""

    def activeEffect(self) -> Any:
        """The tool in use; the tools are not there."""
        return None

    def installKeyboardShortcuts(self, _widget: Any = None) -> None:
        """Let the editor's keys work."""
        self._shortcuts = True

    def uninstallKeyboardShortcuts(self) -> None:
        """Let the editor's keys rest."""
        self._shortcuts = False

    def setupViewObservations(self) -> None:
        """Listen to the views."""

    def removeViewObservations(self) -> None:
        """Listen to the views no more."""

    def updateWidgetFromMRML(self) -> None:
        """Show what the parameter node says."""
        segmentation = self.segmentationNode()
        segment = None
        if segmentation is not None and self.currentSegmentID():
            segment = segmentation.GetSegmentation().GetSegment(self.currentSegmentID())
        name = f"Editing: {segment.GetName()}" if segment is not None else "Nothing to edit"
        self._label.setText(f"{name}\n(Segment Editor; its tools are not part of the test host)")

    def _parameters(self) -> Any:
        if self._node is None:
            raise RuntimeError("setMRMLSegmentEditorNode has to be called first")
        return self._node
