"""Changes, found on 1 mm voxels, drawn on the coarser voxels of a scan.

By the nearest voxel a change of 2 mm can fall between two slices of 3 mm, and a rim can break to crumbs. Here each
change gets the voxels that it covers most, as many as its volume fills, and of those the largest connected piece.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..grid import Grid, resample
from ..lesions import label_lesions

#: How far (voxels of the fine grid) outside a change a voxel's centre may lie that the change covers in part.
REACH_VOXELS = 4.0


def draw_changes(numbers: np.ndarray, grid: Grid, target: sitk.Image, transform: sitk.Transform) -> np.ndarray:
    """Bring numbered changes to another grid.

    Args:
        numbers: (z, y, x) int32 on ``grid``, n where change n (from 1) is, 0 elsewhere.
        grid: fine, isotropic voxels.
        target: the image on whose voxels the changes are drawn.
        transform: maps points of ``target`` (LPS mm) to points of ``grid``.

    Returns:
        (z, y, x) int32 on the target's grid; a change that covers no voxel there is missing.
    """
    changed = numbers > 0
    if not changed.any():
        return np.zeros(target.GetSize()[::-1], np.int32)
    far, nearest = ndimage.distance_transform_edt(~changed, return_indices=True)
    spread = np.where(far <= REACH_VOXELS, numbers[tuple(nearest)], 0)
    owner = sitk.GetArrayFromImage(resample(grid.image(spread), target, transform, "nearest"))
    share = sitk.GetArrayFromImage(resample(grid.image(changed.astype(np.float32)), target, transform))
    owner[share <= 0.0] = 0
    fine_per_voxel = float(np.prod(target.GetSpacing()) / np.prod(grid.spacing))
    sizes = np.bincount(numbers.ravel())
    drawn = np.zeros_like(owner)
    for number, box in enumerate(ndimage.find_objects(owner), start=1):
        if box is None:
            continue
        own = owner[box] == number
        covered = np.where(own, share[box], 0.0)
        voxels = min(max(1, round(sizes[number] / fine_per_voxel)), np.count_nonzero(own))
        most = np.argsort(-covered, axis=None, kind="stable")[:voxels]
        kept = np.zeros(own.shape, bool)
        kept.ravel()[most] = True
        drawn[box][label_lesions(kept) == 1] = number
    return drawn
