"""Distances between the surfaces of two masks, in mm."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from .policy import Policy

_ROUNDING = 1e-6
"""Relative; NIfTI keeps spacings as float32."""


def surface(mask: np.ndarray) -> np.ndarray:
    """Voxels of a (z, y, x) bool mask that have a face neighbour outside it; beyond the array is outside."""
    return mask & ~ndimage.binary_erosion(mask)


def surface_distances(
    truth: np.ndarray, predicted: np.ndarray, spacing_xyz: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each surface voxel of a mask to the nearest surface voxel of the other, centre to centre.

    Args:
        truth, predicted: (z, y, x) bool, neither empty.
        spacing_xyz: voxel spacing in mm.

    Returns:
        mm, (n,) from the annotation's surface and (m,) from the prediction's.
    """
    points = [np.argwhere(surface(mask)) * np.asarray(spacing_xyz[::-1]) for mask in (truth, predicted)]
    return tuple(KDTree(other).query(own)[0] for own, other in (points, points[::-1]))


def surface_scores(
    truth: np.ndarray, predicted: np.ndarray, spacing_xyz: tuple[float, float, float], policy: Policy
) -> dict[str, float | None]:
    """HD95, ASSD and normalised surface Dice (NSD), as MONAI defines them.

    HD95 is the larger of the two directed percentiles (as in the WMH 2017 challenge), ASSD the mean over both surfaces
    together, NSD the share of both surfaces within the tolerance of the other (Nikolov et al., "Clinically applicable
    segmentation of head and neck anatomy", J Med Internet Res 2021, by count of surface voxels instead of area).

    Args:
        truth, predicted: (z, y, x) bool; may be cut to a box that holds all their true voxels.
        spacing_xyz: voxel spacing in mm.
        policy: percentile and tolerance, and the values for empty masks.

    Returns:
        ``hd95_mm``, ``assd_mm`` (None where one mask is empty), ``nsd`` (0 to 1).
    """
    empty = [not mask.any() for mask in (truth, predicted)]
    if all(empty):
        return {"hd95_mm": 0.0, "assd_mm": 0.0, "nsd": policy.both_empty}
    if any(empty):
        return {"hd95_mm": None, "assd_mm": None, "nsd": 0.0}
    directed = surface_distances(truth, predicted, spacing_xyz)
    together = np.concatenate(directed)
    return {
        "hd95_mm": float(max(np.percentile(distances, policy.hd_percentile) for distances in directed)),
        "assd_mm": float(together.mean()),
        "nsd": float(np.mean(together <= policy.nsd_mm * (1 + _ROUNDING))),
    }
