"""Changes, found on 1 mm voxels, drawn on the coarser voxels of a scan.

By the nearest voxel a change of 2 mm can fall between two slices of 3 mm, and a rim can break to crumbs. Here each
change grows from the voxel that it covers most, always by the neighbour that it covers most, to as many as it fills
on the fine grid: one piece, that of the greatest cover, across a thin bridge as well.
"""

from __future__ import annotations

import heapq
from itertools import product

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..grid import Grid, resample

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
        covered = np.where(owner[box] == number, share[box], 0.0)
        drawn[box][_grown(covered, max(1, round(sizes[number] / fine_per_voxel)))] = number
    return drawn


def _grown(covered: np.ndarray, voxels: int) -> np.ndarray:
    """At most ``voxels`` 26-connected voxels, (z, y, x) bool: from the greatest of ``covered`` on, 0 is never taken."""
    padded = np.pad(covered, 1)
    flat, seen = padded.ravel(), padded.ravel() <= 0.0
    across = [int(np.dot(step, padded.strides)) // padded.itemsize for step in product((-1, 0, 1), repeat=3)]
    first = int(np.argmax(flat))
    waiting = [] if seen[first] else [(-flat[first], first)]
    seen[first] = True
    taken = []
    while waiting and len(taken) < voxels:
        _, voxel = heapq.heappop(waiting)
        taken.append(voxel)
        for neighbour in (voxel + step for step in across):
            if not seen[neighbour]:
                seen[neighbour] = True
                heapq.heappush(waiting, (-flat[neighbour], neighbour))
    kept = np.zeros(padded.shape, bool)
    kept.ravel()[taken] = True
    return kept[1:-1, 1:-1, 1:-1]
