"""Studies of any folder tree, named in a table, as a data set in BIDS: images only, as NIfTI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.annotated_case import (
    DESCRIPTION,
    CasePlace,
    describe_data_set,
    flair_hash,
    one_writer,
    put_images,
)
from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.images import read_image
from MSLesionSegLib.nifti import compact
from MSLesionSegLib.protocol import Progress

from .studies import StudyFiles

_NAME = re.compile(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?")
WRITER_S = 30.0


@dataclass(frozen=True)
class Collected:
    """What was collected.

    Attributes:
        cases: how many of the studies lie in the data set.
        left_out: a sentence for each that does not.
    """

    cases: int
    left_out: list[str]


def collect(studies: Sequence[StudyFiles], source: Path, dataset: Path, progress: Progress) -> Collected:
    """Copy the images of studies into a data set; a study is there whole or not at all, one that is there stays.

    Voxels and geometry stay as they are; DICOM tags and names of files are left out, and so are faces not removed.

    Args:
        studies: named ``sub-XX`` or ``sub-XX_ses-Y``.
        source: folder that they lie in.
        dataset: a new or empty folder, or a data set.
        progress: told how far it is; may cancel.

    Raises:
        UsageError: a name is no such name, or the data set would lie in the source.
        OutputError: the folder holds something else, another study under the same name, or cannot be written.
    """
    _check(studies, source, dataset)
    left_out: list[str] = []
    try:
        with one_writer(dataset, WRITER_S):
            describe_data_set(dataset)
            for number, study in enumerate(studies):
                progress.update(number / len(studies), study.name)
                try:
                    _add(study, dataset)
                except StudyError as error:
                    left_out.append(f"{study.name}: {error.message}")
    except OSError as error:
        raise OutputError(
            f"{dataset} cannot be written ({error.strerror}).", "Free some room, or name another."
        ) from error
    return Collected(len(studies) - len(left_out), left_out)


def _check(studies: Sequence[StudyFiles], source: Path, dataset: Path) -> None:
    for study in studies:
        if not _NAME.fullmatch(study.name):
            raise UsageError(
                f"{study.name} is no name of a case.", "Name them sub-01, sub-02 and so on; further dates sub-01_ses-2."
            )
    if dataset.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"The data set {dataset} would lie among the studies.", "Name a folder outside of them.")
    if dataset.exists():
        ours = dataset.is_dir() and ((dataset / DESCRIPTION).is_file() or any(dataset.glob("sub-*")))
        if not ours and (not dataset.is_dir() or any(dataset.iterdir())):
            raise OutputError(f"{dataset} is no data set and not empty.", "Name a new or an empty folder.")


def _add(study: StudyFiles, dataset: Path) -> None:
    if study.problem:
        raise StudyError(study.problem, study.hint)
    place = CasePlace.of(study.name)
    images = {contrast: compact(read_image(path)) for contrast, path in study.images.items()}
    there = dataset / place.inner / "anat" / f"{place.name}_FLAIR.nii.gz"
    if not there.exists():
        put_images(dataset, place, images)
    elif flair_hash(read_image(there)) != flair_hash(images["FLAIR"]):
        raise OutputError(f"{dataset} holds another study as {study.name}.", "Give this one another name in the table.")
