"""Painting lesions: shapes from real masks, intensities from measured lesions, edges as soft as a scanner's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from .canvases import Canvas
from .spatial import along_axes, smooth_field

FALLBACK_MEAN = (2.0, -0.3, 1.8)
"""Mean lesion level on normalised FLAIR, T1w and T2w where no lesion was measured."""
MIN_MEASURED_VOXELS = 10
WIDER = 1.4
"""Lesions of other patients differ more than those of the few measured ones."""
FAINTEST = 1.2
"""Lowest level of a painted lesion on normalised FLAIR."""
SMALLEST_RISE = 0.9
"""A lesion is painted only where its level lies so much above the mean FLAIR of its place."""
SOFTNESS = (0.4, 0.75)
"""Range of the edge's standard deviation in mm. The mean FLAIR falls from nine tenths to one tenth of its height within
one voxel of the annotated edge, in both labelled patients and in lesions of every size; that is a deviation of 0.55."""
GROUND_MM = 1.5
"""What is finer than this stays when a lesion is painted over it: without the scanner's noise a lesion would be known
by its smoothness."""
REACH = 6
"""Voxels around the lesions within which painting looks at the image and changes it."""
CORE_MM, CORE_CHANGE = 2.0, (-0.6, -1.0, 2.0)
"""How FLAIR, T1w and T2w change towards the core of a large lesion, and over what depth (T1w "black holes")."""
CSF_FLAIR, CSF_T2 = -2.0, 3.2
"""A voxel darker than this on FLAIR and brighter than this on T2w is fluid: nothing is painted there."""


@dataclass(frozen=True)
class LesionLevels:
    """Normalised intensities of lesions.

    Attributes:
        mean: (3,) mean over lesions of the core's mean on FLAIR, T1w, T2w; the core is the brighter half on FLAIR,
            since painting softens the edge anew.
        covariance: (3, 3) between lesions.
        inside: (3,) standard deviation within a lesion.
    """

    mean: np.ndarray
    covariance: np.ndarray
    inside: np.ndarray


def measure_levels(canvases: list[Canvas]) -> LesionLevels:
    """Measure the annotated lesions of at least ten voxels in real canvases that have all contrasts."""
    means, residuals = [], []
    for canvas in canvases:
        if canvas.channels is None or canvas.unsure is not None or not all(canvas.present):
            continue
        index = canvas.index.lesions
        values = canvas.channels.numpy()[(slice(None), *index.voxels.T)].astype(np.float32)
        for start, stop in zip(index.starts[:-1], index.starts[1:], strict=True):
            if stop - start >= MIN_MEASURED_VOXELS:
                inside = values[:, start:stop]
                core = inside[:, inside[0] >= np.median(inside[0])]
                means.append(core.mean(1))
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
    inside, a core that is darker on T1w and brighter on T2w than its rim, and an edge as soft as measured. Fluid and
    what lies outside the brain stay as they are. A lesion that would not stand out from what it is painted on, as on
    bright cortex, is left out whole: neither painted nor labelled, so that whatever looks like a lesion is labelled.

    Args:
        rng: source of all randomness.
        channels: (3, z, y, x) normalised FLAIR, T1w, T2w.
        mask: (z, y, x) lesion share of each voxel, 0 to 1, as interpolated from a mask.
        brain: (z, y, x), 0 or 1.
        levels: measured intensities.

    Returns:
        The painted channels, and the painted lesions (z, y, x) as 0 or 1.
    """
    box = _around(mask > 0.5, REACH)
    if box is None:
        return channels, torch.zeros_like(mask)
    painted, label = channels.clone(), torch.zeros_like(mask)
    inner = (slice(None), *box)
    painted[inner], label[box] = _paint_all(rng, channels[inner], mask[box], brain[box], levels)
    return painted, label


