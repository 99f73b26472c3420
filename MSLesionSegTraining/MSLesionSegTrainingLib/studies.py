"""The studies of a folder: a BIDS data set by its names, any other tree through a table that a person corrects.

The table (TSV, UTF-8) has a row a study and the columns ``case``, ``FLAIR``, ``T1w``, ``T2w`` and ``note``. Paths are
relative to the folder or absolute; one DICOM file stands for its series. An empty cell is a contrast that is not there.
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.study import CONTRASTS

from .cases import dates, find_images

COLUMNS = ("case", *CONTRASTS, "note")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class StudyFiles:
    """One study before anything of it was read.

    Attributes:
        name: of the case, as its folder in the output is called.
        images: FLAIR, T1w, T2w -> file, DICOM file or DICOM folder, of those that are there.
        problem: why it cannot be used, one sentence; empty where nothing is known against it.
        hint: what to do then.
        note: for the person who looks through the table.
    """

    name: str
    images: dict[str, Path] = field(default_factory=dict)
    problem: str = ""
    hint: str = ""
    note: str = ""


def bids_studies(root: Path) -> list[StudyFiles]:
    """The studies ``sub-*/[ses-*/]anat/*_{FLAIR,T1w,T2w}.*`` of a data set by name; none where it is not BIDS.

    Args:
        root: folder of the data set.

    Raises:
        StudyError: there is no such folder.
    """
    if not root.is_dir():
        raise StudyError(f"There is no folder {root}.", "Check the name and the folder.")
    studies = []
    for _, folder in dates(root):
        name = "_".join(folder.relative_to(root).parts[:-1])
        images, problems = find_images(name, folder)
        first = problems[0] if problems else None
        studies.append(StudyFiles(name, images, first.message if first else "", first.hint if first else ""))
    return studies


def write_table(path: Path, root: Path, studies: list[StudyFiles]) -> None:
    """Write the table of studies, whole or not at all; files below ``root`` as relative paths.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for study in studies:
            files = [_relative(study.images[name], root) if name in study.images else "" for name in CONTRASTS]
            writer.writerow([study.name, *files, " ".join(study.note.split())])
    os.replace(partial, path)


def read_table(path: Path, root: Path) -> list[StudyFiles]:
    """Read a table of studies.

    Args:
        path: of the table.
        root: folder that relative paths start from.

    Returns:
        The studies in the order of the table. One without a FLAIR has a problem.

    Raises:
        UsageError: it is no such table, or a name comes twice or cannot be the name of a folder.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t")
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The table {path} cannot be read.", "Give a TSV file in UTF-8.") from error
    if not {"case", "FLAIR"} <= set(reader.fieldnames or ()):
        raise UsageError(
            f"{path} is no table of studies: its first line does not name the columns case and FLAIR.",
            f"The columns are {', '.join(COLUMNS)}, with a tab between them.",
        )
    studies: dict[str, StudyFiles] = {}
    for number, row in enumerate(rows, start=2):
        study = _study_of(row, root, f"line {number} of {path}")
        if study.name in studies:
            raise UsageError(f"{path} names the case {study.name} twice.", "Give each case a name of its own.")
        studies[study.name] = study
    return list(studies.values())


def _study_of(row: dict[str, str | None], root: Path, place: str) -> StudyFiles:
    name = (row.get("case") or "").strip()
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"The case {name!r} in {place} cannot be the name of a folder.",
            "Use letters, digits, '-', '_' and '.', and begin with a letter or a digit.",
        )
    cells = {contrast: (row.get(contrast) or "").strip() for contrast in CONTRASTS}
    images = {contrast: root / cell for contrast, cell in cells.items() if cell}
    note = (row.get("note") or "").strip()
    if "FLAIR" in images:
        return StudyFiles(name, images, note=note)
    return StudyFiles(name, images, f"The table names no FLAIR for {name}.", f"Enter it in {place}.", note)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
