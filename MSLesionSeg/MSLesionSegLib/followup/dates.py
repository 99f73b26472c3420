"""The result of one date, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import StudyError, UsageError
from ..finish import BRAIN_FILE, FLAIR_FILE, MASK_FILE, PROBABILITY_FILE
from ..nifti import read_nifti
from ..provenance import file_sha256, read_provenance

READ_FILES = (FLAIR_FILE, PROBABILITY_FILE, BRAIN_FILE, MASK_FILE)


@dataclass(frozen=True)
class Date:
    """One date of a patient.

    Attributes:
        folder: a result of ``segment``.
        record: its provenance.
        hashes: file name -> SHA-256, in the order of ``READ_FILES``.
        flair: float32.
        probability, brain, mask: on the FLAIR's grid.
    """

    folder: Path
    record: dict[str, Any]
    hashes: dict[str, str]
    flair: sitk.Image
    probability: sitk.Image
    brain: sitk.Image
    mask: sitk.Image

    @property
    def content(self) -> tuple[str, ...]:
        """What the date is ordered by: hashes of its files, never its place, name or time."""
        return tuple(self.hashes.values())

    @property
    def lesion_ml(self) -> float:
        """Volume of the mask, mL."""
        voxels = np.count_nonzero(sitk.GetArrayViewFromImage(self.mask))
        return round(float(voxels * np.prod(self.mask.GetSpacing())) / 1000.0, 4)


def read_date(folder: Path) -> Date:
    """Read a result of ``segment``.

    Raises:
        UsageError: the folder holds no such result.
        StudyError: a file of it is missing, damaged, or was changed after it was written.
    """
    record = read_provenance(folder)
    if record is None or PROBABILITY_FILE not in record["outputs"]:
        raise UsageError(f"{folder} holds no result of `segment`.", "Name a folder that `segment` has written.")
    hashes = {}
    for name in READ_FILES:
        path = folder / name
        if not path.is_file():
            raise StudyError(f"{path} is missing.", "Segment the study again.")
        hashes[name] = file_sha256(path)
        if hashes[name] != record["outputs"][name]:
            raise StudyError(f"{path} was changed after it was written.", "Segment the study again.")
    flair, probability, brain, mask = (read_nifti(folder / name) for name in READ_FILES)
    return Date(folder, record, hashes, sitk.Cast(flair, sitk.sitkFloat32), probability, brain, mask)
