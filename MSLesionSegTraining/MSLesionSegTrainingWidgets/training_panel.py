"""The panel of the module MSLesionSegTraining: its tabs, wired to one another and to the scene."""

from typing import Any

import slicer

from MSLesionSegWidgets.message_line import MessageLine

from .promote_section import PromoteSection
from .retrain_section import RetrainSection
from .training_context import TrainingContext
from .worklist_section import WorklistSection


class TrainingPanel:
    """Work list, Retrain, Compare and promote.

    A tab is a section with ``build(layout, context)``, ``enter()``, ``exit()`` and ``close()``.

    Args:
        ui: the widgets of ``MSLesionSegTraining.ui``, by name.
        scene: the ``vtkMRMLScene``.

    Attributes:
        context: what the tabs share.
        sections: tab name -> section.
    """

    def __init__(self, ui: Any, scene: Any) -> None:
        self._scene = scene
        self._another_scene = False
        self.context = TrainingContext(scene, MessageLine(ui.messageLabel))
        self.sections = {"worklist": WorklistSection(), "retrain": RetrainSection(), "promote": PromoteSection()}
        for name, section in self.sections.items():
            section.build(getattr(ui, f"{name}Tab").layout(), self.context)
        events = {
            slicer.vtkMRMLScene.StartCloseEvent: self._scene_closes,
            slicer.vtkMRMLScene.EndCloseEvent: self._scene_changed,
            slicer.vtkMRMLScene.EndImportEvent: self._scene_changed,
            slicer.vtkMRMLScene.EndBatchProcessEvent: self._batch_ends,
            slicer.vtkMRMLScene.NodeRemovedEvent: self._node_removed,
        }
        self._tags = [scene.AddObserver(event, method) for event, method in events.items()]

    def enter(self) -> None:
        """The module is shown."""
        for section in self.sections.values():
            section.enter()

    def exit(self) -> None:
        """Another module is shown."""
        for section in self.sections.values():
            section.exit()

    def close(self) -> None:
        """The panel goes: end what was started, save, give back."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags = []
        self.context.close()
        for section in self.sections.values():
            section.close()

    def _scene_closes(self, *_: Any) -> None:
        self.sections["worklist"].scene_closes()

    def _scene_changed(self, *_: Any) -> None:
        self._another_scene = True
        self._batch_ends()

    def _batch_ends(self, *_: Any) -> None:
        if self._another_scene and not self._scene.IsBatchProcessing():
            self._another_scene = False
            self.context.study.forget()
            self.context.tell()

    def _node_removed(self, *_: Any) -> None:
        if not (self._scene.IsClosing() or self._scene.IsImporting() or self._scene.IsBatchProcessing()):
            self.context.study.tell()
