"""The review on real segmentation nodes: decisions, threshold, minimum size and edits."""

import numpy as np
import pytest
from Testing.slicer.scene_results import (
    BLOCKS,
    SHAPE,
    SPACING,
    block,
    mask_of,
    on_grid,
    reviewed_result,
)

from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.lesions import lesion_mask

slicer = pytest.importorskip("slicer")
vtk = pytest.importorskip("vtk")

from MSLesionSegScene.review import Review  # noqa: E402
from MSLesionSegScene.segments import read_segment, write_segment  # noqa: E402
from MSLesionSegScene.state import ModuleState  # noqa: E402
from MSLesionSegScene.volumes import node_voxels  # noqa: E402


@pytest.fixture
def result(scene, tmp_path):
    """State and review of three lesions: 1 large, 2 middle, 3 small."""
    return reviewed_result(scene, tmp_path)


def segment(state, name="reader"):
    return read_segment(state.segmentation, name, state.flair)


def edit(state, mask):
    """What a tool of the Segment Editor leaves: another mask in the reader's segment."""
    write_segment(state.segmentation, "reader", state.flair, mask)


def states(review):
    return {row.key: row.state for row in review.rows()}


def rim(name, width=1):
    """The block and ``width`` voxels around it."""
    corner, size, _ = BLOCKS[name]
    mask = np.zeros(SHAPE, bool)
    mask[block(tuple(c - width for c in corner), tuple(n + 2 * width for n in size))] = True
    return mask


def test_the_table_has_a_row_a_lesion_in_millilitres_millimetres_and_ras(result):
    _, review = result
    rows = review.rows()
    assert [(row.key, row.id, row.volume_ml, row.state, row.edited) for row in rows] == [
        ("1", 1, 0.216, "undecided", False),
        ("2", 2, 0.064, "undecided", False),
        ("3", 3, 0.016, "undecided", False),
    ]
    assert rows[2].diameter_mm == pytest.approx(6**0.5, abs=0.005)  # 1, 1 and 2 mm between the corners of 2 x 2 x 2
    assert rows[2].mean_probability == pytest.approx(0.7, abs=1e-3)
    centre = on_grid(np.zeros(SHAPE, np.uint8)).TransformContinuousIndexToPhysicalPoint((30.5, 36.5, 14.5))
    assert rows[2].centroid_ras == pytest.approx((-centre[0], -centre[1], centre[2]), abs=0.006)


def test_reject_takes_the_lesion_out_of_the_readers_mask_and_undo_brings_it_back(result):
    state, review = result
    review.decide("2", "rejected")
    assert np.array_equal(segment(state), mask_of("large", "small"))
    assert np.array_equal(segment(state, "model"), mask_of("large", "middle", "small"))
    assert states(review) == {"1": "undecided", "2": "rejected", "3": "undecided"}
    assert review.reviewed == (1, 3)
    assert (review.can_undo, review.can_redo) == (True, False)
    assert review.undo() == "2"
    assert np.array_equal(segment(state), mask_of("large", "middle", "small"))
    assert states(review)["2"] == "undecided"
    assert review.redo() == "2"
    assert np.array_equal(segment(state), mask_of("large", "small"))
    assert review.redo() is None


def test_decisions_are_undone_in_order_and_a_new_one_ends_redo(result):
    state, review = result
    review.decide("1", "accepted")
    review.decide("1", "rejected")
    review.decide("3", "accepted")
    assert [review.undo(), review.undo()] == ["3", "1"]
    assert states(review) == {"1": "accepted", "2": "undecided", "3": "undecided"}
    review.decide("2", "rejected")
    assert not review.can_redo
    assert [review.undo(), review.undo(), review.undo()] == ["2", "1", None]
    assert state.decisions == {}


