"""What is near each voxel of the brain: the image from which lesions get their locations."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .anatomy import Anatomy, distance_mm, find_anatomy
from .grid import Grid, resample
from .location import NEAR_CORTEX_MM, NEAR_VENTRICLE_MM, TOUCH_MM, Zone
from .mask_shape import bounding_box
from .prepare import PreparedStudy

_MARGIN = 2
"""Voxels kept around the brain, so that its edge is an edge."""


def zones_on_flair(prepared: PreparedStudy, probability: np.ndarray, flair: sitk.Image) -> sitk.Image:
    """Find the anatomy of a prepared study and what is near each voxel, on the FLAIR's own grid.

    Args:
        prepared: the study on the model's grid.
        probability: (z, y, x) of lesion on that grid.
        flair: gives the target grid.

    Returns:
        uint8 image, sums of :class:`~.location.Zone`, 0 outside the brain.

    Raises:
        StudyError: the atlas cannot be laid over the brain.
    """
    box = tuple(
        slice(max(part.start - _MARGIN, 0), min(part.stop + _MARGIN, size))
        for part, size in zip(bounding_box(prepared.brain), prepared.brain.shape, strict=True)
    )
    grid = _part(prepared.grid, box)
    brain = prepared.brain[box]
    anatomy = find_anatomy(prepared.channels[(slice(None), *box)], brain, grid, probability[box])
    zones = location_zones(anatomy, grid.spacing[0]) * brain.astype(np.uint8)
    return resample(grid.image(zones), flair, interpolator="nearest")


def location_zones(anatomy: Anatomy, spacing_mm: float) -> np.ndarray:
    """What is near each voxel.

    Args:
        anatomy: from ``find_anatomy``.
        spacing_mm: edge of its cubic voxels.

    Returns:
        (z, y, x) uint8, sums of :class:`~.location.Zone`.
    """
    to_ventricle = distance_mm(anatomy.ventricles, spacing_mm)
    to_cortex = distance_mm(anatomy.cortex, spacing_mm)
    zones = np.zeros(anatomy.cortex.shape, dtype=np.uint8)
    for zone, where in (
        (Zone.TOUCHES_VENTRICLE, to_ventricle <= TOUCH_MM),
        (Zone.NEAR_VENTRICLE, to_ventricle <= NEAR_VENTRICLE_MM),
        (Zone.TOUCHES_CORTEX, to_cortex <= TOUCH_MM),
        (Zone.NEAR_CORTEX, to_cortex <= NEAR_CORTEX_MM),
    ):
        zones += where.astype(np.uint8) * np.uint8(zone)
    return np.where(anatomy.infratentorial, np.uint8(Zone.INFRATENTORIAL), zones)


def _part(grid: Grid, box: tuple[slice, ...]) -> Grid:
    """The part (z, y, x) of a grid as a grid of its own."""
    first = np.array([part.start for part in reversed(box)], dtype=float)
    origin = np.asarray(grid.origin) + grid.steps @ first
    size = tuple(part.stop - part.start for part in reversed(box))
    return Grid(size, grid.spacing, tuple(float(value) for value in origin), grid.direction)
