"""A reviewed study as a case of a data set of annotated cases, for training (docs/formats.md)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import slicer

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.folder_lock import FolderLock
from MSLesionSegLib.itk_quiet import itk_quiet
from MSLesionSegLib.nifti import write_nifti
from MSLesionSegLib.study import CONTRASTS

from .export import decision_counts, segment_image, up_to_date
from .lesion_segments import MODEL_SEGMENT, READER_SEGMENT
from .review import Review
from .state import ModuleState
from .volumes import node_to_image

ANNOTATIONS = Path("derivatives") / "annotations"
DESCRIPTION = "dataset_description.json"
TITLE = "Multiple-sclerosis lesions corrected in 3D Slicer"
KEY_COLUMNS = ("participant_id", "session_id", "original", "original_date")
_HASH = "FlairSha256"


@dataclass(frozen=True)
class _Place:
    """Where a case lies: ``sub-XX`` and perhaps ``ses-Y``."""

    patient: str
    session: str = ""

    @property
    def inner(self) -> Path:
        return Path(self.patient, self.session) if self.session else Path(self.patient)

    @property
    def name(self) -> str:
        return "_".join(self.inner.parts)


def add_to_data_set(
    state: ModuleState,
    root: Path,
    *,
    annotator: str,
    seconds_spent: float,
    key_file: Path | None = None,
    patient: str | None = None,
    replace: bool = False,
) -> str:
    """Add the study to a data set of annotated cases: images, reader's mask, model's mask, sidecar.

    Each image is written with its own voxels and geometry, without parent transforms. Names and dates of the patient
    are left out; ids are sequential. Faces are not removed. The case is there whole or not at all.

    Args:
        state: after a review.
        root: the data set; made where it is not there.
        annotator: who corrected, as it shall stand in the sidecar.
        seconds_spent: on this case.
        key_file: tab-separated file outside the data set to which id and original name and date are added; a patient
            whose DICOM patient ID is in it keeps the id and gets another session. None writes none.
        patient: "sub-XX" of the data set where this is another date of that patient.
        replace: put masks and sidecar in place of those of the same FLAIR.

    Returns:
        Name of the case, ``sub-XX`` or ``sub-XX_ses-Y``.

    Raises:
        StudyError: no result, or the FLAIR is in the data set already.
        UsageError: the key lies in the data set, no annotator, an unknown patient.
        OutputError: the folder holds something else, is in use, or cannot be written.
    """
    root = Path(root).expanduser().absolute()
    _check_request(root, annotator, key_file, patient)
    review = up_to_date(state)
    lock = FolderLock(root.with_name(f".{root.name}.lock"))
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire(root)
        try:
            return _add(state, review, root, annotator, seconds_spent, key_file, patient, replace)
        finally:
            lock.release()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"The data set {root} cannot be written: {reason}.", "Free some room, or name another."
        ) from error


def _check_request(root: Path, annotator: str, key_file: Path | None, patient: str | None) -> None:
    if not annotator.strip():
        raise UsageError("The annotator's name is missing.", "Enter who corrected the lesions.")
    if key_file is not None and Path(key_file).resolve().is_relative_to(root.resolve()):
        raise UsageError(f"The key {key_file} would lie inside the data set.", "Name a file outside it.")
    if patient is not None and not (root / patient).is_dir():
        raise UsageError(f"The data set {root} holds no patient {patient}.", "Name one of its sub-... folders.")
    described = (root / DESCRIPTION).is_file() or any(root.glob("sub-*"))
    if root.exists() and (not root.is_dir() or (any(root.iterdir()) and not described)):
        raise OutputError(f"{root} is no data set and not empty.", "Name a new or an empty folder.")


def _add(
    state: ModuleState,
    review: Review,
    root: Path,
    annotator: str,
    seconds_spent: float,
    key_file: Path | None,
    patient: str | None,
    replace: bool,
) -> str:
    flair = node_to_image(state.flair, to_world=False)
    digest = _voxel_hash(flair)
    there = _find(root, flair, digest)
    if there is not None and not replace:
        raise StudyError(
            f"This FLAIR is in the data set already, as {there.name}.", "Replace its annotation, or leave it as it is."
        )
    original, date, by_id = _original(state)
    if patient is None and by_id:
        patient = _known_patient(key_file, original)
    place = there or _new_place(root, patient, with_session=key_file is not None)
    sidecar = {
        "Annotator": annotator.strip(),
        "Time": datetime.now(UTC).isoformat(timespec="seconds"),
        "Tool": "MSLesionSeg in 3D Slicer",
        "ToolVersion": __version__,
        "Model": state.provenance.get("models", {}).get("lesion", {}),
        "ModelMask": f"{place.name}_label-lesion_desc-model_mask.nii.gz",
        "Contrasts": state.contrasts_used,
        "Threshold": state.threshold,
        "MinimumLesionMm3": state.minimum_mm3,
        "Lesions": decision_counts(review),
        "SecondsSpent": round(float(seconds_spent), 1),
        _HASH: digest,
    }
    _describe(root)
    with tempfile.TemporaryDirectory(dir=root, prefix=".partial-") as temporary:
        images, masks = Path(temporary, "images"), Path(temporary, "masks")
        images.mkdir()
        masks.mkdir()
        if there is None:
            for contrast in CONTRASTS:
                node = state.image(contrast)
                if node is not None:
                    write_nifti(images / f"{place.name}_{contrast}.nii.gz", node_to_image(node, to_world=False))
        write_nifti(masks / f"{place.name}_label-lesion_mask.nii.gz", segment_image(state, READER_SEGMENT))
        write_nifti(masks / sidecar["ModelMask"], segment_image(state, MODEL_SEGMENT))
        (masks / f"{place.name}_label-lesion_mask.json").write_text(
            json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
        )
        if key_file is not None and there is None:  # first: an id in the key without a case does no harm
            _extend_key(Path(key_file), place, original, date)
        if there is None:
            _move_in(images, root / place.inner / "anat")
        _move_in(masks, root / ANNOTATIONS / place.inner / "anat")
    return place.name


def _voxel_hash(image: sitk.Image) -> str:
    """SHA-256 of the voxels as float32 with the axes turned to LPS: pixel type and order of axes do not matter."""
    turned = sitk.DICOMOrient(sitk.Cast(image, sitk.sitkFloat32), "LPS")
    return hashlib.sha256(sitk.GetArrayViewFromImage(turned)).hexdigest()


def _find(root: Path, flair: sitk.Image, digest: str) -> _Place | None:
    """The case of that FLAIR, by the hashes in the sidecars and, where there is none, by the images themselves."""
    for path in sorted([*root.glob("sub-*/anat/*_FLAIR.nii*"), *root.glob("sub-*/ses-*/anat/*_FLAIR.nii*")]):
        place = _Place(*path.relative_to(root).parts[:-2])
        sidecar = root / ANNOTATIONS / place.inner / "anat" / f"{place.name}_label-lesion_mask.json"
        known = _read_json(sidecar).get(_HASH) or _hash_of_file(path, flair)
        if known == digest:
            return place
    return None


def _hash_of_file(path: Path, flair: sitk.Image) -> str:
    """:func:`_voxel_hash` of a file; empty where its matrix differs from the FLAIR's, or it cannot be read."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with itk_quiet():
            reader.ReadImageInformation()
            same_matrix = sorted(reader.GetSize()) == sorted(flair.GetSize())
            return _voxel_hash(reader.Execute()) if same_matrix else ""
    except RuntimeError:
        return ""


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _new_place(root: Path, patient: str | None, *, with_session: bool) -> _Place:
    """The next patient, or the next date of one who is there."""
    if patient is None:
        numbers = [int(path.name[4:]) for path in root.glob("sub-*") if path.name[4:].isdecimal()]
        return _Place(f"sub-{max(numbers, default=0) + 1:02d}", "ses-1" if with_session else "")
    dates = [path.name[4:] for path in (root / patient).glob("ses-*")]
    first = 1 if (root / patient / "anat").is_dir() else 0
    return _Place(patient, f"ses-{max([first, *(int(date) for date in dates if date.isdecimal())]) + 1}")