def test_unknown_lesions_and_states_are_refused(result):
    _, review = result
    with pytest.raises(KeyError):
        review.decide("9", "accepted")
    with pytest.raises(KeyError):
        review.centre_views("0")
    with pytest.raises(ValueError, match="maybe"):
        review.decide("1", "maybe")


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.35, 0.5, 0.75, 0.95])
@pytest.mark.parametrize("minimum", [3.0, 50.0])
def test_without_decisions_both_masks_are_what_the_engine_gives(result, threshold, minimum):
    state, review = result
    review.set_minimum_mm3(minimum)
    review.set_threshold(threshold)
    expected = lesion_mask(node_voxels(state.probability), threshold, minimum, SPACING) > 0
    assert np.array_equal(segment(state), expected)
    assert np.array_equal(segment(state, "model"), expected)
    review.set_threshold(0.5)
    review.set_minimum_mm3(3.0)
    assert np.array_equal(segment(state), mask_of("large", "middle", "small"))


def test_settings_out_of_range_are_refused_and_change_nothing(result):
    state, review = result
    with pytest.raises(UsageError, match="threshold must be above 0"):
        review.set_threshold(0.0)
    with pytest.raises(UsageError, match="minimum lesion size must be 0"):
        review.set_minimum_mm3(-1.0)
    assert (state.threshold, state.minimum_mm3) == (0.5, 3.0)


def test_decided_lesions_keep_their_outline_at_another_threshold_and_get_no_shell(result):
    state, review = result
    review.decide("1", "accepted")
    review.decide("2", "rejected")
    review.set_threshold(0.29)
    assert np.array_equal(segment(state), mask_of("large") | rim("small") | rim("faint"))
    assert np.array_equal(segment(state, "model"), rim("large") | rim("middle") | rim("small") | rim("faint"))
    review.set_threshold(0.95)
    assert np.array_equal(segment(state), mask_of("large"))
    assert not segment(state, "model").any()
    review.set_threshold(0.5)
    assert np.array_equal(segment(state), mask_of("large", "small"))
    assert states(review)["1"] == "accepted" and states(review)["2"] == "rejected"


def test_a_thick_shell_around_a_decided_lesion_is_no_lesion_of_its_own(result):
    state, review = result
    node_voxels(state.probability)[rim("large", 3) & ~mask_of("large")] = 0.3
    review.decide("1", "rejected")
    review.set_threshold(0.29)
    assert np.array_equal(segment(state), rim("middle") | rim("small") | rim("faint"))
    assert len(review.rows()) == 4


def test_a_free_lesion_keeps_its_key_while_it_grows(result):
    _, review = result
    before = {row.key: row.volume_ml for row in review.rows()}
    review.set_threshold(0.29)
    after = {row.key: row.volume_ml for row in review.rows()}
    assert sorted(after) == ["1", "2", "3", "4"]
    assert all(after[key] > volume for key, volume in before.items())


def test_a_lesion_taken_back_to_undecided_follows_the_threshold_again(result):
    state, review = result
    review.decide("2", "rejected")
    review.set_threshold(0.29)
    review.decide("2", "undecided")
    assert np.array_equal(segment(state), rim("large") | rim("middle") | rim("small") | rim("faint"))
    assert state.decisions == {}


def test_undo_and_redo_hold_where_the_threshold_made_the_lesion_vanish_in_between(result):
    state, review = result
    review.decide("3", "accepted")
    review.set_threshold(0.75)
    assert np.array_equal(segment(state), mask_of("large", "middle", "small"))
    review.undo()
    assert np.array_equal(segment(state), mask_of("large", "middle"))
    review.redo()
    assert np.array_equal(segment(state), mask_of("large", "middle", "small"))


def test_a_free_lesion_that_grows_up_to_a_decided_one_stays_a_lesion_of_its_own(result):
    state, review = result
    probability = node_voxels(state.probability)
    probability[:] = 0.0
    probability[5:8, 10:13, 10:14] = 0.9
    probability[5:8, 10:13, 14:18] = 0.4  # a bridge
    probability[5:8, 10:13, 18:22] = 0.8
    review.set_threshold(0.5)
    key = next(row.key for row in review.rows() if row.max_probability > 0.85)
    review.decide(key, "accepted")
    review.set_threshold(0.3)
    expected = np.zeros(SHAPE, bool)
    expected[5:8, 10:13, 10:14] = True
    expected[5:8, 10:13, 15:22] = True
    assert np.array_equal(segment(state), expected)
    assert sorted(states(review).values()) == ["accepted", "undecided"]


