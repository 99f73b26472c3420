"""The unfinished mask of a case, which training does not see, and how far the review of its lesions was."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MSLesionSegLib.annotated_case import read_json, write_json
from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegLib.provenance import file_sha256

from .claims import CLAIM_FILE, HeldClaim
from .writing import mine_or_apart, put_image, signed

DRAFT_FILE = "draft_mask.nii.gz"
DRAFT_NUMBERS = "draft_lesions.nii.gz"
DRAFT_SIDECAR = "draft.json"
_REVIEW, _DIGEST = "Review", "LesionsSha256"


@dataclass(frozen=True)
class DraftReview:
    """How far a review was.

    Attributes:
        numbers: number of each voxel's lesion, int16, on the FLAIR's grid.
        values: plain values: threshold, smallest lesion, decisions.
    """

    numbers: sitk.Image
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Draft:
    """What was left of a case.

    Attributes:
        mask: 0 and 1 on the FLAIR's grid.
        who: the annotator.
        seconds_spent: on the case until then.
        review: None where none was kept, or it does not belong to this mask.
    """

    mask: sitk.Image
    who: str
    seconds_spent: float
    review: DraftReview | None = None


def save_draft(claim: HeldClaim, mask: sitk.Image, seconds_spent: float, review: DraftReview | None = None) -> Path:
    """Keep an unfinished mask.

    Args:
        claim: of the case.
        mask: 0 and 1 on the FLAIR's grid.
        seconds_spent: on the case so far.
        review: how far it is.

    Returns:
        the file it lies in.

    Raises:
        CaseTaken: the case was taken over; the mask then lies beside the other's draft, as the message says.
        OutputError: it cannot be written.
    """
    path = claim.folder / DRAFT_FILE
    with mine_or_apart(claim, mask):
        values = signed(claim.who, seconds_spent)
        if review is not None:
            put_image(claim.folder / DRAFT_NUMBERS, review.numbers)
            values[_REVIEW] = {**review.values, _DIGEST: file_sha256(claim.folder / DRAFT_NUMBERS)}
        write_json(claim.folder / DRAFT_SIDECAR, values)
        put_image(path, sitk.Cast(mask, sitk.sitkUInt8))
        os.utime(claim.folder / CLAIM_FILE)
    return path


def read_draft(folder: Path) -> Draft | None:
    """The draft of a case; None where there is none.

    Args:
        folder: of the case in the work list.

    Raises:
        StudyError: the mask cannot be read.
    """
    if not (folder / DRAFT_FILE).is_file():
        return None
    values = read_json(folder / DRAFT_SIDECAR)
    mask = read_nifti(folder / DRAFT_FILE)
    seconds = float(values.get("SecondsSpent", 0.0))
    return Draft(mask, str(values.get("Annotator", "")), seconds, _read_review(folder, values.get(_REVIEW)))


def remove_draft(folder: Path) -> None:
    """Take the draft away, as when its case is finished."""
    for name in (DRAFT_FILE, DRAFT_NUMBERS, DRAFT_SIDECAR):
        (folder / name).unlink(missing_ok=True)


def _read_review(folder: Path, values: Any) -> DraftReview | None:
    """The review that was written with the mask; None where a crash came between the two files."""
    path = folder / DRAFT_NUMBERS
    try:
        if not isinstance(values, dict) or values.get(_DIGEST) != file_sha256(path):
            return None
        return DraftReview(read_nifti(path), {name: value for name, value in values.items() if name != _DIGEST})
    except (OSError, MSLesionSegError):
        return None
