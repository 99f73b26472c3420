"""Where a brain lies in its volume, roughly, so that a place in one brain has a counterpart in another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .lesion_index import LesionIndex

EDGE_PERCENT = 1.0
"""A brain reaches from this percentile of its voxels to the opposite one, so that stray voxels do not count."""


@dataclass(frozen=True)
class BrainBox:
    """The box that a brain fills.

    Attributes:
        low: float64 (3,), lowest place (z, y, x) in voxels.
        high: float64 (3,), highest place.
    """

    low: np.ndarray
    high: np.ndarray


MNI_BOX = BrainBox(np.array([28.0, 42.0, 33.0]), np.array([132.0, 180.0, 146.0]))
"""Of brains registered to MNI152 on its 182x218x182 grid of 1 mm, axes as on the model grid; mean of two patients."""


def brain_box(brain: np.ndarray) -> BrainBox:
    """The box of a brain mask.

    Args:
        brain: (z, y, x) bool, not empty.
    """
    places = np.argwhere(brain)
    low, high = np.percentile(places, (EDGE_PERCENT, 100.0 - EDGE_PERCENT), axis=0)
    return BrainBox(low, np.maximum(high, low + 1.0))


def between(source: BrainBox, target: BrainBox) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset, (3,) each, with which ``scale * place + offset`` goes from one brain to the other."""
    scale = (target.high - target.low) / (source.high - source.low)
    return scale, target.low - scale * source.low


def moved(lesions: LesionIndex, scale: np.ndarray, offset: np.ndarray) -> LesionIndex:
    """The lesions of an index at ``scale * place + offset``, in whole voxels; sizes stay those of the source."""
    voxels, specks = (
        np.rint(places * scale + offset).astype(places.dtype) for places in (lesions.voxels, lesions.specks)
    )
    return replace(lesions, voxels=voxels, specks=specks)
