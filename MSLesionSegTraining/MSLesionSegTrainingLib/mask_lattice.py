"""A mask's voxels put on the FLAIR's grid one by one; nothing is interpolated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid

WHOLE_VOXEL = 0.01
"""A mask's voxels may lie this part of a voxel off those of the FLAIR."""


def steps_to_flair(path: Path, own: Grid, flair: Grid) -> tuple[np.ndarray, np.ndarray]:
    """How voxels of a mask count on the FLAIR's grid.

    Args:
        path: the mask, for the message.
        own: grid of the mask; another extent, order or direction of axes than the FLAIR's is fine.
        flair: grid of the FLAIR.

    Returns:
        ``turn`` (3, 3) and ``start`` (3,), int: voxel (x, y, z) of the mask is voxel ``turn @ (x, y, z) + start``.

    Raises:
        StudyError: the two do not lie on one lattice.
    """
    to_flair = np.linalg.solve(flair.steps, own.steps)
    turn = np.rint(to_flair)
    offset = np.linalg.solve(flair.steps, np.asarray(own.origin) - np.asarray(flair.origin))
    start = np.rint(offset)
    drift = np.abs(to_flair - turn) @ np.asarray(own.size_xyz) + np.abs(offset - start)
    if (np.abs(turn).sum(0) != 1).any() or (np.abs(turn).sum(1) != 1).any() or drift.max() > WHOLE_VOXEL * 2:
        raise StudyError(
            f"The mask {path} lies on another grid than its FLAIR.", "Save it with the FLAIR as reference geometry."
        )
    return turn.astype(int), start.astype(int)


def places_on_flair(path: Path, marked: np.ndarray, own: Grid, flair: Grid) -> np.ndarray:
    """Where the marked voxels (z, y, x) of a mask lie on the FLAIR's grid: (n, 3) int, x first, perhaps outside it.

    Raises:
        StudyError: the two do not lie on one lattice.
    """
    turn, start = steps_to_flair(path, own, flair)
    return np.argwhere(marked)[:, ::-1] @ turn.T + start


def fill_flair(path: Path, places: np.ndarray, flair: Grid) -> np.ndarray:
    """The mask (z, y, x) bool with these voxels of the FLAIR marked.

    Raises:
        StudyError: some lie outside the FLAIR.
    """
    inside = ((places >= 0) & (places < np.asarray(flair.size_xyz))).all(1)
    if not inside.all():
        raise StudyError(
            f"The mask {path} marks {int((~inside).sum())} voxels outside its FLAIR.",
            "Check that the mask belongs to this FLAIR.",
        )
    result = np.zeros(flair.shape, bool)
    result[tuple(places[:, ::-1].T)] = True
    return result
