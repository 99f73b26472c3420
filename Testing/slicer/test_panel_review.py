"""The panel's review on a small result: table, keys, sliders, editor, export; and closing at any time."""

import html
import json
import os

import numpy as np
import pytest
from Testing.slicer.scene_results import (
    BLOCKS,
    SHAPE,
    add_volume,
    block,
    flair_image,
    mask_of,
    probability_map,
    reviewed_result,
    write_result,
)


@pytest.fixture
def person(opened, scene, tmp_path):
    """A person before a small result of three lesions."""
    reviewed_result(scene, tmp_path)
    opened.panel.context.tell()
    return opened


def reader_mask(person):
    from MSLesionSegScene.segments import read_segment

    state = person.panel.context.state
    return read_segment(state.segmentation, "reader", state.flair)


def paint(person, mask):
    from MSLesionSegScene.segments import write_segment

    state = person.panel.context.state
    write_segment(state.segmentation, "reader", state.flair, mask)
    person.pause(0.3)


def test_with_an_empty_scene_only_loading_can_be_pressed(opened):
    assert opened.ui.loadButton.enabled
    for name in ("applyButton", "acceptButton", "nextButton", "undoButton", "exportMaskButton", "dataSetButton"):
        assert not getattr(opened.ui, name).enabled, name
    assert "CPU" in opened.ui.deviceNote.text or "GPU" in opened.ui.deviceNote.text


def test_the_table_shows_the_lesions_and_sorts_by_number(person):
    assert person.table() == [
        ("1", "0.216", "8.1", "0.90", "PV 50 %", "undecided"),
        ("2", "0.064", "4.7", "0.80", "IT", "undecided"),
        ("3", "0.016", "2.5", "0.70", "WM", "undecided"),
    ]
    assert person.ui.lesionTable.item(0, 4).toolTip() == "periventricular 50.0 %\ndeep white matter 50.0 %"
    person.ui.lesionTable.sortItems(1, person.host.qt.Qt.AscendingOrder)
    assert [row[0] for row in person.table()] == ["3", "2", "1"]
    assert person.ui.reviewedLabel.text == "0 of 3 reviewed"
    assert person.ui.summaryLabel.text == "3 lesions, 0.30 mL, without the rejected ones"


def test_a_click_on_a_row_centres_every_slice_view_on_the_lesion(person, scene):
    import slicer

    person.click_row(1)
    (row,) = [row for row in person.panel.context.review.rows() if row.id == 2]
    for name in ("Red", "Green", "Yellow"):
        node = slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()
        centre = [node.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]
        assert np.allclose(centre, row.centroid_ras, atol=2.0), name
    assert person.ui.acceptButton.enabled


def test_keys_step_decide_undo_and_redo(person):
    person.key("N")
    person.key("A")
    person.key("X")
    assert person.states() == ["accepted", "rejected", "undecided"]
    assert person.ui.reviewedLabel.text == "2 of 3 reviewed"
    assert np.array_equal(reader_mask(person), mask_of("large", "small"))
    person.key("Z")
    assert person.states() == ["accepted", "undecided", "undecided"]
    assert np.array_equal(reader_mask(person), mask_of("large", "middle", "small"))
    person.key("Shift+Z")
    assert person.states() == ["accepted", "rejected", "undecided"]
    person.key("P")
    person.key("U")
    assert person.states() == ["undecided", "rejected", "undecided"]


def test_a_decision_goes_on_to_the_next_lesion_unless_told_otherwise(person):
    person.click_row(0)
    person.press("acceptButton")
    assert person.panel.review.table.current_key == "2"
    person.ui.advanceCheck.setChecked(False)
    person.press("rejectButton")
    assert person.panel.review.table.current_key == "2"


def test_sliders_act_at_once_and_leave_what_was_decided(person):
    person.click_row(2)
    person.press("acceptButton")
    person.ui.thresholdSlider.value = 0.35
    person.wait(lambda: len(person.table()) == 4, 5)
    person.ui.minimumSlider.value = 60
    person.wait(lambda: len(person.table()) == 3, 5)
    assert sorted(person.states()) == ["accepted", "undecided", "undecided"]
    assert person.panel.context.state.threshold == 0.35
    assert person.panel.context.state.minimum_mm3 == 60


