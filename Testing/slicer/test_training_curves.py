"""Curves of a run in the scene: a chart that grows with it, its best epoch marked."""

import json

import pytest


@pytest.fixture
def followed(tmp_path):
    """A run and a function that lets it end another epoch."""
    from MSLesionSegTrainingLib.run_following import FollowedRun

    run = FollowedRun(tmp_path)

    def add(number: int, score: float | None, best: int | None) -> None:
        figures = {"dice": score, "lesion_f1": score, "threshold": 0.5 if score else None, "score": score}
        line = {"epoch": {"epoch": number, "step": number, "loss": 1 / number, "seconds": 1.0, **figures}}
        line["epoch"]["best_epoch"] = best
        with (tmp_path / "progress.jsonl").open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        run.read()

    return run, add


def values(chart, series: str) -> list[tuple[float, float]]:
    """(x, y) of a series of the chart."""
    found = [chart.GetNthPlotSeriesNode(place) for place in range(chart.GetNumberOfPlotSeriesNodes())]
    (node,) = [one for one in found if one.GetYColumnName() == series]
    table = node.GetTableNode().GetTable()
    columns = [table.GetColumnByName(name) for name in (node.GetXColumnName(), series)]
    return [tuple(round(column.GetTuple1(row), 3) for column in columns) for row in range(table.GetNumberOfRows())]


def test_the_chart_grows_with_the_run_and_marks_the_best_epoch(scene, followed):
    import slicer

    from MSLesionSegTrainingWidgets.curves_view import CurvesView

    run, add = followed
    view = CurvesView(scene)
    add(1, 0.4, 1)
    view.update(run)
    assert view.chart is None  # nobody asked for it
    view.show(run)
    add(2, 0.6, 2)
    add(3, 0.5, 2)
    view.update(run)
    chart = view.chart
    assert values(chart, "training loss") == [(1, 1.0), (2, 0.5), (3, 0.333)]
    assert values(chart, "validation Dice") == [(1, 0.4), (2, 0.6), (3, 0.5)]
    assert values(chart, "best epoch") == [(2, 0.6)]
    assert chart.GetTitle() == "Training; best epoch 2 (score 0.600)"
    shown = slicer.util.getNodesByClass("vtkMRMLPlotViewNode", scene)
    assert shown and all(one.GetPlotChartNodeID() == chart.GetID() for one in shown)
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetViewArrangement()
    assert layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView or "Plot" in str(layout)
    view.remove()
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 0
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0


def test_without_validation_the_chart_holds_the_loss_alone(scene, followed):
    from MSLesionSegTrainingWidgets.curves_view import CurvesView

    run, add = followed
    view = CurvesView(scene)
    view.show(run)
    add(1, None, None)
    view.update(run)
    assert view.chart.GetNumberOfPlotSeriesNodes() == 1
    assert values(view.chart, "training loss") == [(1, 1.0)]


def test_the_chart_is_not_saved_with_the_scene_and_comes_back_after_it_was_closed(scene, followed, tmp_path):
    import slicer

    from MSLesionSegTrainingWidgets.curves_view import CurvesView

    run, add = followed
    view = CurvesView(scene)
    add(1, 0.4, 1)
    view.show(run)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    view.update(run)
    assert view.chart is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert view.chart is None
    view.show(run)
    assert values(view.chart, "best epoch") == [(1, 0.4)]
