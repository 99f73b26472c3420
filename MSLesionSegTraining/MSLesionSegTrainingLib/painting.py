"""Painting lesions: shapes from real masks, intensities from measured lesions, edges as soft as a scanner's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from .canvases import Canvas
from .spatial import smooth_field

FALLBACK_MEAN = (2.0, -0.3, 1.8)
"""Mean lesion level on normalised FLAIR, T1w and T2w where no lesion was measured."""
MIN_MEASURED_VOXELS = 10
WIDER = 1.4
"""Lesions of other patients differ more than those of the few measured ones."""
FAINTEST = 0.9
"""Lowest level of a painted lesion on normalised FLAIR."""
VISIBLE_RISE = 0.4
"""Rise on normalised FLAIR from which a painted voxel is labelled."""
CSF_FLAIR, CSF_T2 = -2.0, 3.2
"""A voxel darker than this on FLAIR and brighter than this on T2w is fluid: nothing is painted there."""


@dataclass(frozen=True)
class LesionLevels:
    """Normalised intensities of lesions.

    Attributes:
        mean: (3,) mean over lesions of the lesion's mean on FLAIR, T1w, T2w.
        covariance: (3, 3) between lesions.
        inside: (3,) standard deviation within a lesion.
    """

    mean: np.ndarray
    covariance: np.ndarray
    inside: np.ndarray


def measure_levels(canvases: list[Canvas]) -> LesionLevels:
    """Measure the annotated lesions of at least ten voxels in real canvases."""
    means, residuals = [], []
    for canvas in canvases:
        if canvas.channels is None:
            continue
        index = canvas.lesions
        values = canvas.channels.numpy()[(slice(None), *index.voxels.T)]
        for start, stop in zip(index.starts[:-1], index.starts[1:], strict=True):
            if stop - start >= MIN_MEASURED_VOXELS:
                inside = values[:, start:stop]
                means.append(inside.mean(1))
                residuals.append(inside.std(1))
    if len(means) < 5:
        return LesionLevels(np.array(FALLBACK_MEAN), np.diag([0.4, 0.4, 0.8]), np.array([0.5, 0.5, 0.8]))
    means = np.array(means)
    return LesionLevels(means.mean(0), np.cov(means.T), np.median(np.array(residuals), 0))


def paint(
    rng: np.random.Generator, channels: Tensor, mask: Tensor, brain: Tensor, levels: LesionLevels
) -> tuple[Tensor, Tensor]:
    """Paint lesions into a patch.

    Every 26-connected lesion gets its own level (normal, measured mean and covariance, widened), a smooth texture
    inside and an edge between sharp and hazy. Fluid and what lies outside the brain stay as they are. A voxel is
    labelled where it became visibly brighter on FLAIR: a shape on bright cortex, or too faint, is no lesion.

    Args:
        rng: source of all randomness.
        channels: (3, z, y, x) normalised FLAIR, T1w, T2w.
        mask: (z, y, x) lesion share of each voxel, 0 to 1, as interpolated from a mask.
        brain: (z, y, x), 0 or 1.
        levels: measured intensities.

    Returns:
        The painted channels, and the painted lesions (z, y, x) as 0 or 1.
    """
    fluid = (channels[0] < CSF_FLAIR) | ((channels[2] > CSF_T2) & (channels[0] < 0.5))
    inside = (mask > 0.5) & (brain > 0.5) & ~fluid
    if not bool(inside.any()):
        return channels, inside.float()
    labels, count = ndimage.label(inside.numpy(), structure=np.ones((3, 3, 3)))
    drawn = rng.multivariate_normal(levels.mean, WIDER**2 * levels.covariance, count + 1)
    drawn[:, 0] = np.maximum(drawn[:, 0], FAINTEST)
    nearest = _spread_labels(labels)
    target = torch.from_numpy(drawn.astype(np.float32))[torch.from_numpy(nearest)].permute(3, 0, 1, 2)
    size = mask.shape[0]
    texture = smooth_field(rng, 3, size, max(4, size // 3)) + 0.5 * smooth_field(rng, 3, size, max(3, size // 8))
    spread = torch.from_numpy(levels.inside.astype(np.float32))[:, None, None, None]
    target = target + spread * rng.uniform(0.5, 1.2) * texture
    softness = float(np.exp(rng.uniform(np.log(0.4), np.log(1.5))))
    weight = blur(inside.float()[None], softness)[0] * (brain > 0.5)
    weight = torch.where(fluid, 0.5 * weight, weight)
    painted = channels + weight * rng.uniform(0.8, 1.0) * (target - channels)
    visible = blur(painted[:1] - channels[:1], 0.6)[0] > VISIBLE_RISE
    return painted, (inside & visible).float()


def blur(volume: Tensor, sigma: float | tuple[float, float, float]) -> Tensor:
    """Separable Gaussian blur of (C, z, y, x), edges repeated; sigma in voxels, one or one per axis (z, y, x)."""
    sigmas = (sigma,) * 3 if isinstance(sigma, (int, float)) else sigma
    x = volume[:, None]
    for axis, s in enumerate(sigmas):
        if s <= 0:
            continue
        radius = max(1, int(np.ceil(2.5 * s)))
        line = torch.arange(-radius, radius + 1, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (line / s) ** 2)
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = -1
        pad = [0] * 6
        pad[2 * (2 - axis)] = pad[2 * (2 - axis) + 1] = radius
        x = F.conv3d(F.pad(x, pad, mode="replicate"), (kernel / kernel.sum()).reshape(shape))
    return x[:, 0]


def _spread_labels(labels: np.ndarray) -> np.ndarray:
    """Labels carried two voxels outwards, so that soft edges know their lesion; 0 beyond."""
    spread = labels
    for _ in range(2):
        spread = np.where(spread > 0, spread, ndimage.maximum_filter(spread, 3))
    return spread
