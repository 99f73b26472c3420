"""One image in two files, also where header, order of axes or scale of intensities differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

QUANTILES = np.linspace(0.0, 1.0, 64)[1:-1]
TOLERANCE = 1e-5
"""Of the range of intensities; float32 and a changed scale move a quantile by less."""


class SeenImages:
    """Images seen so far, each by the number of its voxels and the quantiles of their intensities."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, ...], list[tuple[np.ndarray, Path]]] = {}

    def same_as(self, image: sitk.Image, path: Path) -> Path | None:
        """The file that held the same image, or None; the image counts as seen from now on.

        Images that are not the same differ in some quantile by far more than the tolerance, since it is a
        hundred-thousandth of the range.
        """
        own = intensity_print(image)
        alike = self._seen.setdefault(tuple(sorted(image.GetSize())), [])
        for other, file in alike:
            if np.abs(other - own).max() <= TOLERANCE:
                return file
        alike.append((own, path))
        return None


def intensity_print(image: sitk.Image) -> np.ndarray:
    """Quantiles of the intensities above the least, 0 at the least and 1 at the largest, shape (62,).

    The same for the same voxels in any order and on any scale of intensities.
    """
    values = np.sort(sitk.GetArrayViewFromImage(image), axis=None).astype(np.float64)
    low, high = values[0], values[-1]
    above = values[np.searchsorted(values, low, side="right") :]
    if not above.size:
        return np.zeros(len(QUANTILES))
    return (above[np.rint(QUANTILES * (above.size - 1)).astype(int)] - low) / (high - low)
