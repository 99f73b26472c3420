"""How much of each voxel changed, so that a change is as large as what grew and not as its blurred rim.

A voxel of which a share s turned from tissue to lesion is brighter by s times the contrast between the two, and blur
moves brightness to neighbours without adding any: the shares, summed over a change and what lies within a voxel of it,
are its volume (partial volume: Santago, Gage, IEEE TMI 12(3), 1993). The contrast is the lesion's at the brighter date,
near by, over the tissue that was there at the darker date. Blur lowers that contrast and moves a little farther than
what is summed; the two balance within about a tenth, from 4 mm of radius on (docs/validation/followup.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .evidence import AROUND, FLUID, LESION_LIKE, smooth_intensities
from .subtraction import smoothed

#: How far (standard deviation, mm) lesion and tissue are looked at about a voxel.
LESION_MM, TISSUE_MM = 2.0, 4.0
#: In spreads of normal-appearing tissue: a lesion has at least this contrast.
LEAST_CONTRAST = 0.5
_MARGIN_VOXELS = 2

#: A region: its box (slices z, y, x), where it is in the box (bool), the shares of the box.
Part = tuple[tuple[slice, slice, slice], np.ndarray, np.ndarray]


def changed_share(
    difference: np.ndarray,
    bright: np.ndarray,
    dark: np.ndarray,
    dark_probability: np.ndarray,
    lesion: np.ndarray,
    brain: np.ndarray,
) -> np.ndarray:
    """The share of each voxel that turned from tissue to lesion, by one direction of the comparison.

    Args:
        difference: (z, y, x) of the subtraction, positive where ``bright`` is brighter.
        bright, dark: (z, y, x) matched intensities of the two dates.
        dark_probability: (z, y, x) of the darker date.
        lesion: (z, y, x) bool, lesion at the brighter date: its mask and what changed.
        brain: (z, y, x) bool.

    Returns:
        (z, y, x) from -1 to 1; noise takes either sign, so that it cancels in a sum. Meant within 1 mm of ``lesion``.
    """
    smooth_bright, smooth_dark = (smooth_intensities(date) for date in (bright, dark))
    seen = ndimage.binary_dilation(dark_probability > LESION_LIKE, AROUND, iterations=_MARGIN_VOXELS)
    tissue = smoothed(smooth_dark, brain & ~seen & (smooth_dark > FLUID), TISSUE_MM)
    contrast = np.maximum(smooth_bright - tissue, 0.0)
    # Weighted by itself: the blurred edge of a lesion counts less than its middle.
    of_lesion = smoothed(contrast**2, lesion, LESION_MM) / np.maximum(smoothed(contrast, lesion, LESION_MM), 1e-6)
    return np.clip(difference / np.maximum(of_lesion, LEAST_CONTRAST), -1.0, 1.0)


def volumes_mm3(parts: Sequence[Part], shape: tuple[int, int, int]) -> list[float]:
    """The volume of each region: its shares and those within a voxel of it, 1 mm voxels.

    What lies within a voxel of several regions is divided among them, so that no voxel counts more than once.

    Args:
        parts: regions that do not overlap, each box with a margin of a voxel.
        shape: (z, y, x) of the whole grid.
    """
    rims = [ndimage.binary_dilation(where, AROUND) for _, where, _ in parts]
    owners, inside = np.zeros(shape, np.int32), np.zeros(shape, bool)
    for (box, where, _), rim in zip(parts, rims, strict=True):
        owners[box] += rim
        inside[box] |= where
    volumes = []
    for (box, where, share), rim in zip(parts, rims, strict=True):
        beside = rim & ~inside[box]
        volumes.append(float(share[where].sum() + (share[beside] / owners[box][beside]).sum()))
    return volumes
