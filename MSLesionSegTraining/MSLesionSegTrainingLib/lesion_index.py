"""Where the lesions of a mask are, built once, so that drawing one costs the same on any volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

MIN_LESION_VOXELS = 3


@dataclass(frozen=True)
class LesionIndex:
    """The lesions of one mask on a 1 mm grid.

    Attributes:
        sizes: int64 (n,), voxels of each lesion.
        voxels: int32 (total, 3), their places (z, y, x), lesion after lesion.
        starts: int64 (n + 1,), where each lesion begins in ``voxels``.
    """

    sizes: np.ndarray
    voxels: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    def draw(self, rng: np.random.Generator, size_exponent: float) -> np.ndarray:
        """A voxel (z, y, x) of a lesion drawn with probability proportional to its size to ``size_exponent``.

        An exponent of 0 draws every lesion alike, 1 draws every lesion voxel alike.
        """
        weight = self.sizes.astype(float) ** size_exponent
        chosen = int(rng.choice(len(self), p=weight / weight.sum()))
        return self.voxels[rng.integers(self.starts[chosen], self.starts[chosen + 1])]


def index_lesions(mask: np.ndarray) -> LesionIndex:
    """Index the 26-connected lesions of at least three voxels.

    Args:
        mask: (z, y, x) bool.
    """
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    places = np.argwhere(labels).astype(np.int32)
    owner = labels[tuple(places.T)]
    order = np.argsort(owner, kind="stable")
    sizes = np.bincount(owner, minlength=count + 1)[1:]
    kept = sizes >= MIN_LESION_VOXELS
    voxels = places[order][np.repeat(kept, sizes)]
    sizes = sizes[kept]
    return LesionIndex(sizes, voxels, np.concatenate(([0], np.cumsum(sizes))))
