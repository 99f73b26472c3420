"""Images from a tissue map: normalised FLAIR, T1w and T2w of a brain of which only the tissue classes are known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .painting import blur
from .spatial import smooth_field

TISSUE_LEVELS = (
    (-4.6, 0.5, -0.35),
    (-2.6, -0.4, 0.75),
    (5.0, 0.45, -0.6),
)
"""Normalised FLAIR, T1w and T2w (rows) of CSF, grey and white matter (columns), from two real studies."""
LEVEL_SPREAD = ((0.6, 0.35, 0.2), (0.4, 0.25, 0.15), (1.0, 0.3, 0.2))
"""How much those levels differ from image to image, standard deviation."""


def synthesise_patch(rng: np.random.Generator, tissue: Tensor) -> Tensor:
    """Paint images from tissue shares.

    Args:
        rng: source of all randomness.
        tissue: (3, z, y, x) shares of CSF, grey and white matter, 0 to 1.

    Returns:
        (3, z, y, x) normalised FLAIR, T1w, T2w.
    """
    size = tissue.shape[1]
    soft = blur(tissue, rng.uniform(0.3, 0.8))
    levels = np.array(TISSUE_LEVELS) + np.array(LEVEL_SPREAD) * rng.standard_normal((3, 3))
    channels = torch.einsum("kt,tzyx->kzyx", torch.from_numpy(levels.astype(np.float32)), soft)
    texture = smooth_field(rng, 3, size, size // 2) * rng.uniform(0.1, 0.4) + smooth_field(
        rng, 3, size, 5
    ) * rng.uniform(0.0, 0.3)
    noise = torch.from_numpy(rng.standard_normal((3, size, size, size), dtype=np.float32)) * rng.uniform(0.05, 0.25)
    return channels + texture + noise