def test_edits_change_the_table_and_leave_decisions_on_other_lesions(result):
    state, review = result
    review.decide("2", "rejected")
    review.decide("3", "accepted")
    mask = segment(state)
    mask[4, 6:12, 6:12] = False  # a third of the large one
    edit(state, mask)
    assert review.refresh()
    rows = {row.key: row for row in review.rows()}
    assert (rows["1"].volume_ml, rows["1"].state, rows["1"].edited) == (0.144, "undecided", True)
    assert (rows["2"].state, rows["2"].edited, rows["3"].state, rows["3"].edited) == (
        "rejected",
        False,
        "accepted",
        False,
    )
    assert not review.refresh()


def test_edits_outlast_threshold_and_minimum_size(result):
    state, review = result
    mask = segment(state)
    mask[4:6, 6:12, 6:12] = False
    mask[17:19, 3:5, 3:5] = True  # drawn where the model has nothing
    edit(state, mask)
    review.refresh()
    for threshold in (0.29, 0.95, 0.5):
        review.set_threshold(threshold)
        now = segment(state)
        assert not now[4:6, 6:12, 6:12].any()
        assert now[6, 6:12, 6:12].all()
        assert now[17:19, 3:5, 3:5].all()
    assert np.array_equal(segment(state), mask)
    review.set_minimum_mm3(100.0)
    mask[mask_of("middle", "small")] = False
    assert np.array_equal(segment(state), mask)


def test_a_lesion_that_was_drawn_is_accepted_and_one_that_was_erased_whole_rejected(result):
    state, review = result
    mask = segment(state) & ~mask_of("middle")
    mask[17:19, 3:5, 3:5] = True
    edit(state, mask)
    review.refresh()
    rows = {row.key: row for row in review.rows()}
    assert rows["2"].state == "rejected" and rows["2"].volume_ml == 0.064
    assert (rows["4"].state, rows["4"].edited, rows["4"].volume_ml) == ("accepted", True, 0.016)
    review.decide("2", "undecided")
    assert np.array_equal(segment(state), mask | mask_of("middle"))


def test_the_segment_editors_own_undo_brings_an_erased_lesion_back_undecided(result):
    state, review = result
    before = segment(state)
    edit(state, before & ~mask_of("middle"))
    review.refresh()
    edit(state, before)
    review.refresh()
    assert states(review) == {"1": "undecided", "2": "undecided", "3": "undecided"}
    assert state.decisions == {}


def test_pieces_of_a_lesion_keep_its_decision_and_joined_ones_need_the_same(result):
    state, review = result
    review.decide("1", "accepted")
    mask = segment(state)
    mask[4:7, 6:12, 8] = False
    edit(state, mask)
    review.refresh()
    assert states(review) == {"1": "accepted", "4": "accepted", "2": "undecided", "3": "undecided"}
    mask[10:12, 24:37, 8:12] = True  # from the middle one ...
    mask[10:15, 36, 8:31] = True  # ... to the small one
    edit(state, mask)
    review.decide("1", "accepted")
    assert states(review) == {"1": "accepted", "4": "accepted", "2": "undecided"}
    mask[4:7, 6:12, 8] = True
    mask[6:11, 11:25, 9] = True  # all in one: accepted and undecided
    edit(state, mask)
    review.refresh()
    assert list(states(review).values()) == ["undecided"]


def test_drawing_into_a_rejected_lesion_makes_a_new_one_and_leaves_the_rest_rejected(result):
    state, review = result
    review.decide("1", "rejected")
    mask = segment(state)
    mask[4:7, 6:12, 6:8] = True
    edit(state, mask)
    review.refresh()
    rows = {row.key: row for row in review.rows()}
    assert (rows["4"].state, rows["4"].volume_ml) == ("accepted", 0.072)
    assert (rows["1"].state, rows["1"].volume_ml) == ("rejected", 0.144)
    assert np.array_equal(segment(state), mask)


