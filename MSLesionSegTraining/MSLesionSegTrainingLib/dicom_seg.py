"""Lesion masks as DICOM Segmentation objects: one file, a frame for each slice of each segment that has any voxel.

The object is described in DICOM PS3.3, A.51 "Segmentation IOD" and C.8.20 "Segmentation": frames come in any order and
slices without voxels may be missing, so each frame is placed by its own position.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from MSLesionSegLib.errors import DependencyError, StudyError
from MSLesionSegLib.grid import Grid

from .mask_lattice import fill_flair, places_on_flair
from .segments import Segment, choose_segments

if TYPE_CHECKING:
    from pydicom import Dataset

HALF = 0.5
"""A voxel of a fractional segment is marked from this occupancy or probability."""
SAME_SPACING_MM = 0.01
SEGMENTATION_STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes of segmentations: of one bit or share a voxel, and as label map."""


def check_dicom_seg(path: Path) -> None:
    """Read the header alone.

    Raises:
        StudyError: the file is no DICOM segmentation.
        DependencyError: pydicom is not installed.
    """
    _open(path, header_only=True)


def read_dicom_seg(path: Path, flair: Grid, names: Sequence[str] = ()) -> np.ndarray:
    """The lesion mask of a DICOM segmentation on the FLAIR's grid.

    Args:
        path: the file.
        flair: grid of the FLAIR that was annotated.
        names: labels of the segments to take; none named chooses as ``choose_segments`` does.

    Returns:
        (z, y, x) bool.

    Raises:
        StudyError: the file cannot be read, lies on another lattice, marks voxels outside the FLAIR, or lacks a segment
            that was named.
        DependencyError: pydicom is not installed.
    """
    dataset = _open(path)
    try:
        chosen = [segment.value for segment in choose_segments(path, _segments(dataset), names)]
        frames = _frames(dataset)
        groups = dataset.get("PerFrameFunctionalGroupsSequence", [])
        shared = dataset.get("SharedFunctionalGroupsSequence", [None])[0]
        if len(groups) < len(frames):
            raise ValueError("frames without a description")
        places = [np.zeros((0, 3), int)]
        for frame, group in zip(frames, groups, strict=False):
            marked = _marked(dataset, frame, group, shared, chosen)
            if marked.any():
                grid = _frame_grid(path, group, shared, frame.shape, flair)
                places.append(places_on_flair(path, marked[None], grid, flair))
    except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        # What pydicom raises over an element that is missing, empty, of another kind, or packed in an unknown way.
        raise StudyError(f"The DICOM segmentation {path} is damaged or incomplete.", "Export it again.") from error
    return fill_flair(path, np.concatenate(places), flair)


def _open(path: Path, *, header_only: bool = False) -> Dataset:
    try:
        import pydicom
        from pydicom.errors import InvalidDicomError
    except ImportError as error:
        raise DependencyError(
            f"The mask {path} is a DICOM segmentation, and the Python package 'pydicom', which reads it, is not "
            "installed.",
            'Try: pip install "mslesionseg[dicom]"',
        ) from error
    if not path.exists():
        raise StudyError(f"{path} does not exist.", "Check the name and the folder.")
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=header_only)
    except (InvalidDicomError, OSError, EOFError, ValueError, AttributeError, KeyError) as error:
        raise StudyError(f"The mask {path} cannot be read.", "Save it again.") from error
    if dataset.get("SOPClassUID") not in SEGMENTATION_STORAGE:
        raise StudyError(
            f"{path} is DICOM, but no segmentation (SOP class {dataset.get('SOPClassUID', 'unknown')}).",
            "Export the segmentation as DICOM SEG, or save it as .seg.nrrd.",
        )
    return dataset


def _segments(dataset: Dataset) -> list[Segment]:
    found = []
    for item in dataset.SegmentSequence:
        kind = item.get("SegmentedPropertyTypeCodeSequence", [None])[0]
        code = f"{kind.CodingSchemeDesignator}^{kind.CodeValue}" if kind is not None and "CodeValue" in kind else ""
        if int(item.SegmentNumber) > 0:  # 0 is the background of a label map
            found.append(Segment(str(item.get("SegmentLabel", "")), int(item.SegmentNumber), 0, code))
    return found


def _frames(dataset: Dataset) -> np.ndarray:
    """(frames, rows, columns)."""
    if "PixelData" not in dataset or not len(dataset.PixelData) or int(dataset.get("NumberOfFrames", 1)) == 0:
        return np.zeros((0, int(dataset.Rows), int(dataset.Columns)))
    return dataset.pixel_array.reshape(-1, int(dataset.Rows), int(dataset.Columns))


def _marked(
    dataset: Dataset, frame: np.ndarray, group: Dataset, shared: Dataset | None, chosen: list[int]
) -> np.ndarray:
    if dataset.SegmentationType == "LABELMAP":
        return np.isin(frame, chosen)
    if int(_item(group, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber) not in chosen:
        return np.zeros(frame.shape, bool)
    if dataset.SegmentationType == "FRACTIONAL":
        return frame >= HALF * int(dataset.MaximumFractionalValue)
    return frame != 0


def _frame_grid(path: Path, group: Dataset, shared: Dataset | None, shape: tuple[int, int], flair: Grid) -> Grid:
    """The grid of one frame; its third axis steps as the FLAIR does along it."""
    measures = _item(group, shared, "PixelMeasuresSequence")
    cosines = np.asarray(_item(group, shared, "PlaneOrientationSequence").ImageOrientationPatient, float).reshape(2, 3)
    position = _item(group, shared, "PlanePositionSequence").ImagePositionPatient
    normal = np.cross(*cosines)
    step = flair.spacing[int(np.argmax(np.abs(flair.axes.T @ normal)))]
    if abs(float(measures.get("SpacingBetweenSlices", step)) - step) > SAME_SPACING_MM:
        raise StudyError(
            f"The mask {path} lies on another grid than its FLAIR.", "Save it with the FLAIR as reference geometry."
        )
    rows, columns = (float(value) for value in measures.PixelSpacing)
    return Grid(
        (shape[1], shape[0], 1),
        (columns, rows, step),
        tuple(float(value) for value in position),
        tuple(np.stack([*cosines, normal], 1).ravel().tolist()),
    )


def _item(group: Dataset, shared: Dataset | None, name: str) -> Dataset:
    """A functional group of the frame, or the one that all frames share."""
    if name in group:
        return group[name][0]
    if shared is None:
        raise ValueError(f"no {name}")
    return shared[name][0]
