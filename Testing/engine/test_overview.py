"""The overview picture: right side on the left, true in mm, lesions shown, same bytes every time."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.image import imread
from scipy.spatial.transform import Rotation

from MSLesionSegLib.lesion_table import lesion_table
from MSLesionSegLib.lesions import label_lesions, lesion_mask
from MSLesionSegLib.overview import write_overview
from MSLesionSegLib.overview_slices import choose_planes

RADIUS_MM = 70.0
MARK_LPS = (-40.0, -30.0, 15.0)  # right, anterior, above
ORIENTATIONS = {
    "axial": (np.eye(3), (1.0, 1.0, 5.0)),
    "sagittal": (np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]]), (1.0, 1.0, 4.0)),
    "coronal": (np.array([[1, 0, 0], [0, 0, -1], [0, -1, 0]]), (1.0, 1.0, 4.0)),
    "flipped": (np.diag([-1, 1, -1]), (1.5, 1.0, 3.0)),
    "tilted 20": (Rotation.from_euler("x", 20, degrees=True).as_matrix(), (1.0, 1.0, 3.0)),
    "tilted 40": (Rotation.from_euler("x", 40, degrees=True).as_matrix(), (2.0, 2.0, 2.0)),
}


def head(direction: np.ndarray, spacing: tuple[float, ...]) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """A ball of radius 70 mm about the origin, a lesion of radius 8 mm at MARK_LPS; FLAIR, labels, brain."""
    size = [int(170 / step) for step in spacing]
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetDirection(direction.astype(float).ravel().tolist())
    centre = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size]))
    image.SetOrigin((-centre).tolist())
    index = np.indices(size[::-1])[::-1].reshape(3, -1) * np.array(spacing)[:, None]
    points = direction @ index - centre[:, None]
    brain = (np.linalg.norm(points, axis=0) < RADIUS_MM).reshape(size[::-1])
    lesion = (np.linalg.norm(points - np.array(MARK_LPS)[:, None], axis=0) < 8).reshape(size[::-1])
    arrays = (100.0 * brain + 50.0 * lesion).astype(np.float32), lesion.astype(np.int32), brain.astype(np.uint8)
    images = [sitk.GetImageFromArray(array) for array in arrays]
    for made in images:
        made.CopyInformation(image)
    return tuple(images)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_lesion_lies_where_a_radiologist_expects_it(name):
    flair, labels, brain = head(*ORIENTATIONS[name])
    planes = choose_planes(labels, brain, 20)
    assert planes.lesions_shown == 1
    found = []
    for number, superior in enumerate(planes.superior_mm):
        size = (round(planes.width_mm), round(planes.height_mm))
        picture = planes.sample(sitk.Cast(labels, sitk.sitkFloat32), number, size, sitk.sitkLinear)
        if picture.max() > 0.5:
            row, column = np.argwhere(picture > 0.5).mean(axis=0) + 0.5
            found.append((row, column, superior))
    rows, columns, heights = np.mean(found, axis=0)
    tilted = name.startswith("tilted 20")
    assert columns == pytest.approx(planes.width_mm / 2 - 40, abs=2.5)  # patient's right is on the left
    assert rows == pytest.approx(planes.height_mm / 2 - 30, abs=12 if tilted else 2.5)  # front is up
    assert heights == pytest.approx(15, abs=12 if tilted else 2.5)
    assert list(planes.superior_mm) == sorted(planes.superior_mm)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_ball_is_round_whatever_the_voxels(name):
    _, labels, brain = head(*ORIENTATIONS[name])
    planes = choose_planes(labels, brain, 20)
    size = (round(planes.width_mm), round(planes.height_mm))
    mask = sitk.Cast(brain, sitk.sitkFloat32)
    middle = max(
        (planes.sample(mask, n, size, sitk.sitkLinear) > 0.5 for n in range(len(planes.positions))), key=np.sum
    )
    width, height = (int(middle.any(axis=axis).sum()) for axis in (0, 1))
    assert (width, height) == pytest.approx((140, 140), abs=4)
    assert planes.width_mm == pytest.approx(160, abs=7) and planes.height_mm == pytest.approx(160, abs=7)


def test_every_lesion_is_shown_where_twenty_slices_suffice():
    flair, _, brain = head(np.eye(3), (2.0, 2.0, 1.0))
    array = np.zeros(flair.GetSize()[::-1], dtype=np.int32)
    heights = range(30, 140, 6)
    for number, z in enumerate(heights, start=1):
        array[z, 40:43, 40:43] = number
    labels = sitk.GetImageFromArray(array)
    labels.CopyInformation(flair)
    planes = choose_planes(labels, brain, 20)
    assert planes.lesions_shown == len(heights) == 19
    assert len(planes.positions) == 20


def test_without_lesions_the_slices_spread_over_the_brain():
    flair, _, brain = head(np.eye(3), (2.0, 2.0, 1.0))
    heights = choose_planes(sitk.Cast(brain * 0, sitk.sitkInt32), brain, 20).superior_mm
    gaps = np.diff(heights)
    assert gaps.min() >= 3 and gaps.max() <= 10
    assert heights[0] == pytest.approx(-66, abs=5) and heights[-1] == pytest.approx(66, abs=5)


def draw(path: Path, images: tuple[sitk.Image, sitk.Image, sitk.Image]) -> np.ndarray:
    flair, labels, brain = images
    lesions = lesion_table(labels, sitk.Cast(labels, sitk.sitkFloat32))
    write_overview(path, flair, labels, brain, lesions, threshold=0.5, min_mm3=3.0, model="small 1.0")
    return imread(path)


def outline_pixels(picture: np.ndarray) -> np.ndarray:
    """(row, column) of the pixels in the outline's red, below the caption."""
    red, green = picture[100:, :, 0], picture[100:, :, 1]
    return np.argwhere((red > 0.8) & (green < 0.45)) + (100, 0)


def test_outline_is_drawn_on_the_left_half_of_its_tile(tmp_path):
    picture = draw(tmp_path / "a.png", head(np.eye(3), (1.0, 1.0, 5.0)))
    columns = outline_pixels(picture)[:, 1] % 320
    assert len(columns) > 100
    assert columns.max() < 160


def test_same_picture_has_the_same_bytes_whatever_the_users_style(tmp_path):
    import matplotlib

    draw(tmp_path / "a.png", head(np.eye(3), (2.0, 2.0, 5.0)))
    with matplotlib.rc_context({"font.size": 30, "savefig.dpi": 30, "image.cmap": "jet"}):
        draw(tmp_path / "b.png", head(np.eye(3), (2.0, 2.0, 5.0)))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("case", ["no lesion", "no brain", "three slices"])
def test_odd_images_are_drawn_all_the_same(tmp_path, small_images, case):
    flair, probability, brain = small_images
    labels = sitk.GetImageFromArray(label_lesions(lesion_mask(probability, 1.0 if case == "no lesion" else 0.5)))
    labels.CopyInformation(flair)
    if case == "no brain":
        brain = brain * 0
    if case == "three slices":
        flair, labels, brain = (image[:, :, 11:14] for image in (flair, labels, brain))
    picture = draw(tmp_path / "a.png", (flair, labels, brain))
    assert picture.shape[1] == 1600
    assert (len(outline_pixels(picture)) > 0) == (case != "no lesion")
    assert picture[..., :3].mean() > 0.02
