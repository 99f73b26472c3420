"""A person at the panel, from a folder of images to a case for training: the real engine, real nodes, real files."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.person import Person
from Testing.slicer.scene_results import reviewed_result


def engine_processes() -> list[int]:
    """Numbers of the engine's processes that this one started."""
    from MSLesionSegWidgets.process_tree import list_processes, tree_of

    table = list_processes()
    tree = set(tree_of(os.getpid(), table)) - {os.getpid()}
    return [one.number for one in table if one.number in tree and "MSLesionSegLib" in one.words]


def left_files() -> list[Path]:
    """What runs left in the application's temporary folder."""
    import slicer

    return list(Path(slicer.app.temporaryPath).glob("MSLesionSeg-*"))


def reader_mask(person):
    from MSLesionSegScene.segments import read_segment

    state = person.panel.context.state
    return read_segment(state.segmentation, "reader", state.flair)


def load_folder(person, folder):
    person.host.file_answers.append(str(folder))
    person.menu("loadButton", "Folder...")


def run(person):
    """Press the button and wait for the end; the values that the progress bar took."""
    seen = []
    person.press("applyButton")
    assert person.ui.applyButton.text == "Cancel", person.ui.segmentMessage.text
    person.wait(lambda: seen.append(person.ui.progressBar.value) or not person.panel.segment.run.running, 900)
    return seen[:-1]


def cancel_half_way(person):
    person.press("applyButton")
    person.wait(lambda: person.ui.progressBar.value > 50)
    assert len(engine_processes()) >= 1
    person.press("applyButton")
    assert person.ui.stageLabel.text == "Cancelling..."
    person.wait(lambda: not person.panel.segment.run.running)
    assert person.ui.segmentMessage.text == "Cancelled; nothing was written."
    assert person.ui.applyButton.text == "Find lesions"
    assert engine_processes() == []
    assert left_files() == []
    assert person.table() == []


def from_folder_to_data_set(person, scene, study, tmp_path):
    """What the issue asks to be seen, in its order."""
    import slicer

    load_folder(person, study)
    assert person.ui.flairSelector.currentNode().GetName().endswith("FLAIR")
    assert person.ui.t1Selector.currentNode().GetName().endswith("T1w")
    assert person.ui.t2Selector.currentNode().GetName().endswith("T2w")
    assert set(slicer.app.layoutManager().sliceViewNames()) == {"Red", "Yellow", "Green"}

    cancel_half_way(person)

    values = run(person)
    assert values == sorted(values)
    assert len(set(values)) > 10
    assert max(values) > 800
    assert "on FLAIR, T1w, T2w" in person.ui.segmentMessage.text
    assert left_files() == []
    total = len(person.table())
    assert total > 3
    assert person.ui.reviewedLabel.text == f"0 of {total} reviewed"

    for row in range(total):
        person.key("N")
        assert person.ui.lesionTable.currentRow() == row
    person.click_row(1)
    person.key("X")
    person.key("X")
    person.key("A")
    assert person.states()[:4] == ["undecided", "rejected", "rejected", "accepted"]

    edited = reader_mask(person)
    place = np.argwhere(edited)[len(np.argwhere(edited)) // 2]
    edited[tuple(slice(centre - 2, centre + 3) for centre in place)] = True
    from MSLesionSegScene.segments import write_segment

    state = person.panel.context.state
    write_segment(state.segmentation, "reader", state.flair, edited)
    person.wait(lambda: any("edited" in text for text in person.states()), 10)

    table, label = person.table(), person.ui.reviewedLabel.text
    assert slicer.util.saveScene(str(tmp_path / "reviewed.mrb"))
    scene.Clear(0)
    assert person.table() == []
    slicer.util.loadScene(str(tmp_path / "reviewed.mrb"))
    person.host.app.processEvents()
    assert person.table() == table
    assert person.ui.reviewedLabel.text == label
    assert np.array_equal(reader_mask(person), edited)

    person.ui.exportSection.collapsed = False
    person.ui.annotatorEdit.setText("reader 7")
    person.host.file_answers += [str(tmp_path / "mask.nii.gz"), str(tmp_path / "data")]
    person.press("exportMaskButton")
    person.press("dataSetButton")
    assert "sub-01" in person.ui.exportMessage.text
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "mask.nii.gz"))) > 0, edited)
    check_training_reads(tmp_path / "data", edited)


def check_training_reads(data_set, expected):
    from MSLesionSegTrainingLib.cases import check_cases, index_cases

    cases, problems = index_cases(data_set)
    assert problems == []
    (case,) = cases
    assert set(case.images) == {"FLAIR", "T1w", "T2w"}
    (checked,) = check_cases(cases)
    assert [problem for problem in checked.problems if not problem.warning] == []
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(case.mask))) > 0, expected)


def test_a_person_goes_from_a_folder_to_a_case_for_training(opened, scene, phantom_study, tmp_path):
    from_folder_to_data_set(opened, scene, phantom_study, tmp_path)


@pytest.mark.acceptance
@pytest.mark.parametrize("study", ["longitudinal/sub-12/ses-1", "cross-sectional/sub-19"])
def test_a_person_goes_from_a_real_study_to_a_case_for_training(opened, scene, data_dir, tmp_path, study):
    from_folder_to_data_set(opened, scene, data_dir / study, tmp_path)


def test_closing_the_scene_in_the_middle_of_a_run_ends_it(opened, scene, phantom_study):
    load_folder(opened, phantom_study)
    opened.press("applyButton")
    opened.wait(lambda: opened.ui.progressBar.value > 0)
    scene.Clear(0)
    opened.wait(lambda: not opened.panel.segment.run.running)
    assert engine_processes() == []
    assert left_files() == []
    assert opened.table() == []
    assert opened.ui.applyButton.text == "Find lesions"
    assert not opened.ui.segmentMessage.visible


def test_closing_the_module_in_the_middle_of_a_run_ends_it(qt_host, phantom_study):
    from MSLesionSegWidgets.worker_settings import choose_interpreter

    choose_interpreter(sys.executable)
    person = Person(qt_host, qt_host.open_module("MSLesionSeg"))
    load_folder(person, phantom_study)
    person.press("applyButton")
    person.wait(lambda: person.ui.progressBar.value > 0)
    qt_host.close_module(person.widget)
    assert engine_processes() == []
    assert left_files() == []


def test_a_second_run_is_refused_in_a_sentence(opened, scene, tmp_path):
    reviewed_result(scene, tmp_path)
    opened.panel.context.tell()
    opened.press("applyButton")
    assert opened.panel.segment.run.running
    opened.panel.segment.apply()
    assert opened.ui.segmentMessage.text.startswith("<b>A computation is still running.</b>")
    opened.press("applyButton")
    opened.wait(lambda: not opened.panel.segment.run.running)


def test_a_study_that_cannot_be_used_is_told_with_its_hint_and_its_log(opened, scene, tmp_path):
    reviewed_result(scene, tmp_path)  # random voxels are no head
    opened.panel.context.tell()
    before = opened.table()
    run(opened)
    assert opened.ui.segmentMessage.text.startswith("<b>")
    assert "</b> " in opened.ui.segmentMessage.text
    assert opened.table() == before
    assert left_files() == []
    opened.press("logButton")
    assert opened.ui.logText.visible
