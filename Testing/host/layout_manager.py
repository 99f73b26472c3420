"""Views: slice and 3D view nodes, their logics, and the layout, without windows on a screen."""

from typing import Any

from PySide6 import QtCore, QtWidgets


class SliceWidget(QtWidgets.QWidget):
    """What of ``qMRMLSliceWidget`` is used."""

    def __init__(self, logic: Any) -> None:
        super().__init__()
        self._logic = logic

    def sliceLogic(self) -> Any:
        """The ``vtkMRMLSliceLogic`` of the view."""
        return self._logic

    def mrmlSliceNode(self) -> Any:
        """The slice node."""
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        """The node that says which volumes are shown."""
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """Fit the view to the background volume."""
        self._logic.FitSliceToBackground()


class ThreeDView(QtWidgets.QWidget):
    """What of ``qMRMLThreeDView`` is used."""

    def __init__(self, view_node: Any) -> None:
        super().__init__()
        self._view_node = view_node

    def mrmlViewNode(self) -> Any:
        """The view node."""
        return self._view_node

    def resetFocalPoint(self) -> None:
        """Turn the camera to the middle of the scene; nothing is drawn here."""

    def resetCamera(self, *_how: bool) -> None:
        """Bring everything into view; nothing is drawn here."""


class ThreeDWidget(QtWidgets.QWidget):
    """What of ``qMRMLThreeDWidget`` is used."""

    def __init__(self, view_node: Any) -> None:
        super().__init__()
        self._view = ThreeDView(view_node)

    def threeDView(self) -> ThreeDView:
        """The view."""
        return self._view

    def mrmlViewNode(self) -> Any:
        """The view node."""
        return self._view.mrmlViewNode()


class LayoutManager(QtCore.QObject):
    """What of ``qSlicerLayoutManager`` is used, on the real layout logic."""

    layoutChanged = QtCore.Signal(int)
    _signals = {"layoutChanged(int)": ("layoutChanged", None)}

    def __init__(self, logics: Any) -> None:
        super().__init__()
        self._logics = logics
        self._slices: dict[str, SliceWidget] = {}
        self._three_d: dict[str, ThreeDWidget] = {}
        self._node = logics.layout_logic.GetLayoutNode()
        self._node.AddObserver("ModifiedEvent", lambda *_: self._follow())
        self._arrangement = -1
        self.setLayout(4)

    @property
    def layout(self) -> int:
        """Number of the layout."""
        return self._node.GetViewArrangement()

    @layout.setter
    def layout(self, number: int) -> None:
        self.setLayout(number)

    @property
    def threeDViewCount(self) -> int:
        """Number of 3D views in the layout."""
        return sum(self._shown("vtkMRMLViewNode", node) for node in self._nodes("vtkMRMLViewNode"))

    def setLayout(self, number: int) -> None:
        """Choose a layout."""
        self._node.SetViewArrangement(number)
        self._follow()

    def layoutLogic(self) -> Any:
        """The ``vtkMRMLLayoutLogic``."""
        return self._logics.layout_logic

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._logics.scene

    def sliceViewNames(self) -> tuple[str, ...]:
        """Names of the slice views in the layout, in its order."""
        shown = self._logics.layout_logic.GetViewNodes()
        nodes = [shown.GetItemAsObject(index) for index in range(shown.GetNumberOfItems())]
        return tuple(node.GetLayoutName() for node in nodes if node.IsA("vtkMRMLSliceNode"))

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """The slice view of that name."""
        return self._slices.get(name)

    def threeDWidget(self, which: int | str) -> ThreeDWidget | None:
        """The 3D view of that number or name."""
        widgets = [
            self._three_d[node.GetLayoutName()] for node in self._nodes("vtkMRMLViewNode") if node.IsMappedInLayout()
        ]
        if isinstance(which, str):
            return self._three_d.get(which)
        return widgets[which] if which < len(widgets) else None

    def mrmlSliceLogics(self) -> Any:
        """Logics of all slice views."""
        return self._logics.application_logic.GetSliceLogics()

    def resetSliceViews(self) -> None:
        """Fit every slice view to what it shows."""
        for widget in self._slices.values():
            widget.sliceLogic().FitSliceToAll()

    def resetThreeDViews(self) -> None:
        """Bring everything into view in 3D; nothing is drawn here."""

    def pauseRender(self) -> None:
        """Nothing is drawn here."""

    def resumeRender(self) -> None:
        """Nothing is drawn here."""

    def setRenderPaused(self, _paused: bool) -> None:
        """Nothing is drawn here."""

    def _nodes(self, class_name: str) -> list[Any]:
        found = self._logics.scene.GetNodesByClass(class_name)
        found.UnRegister(None)
        return [found.GetItemAsObject(index) for index in range(found.GetNumberOfItems())]

    def _shown(self, _class_name: str, node: Any) -> bool:
        return bool(node.IsMappedInLayout())

    def _follow(self) -> None:
        """Make widgets for new view nodes, and tell the nodes which of them the layout shows."""
        shown = self._logics.layout_logic.GetViewNodes()
        for node in self._nodes("vtkMRMLAbstractViewNode"):
            name = node.GetLayoutName()
            if node.IsA("vtkMRMLSliceNode") and name not in self._slices:
                self._slices[name] = SliceWidget(self._slice_logic(node))
            elif node.IsA("vtkMRMLViewNode") and name not in self._three_d:
                self._three_d[name] = ThreeDWidget(node)
            node.SetMappedInLayout(bool(shown.IsItemPresent(node)))
        if self.layout != self._arrangement:
            self._arrangement = self.layout
            self.layoutChanged.emit(self.layout)

    def _slice_logic(self, node: Any) -> Any:
        import slicer

        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self._logics.application_logic)
        logic.SetMRMLScene(self._logics.scene)
        logic.SetSliceNode(node)
        if node.GetDimensions()[0] <= 1:
            logic.ResizeSliceNode(400, 400)
        self._logics.application_logic.GetSliceLogics().AddItem(logic)
        return logic
