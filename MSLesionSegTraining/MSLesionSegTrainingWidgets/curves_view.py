"""Curves of a run in a Slicer plot view: training loss, validation Dice and lesion F1, the best epoch marked.

Table, series and chart are nodes of the scene that are not saved with it, since the run keeps its figures itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from MSLesionSegTrainingLib.run_following import FollowedEpoch, FollowedRun

ROLE = "MSLesionSegTraining.Role"
EPOCH = "epoch"
LOSS, DICE, F1, BEST = "training loss", "validation Dice", "validation lesion F1", "best epoch"
COLOURS = {LOSS: (0.27, 0.27, 0.27), DICE: (0.11, 0.42, 0.66), F1: (0.78, 0.33, 0.24), BEST: (0.1, 0.6, 0.2)}


class CurvesView:
    """The chart of the run that is followed.

    Args:
        scene: the ``vtkMRMLScene``; the nodes are made when there is something to show.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene

    @property
    def chart(self) -> Any:
        """The ``vtkMRMLPlotChartNode``; None before anything was shown."""
        return self._find("vtkMRMLPlotChartNode", "chart")

    def update(self, run: FollowedRun | None) -> None:
        """Let the chart show the epochs of a run, where the chart was shown before."""
        if self.chart is not None:
            self._fill(run)

    def show(self, run: FollowedRun) -> None:
        """Make the chart, and show it in a layout that has a plot view."""
        self._fill(run)
        layout = self._scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        if layout is not None:
            layout.SetViewArrangement(slicer.vtkSlicerPlotsLogic.GetLayoutWithPlot(layout.GetViewArrangement()))
        for view in slicer.util.getNodesByClass("vtkMRMLPlotViewNode", self._scene):
            view.SetPlotChartNodeID(self.chart.GetID())

    def remove(self) -> None:
        """Take the chart out of the scene."""
        for name in ("chart", *COLOURS, "epochs", "best"):
            for class_name in ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode"):
                node = self._find(class_name, name)
                if node is not None:
                    self._scene.RemoveNode(node)

    def _fill(self, run: FollowedRun | None) -> None:
        epochs: Sequence[FollowedEpoch] = run.epochs if run is not None else ()
        best = run.best if run is not None else None
        validated = bool(epochs) and all(one.dice is not None for one in epochs)
        columns = {EPOCH: [one.epoch for one in epochs], LOSS: [one.loss for one in epochs]}
        if validated:
            columns |= {DICE: [one.dice for one in epochs], F1: [one.lesion_f1 for one in epochs]}
        self._table("epochs", columns)
        self._table("best", {EPOCH: [best.epoch], BEST: [best.score]} if best is not None else {EPOCH: [], BEST: []})
        chart = self._node("vtkMRMLPlotChartNode", "chart", _("Training curves"))
        shown = [self._series(name, "epochs") for name in (LOSS, DICE, F1) if name in columns]
        if best is not None:
            shown.append(self._series(BEST, "best"))
        was = chart.StartModify()
        chart.RemoveAllPlotSeriesNodeIDs()
        for series in shown:
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
        chart.SetTitle(_title(best))
        chart.SetXAxisTitle(_("epoch"))
        chart.SetYAxisTitle(_("loss, Dice, lesion F1"))
        chart.SetLegendVisibility(True)
        chart.EndModify(was)

    def _table(self, name: str, columns: dict[str, Sequence[float]]) -> Any:
        node = self._node("vtkMRMLTableNode", name, f"{_('Training curves')}: {name}")
        values = np.array(list(columns.values()), np.float64).T.reshape(-1, len(columns))
        slicer.util.updateTableFromArray(node, values, list(columns))
        return node

    def _series(self, name: str, table: str) -> Any:
        node = self._node("vtkMRMLPlotSeriesNode", name, name)
        node.SetAndObserveTableNodeID(self._find("vtkMRMLTableNode", table).GetID())
        node.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        node.SetXColumnName(EPOCH)
        node.SetYColumnName(name)
        node.SetColor(*COLOURS[name])
        is_point = name == BEST
        styles = slicer.vtkMRMLPlotSeriesNode
        node.SetLineStyle(styles.LineStyleNone if is_point else styles.LineStyleSolid)
        node.SetMarkerStyle(styles.MarkerStyleDiamond if is_point else styles.MarkerStyleCircle)
        node.SetMarkerSize(16 if is_point else 6)
        return node

    def _node(self, class_name: str, role: str, name: str) -> Any:
        node = self._find(class_name, role)
        if node is None:
            node = self._scene.AddNewNodeByClass(class_name, name)
            node.SetAttribute(ROLE, role)
            node.SetSaveWithScene(False)
        return node

    def _find(self, class_name: str, role: str) -> Any:
        nodes = slicer.util.getNodesByClass(class_name, self._scene)
        return next((node for node in nodes if node.GetAttribute(ROLE) == role), None)


def _title(best: FollowedEpoch | None) -> str:
    if best is None:
        return _("Training")
    return _("Training; best epoch {number} (score {score:.3f})").format(number=best.epoch, score=best.score)
