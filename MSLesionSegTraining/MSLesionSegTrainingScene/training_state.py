"""What the module MSLesionSegTraining keeps in the scene."""

from __future__ import annotations

import slicer

from MSLesionSegScene.singleton import singleton_node

MODULE = "MSLesionSegTraining"


def _text_property(name: str, doc: str) -> property:
    def get(self: TrainingState) -> str:
        return self.node.GetParameter(name)

    def put(self: TrainingState, text: str) -> None:
        self.node.SetParameter(name, text)

    return property(get, put, doc=doc)


class TrainingState:
    """Typed access to the singleton ``vtkMRMLScriptedModuleNode`` "MSLesionSegTraining"; nothing is held in Python.

    Args:
        scene: the ``vtkMRMLScene``; the node is made when first asked for.
    """

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self.scene = scene

    @property
    def node(self) -> slicer.vtkMRMLScriptedModuleNode:
        """The parameter node."""
        return singleton_node(self.scene, MODULE)

    data_set = _text_property("DataSet", "Folder of the studies; empty where none was chosen.")
    run = _text_property("Run", "Folder of the training run that is followed; empty where there is none.")
