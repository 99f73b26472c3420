"""Brains to paint lesions into: real prepared studies, and tissue maps from which images are synthesised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .lesion_index import LesionIndex, index_lesions

BRIGHT_FLAIR = 1.2
"""Normalised FLAIR intensity above which a voxel without a lesion counts as a hard negative."""
MOST_HARD_NEGATIVES = 20000


@dataclass(frozen=True)
class Canvas:
    """One brain on the model grid.

    Attributes:
        name: for messages.
        channels: float32 (3, z, y, x): normalised FLAIR, T1w, T2w of a real study; None for a tissue map.
        tissue: uint8 (3, z, y, x): shares of CSF, grey and white matter in 255ths; None for a real study.
        brain: float32 (1, z, y, x), 0 or 1.
        lesion: float32 (1, z, y, x), 0 or 1: the annotated lesions.
        lesions: index of the annotated lesions.
        common_space: whether voxel (z, y, x) is the same place as in the pool of masks, so that those can be painted.
        brain_voxels: int32 (n, 3), a fixed sample of places in the brain.
        bright_voxels: int32 (n, 3), bright on FLAIR and no lesion; empty for a tissue map.
    """

    name: str
    channels: Tensor | None
    tissue: Tensor | None
    brain: Tensor
    lesion: Tensor
    lesions: LesionIndex
    common_space: bool
    brain_voxels: np.ndarray
    bright_voxels: np.ndarray


def real_canvas(name: str, channels: np.ndarray, brain: np.ndarray, lesion: np.ndarray) -> Canvas:
    """A canvas from a prepared and annotated study.

    Args:
        name: for messages.
        channels: (3, z, y, x) float32 as ``MSLesionSegLib.prepare`` leaves them.
        brain: (z, y, x) bool.
        lesion: (z, y, x) bool.
    """
    bright = (channels[0] > BRIGHT_FLAIR) & brain & ~lesion
    return Canvas(
        name,
        torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32)),
        None,
        _as_volume(brain),
        _as_volume(lesion),
        index_lesions(lesion),
        True,
        _some_voxels(brain),
        _some_voxels(bright),
    )


def tissue_canvas(name: str, tissue: np.ndarray, brain: np.ndarray, lesion: np.ndarray) -> Canvas:
    """A canvas from a tissue map.

    Args:
        name: for messages.
        tissue: (3, z, y, x) uint8, shares of CSF, grey matter and white matter in 255ths.
        brain: (z, y, x) bool.
        lesion: (z, y, x) bool.
    """
    return Canvas(
        name,
        None,
        torch.from_numpy(np.ascontiguousarray(tissue)),
        _as_volume(brain),
        _as_volume(lesion),
        index_lesions(lesion),
        False,
        _some_voxels(brain),
        np.zeros((0, 3), np.int32),
    )


def _as_volume(mask: np.ndarray) -> Tensor:
    return torch.from_numpy(mask.astype(np.float32))[None]


def _some_voxels(mask: np.ndarray) -> np.ndarray:
    """At most MOST_HARD_NEGATIVES places of a mask, at even steps; int32 (n, 3)."""
    found = np.argwhere(mask).astype(np.int32)
    return found[:: max(1, len(found) // MOST_HARD_NEGATIVES)]
