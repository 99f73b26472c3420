"""A short run to its end, then through the panel: before and after lesion by lesion, the verdict, the promotion."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.training_person import end_processes_of, small_data_set, small_model, training_panel

from MSLesionSegTrainingLib.run_cases import RunCases
from MSLesionSegTrainingLib.run_following import FollowedRun, RunState
from MSLesionSegTrainingLib.run_start import start_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Iterator[Path]:
    """A folder with the data set "set", the models "models", and the finished run "set-runs/run-01"."""
    from MSLesionSegTrainingWidgets.train_words import TrainChoices, train_words

    folder = tmp_path_factory.mktemp("promote")
    small_model(folder / "models")
    dataset, run = small_data_set(folder / "set"), folder / "set-runs" / "run-01"
    words = train_words(TrainChoices(dataset, run, "tiny-1.0", epochs=1, hours=None, epoch_steps=2, device="cpu"))
    packages = [path for path in sys.path if path.endswith(("MSLesionSeg", "MSLesionSegTraining"))]
    environment = {**os.environ, "MSLESIONSEG_MODELS": str(folder / "models"), "PYTHONPATH": os.pathsep.join(packages)}
    start_run(sys.executable, ("-m", "MSLesionSegTrainingLib", *words), environment, run)
    told, deadline = FollowedRun(run), time.monotonic() + 590
    while told.read() or told.state in (RunState.running, RunState.none):
        assert time.monotonic() < deadline, told.message
        time.sleep(0.2)
    assert told.state is RunState.done, (run / "log.txt").read_text()
    yield folder
    end_processes_of(folder)


@pytest.fixture
def person(qt_host, finished, monkeypatch):
    """Before the tab Compare and promote, with the finished run open."""
    from MSLesionSegTrainingWidgets.run_follower import choose_run

    monkeypatch.setenv("MSLESIONSEG_MODELS", str(finished / "models"))
    with training_panel(qt_host, finished / "set", "promote") as person:
        choose_run(person.panel.context, finished / "set-runs" / "run-01")
        yield person


def report(finished: Path) -> dict:
    return json.loads((finished / "set-runs/run-01/before_after/before_after.json").read_text())


def choose(combo, data: str) -> None:
    combo.setCurrentIndex(combo.findData(data))


def rows(person) -> list[tuple[str, ...]]:
    table = person.ui.changeTable
    return [tuple(table.item(row, column).text() for column in range(4)) for row in range(table.rowCount)]


def click(person, row: int) -> None:
    table = person.ui.changeTable
    place = table.visualItemRect(table.item(row, 1)).center()
    person.host.qt.QTest.mouseClick(table.viewport(), person.host.qt.Qt.LeftButton, pos=place)
    person.host.app.processEvents()


def test_the_verdict_and_each_lesion_are_shown_and_a_click_goes_to_it(person, finished):
    import slicer

    told = report(finished)
    ui = person.ui
    assert ui.verdictLabel.text == f"<b>{told['verdict']['sentence']}</b>"
    assert ui.neverTrainedLabel.text.startswith("Never trained on, by the SHA-256 of the FLAIR's voxels: sub-03 (")
    assert ui.neverTrainedLabel.text.endswith("The model knows 2 other images.")
    lesions = [lesion for case in told["cases"] for lesion in case["lesions"]]
    choose(ui.changeCombo, "all")
    assert len(rows(person)) == len(lesions) > 2
    assert {row[0] for row in rows(person)} == {"sub-03"}
    click(person, 1)
    centre = [float(mm) for mm in rows(person)[1][3].split(", ")]
    views = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    for view in views:
        origin = [view.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]
        assert np.allclose(origin, centre, atol=0.06)
    shown = {view.GetBackgroundVolumeID() for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")}
    assert shown == {slicer.util.getNode("sub-03 FLAIR").GetID()}
    click(person, 0)
    assert len(slicer.util.getNodes("sub-03 FLAIR*")) == 1


def test_the_masks_of_both_models_are_shown_beside_the_annotation_and_made_once(person, finished):
    import slicer

    from MSLesionSegScene.segments import read_segment

    ui, job = person.ui, person.section.masks_job
    choose(ui.changeCombo, "all")
    choose(ui.beforeCombo, "tiny-1.0")
    click(person, 0)
    person.press("bothMasksButton")
    person.wait(lambda: not job.running, 400)
    assert ui.bothMasksMessage.text.startswith("sub-03: annotation green"), ui.bothMasksMessage.text
    node, flair = slicer.util.getNode("sub-03 masks"), slicer.util.getNode("sub-03 FLAIR")
    name = "sub-03/anat/sub-03_label-lesion_mask.nii.gz"
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(finished / "set/derivatives/annotations" / name))) > 0
    assert np.array_equal(read_segment(node, "annotation", flair), mask)
    folder = finished / "set-runs/run-01/masks/sub-03"
    for when in ("before", "after"):
        written = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{when}.nii.gz"))) > 0
        assert np.array_equal(read_segment(node, when, flair), written)
    person.press("bothMasksButton")
    assert not job.running  # they are there
    assert ui.bothMasksMessage.text.startswith("sub-03: annotation green")


def test_a_promoted_run_can_be_chosen_in_the_other_module_and_the_earlier_models_stay(
    person, finished, qt_host, monkeypatch
):
    ui, asked, answers = person.ui, [], [False, True, True]
    monkeypatch.setattr(
        "slicer.util.confirmOkCancelDisplay", lambda text, title: asked.append(text) or answers[len(asked) - 1]
    )
    assert ui.modelNameEdit.text == "run-01" and not ui.promoteButton.enabled
    ui.modelNameEdit.setText("ours")
    ui.modelVersionEdit.setText("2.0")
    person.press("promoteButton")
    verdict = report(finished)["verdict"]
    assert verdict["word"] == "no difference" and asked == [verdict["sentence"]]
    assert not person.section.promote_job.running  # the answer was no
    person.press("promoteButton")
    person.wait(lambda: not person.section.promote_job.running, 400)
    assert ui.promoteMessage.text == "ours 2.0 can be chosen now; earlier models are still there."
    person.press("promoteButton")
    person.wait(lambda: not person.section.promote_job.running, 400)
    assert "There is a model ours-2.0 already." in ui.promoteMessage.text
    reader = qt_host.open_module("MSLesionSeg")
    combo = reader.ui.modelCombo
    names = [combo.itemText(place) for place in range(combo.count)]
    assert {"ours 2.0 (added)", "tiny 1.0 (added)"} <= set(names) and any("(shipped)" in name for name in names)
    qt_host.close_module(reader)
    card = (finished / "models/ours-2.0/MODEL_CARD.md").read_text()
    assert "Started from tiny 1.0." in card


def test_the_run_is_compared_again_with_another_model(person, finished):
    before = (finished / "set-runs/run-01/before_after/before_after.json").stat().st_mtime_ns
    choose(person.ui.beforeCombo, "tiny-1.0")
    person.press("compareButton")
    assert person.ui.compareButton.text == "Cancel"
    person.press("compareButton")
    person.wait(lambda: not person.section.compare_job.running, 60)
    assert "Cancelled" in person.ui.compareMessage.text
    assert (finished / "set-runs/run-01/before_after/before_after.json").stat().st_mtime_ns == before


def test_a_case_that_was_trained_on_though_it_validates_is_named(qt_host):
    from MSLesionSegTrainingWidgets.promote_section import never_trained_words

    cases = RunCases({"sub-01": "a" * 64}, {"sub-02": "b" * 64}, {}, frozenset({"b" * 64}))
    assert never_trained_words(cases) == ("Trained on, though it must not be: sub-02. Figures on it mean little.")
    assert never_trained_words(RunCases({"sub-01": "a" * 64}, {}, {}, frozenset())) == "Nobody validates in this run."


def test_without_a_run_nothing_can_be_pressed(qt_host, finished):
    from MSLesionSegTrainingWidgets.run_follower import RUN_KEY

    qt_host.qt.QSettings().remove(RUN_KEY)
    with training_panel(qt_host, finished / "set", "promote") as person:
        assert person.ui.promoteRunLabel.text == "No run is open."
        for name in ("compareButton", "bothMasksButton", "promoteButton", "reportButton"):
            assert not getattr(person.ui, name).enabled