def test_what_is_painted_is_in_the_table_and_decisions_stay(person):
    person.click_row(0)
    person.press("acceptButton")
    mask = mask_of("large", "middle", "small")
    mask[block((16, 4, 4), (2, 3, 3))] = True
    mask[block(*BLOCKS["small"][:2])] = False
    paint(person, mask)
    assert person.states() == ["accepted", "undecided", "accepted, edited", "rejected"]
    assert person.ui.reviewedLabel.text == "3 of 4 reviewed"
    assert np.array_equal(reader_mask(person), mask)


def test_the_keys_of_the_review_rest_while_the_editor_is_open(person):
    person.click_row(0)
    person.ui.editSection.collapsed = False
    person.key("A")
    assert person.states() == ["undecided"] * 3
    assert person.ui.segmentEditor.currentSegmentID() == "reader"
    person.ui.editSection.collapsed = True
    person.key("A")
    assert person.states()[0] == "accepted"


def test_the_editor_takes_no_voxels_from_other_segments(person, scene):
    import slicer

    node = person.ui.segmentEditor.mrmlSegmentEditorNode()
    assert node.GetOverwriteMode() == slicer.vtkMRMLSegmentEditorNode.OverwriteNone
    assert person.ui.segmentEditor.segmentationNode() is person.panel.context.state.segmentation


def test_a_saved_scene_brings_back_table_decisions_and_sliders(person, scene, tmp_path):
    import slicer

    person.click_row(0)
    person.press("acceptButton")
    person.press("rejectButton")
    before = person.table()
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert person.table() == []
    assert person.ui.flairSelector.currentNode() is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    person.host.app.processEvents()
    assert person.table() == before
    assert person.ui.reviewedLabel.text == "2 of 3 reviewed"
    assert person.ui.flairSelector.currentNode().GetName() == "FLAIR"
    assert np.array_equal(reader_mask(person), mask_of("large", "small"))


def test_the_export_buttons_save_what_was_decided(person, tmp_path):
    import SimpleITK as sitk

    person.ui.exportSection.collapsed = False
    person.click_row(0)
    person.press("rejectButton")
    for button, name in (
        ("exportSegmentationButton", "reader.seg.nrrd"),
        ("exportMaskButton", "mask.nii.gz"),
        ("exportTableButton", "table.csv"),
    ):
        person.host.file_answers.append(str(tmp_path / name))
        person.press(button)
        assert name in person.ui.exportMessage.text
        assert (tmp_path / name).stat().st_size > 0
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "mask.nii.gz")))
    assert np.array_equal(mask, mask_of("middle", "small"))
    rows = [line for line in (tmp_path / "table.csv").read_text("utf-8").splitlines() if line[0].isdigit()]
    assert [row.split(",")[0] for row in rows] == ["2", "3"]


def test_adding_to_a_data_set_asks_who_annotates_and_keeps_the_key_outside(person, tmp_path):
    person.ui.exportSection.collapsed = False
    person.host.file_answers.append(str(tmp_path / "data"))
    person.press("dataSetButton")
    assert "<b>" in person.ui.exportMessage.text
    assert not (tmp_path / "data").exists()

    person.ui.annotatorEdit.setText("reader 7")
    person.ui.keyCheck.setChecked(True)
    person.host.file_answers += [str(tmp_path / "data"), str(tmp_path / "key.tsv")]
    person.press("dataSetButton")
    assert "sub-01" in person.ui.exportMessage.text
    (sidecar,) = (tmp_path / "data" / "derivatives").rglob("*_mask.json")
    assert json.loads(sidecar.read_text("utf-8"))["Annotator"] == "reader 7"
    assert "sub-01" in (tmp_path / "key.tsv").read_text("utf-8")


def test_a_dialog_that_is_closed_changes_nothing(person):
    person.ui.exportSection.collapsed = False
    person.host.file_answers += ["", ""]
    person.press("exportMaskButton")
    person.press("dataSetButton")
    assert not person.ui.exportMessage.visible


def test_showing_the_models_mask_shows_both(person):
    display = person.panel.context.state.segmentation.GetDisplayNode()
    person.press("modelCheck")
    assert (display.GetSegmentVisibility("model"), display.GetSegmentVisibility("reader")) == (True, True)
    person.press("modelCheck")
    assert (display.GetSegmentVisibility("model"), display.GetSegmentVisibility("reader")) == (False, True)


