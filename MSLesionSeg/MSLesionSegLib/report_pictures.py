"""A small picture of each lesion, as PNG bytes: an axial piece of the FLAIR with all lesions outlined."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .lesions import bounding_box
from .overview_slices import planes_at

FIELD_MM = 64.0
PIXELS = 128
_THIS, _OTHER = (255, 74, 46), (70, 150, 255)


def lesion_pictures(flair: sitk.Image, labels: sitk.Image, brain: sitk.Image) -> dict[int, bytes]:
    """Draw every lesion, true in mm and in radiological convention (the patient's right is on the left).

    The slice is the one that holds most of the lesion; it is outlined in red, its neighbours in blue.

    Args:
        flair: 3D, any orientation and spacing.
        labels: numbered lesions on its grid.
        brain: brain mask on its grid; gives the grey window.

    Returns:
        Number of the lesion -> PNG file. Equal input gives equal bytes with one version of SimpleITK.
    """
    from .overview import grey_window

    upright = sitk.DICOMOrient(labels, "LPS")
    array = sitk.GetArrayViewFromImage(upright)
    centres = {}
    for number, box in enumerate(ndimage.find_objects(array), start=1):
        if box is not None:
            centres[number] = _middle(array[box] == number, box, upright)
    planes = planes_at(flair, np.array(list(centres.values())).reshape(-1, 3), FIELD_MM)
    low, high = grey_window(flair, brain)
    pictures = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lesion.png"
        for index, number in enumerate(centres):
            grey = (planes.sample(flair, index, (PIXELS, PIXELS), sitk.sitkLinear) - low) / (high - low)
            marked = planes.sample(labels, index, (PIXELS, PIXELS), sitk.sitkNearestNeighbor)
            sitk.WriteImage(sitk.GetImageFromArray(_coloured(grey, marked, number), isVector=True), str(file), True)
            pictures[number] = file.read_bytes()
    return pictures


def _middle(inside: np.ndarray, box: tuple[slice, ...], image: sitk.Image) -> np.ndarray:
    """Point (LPS, mm) in the middle of the lesion's part in the slice that holds most of it."""
    slice_index = int(inside.sum(axis=(1, 2)).argmax())
    y, x = np.argwhere(inside[slice_index]).mean(axis=0)
    index = (x + box[2].start, y + box[1].start, slice_index + box[0].start)
    return np.asarray(image.TransformContinuousIndexToPhysicalPoint([float(value) for value in index]))


def _coloured(grey: np.ndarray, marked: np.ndarray, number: int) -> np.ndarray:
    """(rows, columns, 3) uint8: the picture with the lesions' outlines."""
    picture = np.repeat((np.clip(grey, 0.0, 1.0) * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    for mask, colour in (((marked > 0) & (marked != number), _OTHER), (marked == number, _THIS)):
        if bounding_box(mask[None]) is not None:
            picture[ndimage.binary_dilation(mask) & ~mask] = colour
    return picture
