"""Where the lesions of a mask are, built once, so that drawing one costs the same on any volume."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

MIN_LESION_VOXELS = 3
"""A lesion has at least 3 mm3 (on a 1 mm grid so many voxels). What is smaller stays in the mask that is learnt, but is
not drawn as a lesion: one or two voxels are mostly what resampling or a rater's hand has left."""


def no_voxels() -> np.ndarray:
    """An empty list of places, int16 (0, 3)."""
    return np.zeros((0, 3), np.int16)


@dataclass(frozen=True, eq=False)
class LesionIndex:
    """The lesions of one mask on a 1 mm grid.

    Attributes:
        sizes: int64 (n,), voxels of each lesion.
        voxels: int16 (total, 3), their places (z, y, x), lesion after lesion.
        starts: int64 (n + 1,), where each lesion begins in ``voxels``.
        specks: int16 (m, 3), places of the mask in components too small to be a lesion.
    """

    sizes: np.ndarray
    voxels: np.ndarray
    starts: np.ndarray
    specks: np.ndarray = field(default_factory=no_voxels)
    _weights: dict[float, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.sizes)

    def shares(self, size_exponent: float) -> np.ndarray:
        """Probability of each lesion in ``draw``, float64 (n,)."""
        weights = self.sizes.astype(float) ** size_exponent
        return weights / weights.sum()

    def draw(self, rng: np.random.Generator, size_exponent: float) -> np.ndarray:
        """A voxel (z, y, x) of a lesion drawn with probability proportional to its size to ``size_exponent``.

        An exponent of 0 draws every lesion alike, 1 draws every lesion voxel alike.
        """
        cumulative = self._weights.get(size_exponent)
        if cumulative is None:
            cumulative = self._weights[size_exponent] = np.cumsum(self.shares(size_exponent))
        chosen = min(int(cumulative.searchsorted(rng.random(), side="right")), len(self) - 1)
        return self.voxels[self.starts[chosen] + int(rng.random() * self.sizes[chosen])]


def index_lesions(mask: np.ndarray) -> LesionIndex:
    """Index the 26-connected lesions of at least three voxels.

    Args:
        mask: (z, y, x) bool.
    """
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    places = np.argwhere(labels).astype(np.int16)
    owner = labels[tuple(places.T)]
    places = places[np.argsort(owner, kind="stable")]
    sizes = np.bincount(owner, minlength=count + 1)[1:]
    kept = sizes >= MIN_LESION_VOXELS
    of_lesion = np.repeat(kept, sizes)
    sizes = sizes[kept]
    return LesionIndex(sizes, places[of_lesion], np.concatenate(([0], np.cumsum(sizes))), places[~of_lesion])