def test_show_3d_makes_surfaces_in_a_layout_that_has_a_view_for_them(person, scene):
    import slicer

    segmentation = person.panel.context.state.segmentation.GetSegmentation()
    person.press("sideBySideButton")
    assert slicer.app.layoutManager().threeDViewCount == 0
    person.press("show3DButton")
    assert slicer.app.layoutManager().threeDViewCount == 1
    assert segmentation.ContainsRepresentation("Closed surface")
    person.press("show3DButton")
    assert not segmentation.ContainsRepresentation("Closed surface")
    person.press("show3DButton")
    scene.Clear(0)
    assert not person.ui.show3DButton.checked


def test_a_flair_that_is_removed_leaves_nothing_to_review(person, scene):
    scene.RemoveNode(person.panel.context.state.flair)
    assert person.table() == []
    assert not person.ui.applyButton.enabled


def test_another_flair_has_no_result_until_lesions_are_found_on_it(person):
    import slicer

    other = slicer.util.addVolumeFromArray(np.zeros((5, 6, 7), np.int16), name="other")
    person.click_row(1)
    person.press("rejectButton")
    before = person.table()
    person.ui.flairSelector.setCurrentNode(other)
    assert person.table() == []
    assert not person.ui.exportMaskButton.enabled
    assert not person.ui.undoButton.enabled
    assert html.unescape(person.ui.inputsMessage.text) == (
        'Another study of this scene keeps its review: choose "FLAIR" as FLAIR to go back to it.'
    )
    person.ui.flairSelector.setCurrentNode(slicer.util.getNode("FLAIR"))
    assert person.table() == before
    assert person.states() == ["undecided", "rejected", "undecided"]
    assert not person.ui.inputsMessage.visible


def test_coming_back_from_the_dicom_module_finds_what_was_loaded_there(opened, scene):
    import slicer

    opened.widget.exit()
    for name in ("T2 tse", "t2_flair_sag"):
        slicer.util.addVolumeFromArray(np.zeros((5, 6, 7), np.int16), name=name)
    opened.widget.enter()
    opened.host.app.processEvents()
    assert opened.ui.flairSelector.currentNode().GetName() == "t2_flair_sag"
    assert opened.ui.t2Selector.currentNode().GetName() == "T2 tse"
    assert opened.ui.flairGuess.visible
    assert opened.ui.applyButton.enabled


def test_a_guess_that_is_corrected_stays_corrected(opened, scene):
    import slicer

    first = slicer.util.addVolumeFromArray(np.zeros((5, 6, 7), np.int16), name="flair 1")
    second = slicer.util.addVolumeFromArray(np.zeros((5, 6, 7), np.int16), name="flair 2")
    opened.press("guessButton")
    assert "Please check" in opened.ui.flairGuess.text
    chosen = opened.ui.flairSelector.currentNode()
    other = second if chosen is first else first
    opened.ui.flairSelector.setCurrentNode(other)
    opened.widget.exit()
    opened.widget.enter()
    assert opened.ui.flairSelector.currentNode() is other
    assert not opened.ui.flairGuess.visible


def test_leaving_the_module_and_coming_back_keeps_all(person):
    person.click_row(0)
    person.press("acceptButton")
    person.widget.exit()
    person.key("X")
    person.widget.enter()
    person.host.app.processEvents()
    assert person.states() == ["accepted", "undecided", "undecided"]


def test_a_python_that_is_not_there_is_told_in_a_sentence(person):
    person.ui.interpreterEdit.setText(os.path.join("no", "such", "python"))
    person.panel.segment._interpreter_chosen()
    assert "There is no Python at" in person.ui.segmentMessage.text
    assert person.panel.context.state.flair.GetImageData().GetDimensions()[::-1] == SHAPE


def test_numbers_sort_as_numbers_and_the_table_needs_no_horizontal_scroll_bar(opened, scene, tmp_path):
    from dataclasses import replace

    _, review = reviewed_result(scene, tmp_path)
    opened.panel.context.tell()
    row = review.rows()[0]
    volumes = (0.5, 12.25, 3.0, 100.0)
    many = [replace(row, key=str(n), id=n, volume_ml=volume) for n, volume in enumerate(volumes, start=9)]
    opened.panel.review.table.show(many)
    for column, expected in ((0, ["9", "10", "11", "12"]), (1, ["0.500", "3.000", "12.250", "100.000"])):
        opened.ui.lesionTable.sortItems(column, opened.host.qt.Qt.AscendingOrder)
        assert [one[column] for one in opened.table()] == expected
    opened.widget.parent.resize(400, 1100)
    opened.host.app.processEvents()
    assert not opened.ui.lesionTable.horizontalScrollBar().visible


