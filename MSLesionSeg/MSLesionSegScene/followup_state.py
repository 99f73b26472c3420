"""The comparison of two dates that a scene holds, kept in the scene: nodes, rows and where its page lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import slicer

from .singleton import singleton_node

MODULE = "MSLesionSegFollowup"
FOLLOWUP, BASELINE, SUBTRACTION, CHANGES = "Followup", "BaselineOnFollowup", "Subtraction", "Changes"
"""Roles of the nodes."""


class FollowupState:
    """Typed access to the node of the comparison, the singleton ``vtkMRMLScriptedModuleNode`` of its own.

    Nothing is held in Python. Nodes are returned as None once they are removed from the scene.

    Args:
        scene: the ``vtkMRMLScene``; the node is made when something is put into it.
    """

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self.scene = scene

    @property
    def followup(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Volume node of the later FLAIR."""
        return self.image(FOLLOWUP)

    @property
    def data(self) -> dict[str, Any]:
        """What ``followup.json`` holds, without what it was made from; empty where there is no comparison."""
        node = self._node()
        text = node.GetParameter("Data") if node is not None else ""
        return json.loads(text) if text and self.followup is not None else {}

    @property
    def folder(self) -> str:
        """The folder that ``followup`` wrote."""
        node = self._node()
        return node.GetParameter("Folder") if node is not None else ""

    def image(self, role: str) -> Any:
        """The node of a role, or None."""
        node = self._node()
        return node.GetNodeReference(role) if node is not None else None

    def set_image(self, role: str, image: slicer.vtkMRMLNode | None) -> None:
        """Name the node of a role."""
        singleton_node(self.scene, MODULE).SetNodeReferenceID(role, image.GetID() if image is not None else None)

    def show_changes(self, shown: bool) -> bool:
        """Show or hide the changes; returns whether they were shown before."""
        changes = self.image(CHANGES)
        display = changes.GetDisplayNode() if changes is not None else None
        if display is None:
            return False
        before = bool(display.GetVisibility())
        display.SetVisibility(shown)
        return before

    def set_data(self, data: Mapping[str, Any], folder: str) -> None:
        """Keep the rows and where they came from."""
        node = singleton_node(self.scene, MODULE)
        node.SetParameter("Data", json.dumps(data, sort_keys=True))
        node.SetParameter("Folder", folder)

    def _node(self) -> slicer.vtkMRMLScriptedModuleNode | None:
        return self.scene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode")
