"""What a reader writes down, from the scene: locations, areas, another study, the folder of a report."""

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.scene_results import (
    add_volume,
    flair_image,
    mask_of,
    probability_map,
    reviewed_result,
    write_result,
    zone_map,
)

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.report import ReadResult, report_data

slicer = pytest.importorskip("slicer")

from MSLesionSegScene.areas import supporting_rows  # noqa: E402
from MSLesionSegScene.result_folder import write_result_folder  # noqa: E402
from MSLesionSegScene.result_nodes import load_result  # noqa: E402
from MSLesionSegScene.review import Review  # noqa: E402
from MSLesionSegScene.segments import read_segment, write_segment  # noqa: E402
from MSLesionSegScene.state import ModuleState  # noqa: E402
from MSLesionSegScene.volumes import node_voxels  # noqa: E402

HALF = {"periventricular": 0.5, "juxtacortical": 0.0, "infratentorial": 0.0, "deep white matter": 0.5}


def places(review):
    return [row.location for row in review.rows()]


def test_every_lesion_has_its_location_and_a_confluent_one_its_shares(scene, tmp_path):
    _, review = reviewed_result(scene, tmp_path)
    assert places(review) == ["periventricular", "infratentorial", "deep white matter"]
    assert review.rows()[0].shares == HALF
    assert review.rows()[1].shares["infratentorial"] == 1.0


def test_locations_follow_threshold_and_edits(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    review.set_threshold(0.35)
    assert sorted(places(review)) == ["deep white matter", "infratentorial", "periventricular", "periventricular"]
    review.set_threshold(0.5)
    mask = read_segment(state.segmentation, "reader", state.flair)
    mask[:, 9:, :20] &= ~mask_of("large")[:, 9:, :20]  # the deep half of the large lesion is erased
    write_segment(state.segmentation, "reader", state.flair, mask)
    review.refresh()
    (row,) = [row for row in review.rows() if row.edited]
    assert row.shares["periventricular"] == 1.0


def test_a_result_without_zones_has_no_locations_and_no_areas(scene, tmp_path):
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair_image(), "FLAIR")
    folder = write_result(tmp_path / "result", flair_image(), probability_map())
    (folder / "location_zones.nii.gz").unlink()
    load_result(scene, state, folder)
    review = Review(scene, state)
    assert places(review) == ["", "", ""]
    assert supporting_rows(review.rows()) == ([], "")


def test_areas_name_the_lesions_that_support_them_without_the_rejected_ones(scene, tmp_path):
    _, review = reviewed_result(scene, tmp_path)

    def named():
        areas, sentence = supporting_rows(review.rows())
        return {area.name: [row.id for row in area.rows] for area in areas if area.assessed}, sentence

    assert named() == (
        {"Periventricular": [1], "Cortical or juxtacortical": [], "Infratentorial": [2]},
        "2 of 3 assessed areas hold a lesion of at least 3 mm.",
    )
    review.decide("2", "rejected")
    assert named()[0]["Infratentorial"] == []
    assert named()[1].startswith("1 of 3")


def test_a_report_of_the_scene_is_about_the_readers_lesions_under_their_numbers(scene, tmp_path):
    state, review = reviewed_result(
        scene, tmp_path, quality=[{"code": "motion", "series": "FLAIR", "message": "FLAIR: x"}]
    )
    review.decide("2", "rejected")
    lesions = write_result_folder(state, tmp_path / "again")
    data = report_data(ReadResult(tmp_path / "again", lesions=lesions))
    rows = [row for row in review.rows() if row.state != "rejected"]
    assert [(one["id"], one["volume_ml"], one["location"]) for one in data["lesions"]] == [
        (row.id, row.volume_ml, row.location) for row in rows
    ]
    assert [row["id"] for row in data["lesions"]] == [1, 3]
    for row, one in zip(rows, data["lesions"], strict=True):
        centroid = [one[f"centroid_{axis}_mm"] for axis in "ras"]
        assert np.allclose(centroid, row.centroid_ras, rtol=0, atol=0.011)
    assert data["quality"][0]["message"] == "FLAIR: x"
    assert data["model"]["name"] == "test-model"
    assert data["segmented_utc"] == state.provenance["run"]["started_utc"]


def test_the_folder_of_a_result_from_a_saved_scene_is_the_same(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    review.decide("1", "accepted")
    write_result_folder(state, tmp_path / "before")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    again = ModuleState(scene)
    assert np.array_equal(node_voxels(again.zone_map), zone_map())
    write_result_folder(again, tmp_path / "after")
    for name in ("FLAIR", "brain_mask", "lesion_probability", "location_zones", "reader_lesions", "lesion_mask"):
        before, after = (sitk.ReadImage(str(tmp_path / one / f"{name}.nii.gz")) for one in ("before", "after"))
        assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after)), name
        assert np.allclose(before.GetDirection(), after.GetDirection(), rtol=0, atol=1e-5), name


def test_without_a_result_there_is_no_folder(scene, tmp_path):
    with pytest.raises(StudyError, match="There is no result"):
        write_result_folder(ModuleState(scene), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_review_of_one_study_waits_while_another_is_read_and_comes_back(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    review.decide("2", "rejected")
    state.seconds_spent = 12.5
    first, rows = state.flair, review.rows()
    second = add_volume(scene, flair_image(7), "FLAIR of another")
    state.flair = second
    assert (state.segmentation, state.lesions, state.seconds_spent) == (None, {}, 0.0)
    load_result(scene, state, write_result(tmp_path / "another", flair_image(7), probability_map(), threshold=0.35))
    Review(scene, state).decide("1", "accepted")
    assert [study.flair for study in state.with_results()] == [second, first]

    assert slicer.util.saveScene(str(tmp_path / "both.mrb"))
    scene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "both.mrb"))
    state = ModuleState(scene)
    assert state.decisions == {"1": "accepted"}
    state.flair = slicer.util.getNode("FLAIR")
    assert Review(scene, state).rows() == rows
    assert (state.seconds_spent, state.threshold) == (12.5, 0.5)
    state.flair = slicer.util.getNode("FLAIR of another")
    assert (state.decisions, state.threshold, len(Review(scene, state).rows())) == ({"1": "accepted"}, 0.35, 4)
    assert len(state.with_results()) == 2


def test_a_waiting_study_whose_flair_was_removed_is_none(scene, tmp_path):
    state, _ = reviewed_result(scene, tmp_path)
    first = state.flair
    state.flair = add_volume(scene, flair_image(7), "FLAIR of another")
    scene.RemoveNode(first)
    assert state.with_results() == []
