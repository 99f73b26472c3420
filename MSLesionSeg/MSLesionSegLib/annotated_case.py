"""A case of a data set of annotated cases (docs/formats.md), as annotators write it: whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from . import __version__
from .errors import OutputError
from .folder_lock import FolderLock
from .nifti import write_nifti

ANNOTATIONS = Path("derivatives") / "annotations"
DESCRIPTION = "dataset_description.json"
TITLE = "Multiple-sclerosis lesions corrected in 3D Slicer"
FLAIR_HASH = "FlairSha256"
_STAGING = ".annotated-"
_BEFORE = ".anat-before"


@dataclass(frozen=True)
class CasePlace:
    """Where a case lies in a data set.

    Attributes:
        patient: ``sub-XX``.
        session: ``ses-Y``, or empty.
    """

    patient: str
    session: str = ""

    @property
    def inner(self) -> Path:
        """Its folder, relative to the data set and to each derivative."""
        return Path(self.patient, self.session) if self.session else Path(self.patient)

    @property
    def name(self) -> str:
        """``sub-XX`` or ``sub-XX_ses-Y``, with which its files begin."""
        return "_".join(self.inner.parts)

    @classmethod
    def of(cls, name: str) -> CasePlace:
        """The place of the case of that name."""
        patient, _, session = name.partition("_")
        return cls(patient, session)

    def annotation(self, root: Path) -> Path:
        """The folder of its masks."""
        return root / ANNOTATIONS / self.inner / "anat"

    def mask_name(self, description: str = "") -> str:
        """File name of its mask; with a description that of another reader's or of the model's."""
        return f"{self.name}_label-lesion_{f'desc-{description}_' if description else ''}mask.nii.gz"


@contextlib.contextmanager
def one_writer(root: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Within this block no other process writes into the data set, which is made if missing.

    Args:
        root: folder of the data set.
        wait_s: how long to wait for another process that writes.

    Raises:
        OutputError: another process writes.
        OSError: the folder cannot be made.
    """
    root.mkdir(parents=True, exist_ok=True)
    with held(FolderLock(root / ".annotations.lock"), root, wait_s):
        _recover(root)
        yield


@contextlib.contextmanager
def held(lock: FolderLock, folder: Path, wait_s: float) -> Iterator[None]:
    """Hold a lock within this block; wait for it so many seconds.

    Raises:
        OutputError: another process holds it all the time.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            lock.acquire(folder)
            break
        except OutputError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.release()


def put_case(
    root: Path,
    place: CasePlace,
    sidecar: Mapping[str, Any],
    mask: sitk.Image,
    *,
    model_mask: sitk.Image | None = None,
    images: Mapping[str, sitk.Image] | None = None,
) -> None:
    """Write the annotation of a case in place of an earlier one, and its images where they are new.

    Args:
        root: folder of the data set, held by :func:`one_writer`.
        place: of the case.
        sidecar: plain values of the JSON file beside the mask; ``ModelMask`` is added where there is one.
        mask: of the reader, 0 and 1, on the FLAIR's grid.
        model_mask: of the model, likewise.
        images: FLAIR, T1w, T2w -> image, of a case that the data set does not hold yet.

    Raises:
        OSError: it cannot be written; an earlier annotation stays.
    """
    values = dict(sidecar)
    describe_data_set(root)
    with tempfile.TemporaryDirectory(dir=root, prefix=_STAGING) as temporary:
        new_masks = Path(temporary, "masks")
        new_masks.mkdir()
        write_nifti(new_masks / place.mask_name(), mask)
        if model_mask is not None:
            values["ModelMask"] = place.mask_name("model")
            write_nifti(new_masks / values["ModelMask"], model_mask)
        write_json(new_masks / place.mask_name().replace(".nii.gz", ".json"), values)
        if images:
            put_images(root, place, images)
        _move_in(new_masks, place.annotation(root))


def put_images(root: Path, place: CasePlace, images: Mapping[str, sitk.Image]) -> None:
    """Write the images of a case that the data set does not hold yet; all of them, or none.

    Args:
        root: folder of the data set, held by :func:`one_writer`.
        place: of the case.
        images: FLAIR, T1w, T2w -> image.

    Raises:
        OSError: they cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=root, prefix=_STAGING) as temporary:
        new = Path(temporary, "images")
        new.mkdir()
        for contrast, image in images.items():
            write_nifti(new / f"{place.name}_{contrast}.nii.gz", image)
        _move_in(new, root / place.inner / "anat")


def describe_data_set(root: Path) -> None:
    """``dataset_description.json`` of the data set and of its annotations, where there is none."""
    common = {"Name": TITLE, "BIDSVersion": "1.10.0"}
    made = {"GeneratedBy": [{"Name": "MSLesionSeg in 3D Slicer", "Version": __version__}]}
    for path, values in (
        (root / DESCRIPTION, {**common, "DatasetType": "raw"}),
        (root / ANNOTATIONS / DESCRIPTION, {**common, "DatasetType": "derivative", **made}),
    ):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, values)


def flair_hash(image: sitk.Image) -> str:
    """SHA-256 of the voxels as float32 with the axes turned to LPS: pixel type and order of axes do not matter."""
    turned = sitk.DICOMOrient(sitk.Cast(image, sitk.sitkFloat32), "LPS")
    return hashlib.sha256(sitk.GetArrayViewFromImage(turned)).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none that can be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write an object as JSON, whole or not at all."""
    write_whole(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside its place and put it there; several processes may do so at once, the last one stays."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _move_in(new: Path, target: Path) -> None:
    """Put a finished folder into its place; one that is there goes first aside, then away."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(_BEFORE)
    if target.exists():
        os.replace(target, aside)
    try:
        os.replace(new, target)
    except OSError:
        if aside.exists():
            os.replace(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _recover(root: Path) -> None:
    """Put back what a killed process had put aside, and remove what it left half-written."""
    for depth in ("sub-*", "sub-*/ses-*"):
        for aside in (root / ANNOTATIONS).glob(f"{depth}/{_BEFORE}"):
            if not (aside.parent / "anat").exists():
                os.replace(aside, aside.parent / "anat")
            shutil.rmtree(aside, ignore_errors=True)
    for left in root.glob(f"{_STAGING}*"):
        shutil.rmtree(left, ignore_errors=True)
