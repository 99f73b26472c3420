"""Random changes of a patch's intensities: what scanners, protocols and imperfect preparation do to an image."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from .painting import CSF_FLAIR, blur
from .spatial import smooth_field

AIR_LEVEL = (-6.0, -3.7, -4.0)
"""Where signal zero lies on normalised FLAIR, T1w and T2w: gain and coil field act from there."""
DROP_T1, DROP_T2 = 0.25, 0.25
GREY_T1, GREY_DARKEST_FLAIR = -0.6, -1.5
"""Grey matter lies about the first on normalised T1w and above the second on normalised FLAIR."""


def draw_contrasts(rng: np.random.Generator) -> tuple[bool, bool, bool]:
    """Whether a patch shows the FLAIR (always), the T1w and the T2w, so that a network learns to do without."""
    return True, rng.random() >= DROP_T1, rng.random() >= DROP_T2


def vary_appearance(rng: np.random.Generator, channels: Tensor, brain: Tensor) -> Tensor:
    """Vary contrast, gain, coil field, resolution, noise and brain edge.

    Args:
        rng: source of all randomness.
        channels: (3, z, y, x) normalised FLAIR, T1w, T2w.
        brain: (1, z, y, x), 0 or 1.

    Returns:
        (3, z, y, x); 0 outside the (varied) brain.
    """
    size = channels.shape[1]
    channels, brain = _vary_brain_edge(rng, channels, brain)
    if rng.random() < 0.35:
        channels = _thicken_slices(rng, channels)
    elif rng.random() < 0.2:
        channels = blur(channels, rng.uniform(0.3, 0.8))
    for index in (1, 2):
        if rng.random() < 0.15:
            channels[index] = torch.roll(channels[index], int(rng.choice((-1, 1))), int(rng.integers(0, 3)))
    air = torch.tensor(AIR_LEVEL)[:, None, None, None]
    if rng.random() < 0.5:
        field = 1 + rng.uniform(0.0, 0.08) * smooth_field(rng, 3, size, 3)
        channels = (channels - air) * field + air
    gamma = torch.from_numpy(np.exp(rng.normal(0, 0.15, (3, 1, 1, 1))).astype(np.float32))
    span = torch.tensor((12.0, 8.0, 14.0))[:, None, None, None]
    channels = (channels - air).div_(span).clamp_(min=0).pow_(gamma)
    mid = (-air / span) ** gamma
    channels.sub_(mid).mul_(span / gamma * (-air / span) ** (1 - gamma))
    gain = torch.from_numpy(np.exp(rng.normal(0, 0.12, (3, 1, 1, 1))).astype(np.float32))
    shift = torch.from_numpy(rng.normal(0, 0.15, (3, 1, 1, 1)).astype(np.float32))
    noise = torch.from_numpy(rng.standard_normal(tuple(channels.shape), dtype=np.float32))
    channels.mul_(gain).add_(shift).add_(noise, alpha=rng.uniform(0.0, 0.3) ** 1.5)
    return channels.clamp_(-6.0, 12.0).mul_(brain)


def vary_grey_matter(rng: np.random.Generator, channels: Tensor, grey: Tensor) -> Tensor:
    """Brighten grey matter on FLAIR, more in some places than in others, as insula, cingulum and limbic cortex are.

    Without it, cortex brighter than that of the few training brains is taken for lesion (seen on a patient left out).

    Args:
        rng: source of all randomness.
        channels: (3, z, y, x) normalised FLAIR, T1w, T2w.
        grey: (z, y, x) share of grey matter, 0 to 1.
    """
    size = channels.shape[1]
    gain = (rng.uniform(0.0, 0.7) * (smooth_field(rng, 1, size, int(rng.integers(3, 6)))[0] + 0.4)).clamp(-0.4, 1.2)
    return channels + torch.tensor((1.0, 0.0, 0.2))[:, None, None, None] * gain * grey


def brighten_fluid(rng: np.random.Generator, channels: Tensor) -> Tensor:
    """Bright spots in dark fluid on FLAIR, as choroid plexus and pulsating fluid are; they are no lesions.

    Args:
        rng: source of all randomness.
        channels: (3, z, y, x) normalised FLAIR, T1w, T2w.
    """
    size = channels.shape[1]
    spots = (smooth_field(rng, 1, size, size // int(rng.integers(4, 10)))[0] > rng.uniform(0.5, 1.5)).float()
    weight = blur((spots * (channels[0] < CSF_FLAIR))[None], 0.6)[0] * rng.uniform(0.4, 1.0)
    level = torch.from_numpy(rng.normal((1.0, -1.2, 2.5), (1.0, 0.6, 1.0)).astype(np.float32))
    return channels + weight * (level[:, None, None, None] - channels)


def grey_matter_share(channels: Tensor, lesion: Tensor) -> Tensor:
    """Rough share of grey matter in a patch, from its normalised T1w and FLAIR; none near lesions.

    Args:
        channels: (3, z, y, x) normalised FLAIR, T1w, T2w.
        lesion: (z, y, x), 0 or 1.
    """
    near = _dilate(lesion[None], 5)[0]
    from_t1 = torch.exp(-(((channels[1] - GREY_T1) / 0.4) ** 2))
    return from_t1 * torch.sigmoid((channels[0] - GREY_DARKEST_FLAIR) / 0.3) * (1 - near)


def _thicken_slices(rng: np.random.Generator, channels: Tensor) -> Tensor:
    """Average over thick slices and interpolate back, FLAIR and T2w alike, T1w half of the time."""
    thickness = rng.uniform(1.5, 4.5)
    axis = int(rng.choice(3, p=(0.7, 0.15, 0.15)))
    size = list(channels.shape[1:])
    coarse = list(size)
    coarse[axis] = max(4, round(size[axis] / thickness))
    sigma = [0.0, 0.0, 0.0]
    sigma[axis] = float(np.sqrt(thickness**2 - 1) / 2.355)
    thick = F.interpolate(blur(channels, tuple(sigma))[None], size=coarse, mode="trilinear", align_corners=False)
    thick = F.interpolate(thick, size=size, mode="trilinear", align_corners=False)[0]
    if rng.random() < 0.5:
        thick[1] = channels[1]
    return thick


def _vary_brain_edge(rng: np.random.Generator, channels: Tensor, brain: Tensor) -> tuple[Tensor, Tensor]:
    """A brain mask that is sometimes a little too large (with bright or dark non-brain inside it) or too small."""
    chance = rng.random()
    if chance > 0.4:
        return channels, brain
    size = channels.shape[1]
    where = (smooth_field(rng, 1, size, 5) > rng.uniform(-0.5, 1.0)).float()
    reach = 2 * int(rng.integers(1, 4)) + 1
    if chance < 0.25:
        grown = _dilate(brain, reach)
        rim = (grown - brain).clamp(min=0) * where
        level = torch.from_numpy(rng.normal((0.0, -1.0, 0.0), (2.5, 1.5, 2.5)).astype(np.float32))[:, None, None, None]
        other = level + smooth_field(rng, 3, size, max(4, size // 4))
        return channels * (1 - rim) + other * rim, torch.maximum(brain, rim)
    shrunk = 1 - _dilate(1 - brain, reach)
    return channels, brain * (1 - where) + shrunk * where


def _dilate(volume: Tensor, edge: int) -> Tensor:
    """Greatest value in a cube of so many voxels about each voxel of (C, z, y, x)."""
    return torch.from_numpy(ndimage.maximum_filter(volume.numpy(), (1, edge, edge, edge), mode="nearest"))
