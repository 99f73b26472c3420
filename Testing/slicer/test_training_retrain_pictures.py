"""Pictures of the tabs Retrain and Compare and promote, of a short training on synthetic studies.

Those of the documentation are made as in ``test_training_pictures``.
"""

from pathlib import Path
from typing import Any

import pytest
from Testing.slicer.documentation_pictures import LARGEST_KB
from Testing.slicer.training_person import end_processes_of, training_panel

from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.example_set import make_example_set
from MSLesionSegTrainingLib.run_following import RunState

WAIT_S = 3600


def show(person: Any, run: Path) -> None:
    """Let the panel show the run under paths that are nobody's."""
    from MSLesionSegTrainingWidgets.run_follower import choose_run

    choose_run(person.panel.context, run)
    person.widget.parent.resize(460, 900)
    person.pause(1)
    for name in ("retrainDataSetLabel", "runLabel", "runMessage", "promoteRunLabel", "verdictLabel"):
        if hasattr(person.ui, name):
            label = getattr(person.ui, name)
            label.setText(str(label.text).replace(str(run.parents[1]), "/data"))
    if hasattr(person.ui, "runFolderEdit"):
        person.ui.runFolderEdit.setText(str(person.ui.runFolderEdit.text).replace(str(run.parents[1]), "/data"))


def keep_pictures(host: Any, dataset: Path, run: Path, folder: Path) -> None:
    """Grab both tabs with a finished run; the second with a lesion chosen."""
    with training_panel(host, dataset, "retrain") as person:
        person.ui.trainDeviceCombo.setCurrentIndex(1)
        person.press("checkButton")
        person.wait(lambda: not person.section.check_job.running, WAIT_S)
        show(person, run)
        person.press("curvesButton")
        assert person.widget.parent.grab().save(str(folder / "retrain.png"))
    with training_panel(host, dataset, "promote") as person:
        show(person, run)
        person.ui.changeCombo.setCurrentIndex(1)
        person.ui.modelNameEdit.setText("ours")
        person.ui.modelVersionEdit.setText("1.0")
        person.ui.changeTable.selectRow(0)
        person.pause(1)
        assert person.widget.parent.grab().save(str(folder / "promote.png"))


@pytest.mark.acceptance
def test_the_shipped_model_is_retrained_on_synthetic_studies_and_pictured(qt_host, picture_folder, tmp_path):
    dataset, run = tmp_path / "studies", tmp_path / "studies-runs" / "run-01"
    make_example_set(dataset, 3, SilentProgress())
    try:
        with training_panel(qt_host, dataset, "retrain") as person:
            person.ui.epochStepsSpin.setValue(8)
            person.ui.trainDeviceCombo.setCurrentIndex(1)
            person.press("trainButton")
            follower = person.section.follower
            person.wait(lambda: follower.state not in (RunState.running, RunState.none), WAIT_S)
            assert follower.state is RunState.done, person.ui.runMessage.text
            assert len(follower.run.epochs) == 2
        keep_pictures(qt_host, dataset, run, picture_folder)
    finally:
        end_processes_of(tmp_path)
    for name in ("retrain", "promote"):
        assert 2 < (picture_folder / f"{name}.png").stat().st_size / 1024 < LARGEST_KB
