"""Lesion masks as annotators leave them: NIfTI and NRRD label maps, Slicer's segmentations (``.seg.nrrd``), DICOM SEG.

The segmentation format is described in Slicer's developer guide, "Segmentations", section "Segmentation labelmap file
format": segments that overlap lie in layers (the components of a voxel here), each segment has a label value in its
layer; an image of a single voxel stands for no segment or empty ones, and its geometry means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.itk_quiet import itk_quiet

from .dicom_seg import read_dicom_seg
from .mask_lattice import fill_flair, places_on_flair
from .segments import Segment, choose_segments

_SAVE_AGAIN = "Save the segmentation again."


def read_mask(path: Path, flair: Grid, *, segments: Sequence[str] = ()) -> np.ndarray:
    """The lesion mask of a file, put on the FLAIR's grid voxel by voxel; nothing is interpolated.

    Args:
        path: ``.nii``, ``.nii.gz``, ``.nrrd``, ``.mha`` label map of 0 and 1, ``.seg.nrrd``, or ``.dcm``.
        flair: grid of the FLAIR. The mask may cover another extent of the same lattice.
        segments: names of the segments to take. None named takes those whose terminology says lesion, or, where no
            segment says so, all.

    Returns:
        (z, y, x) bool.

    Raises:
        StudyError: the file cannot be read, lies on another lattice, marks voxels outside the FLAIR, holds other values
            than 0 and 1, or lacks a segment that was named.
        DependencyError: the file is DICOM, and pydicom is not installed.
    """
    if path.suffix == ".dcm":
        return read_dicom_seg(path, flair, segments)
    image = _read(path)
    try:
        found = list_segments(image)
    except ValueError as error:
        raise StudyError(f"The header of {path} describes its segments wrongly: {error}.", _SAVE_AGAIN) from error
    if image.GetNumberOfPixels() == 1:
        return np.zeros(flair.shape, bool)
    voxels = sitk.GetArrayFromImage(image)
    if found or path.name.endswith(".seg.nrrd"):
        chosen = choose_segments(path, found, segments)
        if any(not 0 <= segment.layer < image.GetNumberOfComponentsPerPixel() for segment in chosen):
            raise StudyError(f"The header of {path} names layers that it does not hold.", _SAVE_AGAIN)
        marked = _marked(voxels, chosen)
    else:
        marked = _zero_or_one(path, voxels)
    return fill_flair(path, places_on_flair(path, marked, Grid.of(image), flair), flair)


def list_segments(image: sitk.Image) -> list[Segment]:
    """The segments that an image's header describes, in their order; none for a plain label map."""
    keys = set(image.GetMetaDataKeys())

    def text(number: int, field: str, otherwise: str) -> str:
        key = f"Segment{number}_{field}"
        return image.GetMetaData(key).strip() if key in keys else otherwise

    segments = []
    while f"Segment{len(segments)}_ID" in keys:
        number = len(segments)
        tags = dict(tag.partition(":")[::2] for tag in text(number, "Tags", "").split("|"))
        segments.append(
            Segment(
                text(number, "Name", text(number, "ID", "")),
                int(text(number, "LabelValue", "1")),
                int(text(number, "Layer", "0")),
                tags.get("TerminologyEntry", ""),
            )
        )
    return segments


def _read(path: Path) -> sitk.Image:
    try:
        with itk_quiet():
            return sitk.ReadImage(str(path))
    except RuntimeError as error:
        if not path.exists():
            raise StudyError(f"{path} does not exist.", "Check the name and the folder.") from error
        raise StudyError(f"The mask {path} cannot be read.", "Save it again.") from error


def _marked(voxels: np.ndarray, segments: list[Segment]) -> np.ndarray:
    layers = voxels if voxels.ndim == 4 else voxels[..., None]
    marked = np.zeros(layers.shape[:3], bool)
    for segment in segments:
        marked |= layers[..., segment.layer] == segment.value
    return marked


def _zero_or_one(path: Path, voxels: np.ndarray) -> np.ndarray:
    if voxels.ndim != 3:
        raise StudyError(f"The mask {path} is not a 3D label map.", "Save one 3D mask of 0 and 1.")
    others = np.setdiff1d(np.unique(voxels), (0, 1))
    if others.size:
        shown = ", ".join(f"{value:g}" for value in others[:5])
        more = f" and {others.size - 5} more" if others.size > 5 else ""
        raise StudyError(f"The mask {path} holds the values {shown}{more} beside 0 and 1.", "Save a mask of 0 and 1.")
    return voxels != 0
