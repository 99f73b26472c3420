"""Annotated cases: a BIDS data set with lesion masks as a derivative, indexed from headers alone.

Layout (BIDS 1.10, "Derivatives" and "Anatomy imaging data")::

    sub-XX/[ses-YY/]anat/sub-XX_[ses-YY_]*_{FLAIR,T1w,T2w}.nii.gz
    derivatives/annotations/sub-XX/[ses-YY/]anat/sub-XX_[ses-YY_]*_label-lesion_mask.{nii.gz,nrrd,seg.nrrd}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.images import read_image
from MSLesionSegLib.itk_quiet import itk_quiet
from MSLesionSegLib.study import CONTRASTS, check_plausible

from .case_hash import voxel_sha256
from .mask_files import read_mask

ANNOTATIONS = Path("derivatives") / "annotations"
IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
MASK_ENDINGS = ("_label-lesion_mask.nii.gz", "_label-lesion_mask.nrrd", "_label-lesion_mask.seg.nrrd")


@dataclass(frozen=True)
class Case:
    """One date of one patient.

    Attributes:
        name: ``sub-XX`` or ``sub-XX_ses-YY``.
        patient: ``sub-XX``.
        images: contrast -> file; always a FLAIR.
        mask: the annotated mask, or None where the case was not annotated.
    """

    name: str
    patient: str
    images: dict[str, Path]
    mask: Path | None


@dataclass(frozen=True)
class Problem:
    """What is wrong with a case.

    Attributes:
        case: its name.
        message: one sentence that names the file.
        hint: what to do.
    """

    case: str
    message: str
    hint: str


def index_cases(root: Path) -> tuple[list[Case], list[Problem]]:
    """Find the cases of a data set, reading headers only.

    Args:
        root: the data set's folder.

    Returns:
        The cases by name, and what keeps others from being one.

    Raises:
        StudyError: the folder holds no case.
    """
    cases, problems = [], []
    for patient, folder in _dates(root):
        name = "_".join(folder.relative_to(root).parts[:-1])
        case, found = _case(root, name, patient, folder)
        problems += found
        if case is not None:
            cases.append(case)
    if not cases and not problems:
        raise StudyError(
            f"{root} holds no sub-*/anat/*_FLAIR.nii.gz.", "docs/formats.md shows how a data set is laid out."
        )
    return cases, problems


def check_case(case: Case) -> tuple[str, list[Problem]]:
    """Read the voxels of one case and say all that is wrong with it.

    Args:
        case: as ``index_cases`` gave it.

    Returns:
        SHA-256 of the FLAIR's voxels (see ``voxel_sha256``; empty where it cannot be read), and the problems.
    """
    problems, sha256, grid = [], "", None
    for contrast, path in case.images.items():
        try:
            image = read_image(path)
            check_plausible(image, path, contrast)
        except StudyError as error:
            problems.append(Problem(case.name, error.message, error.hint))
            continue
        if contrast == "FLAIR":
            sha256, grid = voxel_sha256(image), Grid.of(image)
    if case.mask is not None and grid is not None:
        try:
            read_mask(case.mask, grid)
        except StudyError as error:
            problems.append(Problem(case.name, error.message, error.hint))
    return sha256, problems


def check_cases(cases: list[Case]) -> Iterator[tuple[Case, list[Problem]]]:
    """Check one case after the other, and that no FLAIR comes twice.

    Yields:
        Each case with its problems.
    """
    first: dict[str, Case] = {}
    for case in cases:
        sha256, problems = check_case(case)
        other = first.setdefault(sha256, case) if sha256 else case
        if other is not case:
            problems.append(
                Problem(
                    case.name,
                    f"{case.images['FLAIR']} is the same image as {other.images['FLAIR']}.",
                    "Remove one of them, or its patient would be in training and test at once.",
                )
            )
        yield case, problems


def _dates(root: Path) -> Iterator[tuple[str, Path]]:
    """Patient and ``anat`` folder of each date, sorted."""
    for patient in sorted(path for path in root.glob("sub-*") if path.is_dir()):
        for folder in (patient / "anat", *sorted(patient.glob("ses-*/anat"))):
            if folder.is_dir():
                yield patient.name, folder


def _case(root: Path, name: str, patient: str, folder: Path) -> tuple[Case | None, list[Problem]]:
    problems, images = [], {}
    files = sorted(path.name for path in folder.iterdir())
    for contrast in CONTRASTS:
        found = [file for file in files if file.endswith(tuple(f"_{contrast}{ending}" for ending in IMAGE_ENDINGS))]
        if len(found) > 1:
            problems.append(
                Problem(name, f"{folder} holds {len(found)} files for {contrast}: {', '.join(found)}.", "Keep one.")
            )
        elif found:
            images[contrast] = folder / found[0]
    if "FLAIR" not in images:
        if not problems:
            problems.append(Problem(name, f"{folder} holds no FLAIR.", "Add a file that ends in _FLAIR.nii.gz."))
        return None, problems
    masks_folder = root / ANNOTATIONS / folder.relative_to(root)
    masks = sorted(path for path in masks_folder.glob("*_mask*") if path.name.endswith(MASK_ENDINGS))
    if len(masks) > 1:
        names = ", ".join(path.name for path in masks)
        problems.append(Problem(name, f"{masks_folder} holds {len(masks)} masks: {names}.", "Keep one."))
        return None, problems
    unreadable = [problem for path in (*images.values(), *masks) if (problem := _header_problem(name, path))]
    if unreadable or problems:
        return None, problems + unreadable
    return Case(name, patient, images, masks[0] if masks else None), []


def _header_problem(case: str, path: Path) -> Problem | None:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with itk_quiet():
            reader.ReadImageInformation()
    except RuntimeError:
        return Problem(case, f"{path} cannot be read.", "Copy or export it again.")
    return None
