"""The work list in the panel: open, correct, save, finish, give back."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.scene_results import BLOCKS, block
from Testing.slicer.worklist_person import (
    DONE,
    before_list,
    by_name,
    cells,
    decide,
    open_case,
    opened_name,
    paint,
    reader_mask,
    states_of,
    study,
    voxels,
)
from Testing.slicer.worklist_studies import make_studies, model_mask

from MSLesionSegLib.nifti import read_nifti
from MSLesionSegTrainingLib.worklist.drafts import DRAFT_FILE, read_draft
from MSLesionSegTrainingLib.worklist.work_list import work_folder


def test_the_list_shows_the_least_sure_case_first_and_a_click_on_a_title_gives_another_order(anna):
    assert [row[:4] for row in cells(anna)] == [
        ("sub-03", "pre-segmented", "12.53", ""),
        ("sub-02", "pre-segmented", "8.69", ""),
        ("sub-01", "pre-segmented", "4.85", ""),
    ]
    assert [row[5] for row in cells(anna)] == ["FLAIR", "FLAIR, T1w", "FLAIR"]
    assert anna.ui.countsLabel.text == "Cases: 3 (3 pre-segmented)"
    header = anna.ui.caseTable.horizontalHeader()
    place = header.sectionViewportPosition(0) + 5
    point = anna.host.qt.QPoint(place, header.height // 2)
    anna.host.qt.QTest.mouseClick(header.viewport(), anna.host.qt.Qt.LeftButton, pos=point)
    assert [row[0] for row in cells(anna)] == ["sub-01", "sub-02", "sub-03"]
    anna.host.qt.QTest.mouseClick(header.viewport(), anna.host.qt.Qt.LeftButton, pos=point)
    assert [row[0] for row in cells(anna)] == ["sub-03", "sub-02", "sub-01"]


def test_a_case_that_is_opened_is_claimed_loaded_and_under_review(anna, root):
    assert anna.ui.caseSection.isHidden()
    open_case(anna, "sub-02")
    assert not anna.ui.caseSection.isHidden()
    assert by_name(root)["sub-02"].claim.who == "Anna"
    assert cells(anna)[1][:2] == ("sub-02", "in progress")
    state = study(anna).state
    assert (state.flair.GetName(), state.t1.GetName(), state.t2) == ("sub-02_FLAIR", "sub-02_T1w", None)
    assert states_of(anna) == [(1, "undecided", False), (2, "undecided", False), (3, "undecided", False)]


@pytest.mark.parametrize("name", ["sub-01", "sub-02"])
def test_done_leaves_the_corrected_mask_voxel_on_voxel_of_the_flairs_file_with_who_and_what(anna, root, name):
    open_case(anna, name)
    decide(anna, 0, "reject")
    decide(anna, 1, "accept")
    anna.ui.goOnCheck.setChecked(False)
    anna.press("doneButton")
    assert anna.ui.workMessage.text == f"{name} is finished."
    expected = model_mask()
    expected[block(*BLOCKS["large"][:2])] = 0
    path = root / DONE.format(name)
    assert np.array_equal(voxels(path), expected)
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text("utf-8"))
    assert sidecar["Annotator"] == "Anna"
    assert sidecar["Lesions"] == {"accepted": 1, "rejected": 1, "undecided": 1, "edited": 0}
    assert sidecar["DifferenceToModel"]["LesionsRemoved"] == 1
    assert sidecar["Model"]["name"] == "test-model"
    assert [row[1:4:2] for row in cells(anna) if row[0] == name] == [("done", "Anna")]
    assert opened_name(anna) is None and by_name(root)[name].claim is None


def test_next_and_previous_save_what_was_done_and_bring_it_back_with_the_decisions(anna, root):
    open_case(anna, "sub-03")
    decide(anna, 0, "accept")
    decide(anna, 2, "reject")
    mask = paint(anna, block((16, 4, 4), (2, 3, 3)))
    before = states_of(anna)
    assert before == [(1, "accepted", False), (2, "undecided", False), (3, "accepted", True), (4, "rejected", False)]
    anna.press("nextCaseButton")
    assert opened_name(anna) == "sub-02"
    assert [row[1] for row in cells(anna)] == ["in progress", "in progress", "pre-segmented"]
    anna.press("previousCaseButton")
    assert opened_name(anna) == "sub-03"
    assert states_of(anna) == before
    assert np.array_equal(reader_mask(anna), mask)
    decide(anna, 0, "undecided")
    assert states_of(anna)[0] == (1, "undecided", False)


def test_a_draft_comes_back_whole_though_the_table_follows_the_scene_meanwhile(anna, root):
    open_case(anna, "sub-03")
    paint(anna, block((16, 4, 4), (2, 3, 3)))
    before = states_of(anna)
    anna.press("nextCaseButton")
    node = study(anna).state.node
    follows = node.AddObserver("ModifiedEvent", lambda caller, event: study(anna).review.refresh())
    anna.press("previousCaseButton")
    node.RemoveObserver(follows)
    assert states_of(anna) == before
    assert (3, "accepted", True) in before


def test_a_case_that_was_only_looked_at_is_left_as_it_was(anna, root):
    open_case(anna, "sub-03")
    anna.press("nextCaseButton")
    anna.press("closeCaseButton")
    assert [case.state for case in by_name(root).values()] == ["pre-segmented"] * 3
    assert not list((root / "derivatives/worklist").rglob("draft*"))


def test_a_draft_is_saved_by_itself_without_a_word_of_the_annotator(anna, root):
    open_case(anna, "sub-03")
    anna.section.correct._save_timer.setInterval(50)
    mask = paint(anna, block((16, 4, 4), (2, 3, 3)))
    anna.wait(lambda: (work_folder(root, "sub-03") / DRAFT_FILE).exists(), 10)
    assert np.array_equal(sitk.GetArrayFromImage(read_draft(work_folder(root, "sub-03")).mask), mask)
    assert anna.ui.savedLabel.text.startswith("Saved at ")


def test_drafts_are_saved_every_two_minutes_and_a_sign_of_life_is_given_every_minute(anna):
    open_case(anna, "sub-03")
    correct = anna.section.correct
    assert (correct._save_timer.interval, correct._beat_timer.interval) == (120_000, 60_000)
    assert correct._save_timer.isActive() and correct._beat_timer.isActive()
    anna.press("closeCaseButton")
    assert not correct._save_timer.isActive() and not correct._beat_timer.isActive()


def test_the_time_spent_goes_on_where_it_was(anna, root):
    open_case(anna, "sub-03")
    study(anna).state.seconds_spent = 61.0
    decide(anna, 0, "accept")
    anna.press("nextCaseButton")
    assert study(anna).clock.seconds == 0
    anna.press("previousCaseButton")
    assert study(anna).clock.seconds == pytest.approx(61, abs=1)
    anna.press("doneButton")
    sidecar = root / DONE.format("sub-03").replace(".nii.gz", ".json")
    assert json.loads(sidecar.read_text("utf-8"))["SecondsSpent"] == pytest.approx(61, abs=1)


def test_layout_and_views_stay_from_case_to_case(anna, scene):
    import slicer

    open_case(anna, "sub-02")
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    state = study(anna).state
    red, green = (manager.sliceWidget(name).sliceLogic().GetSliceCompositeNode() for name in ("Red", "Green"))
    red.SetBackgroundVolumeID(state.t1.GetID())
    green.SetBackgroundVolumeID(state.flair.GetID())
    anna.press("nextCaseButton")
    assert opened_name(anna) == "sub-01"
    flair = study(anna).state.flair.GetID()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert (red.GetBackgroundVolumeID(), green.GetBackgroundVolumeID()) == (flair, flair)


def test_nothing_of_a_case_stays_in_the_scene_and_other_volumes_do(anna, scene):
    import slicer

    other = slicer.util.addVolumeFromArray(np.zeros((5, 6, 7), np.int16), name="other")
    before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode")}
    for name in ("sub-02", "sub-03"):
        open_case(anna, name)
        anna.press("closeCaseButton")
    assert {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode")} == before
    assert scene.IsNodePresent(other)
    assert not slicer.util.getNodesByClass("vtkMRMLVolumeArchetypeStorageNode")


def test_a_study_of_the_readers_own_is_not_mixed_with_a_case_and_stays_in_the_scene(anna, scene):
    import slicer

    own = [slicer.util.addVolumeFromArray(np.zeros((5, 6, 7), np.int16), name=name) for name in ("flair", "t1")]
    state = study(anna).state
    state.flair, state.t1 = own
    open_case(anna, "sub-03")
    assert (state.flair.GetName(), state.t1) == ("sub-03_FLAIR", None)
    state.t1 = own[1]
    anna.press("closeCaseButton")
    assert all(scene.IsNodePresent(node) for node in own)


def test_a_case_is_left_out_with_a_word_and_taken_in_again(anna, root):
    anna.section.table.choose("sub-02")
    anna.press("leaveOutButton")
    anna.ui.wordEdit.setText("moved head")
    anna.press("wordButton")
    assert cells(anna)[1][1] == "left out"
    assert "moved head" in anna.ui.caseTable.item(1, 0).toolTip()
    open_case(anna, "sub-02")
    assert "sub-02 was left out by Anna" in anna.ui.workMessage.text
    open_case(anna, "sub-03")
    anna.press("nextCaseButton")
    assert opened_name(anna) == "sub-01"
    anna.section.table.choose("sub-02")
    anna.press("leaveOutButton")
    assert by_name(root)["sub-02"].state == "pre-segmented"


def test_a_case_without_the_models_mask_is_drawn_from_nothing(opened_training, tmp_path):
    root = make_studies(tmp_path / "plain", results=False)
    anna = before_list(opened_training, root, "Anna")
    assert [row[1] for row in cells(anna)] == ["new"] * 3
    anna.press("nextCaseButton") if anna.ui.nextCaseButton.visible else open_case(anna, "sub-01")
    assert not reader_mask(anna).any()
    mask = paint(anna, block((16, 4, 4), (2, 3, 3)))
    assert states_of(anna) == [(1, "accepted", True)]
    anna.ui.goOnCheck.setChecked(False)
    anna.press("doneButton")
    assert np.array_equal(voxels(root / DONE.format("sub-01")), mask)


def test_the_keys_of_the_review_work_while_a_case_is_open(anna):
    open_case(anna, "sub-03")
    anna.key("N")
    anna.key("A")
    anna.key("X")
    assert [state for _, state, _ in states_of(anna)] == ["accepted", "rejected", "undecided"]
    anna.widget.exit()
    anna.key("X")
    assert [state for _, state, _ in states_of(anna)] == ["accepted", "rejected", "undecided"]
    anna.widget.enter()


def test_another_scene_that_is_loaded_beside_a_case_does_not_get_into_its_mask(anna, root, scene, tmp_path):
    import slicer

    open_case(anna, "sub-02")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    anna.press("closeCaseButton")
    open_case(anna, "sub-03")
    mask = paint(anna, block((16, 4, 4), (2, 3, 3)))
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    anna.host.app.processEvents()
    anna.press("closeCaseButton") if opened_name(anna) else None
    assert by_name(root)["sub-03"].claim is None
    assert np.array_equal(sitk.GetArrayFromImage(read_draft(work_folder(root, "sub-03")).mask), mask)
    assert not (work_folder(root, "sub-02") / DRAFT_FILE).exists()


def test_what_is_painted_is_in_the_table_also_while_the_other_module_is_there(qt_host, opened, root):
    """The panel of MSLesionSeg was opened first and looks at the same scene."""
    opened.widget.exit()
    widget = qt_host.open_module("MSLesionSegTraining")
    anna = before_list(type(opened)(qt_host, widget), root, "Anna")
    open_case(anna, "sub-03")
    opened.panel.context.tell()
    opened.panel.edit._settle.setInterval(1)  # hears of everything first
    paint(anna, block((16, 4, 4), (2, 3, 3)))
    assert anna.section.correct.widgets.ui.lesionTable.rowCount == 4
    paint(anna, block((1, 20, 20), (2, 3, 3)))
    anna.press("saveButton")
    assert anna.section.correct.widgets.ui.lesionTable.rowCount == 5
    qt_host.close_module(widget)


def test_closing_the_scene_saves_the_case_and_gives_it_back(anna, root, scene):
    open_case(anna, "sub-03")
    mask = paint(anna, block((16, 4, 4), (2, 3, 3)))
    scene.Clear(0)
    assert opened_name(anna) is None and by_name(root)["sub-03"].claim is None
    assert np.array_equal(sitk.GetArrayFromImage(read_draft(work_folder(root, "sub-03")).mask), mask)
    open_case(anna, "sub-03")
    assert np.array_equal(reader_mask(anna), mask)


def test_images_that_were_removed_close_the_case_and_are_told(anna, root, scene):
    open_case(anna, "sub-03")
    scene.RemoveNode(study(anna).state.segmentation)
    anna.press("saveButton")
    assert "The images of sub-03 were removed from the scene" in anna.ui.workMessage.text
    assert opened_name(anna) is None and by_name(root)["sub-03"].claim is None


def test_another_study_in_mslesionseg_is_not_saved_as_the_open_case(anna, root):
    import slicer

    open_case(anna, "sub-03")
    mask = paint(anna, block((16, 4, 4), (2, 3, 3)))
    study(anna).state.flair = slicer.util.addVolumeFromArray(np.zeros((5, 6, 7), np.int16), name="another")
    anna.press("saveButton")
    assert np.array_equal(sitk.GetArrayFromImage(read_draft(work_folder(root, "sub-03")).mask), mask)
    anna.press("closeCaseButton")
    assert study(anna).state.flair.GetName() == "another"


def test_a_broken_image_is_told_given_back_and_leaves_nothing_in_the_scene(anna, root):
    import slicer

    path = root / "sub-03/anat/sub-03_FLAIR.nii.gz"
    path.write_bytes(path.read_bytes()[:500])
    open_case(anna, "sub-03")
    assert "<b>" in anna.ui.workMessage.text and "sub-03_FLAIR.nii.gz" in anna.ui.workMessage.text
    assert opened_name(anna) is None and by_name(root)["sub-03"].claim is None
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_a_case_without_an_annotator_is_not_opened(anna):
    anna.ui.annotatorEdit.setText(" ")
    open_case(anna, "sub-03")
    assert anna.ui.workMessage.text.startswith("<b>The annotator&#x27;s name is missing.</b>")


def test_a_full_folder_keeps_the_case_open_and_says_so(anna, root):
    open_case(anna, "sub-03")
    paint(anna, block((16, 4, 4), (2, 3, 3)))
    folder = work_folder(root, "sub-03")
    (folder / DRAFT_FILE).mkdir()  # stands for a disk that takes nothing
    anna.press("nextCaseButton")
    assert "The mask of sub-03 cannot be written" in anna.ui.workMessage.text
    assert opened_name(anna) == "sub-03"
    (folder / DRAFT_FILE).rmdir()
    anna.press("nextCaseButton")
    assert opened_name(anna) == "sub-02" and (folder / DRAFT_FILE).is_file()


def test_the_panels_end_saves_the_case_and_gives_it_back(qt_host, opened_training, root):
    anna = before_list(opened_training, root, "Anna")
    open_case(anna, "sub-03")
    mask = paint(anna, block((16, 4, 4), (2, 3, 3)))
    anna.panel.close()
    assert by_name(root)["sub-03"].claim is None
    assert np.array_equal(sitk.GetArrayFromImage(read_draft(work_folder(root, "sub-03")).mask), mask)


@pytest.mark.parametrize("name", ["sub-01", "sub-02"])
def test_masks_shown_over_a_case_lie_where_they_lie_in_its_files(scene, root, name):
    """Also where the file's axes are left-handed, so that Slicer turns its slices."""
    from MSLesionSegScene.export import segment_image
    from MSLesionSegScene.state import ModuleState
    from MSLesionSegTrainingWidgets.case_view import CaseView

    path = root / "derivatives/presegmented" / name / "lesion_mask.nii.gz"
    state = ModuleState(scene)
    state.flair = CaseView(scene).show(root, name)
    state.segmentation = CaseView(scene).show_masks(root, name, {"before": path})
    shown, mask = segment_image(state, "before"), read_nifti(path)
    inside = np.argwhere(sitk.GetArrayViewFromImage(mask))[:, ::-1]
    assert len(inside) == sitk.GetArrayFromImage(shown).sum()
    for index in inside[::20].tolist():
        place = mask.TransformIndexToPhysicalPoint(index)
        assert shown[shown.TransformPhysicalPointToIndex(place)] == 1
