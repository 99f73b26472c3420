"""The difference of two dates over the noise that is expected at each place.

Noise is measured on the pair itself, in tissue that neither date calls lesion, so a pair of unlike scanners or slices
widens its own limits. The variance of the smoothed difference is modelled as

    variance = s^2 + (r * gradient)^2

where s is noise in flat tissue and r (mm) what edges add: registration left over, resolution and contrast, all of which
grow with the gradient of the image. Both come from a line through robust variances in 24 classes of gradient; the model
is then scaled by what is seen within ``LOCAL_MM`` of each place. It is never taken below ``LEAST_NOISE``.

To it comes, squared, by how much the difference would be another with linear instead of cubic interpolation, at the
voxel or one beside it: where that is much, something ends between two thick slices, and how far it reaches depends on
where the slices lie. And what another contrast of lesions makes doubtful (``lesion_contrast.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..errors import StudyError

SMOOTH_MM = 0.7
#: Differences slower than this (standard deviation, mm) are bias fields.
BIAS_MM = 8.0
LOCAL_MM = 8.0
#: In spreads of normal-appearing tissue: two scans of an unchanged brain differ by this much somewhere.
LEAST_NOISE = 0.25
_CLASSES = 24
_MAD_TO_SD = 1.4826
_LOCAL_RANGE = (0.7, 9.0)


@dataclass(frozen=True)
class Subtraction:
    """Second date minus first, on the half-way grid.

    Attributes:
        difference: (z, y, x) smoothed difference without its bias, in spreads of normal-appearing tissue; 0 outside.
        z: (z, y, x) the same over its noise; 0 outside the brain.
        flat_noise: s, in spreads of normal-appearing tissue.
        residual_mm: r, what edges add, mm.
    """

    difference: np.ndarray
    z: np.ndarray
    flat_noise: float
    residual_mm: float


def subtract(
    dates: tuple[np.ndarray, np.ndarray],
    linear: tuple[np.ndarray, np.ndarray],
    brain: np.ndarray,
    normal: np.ndarray,
    doubt: np.ndarray,
) -> Subtraction:
    """Subtract two dates and measure the noise.

    Args:
        dates: (z, y, x) each on one scale of intensities, 1 mm voxels, interpolated by cubic B-splines.
        linear: the same, interpolated linearly.
        brain: (z, y, x) bool.
        normal: (z, y, x) bool, brain that neither date calls lesion.
        doubt: (z, y, x) noise of what was taken off at lesions before (``lesion_contrast.py``).

    Raises:
        StudyError: there is too little normal-appearing brain to measure noise on.
    """
    if np.count_nonzero(normal) < 1000:
        raise StudyError(
            "The two dates share too little normal-appearing brain.", "Check that both show the whole brain."
        )
    first, second = dates
    raw = second - first
    middle = np.median(raw[normal])
    quiet = normal & (np.abs(raw - middle) < 3.0 * _spread(raw[normal]))
    difference = smoothed(raw - smoothed(raw, quiet, BIAS_MM), brain, SMOOTH_MM)
    gradient = ndimage.gaussian_gradient_magnitude((first + second) / 2.0, SMOOTH_MM)
    flat, residual = _noise_model(difference[normal], gradient[normal])
    variance = flat**2 + (residual * gradient) ** 2
    ratio = smoothed(np.minimum(difference**2 / variance, _LOCAL_RANGE[1]), normal, LOCAL_MM)
    ratio = np.maximum(ratio, _LOCAL_RANGE[0] * np.median(ratio[normal]))
    noise = np.sqrt(variance * ratio)
    noise *= _spread(difference[normal] / noise[normal])
    unsettled = smoothed((linear[1] - linear[0]) - raw, brain, SMOOTH_MM)
    unsettled = ndimage.maximum_filter(np.abs(unsettled), 3)
    z = difference / np.sqrt(np.maximum(noise, LEAST_NOISE) ** 2 + unsettled**2 + doubt**2)
    return Subtraction(np.where(brain, difference, 0.0), np.where(brain, z, 0.0), flat, residual)


def smoothed(values: np.ndarray, weight: np.ndarray, sigma_mm: float) -> np.ndarray:
    """Gaussian mean over the voxels where ``weight`` is true (normalised convolution: Knutsson, Westin, CVPR 1993).

    Args:
        values: (z, y, x), 1 mm voxels.
        weight: (z, y, x) bool.
        sigma_mm: standard deviation of the Gaussian.

    Returns:
        (z, y, x), fading to 0 where no voxel near by counts.
    """
    share = ndimage.gaussian_filter(weight.astype(float), sigma_mm)
    return ndimage.gaussian_filter(np.where(weight, values, 0.0), sigma_mm) / np.maximum(share, 1e-3)


def _noise_model(difference: np.ndarray, gradient: np.ndarray) -> tuple[float, float]:
    """s and r of the model, from values in normal-appearing tissue, (n,) each."""
    square = gradient**2
    edges = np.percentile(square, np.linspace(0.0, 98.0, _CLASSES + 1))
    group = np.digitize(square, edges)
    x = np.array([square[group == number].mean() for number in range(1, _CLASSES + 1) if np.any(group == number)])
    y = np.array(
        [_spread(difference[group == number]) ** 2 for number in range(1, _CLASSES + 1) if np.any(group == number)]
    )
    slope, offset = np.polyfit(x, y, 1) if x.size > 1 else (0.0, y.mean())
    flat = max(offset, 0.5 * y.min(), 1e-12)
    return float(np.sqrt(flat)), float(np.sqrt(max(slope, 0.0)))


def _spread(values: np.ndarray) -> float:
    return float(_MAD_TO_SD * np.median(np.abs(values - np.median(values)))) + 1e-9
