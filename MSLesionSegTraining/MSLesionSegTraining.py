"""The module MSLesionSegTraining in 3D Slicer: a folder of studies is corrected, retrained on, and the model promoted.

What it does is in ``MSLesionSegTrainingLib`` (training package), ``MSLesionSegTrainingScene`` (nodes) and
``MSLesionSegTrainingWidgets`` (panel); review and editor are those of MSLesionSeg.
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


class MSLesionSegTraining(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MS Lesion Training")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["MSLesionSeg"]
        self.parent.contributors = ["The MSLesionSeg authors"]
        self.parent.helpText = _(
            "Takes annotators through a folder of studies, corrects the model's lesions, trains the model on the "
            "corrected cases and compares it with the one before. For research use only; not for diagnosis."
        )
        self.parent.acknowledgementText = _("See the module MS Lesion Segmentation.")


class MSLesionSegTrainingWidget(ScriptedLoadableModuleWidget):
    """The module's panel; see ``MSLesionSegTrainingWidgets.training_panel``."""

    def __init__(self, parent: Any = None) -> None:
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel."""
        from MSLesionSegTrainingWidgets.training_panel import TrainingPanel

        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/MSLesionSegTraining.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = MSLesionSegTrainingLogic()
        self.panel = TrainingPanel(self.ui, slicer.mrmlScene)

    def enter(self) -> None:
        """The module is shown."""
        self.panel.enter()

    def exit(self) -> None:
        """Another module is shown."""
        self.panel.exit()

    def onReload(self) -> None:
        """Reload the module and what it is made of (developer mode)."""
        packages = ("MSLesionSegTrainingWidgets", "MSLesionSegTrainingScene", "MSLesionSegTrainingLib")
        for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def cleanup(self) -> None:
        """The panel goes; the open case is saved and given back."""
        if self.panel is not None:
            self.panel.close()
            self.panel = None


class MSLesionSegTrainingLogic(ScriptedLoadableModuleLogic):
    """For scripts: the module's state in the scene."""

    @property
    def state(self) -> Any:
        """The data set and the open case, see ``MSLesionSegTrainingScene.training_state.TrainingState``."""
        from MSLesionSegTrainingScene.training_state import TrainingState

        return TrainingState(slicer.mrmlScene)


class MSLesionSegTrainingTest(ScriptedLoadableModuleTest):
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
        MSLesionSegTrainingLogic().state.data_set = "a folder"
        self.assertEqual(MSLesionSegTrainingLogic().state.data_set, "a folder")
