"""The one node of a scene in which a module keeps what it knows."""

from __future__ import annotations

import slicer


def singleton_node(scene: slicer.vtkMRMLScene, module: str) -> slicer.vtkMRMLScriptedModuleNode:
    """The node, made when first asked for; the one that ``ScriptedLoadableModuleLogic.getParameterNode`` finds.

    Args:
        scene: the ``vtkMRMLScene``.
        module: name of the module, which is the node's name and singleton tag as well.
    """
    node = scene.GetSingletonNode(module, "vtkMRMLScriptedModuleNode")
    if node is None:
        node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(module)
        node.SetModuleName(module)
        node.SetName(module)
        node = scene.AddNode(node)
    if node.GetModuleName() != module:  # closing a scene empties singleton nodes
        node.SetModuleName(module)
    return node
