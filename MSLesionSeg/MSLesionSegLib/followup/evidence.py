"""Where the images say that something changed, and how strongly.

A voxel changed where the subtraction image and the two probability maps say so together: z of the subtraction plus
twice the gain in probability (smoothed as the subtraction is) is above ``EDGE``, with z itself above 1. It must be
tissue at both dates, brighter than the middle of normal tissue at the brighter one, and within 1 mm of a probability of
0.1 there. Regions are 26-connected. A region is listed when its evidence, the greatest (z + 2 gain) x probability of
its voxels, reaches ``LEAST_EVIDENCE``: a mask that flickers has no z, a bright rim of cortex no probability.

Where the network sees nothing at all, a region of the subtraction image alone (z above 2) is listed when its peak,
weighed down near the surface of the brain and where the tissue is hardly bright, reaches ``LEAST_WITHOUT_NETWORK``.

The limits were set on three pairs: docs/validation/followup.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from .subtraction import SMOOTH_MM

EDGE, LEAST_EVIDENCE, GAIN_WEIGHT = 1.5, 4.0, 2.0
EDGE_WITHOUT_NETWORK, LEAST_WITHOUT_NETWORK = 2.0, 4.5
LEAST_MM3 = 6
LESION_LIKE = 0.1
#: Intensity (spreads of normal tissue): least at the brighter date, at the darker date (below it is fluid), and that of
#: a lesion that nobody overlooks.
BRIGHT, FLUID, PLAIN = 0.3, -2.0, 2.0
#: Nearer the surface of the brain than this, sulci and vessels change from scan to scan, mm.
DEEP_MM = 8.0
_LEAST_Z = 1.0
AROUND = ndimage.generate_binary_structure(3, 3)


def changed_regions(
    z: np.ndarray,
    bright: np.ndarray,
    dark: np.ndarray,
    bright_probability: np.ndarray,
    dark_probability: np.ndarray,
    depth_mm: np.ndarray,
) -> Iterator[tuple[tuple[slice, slice, slice], np.ndarray]]:
    """Regions that are brighter at one date, by one direction of the comparison.

    Args:
        z: (z, y, x) of the subtraction, positive where ``bright`` is brighter; 0 where nothing is looked for.
        bright, dark: (z, y, x) matched intensities of the two dates.
        bright_probability, dark_probability: (z, y, x) of the same dates.
        depth_mm: (z, y, x) distance to the surface of the brain.

    Yields:
        A box (slices z, y, x) and the region in it, bool; the box has a margin of two voxels.
    """
    smooth_bright, smooth_dark = (ndimage.gaussian_filter(np.clip(v, -6, 8), SMOOTH_MM) for v in (bright, dark))
    gain = ndimage.gaussian_filter(bright_probability - dark_probability, SMOOTH_MM)
    tissue = (smooth_bright > BRIGHT) & (smooth_dark > FLUID) & (z != 0.0)
    with_network = z + GAIN_WEIGHT * np.clip(gain, 0.0, 1.0)
    lesion_like = ndimage.maximum_filter(bright_probability, 3) > LESION_LIKE
    yield from _regions(
        tissue & lesion_like & (with_network > EDGE) & (z > _LEAST_Z), with_network * bright_probability, LEAST_EVIDENCE
    )
    alone = z * np.clip(depth_mm / DEEP_MM, 0.0, 1.0) * np.clip(smooth_bright / PLAIN, 0.0, 1.0)
    unseen = tissue & (z > EDGE_WITHOUT_NETWORK)
    for box, region in _regions(unseen, alone, LEAST_WITHOUT_NETWORK):
        if bright_probability[box][region].max() < LESION_LIKE:
            yield box, region


def _regions(
    where: np.ndarray, evidence: np.ndarray, least: float
) -> Iterator[tuple[tuple[slice, slice, slice], np.ndarray]]:
    labels, count = ndimage.label(where, AROUND)
    if count == 0:
        return
    numbers = np.arange(1, count + 1)
    listed = ndimage.maximum(evidence, labels, numbers) >= least
    listed &= np.bincount(labels.ravel(), minlength=count + 1)[1:] >= LEAST_MM3
    boxes = ndimage.find_objects(labels)
    for number in numbers[listed]:
        box = tuple(slice(max(part.start - 2, 0), part.stop + 2) for part in boxes[number - 1])
        yield box, labels[box] == number
