"""What an annotator leaves of a case, each whole or not at all: drafts, the finished mask, a second reading.

Everything is written by whoever holds the case's claim, under the claim's lock; a mask of somebody whose case was taken
over is kept beside the draft of the other one and overwrites nothing.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MSLesionSegLib import __version__
from MSLesionSegLib.annotated_case import (
    FLAIR_HASH,
    CasePlace,
    flair_hash,
    one_writer,
    put_case,
    read_json,
    write_json,
)
from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.finish import MASK_FILE
from MSLesionSegLib.grid import same_grid
from MSLesionSegLib.images import read_image
from MSLesionSegLib.nifti import read_nifti, write_nifti
from MSLesionSegLib.provenance import read_provenance

from ..cases import MASK_ENDINGS, find_images
from . import PRESEGMENTED
from .agreement import agreement
from .claims import CLAIM_FILE, CaseTaken, HeldClaim

DRAFT_FILE = "draft_mask.nii.gz"
DRAFT_SIDECAR = "draft.json"
EXCLUDED_FILE = "excluded.json"
WRITER_S = 30.0
"""So long a save waits for another that writes into the same data set."""


def save_draft(claim: HeldClaim, mask: sitk.Image, seconds_spent: float) -> Path:
    """Keep an unfinished mask; training does not see it.

    Args:
        claim: of the case.
        mask: 0 and 1 on the FLAIR's grid.
        seconds_spent: on the case so far.

    Returns:
        the file it lies in.

    Raises:
        CaseTaken: the case was taken over; the mask then lies beside the other's draft, as the message says.
        OutputError: it cannot be written.
    """
    path = claim.folder / DRAFT_FILE
    with _told(claim, mask):
        _put_image(path, mask)
        write_json(claim.folder / DRAFT_SIDECAR, _signed(claim.who, seconds_spent))
        os.utime(claim.folder / CLAIM_FILE)
    return path


def finish_case(
    root: Path,
    claim: HeldClaim,
    mask: sitk.Image,
    seconds_spent: float,
    lesions: Mapping[str, int] | None = None,
    *,
    replace: bool = False,
) -> Path:
    """Put a finished mask into ``derivatives/annotations``, remove the draft and give the case back.

    Args:
        root: folder of the studies.
        claim: of the case.
        mask: 0 and 1 on the FLAIR's grid.
        seconds_spent: on the case in all.
        lesions: how many lesions were accepted, edited, rejected, and so on; None leaves that out.
        replace: put it in place of a finished mask; a second reading of that goes with it.

    Returns:
        the mask's file.

    Raises:
        CaseTaken: see `save_draft`.
        UsageError: the case has a finished mask, and it shall not be replaced.
        StudyError: the mask does not lie on the FLAIR's grid.
        OutputError: it cannot be written.
    """
    place = CasePlace.of(claim.folder.name)
    flair = _flair(root, place)
    _check_grid(mask, flair, place.name)
    result = root / PRESEGMENTED / place.name
    model_mask = read_nifti(result / MASK_FILE) if (result / MASK_FILE).is_file() else None
    sidecar = {**_signed(claim.who, seconds_spent), FLAIR_HASH: flair_hash(flair)}
    if lesions is not None:
        sidecar["Lesions"] = dict(lesions)
    if model_mask is not None:
        provenance = read_provenance(result) or {}
        sidecar["Model"] = provenance.get("models", {}).get("lesion", {})
        sidecar["DifferenceToModel"] = agreement(model_mask, mask)
    with _told(claim, mask):
        with one_writer(root, WRITER_S):
            if not replace:
                _check_unfinished(root, place)
            put_case(root, place, sidecar, mask, model_mask=model_mask)
        for name in (DRAFT_FILE, DRAFT_SIDECAR, EXCLUDED_FILE):
            (claim.folder / name).unlink(missing_ok=True)
    claim.release()
    return place.annotation(root) / place.mask_name()


def add_second_reading(root: Path, claim: HeldClaim, mask: sitk.Image, seconds_spent: float) -> dict[str, Any]:
    """Keep the mask of a second reader beside the annotation, which stays as it is, and give the case back.

    Args:
        root, claim, mask, seconds_spent: as for `finish_case`.

    Returns:
        the agreement (see ``agreement.agreement``; the annotation is the first mask).

    Raises:
        UsageError: the case has no finished mask, the second reader is its annotator, or another person was it already.
        CaseTaken, StudyError, OutputError: as for `finish_case`.
    """
    place = CasePlace.of(claim.folder.name)
    folder = place.annotation(root)
    first = folder / place.mask_name()
    if not first.is_file():
        raise UsageError(f"{place.name} has no finished mask ({first}).", "Finish the case first.")
    if read_json(first.with_name(first.name.replace(".nii.gz", ".json"))).get("Annotator") == claim.who:
        raise UsageError(f"{claim.who} has annotated {place.name}.", "Let another person read it a second time.")
    second = folder / place.mask_name("second")
    sidecar = second.with_name(second.name.replace(".nii.gz", ".json"))
    earlier = read_json(sidecar).get("Annotator", claim.who)
    if earlier != claim.who:
        raise UsageError(f"{earlier} has read {place.name} a second time already.", "Choose another case.")
    _check_grid(mask, _flair(root, place), place.name)
    agreed = agreement(read_nifti(first), mask)
    with _told(claim, mask), one_writer(root, WRITER_S):
        sidecar.unlink(missing_ok=True)
        _put_image(second, mask)
        write_json(sidecar, {**_signed(claim.who, seconds_spent), "Agreement": agreed})
    claim.release()
    return agreed


def exclude_case(claim: HeldClaim, reason: str) -> None:
    """Take a case out of the work, with a reason, and give it back; `include_case` brings it in again.

    Raises:
        UsageError: no reason.
        CaseTaken, OutputError: as for `save_draft`.
    """
    if not reason.strip():
        raise UsageError("The reason is missing.", "Say in a few words why the case is left out.")
    with claim.mine():
        write_json(claim.folder / EXCLUDED_FILE, {**_signed(claim.who, 0.0), "Reason": reason.strip()})
    claim.release()


def include_case(claim: HeldClaim) -> None:
    """Take back an exclusion; the claim stays."""
    with claim.mine():
        (claim.folder / EXCLUDED_FILE).unlink(missing_ok=True)


def _check_unfinished(root: Path, place: CasePlace) -> None:
    folder = place.annotation(root)
    found = [path for path in folder.glob("*_mask*") if path.name.endswith(MASK_ENDINGS)] if folder.is_dir() else []
    if found:
        sidecar = read_json(folder / place.mask_name().replace(".nii.gz", ".json"))
        by = f" by {sidecar['Annotator']}" if sidecar.get("Annotator") else ""
        raise UsageError(f"{place.name} was finished{by} already.", "Read it a second time, or replace that mask.")


def _signed(who: str, seconds_spent: float) -> dict[str, Any]:
    return {
        "Annotator": who,
        "Time": datetime.now(UTC).isoformat(timespec="seconds"),
        "Tool": "MSLesionSegTraining",
        "ToolVersion": __version__,
        "SecondsSpent": round(float(seconds_spent), 1),
    }


@contextlib.contextmanager
def _told(claim: HeldClaim, mask: sitk.Image) -> Iterator[None]:
    """Hold the claim; keep the mask apart where the case was taken over; say what cannot be written."""
    try:
        with claim.mine():
            yield
    except CaseTaken as error:
        apart = claim.folder / f"kept_{uuid.uuid4().hex[:8]}_mask.nii.gz"
        _put_image(apart, mask)
        raise CaseTaken(f"{error.message} Your mask lies in {apart}.", error.hint) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"The mask of {claim.folder.name} cannot be written: {reason}.", "Free some room.") from error


def _put_image(path: Path, image: sitk.Image) -> None:
    """Write a mask beside its place and put it there."""
    partial = path.with_name(f".{uuid.uuid4().hex}.partial.nii.gz")
    try:
        write_nifti(partial, sitk.Cast(image, sitk.sitkUInt8))
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _flair(root: Path, place: CasePlace) -> sitk.Image:
    images, problems = find_images(place.name, root / place.inner / "anat")
    if "FLAIR" not in images:
        raise StudyError(problems[0].message, problems[0].hint)
    return read_image(images["FLAIR"])


def _check_grid(mask: sitk.Image, flair: sitk.Image, case: str) -> None:
    if not same_grid(mask, flair):
        raise StudyError(f"The mask of {case} does not lie on the grid of its FLAIR.", "Draw it on the FLAIR.")
