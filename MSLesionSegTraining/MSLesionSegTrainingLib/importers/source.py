"""What an importer finds in a downloaded set: patients, their dates, and the files of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class SourceCase:
    """One date of one patient in a downloaded set.

    Attributes:
        patient: the set's own name for the patient.
        date: the set's own name for the date; empty where each patient has one.
        images: FLAIR, T1w, T2w -> file.
        mask: lesion mask on the FLAIR's grid, or None.
        number: number to be kept in ``sub-XX``; None numbers the patients one after the other.
    """

    patient: str
    date: str
    images: dict[str, Path]
    mask: Path | None
    number: int | None = None


@dataclass(frozen=True)
class Extra:
    """A file that is no case of its own, and where it goes in the data set.

    Attributes:
        source: the file.
        target: relative path in the data set.
        lesion: whether it is a lesion mask.
    """

    source: Path
    target: Path
    lesion: bool = False


@dataclass(frozen=True)
class Found:
    """All that an importer found."""

    cases: list[SourceCase]
    extras: list[Extra] = field(default_factory=list)


def first_existing(*paths: Path) -> Path | None:
    """The first of these files that is there, also with ``.gz`` appended or taken away."""
    for path in paths:
        for spelled in (path, path.with_name(f"{path.name}.gz"), path.with_name(path.name.removesuffix(".gz"))):
            if spelled.is_file():
                return spelled
    return None


def by_number(folders: list[Path]) -> list[Path]:
    """Folders in the order of the numbers in their names, P2 before P10."""
    return sorted(folders, key=lambda folder: (int("".join(filter(str.isdigit, folder.name)) or 0), folder.name))
