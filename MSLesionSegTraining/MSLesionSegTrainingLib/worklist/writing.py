"""How files of a work list are written: signed, whole or not at all, and only by who holds the case."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.nifti import write_nifti

from .claims import CaseTaken, HeldClaim


def signed(who: str, seconds_spent: float) -> dict[str, Any]:
    """Who, when, with what, and how long."""
    return {
        "Annotator": who,
        "Time": datetime.now(UTC).isoformat(timespec="seconds"),
        "Tool": "MSLesionSegTraining",
        "ToolVersion": __version__,
        "SecondsSpent": round(float(seconds_spent), 1),
    }


@contextlib.contextmanager
def mine_or_apart(claim: HeldClaim, mask: sitk.Image) -> Iterator[None]:
    """Hold the claim within this block; keep the mask apart where the case was taken over.

    Raises:
        CaseTaken: it was; the message says where the mask lies.
        OutputError: something cannot be written.
    """
    try:
        with claim.mine():
            yield
    except CaseTaken as error:
        apart = claim.folder / f"kept_{uuid.uuid4().hex[:8]}_mask.nii.gz"
        put_image(apart, sitk.Cast(mask, sitk.sitkUInt8))
        raise CaseTaken(f"{error.message} Your mask lies in {apart}.", error.hint) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"The mask of {claim.folder.name} cannot be written: {reason}.", "Free some room.") from error


def put_image(path: Path, image: sitk.Image) -> None:
    """Write an image beside its place and put it there."""
    partial = path.with_name(f".{uuid.uuid4().hex}.partial.nii.gz")
    try:
        write_nifti(partial, image)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
