"""Where the images say that something changed, and how strongly.

A voxel changed where the subtraction image says so: z is above ``LEAST_Z`` and above a quarter of its greatest value
within 4 mm, so that a strong change does not grow into the noise around it and neighbouring changes stay apart. It must
be tissue at both dates, brighter than the middle of normal tissue at the brighter one, and within 1 mm of a probability
of 0.1 there: without that, differences of contrast join changes to regions larger than all the lesions. Regions are
26-connected. Of one that holds some of the brighter date's own lesion mask, what lies farther than a voxel from that
mask is left out, so that a change is not drawn larger than the lesion with its rim. A region is listed when its
evidence, the greatest z x (probability + ``LEAST_TRUST``, at most 1) of its voxels at the brighter date, reaches
``LEAST_EVIDENCE``: a mask that flickers has no z, a bright rim of cortex no probability.

The limits were set on three pairs: docs/validation/followup.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from .subtraction import SMOOTH_MM

LEAST_Z, LEAST_EVIDENCE, LEAST_TRUST = 1.0, 2.8, 0.2
PEAK_SHARE, PEAK_VOXELS = 0.25, 9
LEAST_MM3 = 6
LESION_LIKE = 0.1
#: Intensity in spreads of normal tissue: least at the brighter date; at the darker date, below it is fluid.
BRIGHT, FLUID = 0.3, -2.0
_INTENSITIES = (-6, 8)
AROUND = ndimage.generate_binary_structure(3, 3)


def changed_regions(
    z: np.ndarray, bright: np.ndarray, dark: np.ndarray, probability: np.ndarray, lesion: np.ndarray
) -> Iterator[tuple[tuple[slice, slice, slice], np.ndarray]]:
    """Regions that are brighter at one date, by one direction of the comparison.

    Args:
        z: (z, y, x) of the subtraction, positive where ``bright`` is brighter; 0 where nothing is looked for.
        bright, dark: (z, y, x) matched intensities of the two dates.
        probability: (z, y, x) of the brighter date.
        lesion: (z, y, x) bool, the mask of the brighter date.

    Yields:
        A box (slices z, y, x) and the region in it, bool; the box has a margin of two voxels.
    """
    smooth_bright, smooth_dark = (smooth_intensities(date) for date in (bright, dark))
    tissue = (smooth_bright > BRIGHT) & (smooth_dark > FLUID) & (z != 0.0)
    edge = PEAK_SHARE * ndimage.maximum_filter(z, PEAK_VOXELS)
    lesion_like = ndimage.maximum_filter(probability, 3) > LESION_LIKE
    where = _within_lesions(tissue & lesion_like & (z > edge) & (z > LEAST_Z), lesion)
    yield from _regions(where, z * np.minimum(probability + LEAST_TRUST, 1.0))


def smooth_intensities(date: np.ndarray) -> np.ndarray:
    """Matched intensities (z, y, x), as smooth as the subtraction; vessels and pulsation, far outside, count little."""
    return ndimage.gaussian_filter(np.clip(date, *_INTENSITIES), SMOOTH_MM)


def _within_lesions(where: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """``where`` less what is over a voxel from the mask, in regions that hold at least ``LEAST_MM3`` voxels of it."""
    labels, count = ndimage.label(where, AROUND)
    held = np.bincount(labels[lesion], minlength=count + 1) >= LEAST_MM3
    held[0] = False
    return where & (~held[labels] | ndimage.binary_dilation(lesion, AROUND))


def _regions(where: np.ndarray, evidence: np.ndarray) -> Iterator[tuple[tuple[slice, slice, slice], np.ndarray]]:
    labels, count = ndimage.label(where, AROUND)
    if count == 0:
        return
    numbers = np.arange(1, count + 1)
    listed = ndimage.maximum(evidence, labels, numbers) >= LEAST_EVIDENCE
    listed &= np.bincount(labels.ravel(), minlength=count + 1)[1:] >= LEAST_MM3
    boxes = ndimage.find_objects(labels)
    for number in numbers[listed]:
        box = tuple(slice(max(part.start - 2, 0), part.stop + 2) for part in boxes[number - 1])
        yield box, labels[box] == number
