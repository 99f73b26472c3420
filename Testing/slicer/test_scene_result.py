"""A result becomes nodes on the FLAIR, and all of it survives saving and loading the scene."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.scene_results import (
    SHAPE,
    add_volume,
    flair_image,
    mask_of,
    on_grid,
    probability_map,
    reviewed_result,
    write_result,
)

from MSLesionSegLib.errors import StudyError

slicer = pytest.importorskip("slicer")
vtk = pytest.importorskip("vtk")

from MSLesionSegScene.result_nodes import load_result  # noqa: E402
from MSLesionSegScene.review import Review  # noqa: E402
from MSLesionSegScene.segments import read_segment, write_segment  # noqa: E402
from MSLesionSegScene.state import ModuleState  # noqa: E402
from MSLesionSegScene.terminology import register_terminology  # noqa: E402
from MSLesionSegScene.volumes import node_matrix, node_to_image, node_voxels  # noqa: E402


def segment(state, name="reader"):
    return read_segment(state.segmentation, name, state.flair)


def moved(scene, matrix, name="moved"):
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    vtk_matrix = vtk.vtkMatrix4x4()
    vtk_matrix.DeepCopy(np.asarray(matrix, float).ravel().tolist())
    node.SetMatrixTransformToParent(vtk_matrix)
    return node


TURN = [[0, -1, 0, 10], [1, 0, 0, -4], [0, 0, 1, 2], [0, 0, 0, 1]]


def test_the_model_and_the_reader_start_with_the_same_mask_in_segments_of_their_own(scene, tmp_path):
    state, _ = reviewed_result(scene, tmp_path)
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "result/lesion_mask.nii.gz"))) > 0
    assert np.array_equal(expected, mask_of("large", "middle", "small"))
    assert np.array_equal(segment(state, "model"), expected)
    assert np.array_equal(segment(state, "reader"), expected)
    names = [state.segmentation.GetSegmentation().GetSegment(one).GetName() for one in ("model", "reader")]
    assert names == ["Lesions (model)", "Lesions (reader)"]
    display = state.segmentation.GetDisplayNode()
    assert (display.GetSegmentVisibility("model"), display.GetSegmentVisibility("reader")) == (False, True)


def test_the_segmentation_lies_on_the_flair_and_says_so(scene, tmp_path):
    state, _ = reviewed_result(scene, tmp_path)
    node = state.segmentation
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is state.flair
    assert node.GetName() == "FLAIR lesions"
    for name in ("model", "reader"):
        labelmap = node.GetBinaryLabelmapInternalRepresentation(name)
        matrix = vtk.vtkMatrix4x4()
        labelmap.GetImageToWorldMatrix(matrix)
        own = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
        assert np.allclose(own, node_matrix(state.flair, to_world=False), rtol=0, atol=1e-5)
        assert labelmap.GetDimensions() == SHAPE[::-1]


def test_a_segment_is_a_lesion_of_the_brain_by_terminology_and_slicer_knows_the_term(scene, tmp_path):
    state, _ = reviewed_result(scene, tmp_path)
    logic = slicer.modules.terminologies.logic()
    register_terminology(logic)
    register_terminology(logic)
    names = vtk.vtkStringArray()
    logic.GetLoadedTerminologyNames(names)
    assert [names.GetValue(i) for i in range(names.GetNumberOfValues())].count("MSLesionSeg") == 1
    for name in ("model", "reader"):
        entry = slicer.vtkSlicerTerminologyEntry()
        terminology = state.segmentation.GetSegmentation().GetSegment(name).GetTerminology()
        assert logic.DeserializeTerminologyEntry(terminology, entry)
        kind, region = entry.GetTypeObject(), entry.GetRegionObject()
        assert (kind.GetCodingSchemeDesignator(), kind.GetCodeValue()) == ("SCT", "52988006")
        assert (kind.GetCodeMeaning(), region.GetCodeMeaning()) == ("Lesion", "Brain")
    category = slicer.vtkSlicerTerminologyCategory()
    assert logic.GetNthCategoryInTerminology("MSLesionSeg", 0, category)
    kind = slicer.vtkSlicerTerminologyType()
    assert logic.GetNthTypeInTerminologyCategory("MSLesionSeg", category, 0, kind)
    assert kind.GetCodeMeaning() == "Lesion"


def test_the_probability_is_a_volume_shown_from_0_to_1_with_the_background_clear(scene, tmp_path):
    state, _ = reviewed_result(scene, tmp_path)
    assert np.allclose(node_voxels(state.probability), probability_map(), atol=1 / 4096)
    display = state.probability.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
    assert display.GetApplyThreshold() and display.GetLowerThreshold() == pytest.approx(0.05)
    assert display.GetColorNode().GetName() == "Iron"


def test_the_nodes_stand_beside_the_flair_in_the_subject_hierarchy(scene, tmp_path):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair_image(), "FLAIR")
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(state.flair), study)
    load_result(scene, state, write_result(tmp_path / "result", flair_image(), probability_map()))
    for node in (state.segmentation, state.probability):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    assert hierarchy.GetItemByDataNode(state.lesion_map) == 0


def test_results_follow_a_flair_that_lies_under_a_transform(scene, tmp_path):
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair_image(), "FLAIR")
    parent = moved(scene, TURN)
    state.flair.SetAndObserveTransformNodeID(parent.GetID())
    written = node_to_image(state.flair)  # what the engine gets
    load_result(scene, state, write_result(tmp_path / "result", written, probability_map()))
    assert np.array_equal(segment(state), mask_of("large", "middle", "small"))
    for node in (state.segmentation, state.probability, state.lesion_map):
        assert node.GetParentTransformNode() is parent
    assert np.array_equal(node_matrix(state.probability, to_world=True), node_matrix(state.flair, to_world=True))


@pytest.mark.parametrize("under_a_transform", [False, True])
def test_t1_and_t2_get_their_registration_as_transform_nodes(scene, tmp_path, under_a_transform):
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair_image(), "FLAIR")
    state.t1 = add_volume(scene, flair_image(1), "T1")
    if under_a_transform:
        parent = moved(scene, TURN)
        state.flair.SetAndObserveTransformNodeID(parent.GetID())
        state.t1.SetAndObserveTransformNodeID(parent.GetID())
    flair, t1 = node_to_image(state.flair), node_to_image(state.t1)
    found = sitk.Euler3DTransform()
    found.SetCenter((5.0, -3.0, 8.0))
    found.SetRotation(0.02, -0.03, 0.05)
    found.SetTranslation((2.0, -1.0, 4.0))
    result = write_result(tmp_path / "result", flair, probability_map(), moving={"T1w": (t1, found)})
    load_result(scene, state, result)

    # A point of the FLAIR, as SimpleITK.Resample(t1, flair, found) would look for it in the T1.
    point = flair.TransformIndexToPhysicalPoint((20, 30, 10))
    looked_for = t1.TransformPhysicalPointToContinuousIndex(found.TransformPoint(point))
    world = [-point[0], -point[1], point[2], 1.0]
    shown = np.linalg.inv(node_matrix(state.t1, to_world=True)) @ world
    assert np.allclose(shown[:3], looked_for, rtol=0, atol=1e-4)
    assert state.t1.GetParentTransformNode() is state.t1_transform
    assert state.t1_transform.GetName() == "T1w to FLAIR"
    assert state.t1_transform.GetParentTransformNode() is state.flair.GetParentTransformNode()
    assert state.t2_transform is None


def test_a_registration_found_again_moves_its_own_volume_and_no_other(scene, tmp_path):
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair_image(), "FLAIR")
    first, second = add_volume(scene, flair_image(1), "T1"), add_volume(scene, flair_image(2), "T1 again")

    def shift(volume, mm, folder):
        state.t1 = volume
        moving = {"T1w": (node_to_image(volume), sitk.TranslationTransform(3, (mm, 0.0, 0.0)))}
        load_result(scene, state, write_result(tmp_path / folder, flair_image(), probability_map(), moving=moving))

    def shifted(volume):
        return (node_matrix(volume, to_world=True) - node_matrix(volume, to_world=False))[0, 3]

    shift(first, 2.0, "a")
    assert shifted(first) == pytest.approx(2.0, abs=1e-4)
    shift(first, 0.5, "b")  # what is left over, as the engine sees the T1 where it was put
    assert shifted(first) == pytest.approx(2.5, abs=1e-4)
    assert scene.GetNodesByName("T1w to FLAIR").GetNumberOfItems() == 1
    shift(second, 7.0, "c")
    assert (shifted(first), shifted(second)) == (pytest.approx(2.5, abs=1e-4), pytest.approx(7.0, abs=1e-4))


def test_settings_and_provenance_are_in_the_state_without_paths(scene, tmp_path):
    result = write_result(tmp_path / "r", flair_image(), probability_map(), threshold=0.6, min_mm3=20.0)
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair_image(), "FLAIR")
    load_result(scene, state, result)
    assert (state.threshold, state.minimum_mm3, state.contrasts_used) == (0.6, 20.0, "FLAIR")
    assert state.provenance["models"]["lesion"] == {"name": "test-model", "version": "0.1", "sha256": "1" * 64}
    assert str(tmp_path) not in json.dumps(state.provenance)
    assert np.array_equal(segment(state), mask_of("large", "middle"))


def test_a_result_of_another_flair_is_refused_and_nothing_changes(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    review.decide("1", "accepted")
    nodes = scene.GetNumberOfNodes()
    smaller = on_grid(np.zeros((20, 48, 39), np.int16))
    other = write_result(tmp_path / "other", smaller, np.zeros((20, 48, 39), np.float32))
    with pytest.raises(StudyError, match="does not lie on the FLAIR FLAIR"):
        load_result(scene, state, other)
    (tmp_path / "result" / "lesion_probability.nii.gz").write_bytes(b"no image")
    with pytest.raises(StudyError, match="lesion_probability.nii.gz is missing or cannot be read"):
        load_result(scene, state, tmp_path / "result")
    with pytest.raises(StudyError, match="holds no result"):
        load_result(scene, state, tmp_path)
    assert scene.GetNumberOfNodes() == nodes
    assert state.decisions == {"1": "accepted"}
    assert np.array_equal(segment(state), mask_of("large", "middle", "small"))


def test_a_second_result_keeps_the_readers_decisions_and_own_segments(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    own = state.segmentation.GetSegmentation().AddEmptySegment("vessel", "vessel")
    write_segment(state.segmentation, own, state.flair, mask_of("faint"))
    review.decide("2", "rejected")
    probability = probability_map()
    probability[mask_of("small")] = 0.0
    nodes = (state.segmentation, state.probability, scene.GetNumberOfNodes())
    load_result(scene, state, write_result(tmp_path / "again", flair_image(), probability))
    assert (state.segmentation, state.probability, scene.GetNumberOfNodes()) == nodes
    assert np.array_equal(segment(state), mask_of("large"))
    assert np.array_equal(segment(state, "model"), mask_of("large", "middle"))
    assert np.array_equal(segment(state, "vessel"), mask_of("faint"))
    assert state.decisions == {"2": "rejected"}


def test_a_result_of_another_study_gets_nodes_of_its_own(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    review.decide("2", "rejected")
    first = state.segmentation
    state.flair = add_volume(scene, flair_image(7), "FLAIR of another")
    load_result(scene, state, write_result(tmp_path / "another", flair_image(7), probability_map()))
    assert state.segmentation is not first
    assert state.decisions == {}
    assert np.array_equal(segment(state), mask_of("large", "middle", "small"))
    assert first.GetSegmentation().GetNumberOfSegments() == 2


def test_everything_survives_an_mrb(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    review.decide("1", "accepted")
    review.decide("2", "rejected")
    state.model, state.device = "ms-lesion", "cpu"
    edited = segment(state)
    edited[0, 0, :5] = True
    write_segment(state.segmentation, "reader", state.flair, edited)
    review.refresh()
    rows, provenance = review.rows(), state.provenance
    matrix = node_matrix(state.flair, to_world=True)
    assert slicer.util.saveScene(str(tmp_path / "study.mrb"))
    scene.Clear(0)
    assert ModuleState(scene).flair is None

    slicer.util.loadScene(str(tmp_path / "study.mrb"))
    again = ModuleState(scene)
    assert (again.model, again.device, again.threshold, again.minimum_mm3) == ("ms-lesion", "cpu", 0.5, 3.0)
    assert again.decisions == {"1": "accepted", "2": "rejected", "4": "accepted"}
    assert again.provenance == provenance
    assert np.allclose(node_matrix(again.flair, to_world=True), matrix, rtol=0, atol=1e-5)
    assert np.array_equal(node_voxels(again.flair), sitk.GetArrayFromImage(flair_image()))
    assert np.array_equal(segment(again), edited)
    assert np.array_equal(segment(again, "model"), mask_of("large", "middle", "small"))
    fresh = Review(scene, again)
    assert not fresh.refresh()
    assert fresh.rows() == rows
    assert fresh.reviewed == (3, 4)
    fresh.decide("2", "undecided")
    edited |= mask_of("middle")
    assert np.array_equal(segment(again), edited)


def test_a_closed_scene_leaves_no_review(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    scene.Clear(0)
    assert review.rows() == []
    assert review.reviewed == (0, 0)
    assert not review.refresh()
    assert state.threshold == 0.5
