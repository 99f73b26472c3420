"""A reviewed study as a case of a data set of annotated cases, for training (docs/formats.md)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import SimpleITK as sitk
import slicer

from MSLesionSegLib import __version__
from MSLesionSegLib.annotated_case import (
    DESCRIPTION,
    FLAIR_HASH,
    CasePlace,
    flair_hash,
    one_writer,
    put_case,
    read_json,
    write_whole,
)
from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.itk_quiet import itk_quiet
from MSLesionSegLib.study import CONTRASTS

from .export import decision_counts, segment_image, up_to_date
from .lesion_segments import MODEL_SEGMENT, READER_SEGMENT
from .review import Review
from .state import ModuleState
from .volumes import node_to_image

KEY_COLUMNS = ("participant_id", "session_id", "original", "original_date")


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
    try:
        with one_writer(root):
            return _add(state, review, root, annotator, seconds_spent, key_file, patient, replace)
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
    digest = flair_hash(flair)
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
        "Contrasts": state.contrasts_used,
        "Threshold": state.threshold,
        "MinimumLesionMm3": state.minimum_mm3,
        "Lesions": decision_counts(review),
        "SecondsSpent": round(float(seconds_spent), 1),
        FLAIR_HASH: digest,
    }
    if key_file is not None and there is None:  # first: an id in the key without a case does no harm
        _extend_key(Path(key_file), place, original, date)
    put_case(
        root,
        place,
        sidecar,
        segment_image(state, READER_SEGMENT),
        model_mask=segment_image(state, MODEL_SEGMENT),
        images={} if there is not None else _images(state),
    )
    return place.name


def _images(state: ModuleState) -> dict[str, sitk.Image]:
    """The series of the study with their own voxels and geometry."""
    nodes = {contrast: state.image(contrast) for contrast in CONTRASTS}
    return {name: node_to_image(node, to_world=False) for name, node in nodes.items() if node is not None}


def _find(root: Path, flair: sitk.Image, digest: str) -> CasePlace | None:
    """The case of that FLAIR, by the hashes in the sidecars and, where there is none, by the images themselves."""
    for path in sorted([*root.glob("sub-*/anat/*_FLAIR.nii*"), *root.glob("sub-*/ses-*/anat/*_FLAIR.nii*")]):
        place = CasePlace(*path.relative_to(root).parts[:-2])
        sidecar = place.annotation(root) / place.mask_name().replace(".nii.gz", ".json")
        known = read_json(sidecar).get(FLAIR_HASH) or _hash_of_file(path, flair)
        if known == digest:
            return place
    return None


def _hash_of_file(path: Path, flair: sitk.Image) -> str:
    """:func:`flair_hash` of a file; empty where its matrix differs from the FLAIR's, or it cannot be read."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with itk_quiet():
            reader.ReadImageInformation()
            same_matrix = sorted(reader.GetSize()) == sorted(flair.GetSize())
            return flair_hash(reader.Execute()) if same_matrix else ""
    except RuntimeError:
        return ""


def _new_place(root: Path, patient: str | None, *, with_session: bool) -> CasePlace:
    """The next patient, or the next date of one who is there."""
    if patient is None:
        numbers = [int(path.name[4:]) for path in root.glob("sub-*") if path.name[4:].isdecimal()]
        return CasePlace(f"sub-{max(numbers, default=0) + 1:02d}", "ses-1" if with_session else "")
    dates = [path.name[4:] for path in (root / patient).glob("ses-*")]
    first = 1 if (root / patient / "anat").is_dir() else 0
    return CasePlace(patient, f"ses-{max([first, *(int(date) for date in dates if date.isdecimal())]) + 1}")


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


def _extend_key(key_file: Path, place: CasePlace, original: str, date: str) -> None:
    plain = [" ".join(text.split()) for text in (original, date)]
    rows = [*_read_key(key_file), [place.patient, place.session or "n/a", *plain]]
    key_file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(key_file, "".join("\t".join(row) + "\n" for row in [KEY_COLUMNS, *rows]))
