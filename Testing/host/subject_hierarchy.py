"""Items of the subject hierarchy for new nodes, which in the application Qt plugins make."""

from typing import Any

SHOWN = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLModelNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLTransformNode",
)


class SubjectHierarchyItems:
    """Keeps one item for each node that the application would show; to be kept alive as long as the scene."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._tags: list[int] = []
        self._observe(scene)

    def stop(self) -> None:
        """Let the scene go."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)

    def _observe(self, scene: Any) -> None:
        import slicer
        import vtk

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(_scene: Any, _event: str, node: Any) -> None:
            self._add(node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def about_to_be_removed(_scene: Any, _event: str, node: Any) -> None:
            self._remove(node)

        for event, method in (
            ("NodeAddedEvent", added),
            ("NodeAboutToBeRemovedEvent", about_to_be_removed),
            ("EndImportEvent", lambda *_: self._add_missing()),
            ("EndBatchProcessEvent", lambda *_: self._add_missing()),
        ):
            self._tags.append(scene.AddObserver(getattr(slicer.vtkMRMLScene, event), method))

    def _hierarchy(self) -> Any:
        import slicer

        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    def _busy(self) -> bool:
        return self._scene.IsBatchProcessing() or self._scene.IsImporting() or self._scene.IsClosing()

    def _add(self, node: Any) -> None:
        if self._busy() or node.GetHideFromEditors() or not any(node.IsA(name) for name in SHOWN):
            return
        hierarchy = self._hierarchy()
        if not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def _remove(self, node: Any) -> None:
        if self._busy() or node.IsA("vtkMRMLSubjectHierarchyNode"):
            return
        hierarchy = self._hierarchy()
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _add_missing(self) -> None:
        if self._busy():
            return
        for name in SHOWN:
            nodes = self._scene.GetNodesByClass(name)
            for index in range(nodes.GetNumberOfItems()):
                self._add(nodes.GetItemAsObject(index))
