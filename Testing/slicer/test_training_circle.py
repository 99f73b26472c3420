"""The whole circle through both panels: real and synthetic studies in one folder, the model's lesions, corrections, a
retraining with a small model, its promotion, and its use."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.training_person import end_processes_of, keep_synthetic_patients, small_model, training_panel

from MSLesionSegLib.images import read_image
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.case_hash import voxel_sha256
from MSLesionSegTrainingLib.cases import ANNOTATIONS
from MSLesionSegTrainingLib.example_set import make_example_set
from MSLesionSegTrainingLib.run_following import RunState
from MSLesionSegTrainingLib.split import read_split
from MSLesionSegTrainingLib.worklist.work_list import work_list

pytestmark = pytest.mark.acceptance

REAL = ("sub-07", "sub-19")
WAIT_S = 3600


@pytest.fixture
def studies(data_dir, tmp_path, monkeypatch):
    """Two real patients and two synthetic ones without masks; a small model beside the shipped one."""
    root = tmp_path / "studies"
    make_example_set(root, 2, SilentProgress())
    (root / ANNOTATIONS).rename(tmp_path / "truth")
    for patient in REAL:
        shutil.copytree(data_dir / "cross-sectional" / patient, root / patient)
    keep_synthetic_patients(root / "derivatives" / "prepared")
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "models"))
    small_model(tmp_path / "models")
    yield root
    end_processes_of(tmp_path)


def known_masks(*folders: Path) -> dict[str, sitk.Image]:
    """Patient -> mask of what is known of the lesions."""
    files = [file for folder in folders for file in folder.glob("sub-*/anat/*_label-lesion_mask.nii.gz")]
    return {file.parents[1].name: read_nifti(file) for file in files}


def draw(person, mask: sitk.Image) -> None:
    """Paint a mask in the place of the one that is there, as with the editor."""
    from MSLesionSegScene.segments import write_segment
    from MSLesionSegScene.volumes import in_order_of

    state = person.panel.context.study.state
    voxels = sitk.GetArrayFromImage(in_order_of(state.flair, mask)) > 0
    write_segment(state.segmentation, "reader", state.flair, voxels)
    person.pause(0.5)


def find_lesions_in_all(person) -> None:
    combo = person.ui.presegmentModelCombo
    combo.setCurrentIndex(combo.findData("tiny-1.0"))
    person.ui.presegmentSection.collapsed = False
    person.press("presegmentButton")
    person.wait(lambda: not person.section.presegment.job.running, WAIT_S)
    assert "Lesions found in 4 cases" in person.ui.workMessage.text
    person.wait(lambda: not person.section.data_set.job.running, WAIT_S)


def correct_all(person, masks: dict[str, sitk.Image]) -> None:
    """The annotator goes from case to case and draws: for real patients what three raters agreed on."""
    person.ui.annotatorEdit.setText("Anna")
    person.section.correct.step(1)
    while person.section.correct.case is not None:
        name = person.section.correct.case.name
        draw(person, masks[name])
        person.press("doneButton")
        if person.section.correct.case is not None and person.section.correct.case.name == name:
            raise AssertionError(person.ui.workMessage.text)


def test_real_and_synthetic_studies_go_the_whole_circle(
    qt_host, studies, data_dir, tmp_path, phantom_study, monkeypatch
):
    masks = known_masks(data_dir / "cross-sectional/derivatives/consensus", tmp_path / "truth")
    with training_panel(qt_host, studies, "worklist") as anna:
        find_lesions_in_all(anna)
        correct_all(anna, masks)
        assert {case.state for case in work_list(studies, measure=False)} == {"done"}
        for patient in REAL:
            mask = masks[patient]
            written = read_nifti(studies / ANNOTATIONS / patient / "anat" / f"{patient}_label-lesion_mask.nii.gz")
            assert np.array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(mask) > 0)
        anna.ui.dataSetSection.collapsed = False
        anna.press("splitButton")
        anna.wait(lambda: not anna.section.data_set.split_job.running, WAIT_S)
        assert "Patients: 3 train, 1 validation, 0 test." in anna.ui.summaryMessage.text, anna.ui.summaryMessage.text

    with training_panel(qt_host, studies, "retrain") as anna:
        ui, follower = anna.ui, anna.section.follower
        ui.startModelCombo.setCurrentIndex(ui.startModelCombo.findData("tiny-1.0"))
        ui.trainDeviceCombo.setCurrentIndex(ui.trainDeviceCombo.findData("cpu"))
        ui.lengthSpin.setValue(2)
        ui.epochStepsSpin.setValue(20)
        anna.press("trainButton")
        anna.wait(lambda: follower.state not in (RunState.running, RunState.none), WAIT_S)
        assert follower.state is RunState.done, ui.runMessage.text
        run = follower.run.folder

    with training_panel(qt_host, studies, "promote") as anna:
        split = read_split(studies)
        (validating,) = (patient for patient, part in split.items() if part == "validation")
        assert f"Never trained on, by the SHA-256 of the FLAIR's voxels: {validating}" in anna.ui.neverTrainedLabel.text
        assert anna.ui.verdictLabel.text
        anna.ui.modelNameEdit.setText("ours")
        anna.ui.modelVersionEdit.setText("2.0")
        # After two minutes of training nothing says that it is better, and promoting all the same is asked.
        monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", lambda _text, _title: True)
        anna.press("promoteButton")
        anna.wait(lambda: not anna.section.promote_job.running, WAIT_S)
        assert anna.ui.promoteMessage.text.startswith("ours 2.0 can be chosen now"), anna.ui.promoteMessage.text
    assert run.parent == studies.with_name("studies-runs")
    known = set(json.loads((tmp_path / "models/ours-2.0/model.json").read_text())["training"]["case_hashes"])
    (held_out,) = (studies / validating / "anat").glob("*_FLAIR.nii.gz")
    assert voxel_sha256(read_image(held_out)) not in known
    trained = [patient for patient, part in split.items() if part == "train"]
    flairs = [file for patient in trained for file in (studies / patient / "anat").glob("*_FLAIR.nii.gz")]
    assert {voxel_sha256(read_image(file)) for file in flairs} <= known
    use_model(qt_host, "ours-2.0", phantom_study)


def use_model(qt_host, name: str, study: Path) -> None:
    """Find lesions with it in the other module; the result says which model made it."""
    from Testing.slicer.person import Person

    widget = qt_host.open_module("MSLesionSeg")
    reader = Person(qt_host, widget)
    qt_host.file_answers.append(str(study))
    reader.menu("loadButton", "Folder...")
    place = reader.ui.modelCombo.findData(name)
    assert place > 0
    reader.ui.modelCombo.setCurrentIndex(place)
    reader.press("applyButton")
    reader.wait(lambda: not reader.panel.segment.run.running, WAIT_S)
    made_by = reader.panel.context.state.provenance["models"]["lesion"]
    qt_host.close_module(widget)
    assert (made_by["name"], made_by["version"]) == ("ours", "2.0")
