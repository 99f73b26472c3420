"""Where the nodes of a result lie: beside the FLAIR that they belong to."""

from __future__ import annotations

import slicer


def place_beside(
    scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLDisplayableNode, flair: slicer.vtkMRMLVolumeNode
) -> None:
    """Put a node under the FLAIR's parent transform, and under the same item of the subject hierarchy."""
    node.SetAndObserveTransformNodeID(flair.GetTransformNodeID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    beside = hierarchy.GetItemByDataNode(flair)
    parent = hierarchy.GetItemParent(beside) if beside else hierarchy.GetSceneItemID()
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)
