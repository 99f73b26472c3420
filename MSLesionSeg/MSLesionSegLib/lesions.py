"""From a probability map to lesions: threshold, 26-connected components, minimum size.

A lesion is a 26-connected component of the voxels with probability >= threshold whose physical volume is at least the
minimum size (3 mm3 unless told otherwise). All work is done inside the bounding box of the candidate voxels, so that
it takes a fraction of a second on any image.
"""

import math

import numpy as np
import SimpleITK as sitk

from .errors import UsageError

CONNECTIVITY = 26
DEFAULT_MIN_MM3 = 3.0
PROBABILITY_STEPS = 4096
"""Probabilities are stored as multiples of 1/4096: exact in binary, so that every program that reads the file agrees on
``>= threshold``, a third of the file size of free float32 values and far below any difference that matters."""

SMALL_MM3 = 10.0
"""A lesion of less volume that is faint is more often wrong than right."""
SMALL_RISE, HIGHEST_BAR = 0.4, 0.95
"""A small lesion must somewhere reach so much more than the threshold, or this probability (measured:
docs/validation/small_lesions.md)."""

_VOLUME_TOLERANCE = 1e-6
"""Relative; NIfTI keeps spacings as float32, so three voxels of 1 mm3 may read back as 2.9999998 mm3."""


def check_settings(threshold: float, min_mm3: float) -> None:
    """Refuse a threshold outside (0, 1] and a minimum size that is negative or not finite.

    Raises:
        UsageError: naming the value.
    """
    if not 0.0 < threshold <= 1.0:
        raise UsageError(
            f"The threshold must be above 0 and at most 1, not {threshold:g}.",
            "A usual value lies between 0.3 and 0.7.",
        )
    if not (math.isfinite(min_mm3) and min_mm3 >= 0.0):
        raise UsageError(
            f"The minimum lesion size must be 0 mm3 or more, not {min_mm3:g}.",
            f"The usual value is {DEFAULT_MIN_MM3:g}.",
        )


def quantise_probability(probability: np.ndarray) -> np.ndarray:
    """Round probabilities to the steps in which they are stored.

    Args:
        probability: (z, y, x), 0 to 1; not finite values become 0.

    Returns:
        (z, y, x) float32 of multiples of 1/4096 in [0, 1].
    """
    finite = np.nan_to_num(probability, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)
    return np.rint(np.clip(finite, 0.0, 1.0) * PROBABILITY_STEPS) / np.float32(PROBABILITY_STEPS)


def hold_back_small(
    probability: np.ndarray, threshold: float, spacing_xyz: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> tuple[np.ndarray, int]:
    """Keep small faint lesions just below a threshold, so that they are not listed at it, and are at a lower one.

    A 26-connected component of probability >= ``threshold`` of less than ``SMALL_MM3`` is faint where it reaches
    ``small_bar`` nowhere. Its probability is limited to the step below the threshold.

    Args:
        probability: (z, y, x), as ``quantise_probability`` leaves it.
        threshold: the model's, in (0, 1].
        spacing_xyz: mm.

    Returns:
        (z, y, x) float32, a copy, and the number of lesions held back.
    """
    held = probability.astype(np.float32)
    candidates = probability >= threshold
    box = bounding_box(candidates)
    if box is None:
        return held, 0
    labels, sizes = _components(candidates[box])
    peaks = np.zeros(sizes.size, np.float32)
    place = np.flatnonzero(labels)
    np.maximum.at(peaks, labels.ravel()[place], held[box].ravel()[place])
    faint = (sizes < minimum_voxels(SMALL_MM3, spacing_xyz)) & (peaks < small_bar(threshold))
    faint[0] = False
    below = (math.ceil(threshold * PROBABILITY_STEPS) - 1) / PROBABILITY_STEPS
    held[box][faint[labels]] = below
    return held, int(faint.sum())


def small_bar(threshold: float) -> float:
    """Probability that a small lesion must somewhere reach at a threshold."""
    return max(threshold, min(threshold + SMALL_RISE, HIGHEST_BAR))


def minimum_voxels(min_mm3: float, spacing_xyz: tuple[float, float, float]) -> int:
    """Smallest number of voxels whose volume reaches ``min_mm3`` (at least 1), whatever the anisotropy.

    Args:
        min_mm3: minimum lesion volume in mm3; a lesion of exactly this volume is kept.
        spacing_xyz: voxel spacing in mm.
    """
    voxel_mm3 = float(np.prod(np.asarray(spacing_xyz, dtype=np.float64)))
    return max(1, math.ceil(min_mm3 / voxel_mm3 * (1.0 - _VOLUME_TOLERANCE)))


def bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """Slices (z, y, x) around the true voxels of a (z, y, x) bool mask; None where there are none."""
    rows = mask.any(axis=2)
    planes = np.flatnonzero(rows.any(axis=1))
    if planes.size == 0:
        return None
    lines = np.flatnonzero(rows.any(axis=0))
    columns = np.flatnonzero(mask[planes[0] : planes[-1] + 1].any(axis=(0, 1)))
    return tuple(slice(int(hit[0]), int(hit[-1]) + 1) for hit in (planes, lines, columns))


def lesion_mask(
    probability: np.ndarray,
    threshold: float,
    min_mm3: float = DEFAULT_MIN_MM3,
    spacing_xyz: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Mask of the lesions: probability >= threshold, in 26-connected components of at least ``min_mm3``.

    Args:
        probability: (z, y, x), 0 to 1.
        threshold: in (0, 1]; compared in the type of ``probability``.
        min_mm3: minimum volume in mm3; a component of exactly this volume is kept.
        spacing_xyz: voxel spacing of the image in mm, (x, y, z) as SimpleITK gives it.

    Returns:
        (z, y, x) uint8, 0 or 1.

    Raises:
        UsageError: threshold or minimum size out of range.
    """
    check_settings(threshold, min_mm3)
    candidates = probability >= threshold
    mask = np.zeros(probability.shape, dtype=np.uint8)
    box = bounding_box(candidates)
    if box is None:
        return mask
    labels, sizes = _components(candidates[box])
    keep = sizes >= minimum_voxels(min_mm3, spacing_xyz)
    keep[0] = False
    mask[box] = keep[labels]
    return mask


def label_lesions(mask: np.ndarray) -> np.ndarray:
    """Number the 26-connected components of a mask, largest first.

    Args:
        mask: (z, y, x), non-zero = lesion.

    Returns:
        (z, y, x) int32: 0 background, 1 the component of most voxels, and so on; of two equally large ones the one
        whose first voxel in (z, y, x) order comes first has the lower number.
    """
    result = np.zeros(mask.shape, dtype=np.int32)
    foreground = mask != 0
    box = bounding_box(foreground)
    if box is None:
        return result
    labels, sizes = _components(foreground[box])
    inside = np.flatnonzero(labels)
    first_voxel = np.zeros(sizes.size, dtype=np.int64)
    first_voxel[labels.ravel()[inside][::-1]] = inside[::-1]
    order = np.lexsort((first_voxel[1:], -sizes[1:])) + 1
    rank = np.zeros(sizes.size, dtype=np.int32)
    rank[order] = np.arange(1, sizes.size, dtype=np.int32)
    result[box] = rank[labels]
    return result


def _components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """26-connected labels (z, y, x) of a bool mask and the voxel count of each label, background included."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask).view(np.uint8))
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True))
    return labels, np.bincount(labels.ravel())
