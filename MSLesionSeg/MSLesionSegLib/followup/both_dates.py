"""Both dates as arrays on the half-way grid, each resampled once, equally sharp."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..bias import correct_bias
from ..grid import Grid, antialias_width_mm, resample
from .alignment import Halfway, as_matrix, as_transform
from .dates import Date

#: Brain on the half-way grid: where both masks say so, this far inside (mm), since the rim is half skull or fluid.
RIM_MM = 2.0
#: Standard deviation of a running mean of unit width.
_BOX_SD = 1.0 / math.sqrt(12.0)


@dataclass(frozen=True)
class Sampled:
    """One date on the half-way grid.

    Attributes:
        flair: (z, y, x) float64, bias-corrected, as sharp as the coarser date; by cubic B-splines.
        flair_linear: the same by linear interpolation. Where the two differ, the slices do not settle the value.
        probability: (z, y, x) float32.
        lesion: (z, y, x) bool, the result's own mask.
        brain: (z, y, x) bool.
    """

    flair: np.ndarray
    flair_linear: np.ndarray
    probability: np.ndarray
    lesion: np.ndarray
    brain: np.ndarray


def sample_both(first: Date, second: Date, space: Halfway) -> tuple[Sampled, Sampled]:
    """Bring both dates onto the half-way grid; the sharper one is blurred along its axes to the other's voxels."""
    between = as_transform(as_matrix(space.to_second) @ np.linalg.inv(as_matrix(space.to_first)))
    back = as_transform(np.linalg.inv(as_matrix(between)))
    return (
        _sampled(first, antialias_width_mm(Grid.of(first.flair), Grid.of(second.flair), back), space.to_first, space),
        _sampled(
            second, antialias_width_mm(Grid.of(second.flair), Grid.of(first.flair), between), space.to_second, space
        ),
    )


def common_brain(first: Sampled, second: Sampled) -> np.ndarray:
    """(z, y, x) bool: inside both brains, without the outermost ``RIM_MM``."""
    return ndimage.distance_transform_edt(first.brain & second.brain) > RIM_MM


def _sampled(date: Date, widths_mm: tuple[float, float, float], transform: sitk.Transform, space: Halfway) -> Sampled:
    flair = correct_bias(date.flair, date.brain)
    grid = Grid.of(flair)
    sigmas = [width * _BOX_SD / step for width, step in zip(widths_mm, grid.spacing, strict=True)]
    blurred = ndimage.gaussian_filter(sitk.GetArrayFromImage(flair), sigmas[::-1], mode="nearest")
    flairs = (
        resample(grid.image(blurred), space.grid, transform, how, antialias=False) for how in ("bspline", "linear")
    )
    probability = resample(date.probability, space.grid, transform, antialias=False)
    lesion = resample(sitk.Cast(date.mask, sitk.sitkFloat32), space.grid, transform, antialias=False)
    brain = resample(sitk.Cast(date.brain, sitk.sitkFloat32), space.grid, transform, antialias=False)
    return Sampled(
        *(sitk.GetArrayFromImage(image).astype(np.float64) for image in flairs),
        sitk.GetArrayFromImage(probability),
        sitk.GetArrayFromImage(lesion) >= 0.5,
        sitk.GetArrayFromImage(brain) >= 0.5,
    )
