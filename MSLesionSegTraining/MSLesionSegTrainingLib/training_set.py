"""What a data set gives to train on and to validate with; nobody of validation or test gets into training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.protocol import Progress

from .canvases import Canvas, ShapeMask, shapes_of
from .case_loading import flair_sha256, load_background, load_case, load_shapes, load_tissue
from .cases import Case, index_cases
from .prepared_cache import PreparedCache
from .split import allot_patients, read_split, write_split

SHAPES = Path("derivatives") / "shapes"
TISSUE = Path("derivatives") / "tissue"
PREPARED = Path("derivatives") / "prepared"
CASES_FILE = "cases.json"


@dataclass(frozen=True)
class CaseRecord:
    """A case as the run remembers it.

    Attributes:
        case: name.
        part: "train", "validation" or "test".
        flair_sha256: of the FLAIR's voxels, see ``voxel_sha256``.
    """

    case: str
    part: str
    flair_sha256: str


@dataclass(frozen=True)
class TrainingSet:
    """Everything that a run reads.

    Attributes:
        canvases: brains to train on, annotated ones first, then backgrounds, then tissue maps.
        shapes: lesions to paint into them.
        validation: cases that only validate.
        records: the cases that train, and all that must not.
        sources: a line for each data set, with its licence where it names one.
        licence: licence of the data, as the data set names it.
    """

    canvases: list[Canvas]
    shapes: list[ShapeMask]
    validation: list[Canvas]
    records: list[CaseRecord]
    sources: list[str]
    licence: str


def planned_parts(root: Path, cases: list[Case], leave_out: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """Part of each patient in a run, nothing written.

    Args:
        root: the data set's folder.
        cases: all its cases.
        leave_out: a patient of the training part who validates in this run instead.

    Returns:
        Patient -> part (see `allot_patients`), and the patients who have none in ``split.tsv`` yet.

    Raises:
        UsageError: there is no such patient, or it is not annotated or of the test part.
        StudyError: ``split.tsv`` cannot be read.
    """
    known = read_split(root)
    parts = allot_patients(known, cases)
    new = tuple(sorted(set(parts) - set(known)))
    if leave_out is None:
        return parts, new
    patients = sorted({case.patient for case in cases})
    if leave_out not in patients:
        raise UsageError(f"There is no patient {leave_out} in {root}.", f"Patients are {', '.join(patients)}.")
    if not any(case.patient == leave_out and case.mask is not None for case in cases):
        raise UsageError(f"No case of {leave_out} is annotated.", "Leave out a patient with a mask.")
    if parts[leave_out] == "test":
        raise UsageError(f"{leave_out} is a patient of the test part.", "Leave out one of training or validation.")
    return {**parts, leave_out: "validation"}, new


def parts_of(root: Path, cases: list[Case], leave_out: str | None) -> dict[str, str]:
    """Part of each patient in this run: that of ``split.tsv``, made or extended where patients have none.

    For arguments and errors see `planned_parts`.

    Raises:
        OutputError: ``split.tsv`` cannot be written.
    """
    parts, new = planned_parts(root, cases, leave_out)
    if new:
        write_split(root, planned_parts(root, cases, None)[0])
    return parts


def load_training_set(root: Path, cache: PreparedCache, leave_out: str | None, progress: Progress) -> TrainingSet:
    """Prepare a data set for a run.

    Cases without a mask are not used, but for those of the training part that have a background. Shapes and tissue maps
    of patients who do not train are not used either.

    Args:
        root: the data set's folder.
        cache: of prepared cases.
        leave_out: see `parts_of`.
        progress: in the stage of the preparation.

    Raises:
        StudyError: a case cannot be used (all that is wrong is listed), none is left to train on, or a FLAIR is there
            twice.
    """
    cases, problems = index_cases(root)
    if problems:
        told = "\n".join(f"  {problem.case}: {problem.message}" for problem in problems)
        raise StudyError(f"{root} has cases that cannot be used:\n{told}", "`mslesionseg cases` lists them with hints.")
    parts = parts_of(root, cases, leave_out)
    used = [case for case in cases if case.mask is not None and parts[case.patient] != "test"]
    if not any(parts[case.patient] == "train" for case in used):
        raise StudyError(f"{root} holds no annotated case to train on.", "docs/formats.md shows where masks lie.")
    kept_out = {patient for patient, part in parts.items() if part != "train"}
    tissue = [path for path in sorted((root / TISSUE).glob("sub-*/anat")) if path.parent.name not in kept_out]
    others = {case.patient for case in used}
    shape_files = [
        path
        for path in sorted((root / SHAPES).glob("sub-*/anat/*_label-lesion_mask.nii.gz"))
        if path.parents[1].name not in kept_out | others
    ]
    backgrounds = [case for case in cases if case.background is not None and parts[case.patient] == "train"]
    total = len(used) + len(backgrounds) + len(tissue) + len(shape_files)
    train, validation, records = [], [], []
    for number, case in enumerate(used):
        progress.update(number / total, case.name)
        canvas, sha256 = load_case(cache, case, progress)
        (train if parts[case.patient] == "train" else validation).append(canvas)
        records.append(CaseRecord(case.name, parts[case.patient], sha256))
    for number, case in enumerate(backgrounds, start=len(used)):
        progress.update(number / total, case.name)
        canvas, sha256 = load_background(cache, case, progress)
        train.append(canvas)
        records.append(CaseRecord(case.name, "train", sha256))
    for case in cases:
        if case not in used and parts.get(case.patient, "train") != "train":
            records.append(CaseRecord(case.name, parts[case.patient], flair_sha256(cache, case.images["FLAIR"])))
    _check_no_image_twice(records)
    shapes = [shape for canvas in train if (shape := shapes_of(canvas)) is not None]
    for number, folder in enumerate(tissue, start=len(used) + len(backgrounds)):
        progress.update(number / total, f"tissue map of {folder.parent.name}")
        train.append(load_tissue(cache, folder))
    for number, path in enumerate(shape_files, start=total - len(shape_files)):
        progress.update(number / total, f"lesions of {path.parents[1].name}")
        shapes += [shape] if (shape := load_shapes(cache, path)) is not None else []
    name, licence = _described(root)
    count = sum(record.part == "train" for record in records) - len(backgrounds)
    source = f"{name}: {count} annotated case{'' if count == 1 else 's'}"
    source += f", {len(backgrounds)} without annotation (as background)" if backgrounds else ""
    source += f", lesion masks of {len(shape_files)} others (shapes painted)" if shape_files else ""
    source += f", {len(tissue)} tissue maps" if tissue else ""
    return TrainingSet(train, shapes, validation, records, [f"{source}; licence: {licence}"], licence)


def _check_no_image_twice(records: list[CaseRecord]) -> None:
    first: dict[str, CaseRecord] = {}
    for record in records:
        other = first.setdefault(record.flair_sha256, record)
        if other is not record:
            raise StudyError(
                f"{other.case} and {record.case} have the same FLAIR.",
                "Remove one of them, or one patient would train and validate at once.",
            )


def _described(root: Path) -> tuple[str, str]:
    """Name and licence of a data set from its ``dataset_description.json`` (BIDS), as far as there is one."""
    path = root / "dataset_description.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise StudyError(f"{path} is no JSON.", "Mend it, or remove it.") from error
    name = str(values.get("Name") or "an unnamed data set")
    doi = f", {values['DatasetDOI']}" if values.get("DatasetDOI") else ""
    return f"{name}{doi}", str(values.get("License") or "not named")
