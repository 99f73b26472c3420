"""The panel of the module MSLesionSegTraining: its tabs, wired to one another and to the scene."""

import importlib
import importlib.util
from typing import Any

from MSLesionSegWidgets.message_line import MessageLine

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
        self.context = TrainingContext(scene, MessageLine(ui.messageLabel))
        self.sections: dict[str, Any] = {"worklist": WorklistSection()}
        for name, section in (("retrain", "RetrainSection"), ("promote", "PromoteSection")):
            made = _section(f"{name}_section", section)
            if made is None:
                ui.tabs.removeTab(ui.tabs.indexOf(getattr(ui, f"{name}Tab")))
            else:
                self.sections[name] = made
        for name, section in self.sections.items():
            section.build(getattr(ui, f"{name}Tab").layout(), self.context)

    def enter(self) -> None:
        """The module is shown."""
        for section in self.sections.values():
            section.enter()

    def exit(self) -> None:
        """Another module is shown."""
        for section in self.sections.values():
            section.exit()

    def close(self) -> None:
        """The panel goes: save, give back, end what was started."""
        for section in self.sections.values():
            section.close()
        self.context.close()


def _section(module: str, name: str) -> Any:
    if importlib.util.find_spec(f".{module}", __package__) is None:
        return None
    return getattr(importlib.import_module(f".{module}", __package__), name)()
