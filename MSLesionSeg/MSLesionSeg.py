"""The module MSLesionSeg in 3D Slicer: finds multiple-sclerosis lesions and takes a reader through them.

What it does is in ``MSLesionSegLib`` (engine), ``MSLesionSegScene`` (nodes) and ``MSLesionSegWidgets`` (panel).
"""

import sys
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class MSLesionSeg(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MS Lesion Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The MSLesionSeg authors"]
        self.parent.helpText = _(
            "Finds multiple-sclerosis lesions on FLAIR, T1w and T2w MR images, and lets a reader step through them, "
            "correct and export them. For research use only; not for diagnosis."
        )
        self.parent.acknowledgementText = _(
            "After Almaaz and Dardouri, Journal of Imaging 2025, 11(10), 361. The shipped models are made from images "
            "published by the Laboratory of Imaging Technologies, University of Ljubljana, under CC BY."
        )
        slicer.app.connect("startupCompleted()", _register)


def _register() -> None:
    """Offer the synthetic study and the terms of a lesion, once all modules are there."""
    from MSLesionSegScene.terminology import register_terminology
    from MSLesionSegWidgets.sample_data import register_sample_data

    register_terminology(slicer.modules.terminologies.logic())
    register_sample_data()


class MSLesionSegWidget(ScriptedLoadableModuleWidget):
    """The module's panel; see ``MSLesionSegWidgets.panel``."""

    def __init__(self, parent: Any = None) -> None:
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel."""
        from MSLesionSegWidgets.panel import Panel

        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/MSLesionSeg.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = MSLesionSegLogic()
        self.panel = Panel(self.ui, slicer.mrmlScene)

    def enter(self) -> None:
        """The module is shown."""
        self.panel.enter()

    def exit(self) -> None:
        """Another module is shown."""
        self.panel.exit()

    def onReload(self) -> None:
        """Reload the module and what it is made of (developer mode)."""
        packages = ("MSLesionSegWidgets", "MSLesionSegScene", "MSLesionSegLib")
        for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def cleanup(self) -> None:
        """The panel goes; a computation ends with it."""
        if self.panel is not None:
            self.panel.close()
            self.panel = None


class MSLesionSegLogic(ScriptedLoadableModuleLogic):
    """For scripts: the module's state and review on the scene."""

    @property
    def state(self) -> Any:
        """Nodes, settings and decisions, see ``MSLesionSegScene.state.ModuleState``."""
        from MSLesionSegScene.state import ModuleState

        return ModuleState(slicer.mrmlScene)

    @property
    def review(self) -> Any:
        """The review of the present result, see ``MSLesionSegScene.review.Review``."""
        from MSLesionSegScene.review import Review

        return Review(slicer.mrmlScene, self.state)


class MSLesionSegTest(ScriptedLoadableModuleTest):
    """What Slicer's own test runner starts."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests."""
        self.setUp()
        self.test_the_state_survives_in_the_scene()

    def test_the_state_survives_in_the_scene(self) -> None:
        """What one logic writes, another reads."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "FLAIR")
        MSLesionSegLogic().state.flair = node
        self.assertIs(MSLesionSegLogic().state.flair, node)
        self.assertEqual(MSLesionSegLogic().review.rows(), [])
