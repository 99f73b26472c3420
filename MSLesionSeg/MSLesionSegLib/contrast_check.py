"""Whether an image can be the contrast that it was given as, judged by its voxels inside the brain.

Fluid is bright on T2w and dark on FLAIR and T1w; the cortex is brighter than the white matter below it on FLAIR and
darker on T1w. Over 24 images of ten studies (ten FLAIR, seven T1w, seven T2w; stripped and whole heads, one of them the
phantom), also with the brain mask grown by 4 mm or shrunk by 3 mm:

======================================  ============  ============  ============
measure                                 FLAIR         T1w           T2w
======================================  ============  ============  ============
upper tail / lower tail of intensities  0.29 to 0.79  0.25 to 0.60  2.34 to 5.59
3 to 8 mm deep / 12 to 22 mm deep       0.98 to 1.15  0.76 to 0.99  not needed
======================================  ============  ============  ============

Whatever lies between the limits below is not judged.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

STEP_MM = 2.0
INSIDE_MM = 4.0
CORTEX_MM, WHITE_MATTER_MM = (3.0, 8.0), (12.0, 22.0)
TISSUE = (0.6, 1.5)
"""Part of the median between which a voxel is no fluid."""
BRIGHT_FLUID, DARK_FLUID = 1.5, 1.1
CORTEX_DARKER, CORTEX_BRIGHTER = 0.965, 1.0
LEAST_VOXELS = 200


def doubtful_contrast(image: sitk.Image, brain: sitk.Image, given: str) -> str | None:
    """What an image seems to be where it does not look like what it was given as.

    Args:
        image: 3D scalar.
        brain: mask on the image's grid.
        given: ``FLAIR``, ``T1w`` or ``T2w``.

    Returns:
        "a FLAIR", "a T1w", "a T2w" or "a FLAIR or T1w"; None where nothing speaks against `given`.
    """
    seems = _seems(image, brain)
    return None if seems is None or given in seems else f"a {' or '.join(seems)}"


def _seems(image: sitk.Image, brain: sitk.Image) -> tuple[str, ...] | None:
    spacing = np.array(image.GetSpacing()[::-1])
    stride = np.maximum(1, np.rint(STEP_MM / spacing)).astype(int)
    thin = tuple(slice(None, None, step) for step in stride)
    values = sitk.GetArrayViewFromImage(image)[thin]
    depth = ndimage.distance_transform_edt(sitk.GetArrayViewFromImage(brain)[thin] > 0, sampling=spacing * stride)
    inside = values[depth > INSIDE_MM]
    if inside.size < LEAST_VOXELS:
        return None
    low, median, high = np.percentile(inside, (1, 50, 99))
    if not low < median < high:
        return None
    tails = (high - median) / (median - low)
    if tails > BRIGHT_FLUID:
        return ("T2w",)
    if tails > DARK_FLUID:
        return None
    tissue = (values > TISSUE[0] * median) & (values < TISSUE[1] * median)
    cortex, white = (values[(depth > first) & (depth < last) & tissue] for first, last in (CORTEX_MM, WHITE_MATTER_MM))
    if min(cortex.size, white.size) < LEAST_VOXELS:
        return ("FLAIR", "T1w")
    ratio = np.median(cortex) / np.median(white)
    if ratio > CORTEX_BRIGHTER:
        return ("FLAIR",)
    return ("T1w",) if ratio < CORTEX_DARKER else ("FLAIR", "T1w")
