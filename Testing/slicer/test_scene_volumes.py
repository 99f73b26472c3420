"""Volume nodes become files of a study and nodes again, voxel by voxel and in the right place."""

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.scene_results import OBLIQUE, SHAPE, add_volume, flair_image, on_grid

slicer = pytest.importorskip("slicer")
vtk = pytest.importorskip("vtk")

from MSLesionSegLib.errors import StudyError  # noqa: E402
from MSLesionSegScene.state import ModuleState  # noqa: E402
from MSLesionSegScene.volumes import node_to_image, write_study  # noqa: E402


@pytest.fixture
def state(scene):
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair_image(), "FLAIR")
    return state


def transform(scene, rows, name="moved"):
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(rows, float).ravel().tolist())
    node.SetMatrixTransformToParent(matrix)
    return node


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)], ids=["LPS", "RAS", "mirrored twice"])
def test_an_oblique_volume_is_written_as_it_lies(state, scene, tmp_path, flip):
    image = on_grid(sitk.GetArrayFromImage(flair_image()), OBLIQUE @ np.diag(flip))
    state.flair = add_volume(scene, image, "other")
    written = sitk.ReadImage(str(write_study(state, tmp_path)["FLAIR"]))
    assert written.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(image))
    for read in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(written, read)(), getattr(image, read)(), rtol=0, atol=1e-9)


def test_a_volume_that_slicer_itself_loaded_has_the_geometry_of_its_file(state, scene, tmp_path):
    image = flair_image()
    sitk.WriteImage(image, str(tmp_path / "flair.nii.gz"))
    state.flair = slicer.util.loadVolume(str(tmp_path / "flair.nii.gz"))
    (tmp_path / "out").mkdir()
    written = sitk.ReadImage(str(write_study(state, tmp_path / "out")["FLAIR"]))
    for index in ((0, 0, 0), (39, 47, 19)):
        assert np.allclose(
            written.TransformIndexToPhysicalPoint(index), image.TransformIndexToPhysicalPoint(index), rtol=0, atol=1e-4
        )
    assert np.array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(image))


def test_the_nodes_that_there_are_are_written(state, scene, tmp_path):
    state.t2 = add_volume(scene, flair_image(1), "T2")
    files = write_study(state, tmp_path)
    assert sorted(files) == ["FLAIR", "T2w"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FLAIR.nrrd", "T2w.nrrd"]


def test_linear_parent_transforms_are_hardened_and_the_node_stays(state, scene, tmp_path):
    # A quarter turn about S, then 10 mm to the right: RAS (r, a, s) goes to (-a + 10, r, s).
    parent = transform(scene, [[0, -1, 0, 10], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    state.flair.SetAndObserveTransformNodeID(parent.GetID())
    before = flair_image()
    written = sitk.ReadImage(str(write_study(state, tmp_path)["FLAIR"]))
    left, back, up = before.TransformIndexToPhysicalPoint((7, 11, 3))
    right, front = -left, -back
    assert np.allclose(written.TransformIndexToPhysicalPoint((7, 11, 3)), (-(-front + 10), -right, up), atol=1e-9)
    assert state.flair.GetParentTransformNode() is parent
    assert np.allclose(node_to_image(state.flair, to_world=False).GetOrigin(), before.GetOrigin())


def test_a_transform_that_bends_is_refused_with_its_name(state, scene, tmp_path):
    parent = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "warp")
    state.flair.SetAndObserveTransformNodeID(parent.GetID())
    with pytest.raises(StudyError, match="FLAIR lies under the transform warp, which bends it"):
        write_study(state, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_transform_that_shears_is_refused(state, scene, tmp_path):
    parent = transform(scene, [[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    state.flair.SetAndObserveTransformNodeID(parent.GetID())
    with pytest.raises(StudyError, match="FLAIR has axes that are not at right angles"):
        write_study(state, tmp_path)


def test_no_flair_an_empty_volume_colours_and_one_volume_twice_are_refused(state, scene, tmp_path):
    state.t1 = state.flair
    with pytest.raises(StudyError, match="FLAIR is chosen both as FLAIR and as T1w"):
        write_study(state, tmp_path)
    state.t1 = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(StudyError, match="nothing is empty"):
        write_study(state, tmp_path)
    colours = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "colours")
    data = vtk.vtkImageData()
    data.SetDimensions(*SHAPE[::-1])
    data.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colours.SetAndObserveImageData(data)
    state.t1 = colours
    with pytest.raises(StudyError, match="colours holds colours or vectors"):
        write_study(state, tmp_path)
    state.t1, state.flair = None, None
    with pytest.raises(StudyError, match="No FLAIR is chosen"):
        write_study(state, tmp_path)
    assert list(tmp_path.iterdir()) == []