def _paint_all(
    rng: np.random.Generator, channels: Tensor, mask: Tensor, brain: Tensor, levels: LesionLevels
) -> tuple[Tensor, Tensor]:
    """`paint` on the whole of a box of any shape."""
    fluid = (channels[0] < CSF_FLAIR) | ((channels[2] > CSF_T2) & (channels[0] < 0.5))
    inside = (mask > 0.5) & (brain > 0.5) & ~fluid
    if not bool(inside.any()):
        return channels, inside.float()
    labels, count = ndimage.label(inside.numpy(), structure=np.ones((3, 3, 3)))
    drawn = rng.multivariate_normal(levels.mean, WIDER**2 * levels.covariance, count + 1)
    drawn[:, 0] = np.maximum(drawn[:, 0], FAINTEST)
    ground = ndimage.mean(channels[0].numpy(), labels, np.arange(1, count + 1))
    stands_out = np.concatenate(([False], drawn[1:, 0] - ground > SMALLEST_RISE))
    labels = labels * stands_out[labels]
    inside = torch.from_numpy(labels > 0)
    target = torch.from_numpy(drawn.astype(np.float32))[torch.from_numpy(_spread_labels(labels))].permute(3, 0, 1, 2)
    size = max(mask.shape)
    texture = smooth_field(rng, 3, size, max(4, size // 3)) + 0.5 * smooth_field(rng, 3, size, max(3, size // 8))
    texture = texture[(slice(None), *(slice(n) for n in mask.shape))]
    spread = torch.from_numpy(levels.inside.astype(np.float32))[:, None, None, None]
    target = target + spread * rng.uniform(0.2, 0.6) * texture
    core = (2 * blur(inside.float()[None], CORE_MM) - 1).clamp(min=0)
    target = target + core * rng.uniform(0, 1.5) * torch.tensor(CORE_CHANGE)[:, None, None, None]
    weight = blur(inside.float()[None], float(np.exp(rng.uniform(*np.log(SOFTNESS)))))[0] * (brain > 0.5)
    weight = torch.where(fluid, 0.5 * weight, weight) * rng.uniform(0.85, 1.0)
    tissue = ((brain > 0.5) & ~fluid).float()[None]
    ground = blur(channels * tissue, GROUND_MM) / blur(tissue, GROUND_MM).clamp(min=0.05)
    change = weight * (target - torch.where(tissue > 0, ground, channels))
    change[0].clamp_(min=0)
    return channels + change, (inside & (change[0] > 0)).float()


def _around(mask: Tensor, reach: int) -> tuple[slice, slice, slice] | None:
    """The box of a mask (z, y, x) and so many voxels around it, cut at the border; None where the mask is empty."""
    box = []
    for axis in range(3):
        found = mask.any(dim=[other for other in range(3) if other != axis]).nonzero()
        if not len(found):
            return None
        box.append(slice(max(0, int(found[0]) - reach), int(found[-1]) + 1 + reach))
    return tuple(box)


def grow(rng: np.random.Generator, mask: Tensor) -> Tensor:
    """Grow painted shapes by up to about two voxels, so that neighbouring lesions run together.

    Args:
        rng: source of all randomness.
        mask: (z, y, x) lesion share of each voxel, 0 to 1.
    """
    soft = blur(mask[None], rng.uniform(0.7, 2.0))[0]
    return torch.maximum(mask, ((soft - rng.uniform(0.15, 0.4)) * 4 + 0.5).clamp(0, 1))


def blur(volume: Tensor, sigma: float | tuple[float, float, float]) -> Tensor:
    """Gaussian blur of (C, z, y, x), edges repeated; sigma in voxels, to a hundredth, one or one per axis (z, y, x)."""
    sigmas = (sigma,) * 3 if isinstance(sigma, (int, float)) else sigma
    kernels = (_gaussian(size, round(float(one), 2)) for size, one in zip(volume.shape[1:], sigmas, strict=True))
    return along_axes(volume, tuple(kernels))


@lru_cache(maxsize=256)
def _gaussian(size: int, sigma: float) -> Tensor:
    """Matrix (size, size), float32, that blurs a line."""
    line = np.eye(size, dtype=np.float32)
    blurred = ndimage.gaussian_filter1d(line, sigma, axis=0, mode="nearest", truncate=2.5) if sigma else line
    return torch.from_numpy(np.ascontiguousarray(blurred))


def _spread_labels(labels: np.ndarray) -> np.ndarray:
    """Labels carried two voxels outwards, so that soft edges know their lesion; 0 beyond."""
    spread = labels
    for _ in range(2):
        spread = np.where(spread > 0, spread, ndimage.maximum_filter(spread, 3))
    return spread
