"""The change of volume that noise alone would give a lesion."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

_NORMAL_95 = 1.96
#: Faces of voxels per surface of a smooth body, averaged over directions.
_FACES_PER_SURFACE = 1.5


def noise_volume_mm3(
    region: np.ndarray, first: np.ndarray, second: np.ndarray, voxel_mm3: float, residual_mm: float
) -> float:
    """95 % limit of the difference of a region's volume between two scans of an unchanged brain.

    Two independent parts add in squares:

    * what the network is unsure of: voxel i is lesion with probability p_i (Bernoulli), and errors are shared within a
      voxel of the coarser date, V: variance ``V v sum_i [p_i (1 - p_i) + q_i (1 - q_i)]`` for voxels of v = 1 mm3;
    * registration and edges: a body of surface S moved by r sweeps r times its projected area, on average S / 4
      (Cauchy): ``(r S / 4)^2``, r as measured on the pair (``subtraction.py``).

    Args:
        region: (z, y, x) bool, 1 mm voxels, not touching the box's sides.
        first, second: (z, y, x) probabilities of both dates.
        voxel_mm3: V.
        residual_mm: r.
    """
    near = ndimage.binary_dilation(region)
    unsure = sum(float(np.sum(p[near] * (1.0 - p[near]))) for p in (first.astype(float), second.astype(float)))
    faces = sum(np.count_nonzero(np.diff(np.pad(region, 1).astype(np.int8), axis=axis)) for axis in range(3))
    swept = residual_mm * faces / _FACES_PER_SURFACE / 4.0
    return _NORMAL_95 * math.sqrt(voxel_mm3 * unsure + swept**2)
