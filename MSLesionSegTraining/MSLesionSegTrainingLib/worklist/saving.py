"""What an annotator leaves of a case, each whole or not at all: the finished mask, a second reading, an exclusion.

Everything is written by whoever holds the case's claim, under the claim's lock; a mask of somebody whose case was taken
over is kept beside the draft of the other one and overwrites nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MSLesionSegLib.annotated_case import FLAIR_HASH, CasePlace, flair_hash, one_writer, put_case, read_json, write_json
from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.finish import MASK_FILE
from MSLesionSegLib.grid import same_grid
from MSLesionSegLib.images import read_image
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegLib.provenance import read_provenance

from ..cases import MASK_ENDINGS, find_images
from . import PRESEGMENTED
from .agreement import agreement
from .claims import HeldClaim
from .drafts import remove_draft
from .writing import mine_or_apart, put_image, signed

EXCLUDED_FILE = "excluded.json"
WRITER_S = 30.0
"""So long a save waits for another that writes into the same data set."""


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
        CaseTaken: see ``drafts.save_draft``.
        UsageError: the case has a finished mask, and it shall not be replaced.
        StudyError: the mask does not lie on the FLAIR's grid.
        OutputError: it cannot be written.
    """
    place = CasePlace.of(claim.folder.name)
    flair = _flair(root, place)
    _check_grid(mask, flair, place.name)
    result = root / PRESEGMENTED / place.name
    model_mask = read_nifti(result / MASK_FILE) if (result / MASK_FILE).is_file() else None
    sidecar = {**signed(claim.who, seconds_spent), FLAIR_HASH: flair_hash(flair)}
    if lesions is not None:
        sidecar["Lesions"] = dict(lesions)
    if model_mask is not None:
        provenance = read_provenance(result) or {}
        sidecar["Model"] = provenance.get("models", {}).get("lesion", {})
        sidecar["DifferenceToModel"] = agreement(model_mask, mask)
    with mine_or_apart(claim, mask):
        with one_writer(root, WRITER_S):
            if not replace:
                _check_unfinished(root, place)
            put_case(root, place, sidecar, mask, model_mask=model_mask)
        remove_draft(claim.folder)
        (claim.folder / EXCLUDED_FILE).unlink(missing_ok=True)
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
    with mine_or_apart(claim, mask), one_writer(root, WRITER_S):
        sidecar.unlink(missing_ok=True)
        put_image(second, sitk.Cast(mask, sitk.sitkUInt8))
        write_json(sidecar, {**signed(claim.who, seconds_spent), "Agreement": agreed})
        remove_draft(claim.folder)
    claim.release()
    return agreed


def exclude_case(claim: HeldClaim, reason: str) -> None:
    """Take a case out of the work, with a reason, and give it back; `include_case` brings it in again.

    Raises:
        UsageError: no reason.
        CaseTaken, OutputError: as for ``drafts.save_draft``.
    """
    if not reason.strip():
        raise UsageError("The reason is missing.", "Say in a few words why the case is left out.")
    with claim.mine():
        write_json(claim.folder / EXCLUDED_FILE, {**signed(claim.who, 0.0), "Reason": reason.strip()})
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


def _flair(root: Path, place: CasePlace) -> sitk.Image:
    images, problems = find_images(place.name, root / place.inner / "anat")
    if "FLAIR" not in images:
        raise StudyError(problems[0].message, problems[0].hint)
    return read_image(images["FLAIR"])


def _check_grid(mask: sitk.Image, flair: sitk.Image, case: str) -> None:
    if not same_grid(mask, flair):
        raise StudyError(f"The mask of {case} does not lie on the grid of its FLAIR.", "Draw it on the FLAIR.")