def test_the_time_spent_is_saved_with_the_scene_and_goes_on(person, scene, tmp_path):
    import slicer

    for row in (0, 1):
        person.click_row(row)
        person.pause(0.1)
    person.click_row(2)
    spent = person.panel.context.clock.seconds
    assert spent > 0.15
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert person.panel.context.clock.seconds == 0.0
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    person.host.app.processEvents()
    assert person.panel.context.clock.seconds == spent
    person.click_row(0)
    person.pause(0.1)
    person.click_row(1)
    assert person.panel.context.clock.seconds > spent + 0.05


def test_areas_name_lesions_and_a_click_on_a_number_goes_there(person):
    person.ui.areasSection.collapsed = False
    person.host.app.processEvents()
    text = person.ui.areasLabel.text
    assert '&#9745; Periventricular: <a href="1">1</a>' in text
    assert '&#9745; Infratentorial: <a href="2">2</a>' in text
    assert "&#9744; Cortical or juxtacortical: no lesion of at least 3 mm" in text
    assert "Spinal cord: not on these images" in text
    assert "2 of 3 assessed areas" in text and "not a diagnosis" in text
    person.ui.areasLabel.linkActivated.emit("2")
    assert person.panel.review.table.current_key == "2"
    person.press("rejectButton")
    assert "&#9744; Infratentorial" in person.ui.areasLabel.text


def test_warnings_of_the_result_stay_with_it_also_in_a_saved_scene(opened, scene, tmp_path):
    import slicer

    warning = {"code": "motion", "series": "FLAIR", "message": "FLAIR: neighbouring slices are shifted by 0.9 mm."}
    reviewed_result(scene, tmp_path, quality=[warning])
    opened.panel.context.tell()
    assert "FLAIR: neighbouring slices are shifted by 0.9 mm." in opened.ui.qualityLabel.text
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert not opened.ui.qualityLabel.visible
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    opened.host.app.processEvents()
    assert "shifted by 0.9 mm" in opened.ui.qualityLabel.text


def test_thick_slices_are_told_before_anything_is_computed(opened, scene):
    import slicer

    thick = slicer.util.addVolumeFromArray(np.zeros((20, 30, 30), np.int16), name="FLAIR")
    thick.SetSpacing(1.0, 1.0, 6.0)
    opened.ui.flairSelector.setCurrentNode(thick)
    assert "FLAIR: slices lie 6.0 mm apart (3 mm or less are recommended)" in opened.ui.inputsQuality.text
    thin = slicer.util.addVolumeFromArray(np.zeros((30, 30, 30), np.int16), name="thin")
    opened.ui.flairSelector.setCurrentNode(thin)
    assert not opened.ui.inputsQuality.visible


def test_doubtful_lesions_come_first_with_a_mark_and_their_reason(opened, scene, tmp_path):
    from MSLesionSegScene.result_nodes import load_result
    from MSLesionSegScene.state import ModuleState

    second = probability_map()
    second[mask_of("middle")] = 0.25
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair_image(), "FLAIR")
    load_result(scene, state, write_result(tmp_path / "result", flair_image(), probability_map(), second=second))
    opened.panel.context.tell()
    assert [(row[0], row[3]) for row in opened.table()] == [("2", "? 0.25"), ("3", "0.70"), ("1", "0.90")]
    assert opened.ui.lesionTable.horizontalHeaderItem(3).text() == "Sure"
    opened.key("N")
    assert opened.ui.reviewMessage.text == "Lesion 2 is doubtful: not found without T1w."
    opened.key("N")
    assert not opened.ui.reviewMessage.visible
    opened.ui.lesionTable.sortItems(0, opened.host.qt.Qt.AscendingOrder)
    assert [row[0] for row in opened.table()] == ["1", "2", "3"]
    scene.Clear(0)
    assert opened.ui.lesionTable.horizontalHeaderItem(3).text() == "Prob."
