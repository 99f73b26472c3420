"""Who is trained on, who validates and who tests: made once a patient, extended for new ones, never redrawn."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from MSLesionSegLib.errors import StudyError

from .cases import ANNOTATIONS, Case

SPLIT_FILE = ANNOTATIONS / "split.tsv"
SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


def read_split(root: Path) -> dict[str, str]:
    """Patient -> "train", "validation" or "test"; empty where no split was made.

    Raises:
        StudyError: a line names no such part, or a patient twice.
    """
    path = root / SPLIT_FILE
    if not path.exists():
        return {}
    split: dict[str, str] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            patient, part = row.get("participant_id") or "", row.get("split") or ""
            if part not in SHARES or not patient:
                raise StudyError(
                    f"{path} puts {patient or 'a patient without name'} into {part or 'nothing'!r}.",
                    f"Each line holds a participant_id and one of {', '.join(SHARES)}.",
                )
            if split.setdefault(patient, part) != part:
                raise StudyError(f"{path} puts {patient} into two parts.", "Keep one line for each patient.")
    return split


def extend_split(split: Mapping[str, str], patients: Iterable[str], seed: int = 0) -> dict[str, str]:
    """Allot the patients that have no part yet; those that have one keep it.

    New patients come in an order drawn from their names and the seed; each goes to the part that lacks most of its
    share (70, 15 and 15 %), so that the same data set gives the same split on any machine.

    Args:
        split: patient -> part, as it is.
        patients: all patients of the data set.
        seed: of the order.

    Returns:
        patient -> part, of the old and the new ones.
    """
    extended = dict(split)
    counts = Counter(extended.values())
    fresh = sorted(set(patients) - set(extended), key=lambda p: hashlib.sha256(f"{seed}:{p}".encode()).digest())
    for patient in fresh:
        total = len(extended) + 1
        part = max(SHARES, key=lambda name: SHARES[name] * total - counts[name])
        extended[patient] = part
        counts[part] += 1
    return extended


def allot_patients(split: Mapping[str, str], cases: Iterable[Case]) -> dict[str, str]:
    """Allot the patients of a data set who have no part yet.

    Patients with an annotation share the parts among themselves (`extend_split`), so that scans which nobody annotated
    take nobody's place in validation. A patient of whom there are only backgrounds trains, since a background does
    nothing else; one of whom there is neither waits until there is.

    Args:
        split: patient -> part, as it is.
        cases: all cases of the data set.

    Returns:
        patient -> part, of the old and the new ones.
    """
    cases = list(cases)
    annotated = {case.patient for case in cases if case.mask is not None}
    backgrounds = {case.patient for case in cases if case.background is not None}
    counted = {patient: part for patient, part in split.items() if patient in annotated}
    return {**dict.fromkeys(backgrounds - annotated, "train"), **split, **extend_split(counted, annotated)}


def write_split(root: Path, split: Mapping[str, str]) -> None:
    """Write ``derivatives/annotations/split.tsv``, whole or not at all; BIDS, which knows no such file, is told so."""
    path = root / SPLIT_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    lines = ["participant_id\tsplit", *(f"{patient}\t{split[patient]}" for patient in sorted(split))]
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    os.replace(partial, path)
    ignored = path.with_name(".bidsignore")
    if not ignored.exists():
        ignored.write_text(f"{path.name}\n", encoding="utf-8", newline="\n")
