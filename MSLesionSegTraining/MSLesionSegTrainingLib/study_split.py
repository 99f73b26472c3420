"""Who trains, validates and tests in a study: patients with images by the split, the others by a fixed order."""

from __future__ import annotations

import csv
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import StudyError, UsageError

from .cases import Case, index_cases
from .split import allot_patients, read_split, write_split
from .training_set import SHAPES, TISSUE

SPLIT_FILE = "split.tsv"
VALIDATION_SHARE = 0.1
"""Of the patients with shapes alone: so many validate, rounded up."""


@dataclass(frozen=True)
class StudyPatients:
    """All that a data set gives to a study, by patient.

    Attributes:
        parts: patient -> "train", "validation" or "test".
        cases: annotated cases of all parts.
        shapes: patient -> mask without images, in MNI space; of patients without annotated case.
        tissue: patient -> folder of a tissue map.
    """

    parts: dict[str, str]
    cases: list[Case]
    shapes: dict[str, Path]
    tissue: dict[str, Path]

    def write(self, folder: Path) -> None:
        """Write ``split.tsv``: who is in which part, and what of the patient there is; whole or not at all."""
        partial = folder / f"{SPLIT_FILE}.partial"
        with partial.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerow(("participant_id", "split", "used"))
            writer.writerows((patient, self.parts[patient], self._used(patient)) for patient in sorted(self.parts))
        os.replace(partial, folder / SPLIT_FILE)

    def _used(self, patient: str) -> str:
        kinds = {
            "images": any(case.patient == patient for case in self.cases),
            "shapes": patient in self.shapes,
            "tissue map": patient in self.tissue,
        }
        return ", ".join(kind for kind, there in kinds.items() if there)


def study_patients(root: Path, test: list[str], painted: int) -> StudyPatients:
    """Allot the patients of a data set.

    Patients with images are in the part that ``split.tsv`` says, which is made or extended where they have none; those
    named for the test are in the test part of this study. Where nobody with images tests then, those who validate do.
    Of the patients who have lesion shapes or a tissue map alone, so many go to the test part that the shapes of
    ``painted`` of them can be painted, but at most half; a tenth of all validates, and the rest trains, unless
    ``split.tsv`` names them. Their order comes from their names alone, and those with a tissue map are spread evenly
    over the parts.

    Args:
        root: the data set's folder.
        test: patients who test in this study.
        painted: patients whose shapes are kept for painted test patients.

    Raises:
        StudyError: a case cannot be used, or there is nobody to train or to test on.
        UsageError: there is no such patient to test on.
    """
    indexed, problems = index_cases(root)
    if problems:
        told = "\n".join(f"  {problem.case}: {problem.message}" for problem in problems)
        raise StudyError(f"{root} has cases that cannot be used:\n{told}", "`mslesionseg cases` lists them with hints.")
    cases = [case for case in indexed if case.mask is not None]
    imaged = sorted({case.patient for case in cases})
    strangers = sorted(set(test) - set(imaged))
    if strangers:
        raise UsageError(f"There is no annotated patient {strangers[0]} in {root}.", f"There are {', '.join(imaged)}.")
    parts = {patient: part for patient, part in _split(root, indexed).items() if patient in imaged}
    parts |= dict.fromkeys(test, "test")
    if "test" not in parts.values():
        parts = {patient: "test" if part == "validation" else part for patient, part in parts.items()}
    masks = sorted((root / SHAPES).glob("sub-*/anat/*_label-lesion_mask.nii.gz"))
    shapes = {path.parents[1].name: path for path in masks if path.parents[1].name not in imaged}
    tissue = {path.parent.name: path for path in sorted((root / TISSUE).glob("sub-*/anat"))}
    others = {*shapes, *tissue} - set(imaged)
    parts |= _allotted(others, set(shapes), set(tissue), painted)
    parts |= {patient: part for patient, part in read_split(root).items() if patient in others}
    for part, what in (("train", "train"), ("test", "test")):
        if not any(parts[patient] == part for patient in imaged):
            raise StudyError(
                f"{root} holds no annotated patient to {what} on.",
                f"Its patients are {', '.join(imaged)}; name one to test on with --test.",
            )
    return StudyPatients(parts, cases, shapes, tissue)


def _split(root: Path, cases: list[Case]) -> dict[str, str]:
    known = read_split(root)
    parts = allot_patients(known, cases)
    if parts != known:
        write_split(root, parts)
    return parts


def _allotted(patients: set[str], shapes: set[str], tissue: set[str], painted: int) -> dict[str, str]:
    """Parts of the patients without images: test and validation in even steps through a fixed order, the rest train."""
    order = sorted(patients, key=lambda p: (p not in tissue, hashlib.sha256(p.encode()).digest()))
    giving = [patient for patient in order if patient in shapes]
    if not giving:
        return dict.fromkeys(order, "train")
    tests = min(painted, len(giving) // 2)
    validates = -(-len(giving) * VALIDATION_SHARE // 1) if len(giving) - tests > 1 else 0
    parts = dict.fromkeys(order, "train")
    parts |= dict.fromkeys(_evenly(giving, tests), "test")
    left = [patient for patient in giving if parts[patient] == "train"]
    parts |= dict.fromkeys(_evenly(left, int(validates)), "validation")
    return parts


def _evenly(patients: list[str], count: int) -> list[str]:
    """So many of a list, at even steps from its first."""
    return [patients[number * len(patients) // count] for number in range(count)]
