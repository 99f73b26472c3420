"""What of a case that nobody annotated may be trained on as without lesion: a label map beside the cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid, same_grid
from MSLesionSegLib.images import read_image

NO_LESION, UNSURE_PLACE, FALSE_LESION, SURE_LESION = 0, 1, 2, 3
"""Trained on as without lesion; left out of the loss; like the first, though a model listed a lesion that it doubts;
trained on as lesion, since a model is sure of it or a person painted it."""


def read_background(path: Path, flair: Grid) -> np.ndarray:
    """The labels of a background.

    Args:
        path: ``*_label-background_dseg.nii.gz``.
        flair: grid of the FLAIR, which is that of the labels.

    Returns:
        uint8 (z, y, x): ``NO_LESION``, ``UNSURE_PLACE``, ``FALSE_LESION`` or ``SURE_LESION``.

    Raises:
        StudyError: the file cannot be read, lies on another grid, or holds other values.
    """
    image = read_image(path)
    if not same_grid(image, flair):
        raise StudyError(f"The background {path} does not lie on the grid of its FLAIR.", _MAKE_AGAIN)
    labels = sitk.GetArrayFromImage(image)
    if not np.isin(labels, (NO_LESION, UNSURE_PLACE, FALSE_LESION, SURE_LESION)).all():
        raise StudyError(f"The background {path} holds other values than 0 to 3.", _MAKE_AGAIN)
    return labels.astype(np.uint8)


_MAKE_AGAIN = "Remove it, and make it again with `mslesionseg background`."