def _original(state: ModuleState) -> tuple[str, str, bool]:
    """For the key alone: who the patient is and the date, and whether that is DICOM's patient ID or just the file."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(state.scene)
    item = hierarchy.GetItemByDataNode(state.flair)
    found = {"DICOM.PatientID": "", "DICOM.StudyDate": ""}
    while item and item != hierarchy.GetSceneItemID():
        for name in found:
            found[name] = found[name] or hierarchy.GetItemAttribute(item, name)
        item = hierarchy.GetItemParent(item)
    storage = state.flair.GetStorageNode()
    file = storage.GetFullNameFromFileName() if storage is not None else ""
    patient = found["DICOM.PatientID"]
    return patient or file or state.flair.GetName(), found["DICOM.StudyDate"] or "n/a", bool(patient)


def _known_patient(key_file: Path | None, original: str) -> str | None:
    """The id under which the key has that patient."""
    return next((row[0] for row in _read_key(key_file) if row[2] == original), None)


def _read_key(key_file: Path | None) -> list[list[str]]:
    """The rows of a key.

    Raises:
        UsageError: it is no key.
    """
    if key_file is None or not Path(key_file).exists():
        return []
    lines = Path(key_file).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    if not lines or lines[0].split("\t") != list(KEY_COLUMNS) or any(len(row) != len(KEY_COLUMNS) for row in rows):
        raise UsageError(f"{key_file} is no key of a data set.", "Name a new file, or the key written before.")
    return rows


def _extend_key(key_file: Path, place: _Place, original: str, date: str) -> None:
    plain = [" ".join(text.split()) for text in (original, date)]
    rows = [*_read_key(key_file), [place.patient, place.session or "n/a", *plain]]
    key_file.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(key_file, "".join("\t".join(row) + "\n" for row in [KEY_COLUMNS, *rows]))


def _describe(root: Path) -> None:
    """``dataset_description.json`` of the data set and of its annotations, where there is none."""
    common = {"Name": TITLE, "BIDSVersion": "1.10.0"}
    made = {"GeneratedBy": [{"Name": "MSLesionSeg in 3D Slicer", "Version": __version__}]}
    for path, values in (
        (root / DESCRIPTION, {**common, "DatasetType": "raw"}),
        (root / ANNOTATIONS / DESCRIPTION, {**common, "DatasetType": "derivative", **made}),
    ):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, json.dumps(values, indent=2) + "\n")


def _move_in(new: Path, target: Path) -> None:
    """Put a finished folder into its place; one that is there goes first aside, then away."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = None
    if target.exists():
        aside = new.with_name(f"{new.name}-before")
        os.replace(target, aside)
    try:
        os.replace(new, target)
    except OSError:
        if aside is not None:
            os.replace(aside, target)
        raise
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)
