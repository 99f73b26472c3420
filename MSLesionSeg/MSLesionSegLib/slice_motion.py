"""How much neighbouring slices of a 2D series are shifted against each other: the patient moved between them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

THICKER = 1.5
"""A series is 2D where its slices are this much thicker than its pixels are wide; others have no slices to compare."""
_BLUR_MM = 2.0
_STEP_MM = 2.0
_HEAD = 0.15
_LEAST_SHARE = 0.1
_LEAST_GAIN = 0.2
_LEAST_SLICES = 5


def slice_shift_mm(image: sitk.Image) -> float | None:
    """Median shift (mm) of a slice against the mean of its two neighbours, in plane.

    Least squares on the slice's gradient (Lucas and Kanade, IJCAI 1981), with a free gain and offset; what changes
    steadily from slice to slice cancels. In a series taken in two passes a movement between them shifts every slice.

    Args:
        image: 3D, mm.

    Returns:
        None for a series whose voxels are nearly cubic.
    """
    spacing = np.asarray(image.GetSpacing()[::-1])
    axis = int(spacing.argmax())
    plane = np.delete(spacing, axis)
    if spacing[axis] < THICKER * plane.max():
        return None
    slices = np.moveaxis(sitk.GetArrayViewFromImage(image), axis, 0).astype(np.float32)
    slices = ndimage.gaussian_filter(slices, (0.0, *(_BLUR_MM / plane)))
    level = _HEAD * float(np.percentile(slices[:, ::4, ::4], 99))
    thin = tuple(slice(None, None, max(1, int(_STEP_MM / step))) for step in plane)
    shifts = []
    for before, here, after in zip(slices[:-2], slices[1:-1], slices[2:], strict=True):
        around = (before + after) / 2.0
        head = around[thin] > level
        if head.mean() < _LEAST_SHARE:
            continue
        down, across = (gradient[thin][head] for gradient in np.gradient(around, *plane))
        known = np.stack([down, across, around[thin][head], np.ones_like(down)], axis=1)
        a, b, gain, _ = np.linalg.lstsq(known, here[thin][head], rcond=None)[0]
        shifts.append(float(np.hypot(a, b)) / max(float(gain), _LEAST_GAIN))
    return float(np.median(shifts)) if len(shifts) >= _LEAST_SLICES else None
