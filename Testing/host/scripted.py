"""The base classes of scripted modules, as ``slicer.ScriptedLoadableModule`` offers them."""

import logging
import unittest
from pathlib import Path
from typing import Any


class ScriptedLoadableModule:
    """Metadata of a module; ``parent`` takes title, category and help."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """Link to the page of the documentation."""
        return f"<p>For more information see the documentation of {docPage or self.moduleName}.</p>"

    def runTest(self, msec: int = 100, **kwargs: Any) -> None:
        """Run the module's test."""


class ScriptedLoadableModuleWidget:
    """Graphical interface of a module in ``parent``, a widget with a vertical layout."""

    def __init__(self, parent: Any = None) -> None:
        import qt
        import slicer

        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.logic = None
        self.parent = parent
        if parent is None:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()

    def resourcePath(self, filename: str) -> str:
        """Path of a file in the module's folder Resources."""
        import slicer

        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Build the interface."""

    def cleanup(self) -> None:
        """Called before the widget goes."""

    def enter(self) -> None:
        """Called when the module is shown."""

    def exit(self) -> None:
        """Called when another module is shown."""

    def onReload(self) -> None:
        """Reload the module; nothing here."""


class ScriptedLoadableModuleLogic:
    """Logic of a module, with its parameter node."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The module's own node in the scene, made where there is none."""
        import slicer

        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        return node or slicer.mrmlScene.AddNode(self.createParameterNode())

    def createParameterNode(self) -> Any:
        """A new parameter node, not yet in the scene."""
        import slicer

        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetModuleName(self.moduleName)
        node.SetName(self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Test of a module."""

    def delayDisplay(self, message: str, *_args: Any, **_kwargs: Any) -> None:
        """Show a message for a moment; here in the log."""
        logging.info(message)
