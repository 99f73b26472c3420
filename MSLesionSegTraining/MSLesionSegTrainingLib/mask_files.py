"""Lesion masks as annotators leave them: NIfTI and NRRD label maps, and Slicer's segmentations (``.seg.nrrd``).

The segmentation format is described in Slicer's developer guide, "Segmentations", section "Segmentation labelmap file
format": segments that overlap lie in layers (the components of a voxel here), each segment has a label value in its
layer; an image of a single voxel stands for no segment or empty ones, and its geometry means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.itk_quiet import itk_quiet

LESION_CODE = "SCT^52988006"
"""SNOMED CT "Lesion", as it stands in a segment's terminology entry."""
_SAVE_AGAIN = "Save the segmentation again."
WHOLE_VOXEL = 0.01
"""A mask's voxels may lie this part of a voxel off those of the FLAIR."""


@dataclass(frozen=True)
class Segment:
    """One segment of a segmentation file.

    Attributes:
        name: as the annotator sees it.
        value: label value in its layer.
        layer: component of the voxels.
        terminology: entry as Slicer writes it, or empty.
    """

    name: str
    value: int
    layer: int
    terminology: str


def read_mask(path: Path, flair: Grid, *, segments: Sequence[str] = ()) -> np.ndarray:
    """The lesion mask of a file, put on the FLAIR's grid voxel by voxel; nothing is interpolated.

    Args:
        path: ``.nii``, ``.nii.gz``, ``.nrrd``, ``.mha`` label map of 0 and 1, or ``.seg.nrrd``.
        flair: grid of the FLAIR. The mask may cover another extent of the same lattice.
        segments: names of the segments to take. None named takes those whose terminology says lesion, or, where no
            segment says so, all.

    Returns:
        (z, y, x) bool.

    Raises:
        StudyError: the file cannot be read, lies on another lattice, marks voxels outside the FLAIR, holds other values
            than 0 and 1, or lacks a segment that was named.
    """
    image = _read(path)
    try:
        found = list_segments(image)
    except ValueError as error:
        raise StudyError(f"The header of {path} describes its segments wrongly: {error}.", _SAVE_AGAIN) from error
    if image.GetNumberOfPixels() == 1:
        return np.zeros(flair.shape, bool)
    voxels = sitk.GetArrayFromImage(image)
    if found or path.name.endswith(".seg.nrrd"):
        chosen = _chosen(path, found, segments)
        if any(not 0 <= segment.layer < image.GetNumberOfComponentsPerPixel() for segment in chosen):
            raise StudyError(f"The header of {path} names layers that it does not hold.", _SAVE_AGAIN)
        marked = _marked(voxels, chosen)
    else:
        marked = _zero_or_one(path, voxels)
    return _on_flair(path, marked, Grid.of(image), flair)


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


def _chosen(path: Path, found: list[Segment], names: Sequence[str]) -> list[Segment]:
    missing = [name for name in names if name not in {segment.name for segment in found}]
    if missing:
        there = ", ".join(segment.name for segment in found) or "none"
        raise StudyError(f"{path} has no segment {missing[0]!r}.", f"Its segments are: {there}.")
    if names:
        return [segment for segment in found if segment.name in names]
    return [segment for segment in found if LESION_CODE in segment.terminology] or found


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


def _on_flair(path: Path, marked: np.ndarray, own: Grid, flair: Grid) -> np.ndarray:
    """Copy to the FLAIR's grid; axes may be stored in another order or direction."""
    to_flair = np.linalg.solve(flair.steps, own.steps)
    turn = np.rint(to_flair)
    offset = np.linalg.solve(flair.steps, np.asarray(own.origin) - np.asarray(flair.origin))
    start = np.rint(offset)
    reach = np.asarray(own.size_xyz)
    drift = np.abs(to_flair - turn) @ reach + np.abs(offset - start)
    if (np.abs(turn).sum(0) != 1).any() or (np.abs(turn).sum(1) != 1).any() or drift.max() > WHOLE_VOXEL * 2:
        raise StudyError(
            f"The mask {path} lies on another grid than its FLAIR.", "Save it with the FLAIR as reference geometry."
        )
    places = np.argwhere(marked)[:, ::-1] @ turn.T.astype(int) + start.astype(int)
    inside = ((places >= 0) & (places < np.asarray(flair.size_xyz))).all(1)
    if not inside.all():
        raise StudyError(
            f"The mask {path} marks {int((~inside).sum())} voxels outside its FLAIR.",
            "Check that the mask belongs to this FLAIR.",
        )
    result = np.zeros(flair.shape, bool)
    result[tuple(places[:, ::-1].T)] = True
    return result
