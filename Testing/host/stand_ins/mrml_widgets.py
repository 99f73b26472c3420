"""Widgets of Slicer that look at the scene."""

from typing import Any

from PySide6 import QtCore, QtWidgets


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows the scene."""

    mrmlSceneChanged = QtCore.Signal(object)
    _signals = {"mrmlSceneChanged(vtkMRMLScene*)": ("mrmlSceneChanged", None)}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        """The scene; None before one was set."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene and tell it to whoever is connected."""
        if scene is self._scene:
            return
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)


class _Observation:
    """Observers of a scene that go with their widget, as those of the C++ widgets do."""

    def __init__(self, widget: QtCore.QObject) -> None:
        self._scene: Any = None
        self._tags: list[int] = []
        widget.destroyed.connect(self.stop)

    def start(self, scene: Any, events: tuple[str, ...], method: Any) -> None:
        import slicer

        self._scene = scene
        self._tags = [scene.AddObserver(getattr(slicer.vtkMRMLScene, event), method) for event in events]

    def stop(self, *_: Any) -> None:
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags = []


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A selector of nodes that follows the scene."""

    currentNodeChanged = QtCore.Signal((object,), (bool,))
    currentNodeIDChanged = QtCore.Signal(str)
    nodeAddedByUser = QtCore.Signal(object)
    nodeActivated = QtCore.Signal(object)
    _signals = {
        "currentNodeChanged(vtkMRMLNode*)": ("currentNodeChanged", object),
        "currentNodeChanged(bool)": ("currentNodeChanged", bool),
        "currentNodeIDChanged(QString)": ("currentNodeIDChanged", None),
        "nodeAddedByUser(vtkMRMLNode*)": ("nodeAddedByUser", None),
        "nodeActivated(vtkMRMLNode*)": ("nodeActivated", None),
    }

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._observation = _Observation(self)
        self._values = {
            "nodeTypes": [],
            "noneEnabled": False,
            "addEnabled": True,
            "removeEnabled": True,
            "editEnabled": False,
            "renameEnabled": False,
            "showHidden": False,
            "showChildNodeTypes": True,
            "selectNodeUponCreation": True,
            "noneDisplay": "None",
            "baseName": "",
        }
        self._attributes: dict[str, list[tuple[str, Any]]] = {}
        self._current: str | None = None
        self._box = QtWidgets.QComboBox(self)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        QtCore.QObject.connect(self._box, QtCore.SIGNAL("activated(int)"), self._picked)

    def _option(name: str, kind: Any) -> Any:  # noqa: N805 - makes class attributes
        def write(self: "qMRMLNodeComboBox", value: Any) -> None:
            self._values[name] = value
            self._fill()

        return QtCore.Property(kind, lambda self: self._values[name], write)

    nodeTypes = _option("nodeTypes", "QStringList")
    noneEnabled = _option("noneEnabled", bool)
    addEnabled = _option("addEnabled", bool)
    removeEnabled = _option("removeEnabled", bool)
    editEnabled = _option("editEnabled", bool)
    renameEnabled = _option("renameEnabled", bool)
    showHidden = _option("showHidden", bool)
    showChildNodeTypes = _option("showChildNodeTypes", bool)
    selectNodeUponCreation = _option("selectNodeUponCreation", bool)
    noneDisplay = _option("noneDisplay", str)
    baseName = _option("baseName", str)
    del _option

    currentNodeID = QtCore.Property(str, lambda self: self._current or "", lambda self, one: self.setCurrentNodeID(one))

    def mrmlScene(self) -> Any:
        """The scene; None before one was set."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Follow another scene."""
        if scene is self._scene:
            return
        self._observation.stop()
        self._scene = scene
        if scene is not None:
            events = ("NodeAddedEvent", "NodeRemovedEvent", "EndCloseEvent", "EndImportEvent", "EndBatchProcessEvent")
            self._observation.start(scene, events, self._scene_changed)
        self._fill()

    def currentNode(self) -> Any:
        """The node chosen; None where there is none."""
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node (or its ID); None chooses nothing."""
        self.setCurrentNodeID(node if isinstance(node, str) else (node.GetID() if node is not None else ""))

    def setCurrentNodeID(self, node_id: str | None) -> None:
        """Choose a node by its ID."""
        known = {node.GetID() for node in self._nodes()}
        self._choose(node_id if node_id in known else None)

    def addNode(self, class_name: str = "") -> Any:
        """Make a new node and choose it."""
        node = self._scene.AddNewNodeByClass(class_name or self._values["nodeTypes"][0], self._values["baseName"])
        self.setCurrentNode(node)
        return node

    def nodeCount(self) -> int:
        """Number of nodes to choose from."""
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> Any:
        """The node at that place of the list."""
        return self._nodes()[index]

    def addAttribute(self, class_name: str, name: str, value: Any = None) -> None:
        """Offer only nodes of the class that have the attribute."""
        self._attributes.setdefault(class_name, []).append((name, value))
        self._fill()

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        found = []
        for class_name in self._values["nodeTypes"]:
            nodes = self._scene.GetNodesByClass(class_name)
            nodes.UnRegister(None)
            for index in range(nodes.GetNumberOfItems()):
                node = nodes.GetItemAsObject(index)
                if self._offers(node, class_name) and node not in found:
                    found.append(node)
        return found

    def _offers(self, node: Any, class_name: str) -> bool:
        if node.GetHideFromEditors() and not self._values["showHidden"]:
            return False
        if not self._values["showChildNodeTypes"] and node.GetClassName() != class_name:
            return False
        wanted = self._attributes.get(class_name, [])
        return all(
            node.GetAttribute(name) == (value if value is not None else node.GetAttribute(name))
            for name, value in wanted
        )

    def _scene_changed(self, *_: Any) -> None:
        if not self._scene.IsBatchProcessing():
            self._fill()

    def _fill(self) -> None:
        """Show what there is; a node that went is no longer chosen, and without "none" the first one is."""
        nodes = self._nodes()
        blocked = self._box.blockSignals(True)
        self._box.clear()
        if self._values["noneEnabled"] or not nodes:
            self._box.addItem(self._values["noneDisplay"], "")
        for node in nodes:
            self._box.addItem(node.GetName() or node.GetID(), node.GetID())
        self._box.blockSignals(blocked)
        chosen = self._current if self._current in {node.GetID() for node in nodes} else None
        if chosen is None and nodes and not self._values["noneEnabled"]:
            chosen = nodes[0].GetID()
        self._choose(chosen)

    def _choose(self, node_id: str | None) -> None:
        self._box.setCurrentIndex(max(self._box.findData(node_id or ""), 0))
        if node_id == self._current:
            return
        self._current = node_id
        node = self.currentNode()
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(node_id or "")

    def _picked(self, index: int) -> None:
        self._choose(self._box.itemData(index) or None)
        self.nodeActivated.emit(self.currentNode())
