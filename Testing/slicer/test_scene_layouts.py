"""Views: images side by side, the selected lesion outlined, the surface in 3D."""

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.scene_results import OBLIQUE, add_volume, flair_image, mask_of, reviewed_result

slicer = pytest.importorskip("slicer")

from MSLesionSegScene.layouts import outline, show_closed_surface, show_side_by_side  # noqa: E402
from MSLesionSegScene.review import Review  # noqa: E402
from MSLesionSegScene.segments import read_segment  # noqa: E402
from MSLesionSegScene.state import ModuleState  # noqa: E402


def view(name):
    return slicer.app.layoutManager().sliceWidget(name)


def shown_label(name) -> np.ndarray:
    """The label layer of a view as its colours, (rows, columns, RGBA)."""
    from vtk.util import numpy_support

    port = view(name).sliceLogic().GetLabelLayer().GetImageDataConnection()
    port.GetProducer().Update()
    image = port.GetProducer().GetOutputDataObject(port.GetIndex())
    scalars = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    return scalars.reshape(image.GetDimensions()[1], image.GetDimensions()[0], -1)


def test_flair_t1_and_t2_stand_side_by_side_in_linked_views_along_the_flair(scene, tmp_path):
    state = ModuleState(scene)
    for seed, name in enumerate(("flair", "t1", "t2")):
        setattr(state, name, add_volume(scene, flair_image(seed), name))
    show_side_by_side(scene, state)
    slicer.app.processEvents()
    show_side_by_side(scene, state)  # again, as a button is pressed again
    for name, image in (("Red", state.flair), ("Yellow", state.t1), ("Green", state.t2)):
        widget = view(name)
        assert widget.mrmlSliceNode().IsMappedInLayout()
        composite = widget.mrmlSliceCompositeNode()
        assert composite.GetBackgroundVolumeID() == image.GetID()
        assert composite.GetLinkedControl()
        to_ras = widget.mrmlSliceNode().GetSliceToRAS()
        normal = np.array([to_ras.GetElement(row, 2) for row in range(3)])
        along = OBLIQUE[:, 2] * (-1, -1, 1)
        assert abs(abs(normal @ along) - 1.0) < 1e-6
        field = widget.mrmlSliceNode().GetFieldOfView()
        assert 40 < min(field[:2]) < 80  # 40 x 48 mm fill the view


def test_all_views_show_the_same_place_at_the_same_size_whatever_their_images_cover(scene):
    state = ModuleState(scene)
    large = sitk.ConstantPad(flair_image(1), (20, 20, 4), (20, 20, 4))
    state.flair, state.t1 = add_volume(scene, flair_image(), "flair"), add_volume(scene, large, "t1")
    show_side_by_side(scene, state)
    first, second = (view(name).mrmlSliceNode() for name in ("Red", "Yellow"))
    assert second.GetFieldOfView()[1] == pytest.approx(first.GetFieldOfView()[1])
    for row in range(3):
        for column in range(4):
            assert second.GetSliceToRAS().GetElement(row, column) == first.GetSliceToRAS().GetElement(row, column)


def test_without_t2_there_are_two_views(scene):
    state = ModuleState(scene)
    state.flair, state.t1 = add_volume(scene, flair_image(), "flair"), add_volume(scene, flair_image(1), "t1")
    show_side_by_side(scene, state)
    slicer.app.processEvents()
    mapped = [name for name in ("Red", "Yellow", "Green") if view(name).mrmlSliceNode().IsMappedInLayout()]
    assert mapped == ["Red", "Yellow"]


def test_without_images_nothing_changes(scene):
    show_side_by_side(scene, ModuleState(scene))
    show_closed_surface(scene, ModuleState(scene))
    outline(scene, ModuleState(scene), "1")


def test_the_surface_is_made_and_freed(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    show_closed_surface(scene, state)
    segmentation = state.segmentation.GetSegmentation()
    assert segmentation.ContainsRepresentation("Closed surface")
    points = state.segmentation.GetClosedSurfaceInternalRepresentation("reader").GetNumberOfPoints()
    assert points > 50 and state.segmentation.GetDisplayNode().GetVisibility3D()
    review.decide("1", "rejected")
    fewer = state.segmentation.GetClosedSurfaceInternalRepresentation("reader").GetNumberOfPoints()
    assert 0 < fewer < points
    review.set_threshold(0.29)
    assert state.segmentation.GetClosedSurfaceInternalRepresentation("reader").GetNumberOfPoints() > fewer
    review.set_threshold(0.5)
    show_closed_surface(scene, state, False)
    assert not segmentation.ContainsRepresentation("Closed surface")
    assert not state.segmentation.GetDisplayNode().GetVisibility3D()
    assert np.array_equal(read_segment(state.segmentation, "reader", state.flair), mask_of("middle", "small"))


def test_one_lesion_is_outlined_and_then_another_and_none(scene, tmp_path):
    state, review = reviewed_result(scene, tmp_path)
    show_side_by_side(scene, state)
    slicer.app.processEvents()
    for key in ("1", "2"):
        review.centre_views(key)
        outline(scene, state, key)
        alpha = shown_label("Red")[..., 3] > 0
        assert 8 < alpha.sum() < 0.2 * alpha.size
        rows, columns = np.nonzero(alpha)  # an outline around the middle of the view
        middle = np.array(alpha.shape) / 2
        assert np.abs([rows.mean(), columns.mean()] - middle).max() < 0.1 * max(alpha.shape)
        assert not alpha[int(rows.mean()), int(columns.mean())]
    review.decide("1", "rejected")
    review.centre_views("1")
    outline(scene, state, "1")
    assert (shown_label("Red")[..., 3] > 0).sum() > 8  # a rejected one can be looked at, too
    outline(scene, state, "3")
    assert not (shown_label("Red")[..., 3] > 0).any()
    outline(scene, state, None)
    assert view("Red").mrmlSliceCompositeNode().GetLabelVolumeID() is None


def test_an_outlined_scene_saves_and_loads(scene, tmp_path, qt_host):
    state, _ = reviewed_result(scene, tmp_path)
    show_side_by_side(scene, state)
    outline(scene, state, "2")
    assert slicer.util.saveScene(str(tmp_path / "study.mrb"))
    scene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "study.mrb"))
    # MRML itself complains of each turned slice view that it loads.
    assert all("invalid orientation preset name: Reformat" in one for one in qt_host.failures.take())
    state = ModuleState(scene)
    outline(scene, state, "1")
    assert len(Review(scene, state).rows()) == 3
    assert sitk.GetArrayFromImage(flair_image()).shape == read_segment(state.segmentation, "reader", state.flair).shape
