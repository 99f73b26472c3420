"""Which slices the overview shows, and on which planes: geometry only, nothing is drawn here."""

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from .lesions import bounding_box

_MAX_TILT_DEGREES = 30.0
_MARGIN_MM = 10.0


@dataclass(frozen=True)
class Planes:
    """Parallel planes through the head, rows from anterior to posterior, columns from the patient's right to left.

    Attributes:
        positions: physical point (LPS, mm) of the upper left corner of each plane, (n, 3).
        across, down: unit vectors (LPS) along a row and along a column of the picture.
        width_mm, height_mm: extent of every plane.
        superior_mm: S coordinate of the middle of each plane, (n,).
        lesions_shown: number of lesions that cross at least one plane.
    """

    positions: np.ndarray
    across: np.ndarray
    down: np.ndarray
    width_mm: float
    height_mm: float
    superior_mm: np.ndarray
    lesions_shown: int

    def sample(self, image: sitk.Image, number: int, size_xy: tuple[int, int], interpolator: int) -> np.ndarray:
        """Values of ``image`` on plane ``number`` as (rows, columns) float32; 0 outside the image."""
        spacing = (self.width_mm / size_xy[0], self.height_mm / size_xy[1])
        corner = self.positions[number] + self.across * spacing[0] / 2 + self.down * spacing[1] / 2
        direction = np.column_stack((self.across, self.down, np.cross(self.across, self.down)))
        plane = sitk.Resample(
            image,
            (*size_xy, 1),
            sitk.Transform(),
            interpolator,
            corner.tolist(),
            (*spacing, 1.0),
            direction.ravel().tolist(),
            0.0,
            sitk.sitkFloat32,
        )
        return sitk.GetArrayFromImage(plane)[0]


def choose_planes(labels: sitk.Image, brain: sitk.Image, count: int) -> Planes:
    """Choose ``count`` axial planes, or as many as the brain has, lowest first.

    The planes are the image's own where its third axis (once brought near LPS) is within 30 degrees of the body axis;
    an image more oblique than that is cut along the true axes. Slices are taken so that as many lesions as possible are
    seen, each next one showing the most lesions not seen yet; the rest go one by one into the widest gap of the brain.

    Args:
        labels: numbered lesions, int.
        brain: brain mask on the same grid; where it is empty the whole image counts.
    """
    labels, brain = _upright(labels), _upright(brain)
    label_array = sitk.GetArrayViewFromImage(labels)
    brain_array = sitk.GetArrayViewFromImage(brain) != 0
    box = bounding_box(brain_array) or tuple(slice(0, size) for size in brain_array.shape)
    lesion_box = bounding_box(label_array != 0)
    seen = _lesions_per_slice(label_array, lesion_box)
    chosen = _spread(seen, range(box[0].start, box[0].stop), count)

    spacing = np.array(brain.GetSpacing())
    direction = np.array(brain.GetDirection()).reshape(3, 3)
    margin = np.ceil(_MARGIN_MM / spacing[:2])
    low = np.array([box[2].start, box[1].start]) - margin
    extent = np.array([box[2].stop, box[1].stop]) + margin - low
    corners = np.array([(*(low - 0.5), index) for index in chosen])
    positions = np.array(brain.GetOrigin()) + (corners * spacing) @ direction.T
    width, height = extent * spacing[:2]
    middles = positions + direction[:, 0] * width / 2 + direction[:, 1] * height / 2
    shown = set().union(*(seen.get(index, set()) for index in chosen))
    return Planes(
        positions,
        direction[:, 0],
        direction[:, 1],
        float(width),
        float(height),
        middles[:, 2],
        lesions_shown=len(shown),
    )


def planes_at(image: sitk.Image, points_lps: np.ndarray, extent_mm: float) -> Planes:
    """Square axial planes about given points.

    The planes are the image's own where its third axis (once brought near LPS) is within 30 degrees of the body axis,
    else they follow the true axes.

    Args:
        image: 3D, any orientation; gives the axes.
        points_lps: middles of the planes, (n, 3), mm.
        extent_mm: edge of each plane.
    """
    direction = np.array(sitk.DICOMOrient(image, "LPS").GetDirection()).reshape(3, 3)
    if direction[2, 2] < math.cos(math.radians(_MAX_TILT_DEGREES)):
        direction = np.eye(3)
    across, down = direction[:, 0], direction[:, 1]
    corners = points_lps - (across + down) * extent_mm / 2
    return Planes(corners, across, down, extent_mm, extent_mm, points_lps[:, 2], lesions_shown=len(points_lps))


def _upright(image: sitk.Image) -> sitk.Image:
    """The image with axes near LPS; one that is too oblique is resampled (nearest) onto the true axes."""
    image = sitk.DICOMOrient(image, "LPS")
    if image.GetDirection()[8] >= math.cos(math.radians(_MAX_TILT_DEGREES)):
        return image
    ends = [
        image.TransformContinuousIndexToPhysicalPoint(
            [c * (n - 1) for c, n in zip(corner, image.GetSize(), strict=True)]
        )
        for corner in np.ndindex(2, 2, 2)
    ]
    low, high = np.min(ends, axis=0), np.max(ends, axis=0)
    step = min(image.GetSpacing())
    size = [math.ceil(extent / step) + 1 for extent in high - low]
    identity = np.eye(3).ravel().tolist()
    return sitk.Resample(image, size, sitk.Transform(), sitk.sitkNearestNeighbor, low.tolist(), [step] * 3, identity, 0)


def _lesions_per_slice(labels: np.ndarray, box: tuple[slice, ...] | None) -> dict[int, set[int]]:
    """Slice index -> numbers of the lesions in it, for the slices that have any."""
    if box is None:
        return {}
    slices = ((index, np.unique(labels[(index, *box[1:])])) for index in range(box[0].start, box[0].stop))
    found = ((index, {int(number) for number in numbers if number}) for index, numbers in slices)
    return {index: numbers for index, numbers in found if numbers}


def _spread(seen: dict[int, set[int]], brain: range, count: int) -> list[int]:
    """Slice indices, ascending: first those that show most lesions not seen yet, then the widest gaps of ``brain``."""
    chosen: list[int] = []
    missing = set().union(*seen.values())
    while missing and len(chosen) < count:
        best = max(seen, key=lambda index: (len(seen[index] & missing), len(seen[index]), -index))
        chosen.append(best)
        missing -= seen[best]
    free = [index for index in brain if index not in chosen]
    while free and len(chosen) < count:
        marks = [*chosen, brain.start - 1, brain.stop]
        best = max(free, key=lambda index: (min(abs(index - mark) for mark in marks), index in seen, -index))
        chosen.append(best)
        free.remove(best)
    return sorted(chosen)