def test_edits_made_by_slicers_segment_editor_logic_are_taken_up(result, scene):
    state, review = result
    review.decide("3", "accepted")
    editor = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.SetAndObserveSegmentationNode(state.segmentation)
    editor.SetAndObserveSourceVolumeNode(state.flair)
    editor.SetSelectedSegmentID("reader")
    editor.SetOverwriteMode(editor.OverwriteNone)
    logic = slicer.vtkSlicerSegmentEditorLogic()
    logic.SetMRMLScene(scene)
    logic.SetSegmentEditorNode(editor)
    logic.UpdateReferenceGeometryImage()
    logic.ResetModifierLabelmapToDefault()
    logic.SaveStateForUndo()
    stroke = np.zeros(SHAPE, np.uint8)
    stroke[17:19, 3:5, 3:5] = 1
    modifier = logic.GetModifierLabelmap()
    from vtk.util import numpy_support

    numpy_support.vtk_to_numpy(modifier.GetPointData().GetScalars())[:] = stroke.ravel()
    modifier.Modified()
    logic.ModifySegmentByLabelmap(state.segmentation, "reader", modifier, logic.ModificationModeAdd, False, False)
    assert review.refresh()
    assert np.array_equal(segment(state), mask_of("large", "middle", "small") | (stroke > 0))
    assert states(review) == {"1": "undecided", "2": "undecided", "3": "accepted", "4": "accepted"}
    review.decide("1", "rejected")
    logic.Undo()
    review.refresh()
    assert np.array_equal(segment(state), mask_of("large", "middle", "small"))
    assert states(review)["3"] == "accepted"


def test_other_segments_are_never_overwritten_also_in_a_shared_layer(result):
    state, review = result
    segmentation = state.segmentation.GetSegmentation()
    for name, mask in (("vessel", mask_of("faint")), ("over", rim("large", 2))):
        segmentation.AddEmptySegment(name, name)
        write_segment(state.segmentation, name, state.flair, mask)
    segmentation.CollapseBinaryLabelmaps(False)
    assert segmentation.GetNumberOfLayers() < 4
    before = {name: segment(state, name) for name in ("vessel", "over")}
    assert np.array_equal(before["vessel"], mask_of("faint")) and np.array_equal(before["over"], rim("large", 2))
    review.decide("1", "rejected")
    review.set_threshold(0.29)
    review.undo()
    review.set_threshold(0.35)
    for name, mask in before.items():
        assert np.array_equal(segment(state, name), mask)
    assert np.array_equal(segment(state), mask_of("large", "middle", "small", "faint"))


def test_a_deleted_readers_segment_comes_back(result):
    state, review = result
    review.decide("2", "rejected")
    state.segmentation.GetSegmentation().RemoveSegment("reader")
    assert review.refresh()
    assert np.array_equal(segment(state), mask_of("large", "small"))


def test_an_observer_that_refreshes_while_the_review_writes_finds_no_edit(result):
    state, review = result
    seen = []

    def look(*_):
        seen.append(Review(state.scene, state).refresh())

    for event in (slicer.vtkSegmentation.SourceRepresentationModified, slicer.vtkSegmentation.SegmentModified):
        state.segmentation.AddObserver(event, look)
        state.segmentation.GetSegmentation().AddObserver(event, look)
    state.node.AddObserver(vtk.vtkCommand.ModifiedEvent, look)
    review.decide("2", "rejected")
    review.set_threshold(0.29)
    review.undo()
    assert seen and not any(seen)


def test_the_views_are_centred_on_a_voxel_of_the_lesion_in_the_world(result, scene):
    state, review = result
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25.0)
    node.SetMatrixTransformToParent(matrix)
    state.flair.SetAndObserveTransformNodeID(node.GetID())
    review.centre_views("1")
    left, back, up = on_grid(np.zeros(SHAPE, np.uint8)).TransformIndexToPhysicalPoint((8, 8, 5))
    views = [scene.GetNodesByClass("vtkMRMLSliceNode").GetItemAsObject(i) for i in range(3)]
    assert len(views) == 3
    for view in views:
        to_ras = view.GetSliceToRAS()
        shown = np.array([to_ras.GetElement(row, 3) for row in range(3)])
        assert np.abs(shown - (-left + 25.0, -back, up)).max() < 2.5  # the centroid lies between voxels 8 and 9


def test_a_review_without_a_result_says_so(scene):
    review = Review(scene, ModuleState(scene))
    with pytest.raises(StudyError, match="There is no result to review"):
        review.set_threshold(0.4)
    with pytest.raises(KeyError):
        review.decide("1", "accepted")
