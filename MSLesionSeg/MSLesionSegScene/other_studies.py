"""The studies of a scene that are not under review now: each waits with its review in a node of its own.

A scene may hold several studies, and the module's parameter node is about one of them. When another FLAIR is chosen,
what the node says of the first study is put aside; it comes back when that FLAIR is chosen again.
"""

from __future__ import annotations

import slicer

ROLES = (
    "FLAIR",
    "T1w",
    "T2w",
    "Probability",
    "Segmentation",
    "T1wTransform",
    "T2wTransform",
    "LesionMap",
    "BrainMap",
    "ZoneMap",
    "SecondMap",
)
"""References of the parameter node that belong to one study."""
RESULT_ROLES = ROLES[3:]
PARAMETERS = ("Threshold", "MinimumMm3", "ContrastsUsed", "Provenance", "Lesions", "SecondsSpent")
"""Parameters that belong to one study."""
WAITING = "MSLesionSegStudy"
"""Module name of a waiting study's node."""

Node = slicer.vtkMRMLScriptedModuleNode


def put_aside(scene: slicer.vtkMRMLScene, node: Node) -> None:
    """Keep what the parameter node says of its study in a node of its own; nothing where it has no result."""
    if None in (node.GetNodeReference("FLAIR"), node.GetNodeReference("Segmentation")):
        return
    waiting = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
    waiting.UnRegister(None)
    waiting.SetModuleName(WAITING)
    waiting.SetName(f"{node.GetNodeReference('FLAIR').GetName()} review")
    waiting.SetHideFromEditors(True)
    _copy(node, scene.AddNode(waiting))


def bring_back(scene: slicer.vtkMRMLScene, node: Node, flair: slicer.vtkMRMLNode) -> bool:
    """Let the parameter node speak of the study of this FLAIR again; False where none waits."""
    for waiting in waiting_studies(scene):
        if waiting.GetNodeReference("FLAIR") is flair:
            _copy(waiting, node)
            scene.RemoveNode(waiting)
            return True
    return False


def clear_result(node: Node) -> None:
    """Let the parameter node speak of no result; the images that it names stay."""
    for role in RESULT_ROLES:
        node.SetNodeReferenceID(role, None)
    for name in PARAMETERS:
        node.UnsetParameter(name)


def waiting_studies(scene: slicer.vtkMRMLScene) -> list[Node]:
    """The nodes of the studies that wait, those whose FLAIR was removed left out."""
    found = scene.GetNodesByClass("vtkMRMLScriptedModuleNode")
    nodes = [found.GetItemAsObject(position) for position in range(found.GetNumberOfItems())]
    return [node for node in nodes if node.GetModuleName() == WAITING and node.GetNodeReference("FLAIR") is not None]


def _copy(source: Node, target: Node) -> None:
    was = target.StartModify()
    for role in ROLES:
        target.SetNodeReferenceID(role, source.GetNodeReferenceID(role))
    for name in PARAMETERS:
        target.SetParameter(name, source.GetParameter(name))
    target.EndModify(was)
