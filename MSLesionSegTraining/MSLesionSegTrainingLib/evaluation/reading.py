"""The images of one case on one grid, that of the annotation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid, resample, same_grid
from MSLesionSegLib.images import read_image
from MSLesionSegLib.nifti import read_nifti

from ..cases import header_grid
from ..mask_files import read_mask
from .pairing import MaskFiles

LEAST_SHARED = 0.5
"""Least part of the smaller field of view that two images of one space share."""
_SAMPLES = 20
_ONE_VOXEL = Grid((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Pair:
    """A prediction and its annotation, voxel by voxel.

    Attributes:
        grid: of the annotation.
        truth, predicted: (z, y, x) bool.
        probability: (z, y, x) float32, 0 to 1, or None.
        brain: (z, y, x) bool, or None.
        notes: what was done to bring them together.
        zones: (z, y, x) uint8, what is near each voxel (``MSLesionSegLib.location.Zone``), or None.
    """

    grid: Grid
    truth: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray | None
    brain: np.ndarray | None
    notes: tuple[str, ...]
    zones: np.ndarray | None = None


def read_pair(predicted: MaskFiles, truth: MaskFiles, brain: Path | None) -> Pair:
    """Read one case onto the annotation's grid.

    Args:
        predicted, truth: files of the case.
        brain: brain mask, or None.

    Raises:
        StudyError: a file cannot be read, is no mask or no probability map, or lies in another physical space.
    """
    grid = _truth_grid(truth)
    marked = read_mask(truth.mask, grid)
    notes: list[str] = []
    mask = _mask_on(predicted.mask, grid, "mask", notes)
    return Pair(
        grid,
        marked,
        mask,
        None if predicted.probability is None else _probability_on(predicted.probability, grid, notes),
        None if brain is None else _mask_on(brain, grid, "brain mask", notes),
        tuple(notes),
        None if predicted.zones is None else _zones_on(predicted.zones, grid),
    )


def shared_view(a: Grid, b: Grid) -> float:
    """Part of the smaller field of view that lies in the other, 0 to 1, from 20 x 20 x 20 points."""
    small, large = sorted((a, b), key=lambda grid: float(np.prod(grid.size_xyz) * np.prod(grid.spacing)))
    middles = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    places = np.stack(np.meshgrid(middles, middles, middles, indexing="ij")).reshape(3, -1)
    index = places * np.asarray(small.size_xyz)[:, None] - 0.5
    points = np.asarray(small.origin)[:, None] + small.steps @ index
    inside = np.linalg.solve(large.steps, points - np.asarray(large.origin)[:, None]) + 0.5
    return float(((inside >= 0) & (inside <= np.asarray(large.size_xyz)[:, None])).all(axis=0).mean())


def _truth_grid(truth: MaskFiles) -> Grid:
    """Grid of the FLAIR that was annotated where it is known, else of the mask."""
    if truth.flair is not None:
        return Grid.of(read_image(truth.flair))
    grid = _grid_of(truth.mask)
    if grid is None and truth.mask.suffix == ".dcm":
        raise StudyError(
            f"The grid of the DICOM segmentation {truth.mask} is not known without its FLAIR.",
            "Name a BIDS data set with derivatives/annotations as truth.",
        )
    return grid or _ONE_VOXEL  # read_mask says what is wrong with the file


def _grid_of(path: Path) -> Grid | None:
    """The grid that the header of a 3D image gives; None where it cannot be read so, and for DICOM."""
    return None if path.suffix == ".dcm" else header_grid(path)


def _mask_on(path: Path, grid: Grid, noun: str, notes: list[str]) -> np.ndarray:
    own = _grid_of(path)
    if own is None or own.size_xyz == (1, 1, 1) or same_grid(own, grid, 1e-3):
        return read_mask(path, grid if own is None or own.size_xyz != grid.size_xyz else own)
    _check_space(path, own, grid)
    marked = read_mask(path, own)
    outside = int((~_inside(np.argwhere(marked)[:, ::-1], own, grid)).sum())
    notes.append(f"{noun} resampled from {_text(own)} to {_text(grid)}")
    if outside:
        notes.append(f"{outside} voxels of the {noun} lie outside the annotated image and were dropped")
    return sitk.GetArrayFromImage(resample(own.image(marked), grid, interpolator="nearest")) > 0


def _probability_on(path: Path, grid: Grid, notes: list[str]) -> np.ndarray:
    image = read_image(path)
    values = sitk.GetArrayViewFromImage(image)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise StudyError(
            f"The probability map {path} holds values from {low:g} to {high:g}.", "Save probabilities from 0 to 1."
        )
    own = Grid.of(image)
    if not same_grid(own, grid, 1e-3):
        _check_space(path, own, grid)
        notes.append(f"probability resampled from {_text(own)} to {_text(grid)}")
        image = resample(image, grid)
    return np.clip(sitk.GetArrayFromImage(image), 0.0, 1.0)


def _zones_on(path: Path, grid: Grid) -> np.ndarray:
    image = read_nifti(path)
    _check_space(path, Grid.of(image), grid)
    return sitk.GetArrayFromImage(resample(image, grid, interpolator="nearest"))


def _check_space(path: Path, own: Grid, grid: Grid) -> None:
    shared = shared_view(own, grid)
    if shared < LEAST_SHARED:
        raise StudyError(
            f"{path} lies in another physical space than the annotation: {100 * shared:.0f} % of the field of view is "
            "shared.",
            "Compare masks of the same image, in its own space.",
        )


def _inside(index_xyz: np.ndarray, own: Grid, grid: Grid) -> np.ndarray:
    """(n,) bool: which voxels (n, 3) of ``own`` have their centre in the field of view of ``grid``."""
    points = index_xyz @ own.steps.T + np.asarray(own.origin)
    place = (points - np.asarray(grid.origin)) @ np.linalg.inv(grid.steps).T + 0.5
    return ((place >= 0) & (place <= np.asarray(grid.size_xyz))).all(axis=1)


def _text(grid: Grid) -> str:
    size, spacing = (" x ".join(f"{value:.4g}" for value in each) for each in (grid.size_xyz, grid.spacing))
    return f"{size} voxels of {spacing} mm"
