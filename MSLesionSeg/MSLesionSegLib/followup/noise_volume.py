"""The change of volume that noise alone would give a lesion."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

_NORMAL_95 = 1.96
#: Faces of voxels per surface of a smooth body, averaged over directions.
_FACES_PER_SURFACE = 1.5


def noise_volume_mm3(
    share: np.ndarray, first: np.ndarray, second: np.ndarray, voxel_mm3: float, residual_mm: float
) -> float:
    """95 % limit of the difference of a region's volume between two scans of an unchanged brain.

    The region is given by the share w_i of each voxel that counts as volume, so a faint rim has less noise too.

    Two independent parts add in squares:

    * what the network is unsure of: voxel i is lesion with probability p_i (Bernoulli), and errors are shared within a
      voxel of the coarser date, V: variance ``V v sum_i w_i^2 [p_i (1 - p_i) + q_i (1 - q_i)]``, voxels of v = 1 mm3;
    * registration and edges: a body of surface S moved by r sweeps r times its projected area, on average S / 4
      (Cauchy): ``(r S / 4)^2``, r as measured on the pair (``subtraction.py``), each face by its step of w.

    Args:
        share: (z, y, x) from 0 to 1, or bool; 1 mm voxels, 0 at the box's sides.
        first, second: (z, y, x) probabilities of both dates.
        voxel_mm3: V.
        residual_mm: r.
    """
    share = share.astype(float)
    near = ndimage.maximum_filter(share, footprint=ndimage.generate_binary_structure(3, 1)) ** 2
    unsure = sum(float(np.sum(near * p * (1.0 - p))) for p in (first.astype(float), second.astype(float)))
    faces = sum(float(np.abs(np.diff(np.pad(share, 1), axis=axis)).sum()) for axis in range(3))
    swept = residual_mm * faces / _FACES_PER_SURFACE / 4.0
    return _NORMAL_95 * math.sqrt(voxel_mm3 * unsure + swept**2)
