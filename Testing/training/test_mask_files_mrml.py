"""Segmentations as MRML itself writes them (``.seg.nrrd`` of a scene) come back voxel by voxel on the FLAIR's grid."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from MSLesionSegLib.grid import Grid
from MSLesionSegTrainingLib.mask_files import read_mask

slicer = pytest.importorskip("slicer")
vtk = pytest.importorskip("vtk")
numpy_support = pytest.importorskip("vtkmodules.util.numpy_support")

SIZE = (24, 30, 16)
DIRECTION = Rotation.from_euler("xyz", (9, -4, 6), degrees=True).as_matrix()
LESION = (
    "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure~"
    "SCT^52988006^Lesion~^^~Anatomic codes - DICOM master list~^^~^^"
)
BRAIN = LESION.replace("SCT^52988006^Lesion", "SCT^12738006^Brain")


def flair() -> sitk.Image:
    image = sitk.Image(SIZE, sitk.sitkInt16)
    image.SetSpacing((1.1, 0.9, 3.0))
    image.SetOrigin((-11.5, 20.25, -7.125))
    image.SetDirection(DIRECTION.ravel().tolist())
    return image


def mask() -> np.ndarray:
    array = np.zeros(SIZE[::-1], bool)
    array[4:7, 10:14, 5:9] = True
    array[9, 20, 18] = True
    return array


def brain() -> np.ndarray:
    array = np.zeros(SIZE[::-1], bool)
    array[2:14, 5:25, 3:21] = True
    return array


@pytest.fixture
def scene():
    """A scene; whatever VTK or MRML complains of while the test runs fails it."""
    told = []
    window = vtk.vtkOutputWindow()
    before = vtk.vtkOutputWindow.GetInstance()
    for event in (vtk.vtkCommand.ErrorEvent, vtk.vtkCommand.WarningEvent):
        tell = _teller(told)
        window.AddObserver(event, tell)
    vtk.vtkOutputWindow.SetInstance(window)
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()  # knows how to make an empty label map
    logic.SetMRMLScene(scene)
    yield scene
    scene.Clear(1)
    vtk.vtkOutputWindow.SetInstance(before)
    assert told == []


def _teller(told):
    def tell(_window, event, text):
        told.append(f"{event}: {text}")

    tell.CallDataType = "string0"
    return tell


def oriented(array: np.ndarray, extent: tuple[int, ...] | None = None):
    """The array (z, y, x) on the FLAIR's lattice in RAS, cut to an extent (x0, x1, y0, y1, z0, z1) if one is given."""
    image = flair()
    steps = np.asarray(image.GetDirection()).reshape(3, 3) * np.asarray(image.GetSpacing())
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = steps, image.GetOrigin()
    matrix = to_ras @ matrix
    x0, x1, y0, y1, z0, z1 = extent or (0, SIZE[0] - 1, 0, SIZE[1] - 1, 0, SIZE[2] - 1)
    part = np.ascontiguousarray(array[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1].astype(np.uint8))
    labelmap = slicer.vtkOrientedImageData()
    labelmap.SetExtent(x0, x1, y0, y1, z0, z1)
    labelmap.GetPointData().SetScalars(numpy_support.numpy_to_vtk(part.ravel(), deep=True))
    geometry = vtk.vtkMatrix4x4()
    geometry.DeepCopy(matrix.ravel().tolist())
    labelmap.SetImageToWorldMatrix(geometry)
    return labelmap


def save(scene, path: Path, *segments, reference: bool = True, crop: bool = False) -> Path:
    """Write a segmentation node whose segments are (name, label map, terminology or "")."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lesions")
    node.GetSegmentation().SetSourceRepresentationName("Binary labelmap")
    if reference:
        volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "flair")
        whole = oriented(np.zeros(SIZE[::-1]))
        to_world = vtk.vtkMatrix4x4()
        whole.GetImageToWorldMatrix(to_world)
        volume.SetIJKToRASMatrix(to_world)
        data = vtk.vtkImageData()
        data.SetDimensions(*SIZE)
        data.AllocateScalars(vtk.VTK_SHORT, 1)
        volume.SetAndObserveImageData(data)
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for number, (name, labelmap, terminology) in enumerate(segments):
        segment = slicer.vtkSegment()
        segment.SetName(name)
        if terminology:
            segment.SetTerminology(terminology)
        if labelmap is not None:
            segment.AddRepresentation("Binary labelmap", labelmap)
        assert node.GetSegmentation().AddSegment(segment, f"Segment_{number}")
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    storage.SetCropToMinimumExtent(crop)
    assert storage.WriteData(node) == 1
    return path


def read(path: Path, **options) -> np.ndarray:
    return read_mask(path, Grid.of(flair()), **options)


def test_a_segment_of_a_cropped_extent(scene, tmp_path):
    path = save(scene, tmp_path / "m.seg.nrrd", ("lesions", oriented(mask(), (4, 19, 9, 22, 3, 10)), LESION), crop=True)
    assert sitk.ReadImage(str(path)).GetSize() == (14, 11, 6)
    assert np.array_equal(read(path), mask())


def test_a_segment_of_the_whole_extent(scene, tmp_path):
    path = save(scene, tmp_path / "m.seg.nrrd", ("lesions", oriented(mask()), LESION))
    assert np.array_equal(read(path), mask())


def test_a_segment_for_each_lesion_shares_one_layer(scene, tmp_path):
    one, other = mask(), mask()
    one[9, 20, 18] = False
    other[:8] = False
    path = save(scene, tmp_path / "m.seg.nrrd", ("lesion 1", oriented(one), ""), ("lesion 2", oriented(other), ""))
    assert sitk.ReadImage(str(path)).GetNumberOfComponentsPerPixel() == 1
    assert np.array_equal(read(path), mask())
    assert np.array_equal(read(path, segments=["lesion 2"]), other)


def test_overlapping_segments_lie_in_layers_and_the_lesions_are_known_by_terminology(scene, tmp_path):
    path = save(
        scene, tmp_path / "m.seg.nrrd", ("brain", oriented(brain()), BRAIN), ("spots", oriented(mask()), LESION)
    )
    assert sitk.ReadImage(str(path)).GetNumberOfComponentsPerPixel() == 2
    assert np.array_equal(read(path), mask())
    assert np.array_equal(read(path, segments=["brain"]), brain())


@pytest.mark.parametrize("reference", [True, False])
def test_a_segment_in_which_nothing_was_drawn_is_a_healthy_case(scene, tmp_path, reference):
    path = save(scene, tmp_path / "m.seg.nrrd", ("lesions", None, LESION), reference=reference)
    assert read(path).shape == SIZE[::-1] and not read(path).any()


def test_an_empty_label_map_and_a_drawn_one_beside_it(scene, tmp_path):
    nothing = np.zeros(SIZE[::-1], bool)
    path = save(
        scene, tmp_path / "m.seg.nrrd", ("lesions", oriented(nothing), LESION), ("brain", oriented(brain()), BRAIN)
    )
    assert not read(path).any()


def test_a_segmentation_without_segments_is_a_healthy_case(scene, tmp_path):
    path = save(scene, tmp_path / "m.seg.nrrd")
    assert not read(path).any()
