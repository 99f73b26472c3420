"""Where the windows of a sliding-window prediction lie, how large they are, and how much each voxel of them counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

#: Windows begin and end on multiples of the networks' coarsest stride away from the trained size.
STEP = 16
#: A window is at most this many times as long as the trained patch, along each axis.
MAX_GROWTH = 1.25
#: Standard deviation of the importance weights, as a share of the window's length.
SIGMA_SHARE = 0.125


@dataclass(frozen=True)
class Box:
    """A box of voxels, (z, y, x); it may reach beyond the image.

    Attributes:
        start: first voxel.
        size: number of voxels.
    """

    start: tuple[int, int, int]
    size: tuple[int, int, int]


def brain_box(brain: np.ndarray, margin: int) -> Box | None:
    """Bounding box of a mask, wider by a margin on each side, not cut at the image's border.

    Args:
        brain: (z, y, x) bool.
        margin: voxels.

    Returns:
        The box, or None where the mask is empty.
    """
    start, size = [], []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        inside = np.flatnonzero(brain.any(axis=others))
        if inside.size == 0:
            return None
        start.append(int(inside[0]) - margin)
        size.append(int(inside[-1] - inside[0]) + 1 + 2 * margin)
    return Box(tuple(start), tuple(size))


def window_starts(length: int, window: int, overlap: float) -> list[int]:
    """Evenly spaced starts of the fewest windows that cover a length and overlap at least as much as asked.

    Args:
        length: voxels to cover.
        window: voxels of one window; where larger than the length, one window is centred on it (a negative start).
        overlap: smallest share of a window that it shares with the next, 0 to below 1.

    Returns:
        Starts in ascending order.
    """
    room = length - window
    if room <= 0:
        return [room // 2]
    steps = math.ceil(room / max(1.0, window * (1.0 - overlap)))
    return [round(index * room / steps) for index in range(steps + 1)]


def window_length(length: int, patch: int, overlap: float) -> int:
    """Length of the windows along one axis: the trained patch, or a little more where that saves work.

    The work is the number of windows times their size, a product over the axes, so each axis is chosen by itself.
    Longer windows see more context and have fewer seams, but instance normalisation and squeeze-and-excitation take
    their statistics from the window, so the length stays within 1.25 times the trained one; never shorter, since the
    smallest windows would have the least certain statistics. Of equal work the shorter window is taken.

    Args:
        length: voxels to cover.
        patch: trained length, voxels.
        overlap: as in ``window_starts``.

    Returns:
        ``patch`` plus a multiple of 16.
    """
    candidates = range(patch, math.floor(patch * MAX_GROWTH) + 1, STEP)
    return min(candidates, key=lambda window: (len(window_starts(length, window, overlap)) * window, window))


def importance(length: int) -> np.ndarray:
    """Importance weights of a window along one axis; the weight of a voxel is the product over the axes.

    A Gaussian about the window's centre with a standard deviation of 1/8 of its length, as in nnU-Net (Isensee et al.,
    *Nature Methods* 18, 203-211, 2021, doi 10.1038/s41592-020-01008-z), since predictions are less sure towards the
    window's border.

    Args:
        length: voxels.

    Returns:
        (length,) float32, above 0, at most 1.
    """
    offset = np.arange(length, dtype=np.float64) - (length - 1) / 2
    return np.exp(-0.5 * (offset / (SIGMA_SHARE * length)) ** 2).astype(np.float32)


@dataclass(frozen=True)
class WindowPlan:
    """The windows of one prediction.

    Attributes:
        size: (z, y, x) voxels of each window.
        starts: for each axis the starts of the windows, relative to the image; the windows are all combinations.
    """

    size: tuple[int, int, int]
    starts: tuple[list[int], list[int], list[int]]

    @property
    def extent(self) -> Box:
        """The box that all windows together cover; it may reach beyond the image."""
        start = tuple(starts[0] for starts in self.starts)
        size = tuple(s[-1] + length - s[0] for s, length in zip(self.starts, self.size, strict=True))
        return Box(start, size)

    def windows(self) -> list[tuple[int, int, int]]:
        """Start of every window, (z, y, x), in ascending order."""
        return list(product(*self.starts))

    def total_weight(self, axis: int) -> np.ndarray:
        """Sum of the importance weights of all windows along one axis.

        Windows are all combinations of their starts and weights are products over the axes, so the total weight of a
        voxel is the product of three such sums and needs no volume of its own.

        Args:
            axis: 0 (z), 1 (y) or 2 (x).

        Returns:
            (n,) float32 over ``extent``, above 0.
        """
        starts, length = self.starts[axis], self.size[axis]
        total = np.zeros(self.extent.size[axis], np.float64)
        for start in starts:
            total[start - starts[0] : start - starts[0] + length] += importance(length)
        return total.astype(np.float32)


def plan_windows(box: Box, patch: tuple[int, int, int], overlap: float) -> WindowPlan:
    """Choose size and starts of the windows that cover a box.

    Args:
        box: the region to cover.
        patch: trained window, (z, y, x) voxels.
        overlap: smallest share of a window that it shares with the next along an axis.
    """
    size = tuple(window_length(length, edge, overlap) for length, edge in zip(box.size, patch, strict=True))
    starts = tuple(
        [first + start for start in window_starts(length, window, overlap)]
        for first, length, window in zip(box.start, box.size, size, strict=True)
    )
    return WindowPlan(size, starts)
