"""The segments of a segmentation file, and which of them are lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import StudyError

LESION_CODE = "SCT^52988006"
"""SNOMED CT "Lesion", as it stands in a segment's terminology entry."""


@dataclass(frozen=True)
class Segment:
    """One segment of a segmentation file.

    Attributes:
        name: as the annotator sees it.
        value: label value in its layer; the segment's number in DICOM.
        layer: component of the voxels; always 0 in DICOM.
        terminology: entry as Slicer writes it, ``SCHEME^CODE`` from DICOM, or empty.
    """

    name: str
    value: int
    layer: int
    terminology: str


def choose_segments(path: Path, found: Sequence[Segment], names: Sequence[str]) -> list[Segment]:
    """The segments named; without names those whose terminology says lesion, or, where none says so, all.

    Raises:
        StudyError: a segment that was named is not there.
    """
    missing = [name for name in names if name not in {segment.name for segment in found}]
    if missing:
        there = ", ".join(segment.name for segment in found) or "none"
        raise StudyError(f"{path} has no segment {missing[0]!r}.", f"Its segments are: {there}.")
    if names:
        return [segment for segment in found if segment.name in names]
    return [segment for segment in found if LESION_CODE in segment.terminology] or list(found)
