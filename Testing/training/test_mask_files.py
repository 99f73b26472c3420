"""Masks as annotators leave them come back voxel by voxel on the FLAIR's grid, or are refused with a sentence."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid
from MSLesionSegTrainingLib.mask_files import read_mask

DIRECTION = Rotation.from_euler("xyz", (9, -4, 6), degrees=True).as_matrix().ravel().tolist()
TERMINOLOGY = "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure~"


def flair() -> sitk.Image:
    image = sitk.Image((24, 30, 16), sitk.sitkInt16)
    image.SetSpacing((1.1, 0.9, 3.0))
    image.SetOrigin((-11.5, 20.25, -7.125))
    image.SetDirection(DIRECTION)
    return image


def mask() -> np.ndarray:
    array = np.zeros((16, 30, 24), np.uint8)
    array[4:7, 10:14, 5:9] = 1
    array[9, 20, 18] = 1
    return array


def image_of(array: np.ndarray, like: sitk.Image | None = None) -> sitk.Image:
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    image.CopyInformation(like or flair())
    return image


def segmentation(path: Path, image: sitk.Image, *segments: dict[str, str]) -> Path:
    for number, fields in enumerate(segments):
        for field, value in {"ID": f"Segment_{number}", **fields}.items():
            image.SetMetaData(f"Segment{number}_{field}", value)
    sitk.WriteImage(image, str(path))
    return path


def read(path: Path, **options) -> np.ndarray:
    return read_mask(path, Grid.of(flair()), **options)


@pytest.mark.parametrize("name", ["m.nii.gz", "m.nii", "m.nrrd", "m.mha"])
def test_label_maps_of_every_format(tmp_path, name):
    sitk.WriteImage(image_of(mask()), str(tmp_path / name))
    assert np.array_equal(read(tmp_path / name), mask() > 0)


def test_a_cropped_segmentation_is_put_back_where_it_was_drawn(tmp_path):
    cropped = image_of(mask())[3:20, 8:25, 2:12]
    path = segmentation(tmp_path / "m.seg.nrrd", cropped, {"Name": "lesion", "LabelValue": "1", "Layer": "0"})
    assert np.array_equal(read(path), mask() > 0)


def test_a_mask_stored_in_another_order_and_direction_is_turned(tmp_path):
    turned = sitk.PermuteAxes(sitk.Flip(image_of(mask()), (True, False, True)), (2, 0, 1))
    sitk.WriteImage(turned, str(tmp_path / "m.nrrd"))
    assert np.array_equal(read(tmp_path / "m.nrrd"), mask() > 0)


def test_overlapping_segments_lie_in_layers_and_lesions_are_known_by_terminology_or_name(tmp_path):
    brain = np.zeros_like(mask())
    brain[2:14, 5:25, 3:21] = 3
    layers = np.stack([mask() * 2, brain], -1)
    path = segmentation(
        tmp_path / "m.seg.nrrd",
        image_of(layers),
        {"Name": "spots", "LabelValue": "2", "Layer": "0", "Tags": _tags("SCT^52988006^Lesion")},
        {"Name": "brain", "LabelValue": "3", "Layer": "1", "Tags": _tags("SCT^12738006^Brain")},
    )
    assert np.array_equal(read(path), mask() > 0)
    assert np.array_equal(read(path, segments=["brain"]), brain > 0)
    assert np.array_equal(read(path, segments=["spots", "brain"]), (brain > 0) | (mask() > 0))
    with pytest.raises(StudyError, match=r"has no segment 'tumour'") as caught:
        read(path, segments=["tumour"])
    assert caught.value.hint == "Its segments are: spots, brain."


def test_one_segment_a_lesion_without_terminology_takes_all(tmp_path):
    array = mask()
    array[9, 20, 18] = 2
    fields = [{"Name": f"lesion {value}", "LabelValue": str(value), "Layer": "0"} for value in (1, 2)]
    path = segmentation(tmp_path / "m.seg.nrrd", image_of(array), *fields)
    assert np.array_equal(read(path), mask() > 0)


def test_the_single_voxel_of_an_empty_segmentation_is_a_healthy_case(tmp_path):
    path = segmentation(tmp_path / "m.seg.nrrd", sitk.Image((1, 1, 1), sitk.sitkUInt8), {"Name": "lesion"})
    assert read(path).shape == (16, 30, 24) and not read(path).any()


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"LabelValue": "one"}, "describes its segments wrongly"), ({"Layer": "3"}, "names layers that it does not hold")],
)
def test_a_header_that_contradicts_itself_is_refused(tmp_path, fields, told):
    path = segmentation(tmp_path / "m.seg.nrrd", image_of(mask()), {"Name": "lesion", **fields})
    with pytest.raises(StudyError, match=told) as caught:
        read(path)
    assert str(path) in caught.value.message


def test_what_is_no_mask_of_this_flair_is_refused(tmp_path):
    other = image_of(mask())
    other.SetSpacing((1.1, 0.9, 3.1))
    beyond = image_of(mask())
    beyond.SetOrigin(flair().TransformContinuousIndexToPhysicalPoint((18, 0, 0)))
    half = image_of(mask())
    half.SetOrigin(flair().TransformContinuousIndexToPhysicalPoint((0.5, 0, 0)))
    values = image_of(mask() * 7)
    for number, (image, told) in enumerate(
        (
            (other, "lies on another grid than its FLAIR"),
            (half, "lies on another grid than its FLAIR"),
            (beyond, "marks 37 voxels outside its FLAIR"),
            (values, "holds the values 7 beside 0 and 1"),
        )
    ):
        path = tmp_path / f"{number}.nii.gz"
        sitk.WriteImage(image, str(path))
        with pytest.raises(StudyError, match=told) as caught:
            read(path)
        assert str(path) in caught.value.message
    (tmp_path / "broken.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(StudyError, match="cannot be read"):
        read(tmp_path / "broken.nrrd")
    with pytest.raises(StudyError, match="does not exist"):
        read(tmp_path / "gone.nrrd")


def _tags(kind: str) -> str:
    return f"Segmentation.Status:inprogress|TerminologyEntry:{TERMINOLOGY}{kind}~^^~Anatomic codes~^^~^^|"
