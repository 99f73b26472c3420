"""Annotated cases: a BIDS data set with lesion masks as a derivative, indexed from headers alone.

Layout (BIDS 1.10, "Derivatives" and "Anatomy imaging data")::

    sub-XX/[ses-YY/]anat/sub-XX_[ses-YY_]*_{FLAIR,T1w,T2w}.nii.gz
    derivatives/annotations/sub-XX/[ses-YY/]anat/sub-XX_[ses-YY_]*_label-lesion_mask.{nii.gz,nrrd,seg.nrrd,dcm}
    derivatives/backgrounds/sub-XX/[ses-YY/]anat/sub-XX_[ses-YY_]label-background_dseg.nii.gz
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.annotated_case import ANNOTATIONS
from MSLesionSegLib.brain_mask import find_brain
from MSLesionSegLib.contrast_check import doubtful_contrast
from MSLesionSegLib.errors import MSLesionSegError, StudyError
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.images import read_image
from MSLesionSegLib.itk_quiet import itk_quiet
from MSLesionSegLib.study import CONTRASTS, check_plausible

from .dicom_seg import check_dicom_seg
from .mask_files import read_mask
from .mask_lattice import steps_to_flair
from .same_image import SeenImages

IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
MASK_ENDINGS = tuple(f"_label-lesion_mask{ending}" for ending in (".nii.gz", ".nrrd", ".seg.nrrd", ".dcm"))
BACKGROUNDS = Path("derivatives") / "backgrounds"
INSIDE_BRAIN = 0.5
"""Least part of a mask's voxels that lies in the brain."""


@dataclass(frozen=True)
class Case:
    """One date of one patient.

    Attributes:
        name: ``sub-XX`` or ``sub-XX_ses-YY``.
        patient: ``sub-XX``.
        images: contrast -> file; always a FLAIR.
        mask: the annotated mask, or None where the case was not annotated.
        background: of a case that was not annotated, what of it may be trained on as without lesion (see
            ``backgrounds.py``); None where nothing says so.
    """

    name: str
    patient: str
    images: dict[str, Path]
    mask: Path | None
    background: Path | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong with a case.

    Attributes:
        case: its name.
        message: one sentence that names the file.
        hint: what to do.
        warning: whether it only may be wrong, and would not stop a training.
    """

    case: str
    message: str
    hint: str
    warning: bool = False


@dataclass(frozen=True)
class CheckedCase:
    """A case of which every voxel was read.

    Attributes:
        case: as ``index_cases`` gave it.
        lesion_ml: volume of its mask; None where it has none that can be read.
        problems: all that is wrong with it.
    """

    case: Case
    lesion_ml: float | None
    problems: list[Problem]


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
    for patient, folder in dates(root):
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


def check_case(case: Case, seen: SeenImages) -> CheckedCase:
    """Read the voxels of one case and say all that is wrong with it.

    Args:
        case: as ``index_cases`` gave it.
        seen: the images of the cases before it; those of this one are added.
    """
    problems: list[Problem] = []

    def tell(message: str, hint: str, warning: bool = False) -> None:
        problems.append(Problem(case.name, message, hint, warning))

    grid = brain = None
    for contrast, path in case.images.items():
        try:
            image = read_image(path)
            check_plausible(image, path, contrast)
        except MSLesionSegError as error:
            tell(error.message, error.hint)
            continue
        other = seen.same_as(image, path)
        if other is not None:
            tell(f"{path} is the same image as {other}.", _SAME_IMAGE_HINT)
        found = _brain(image)
        if contrast == "FLAIR":
            grid, brain = Grid.of(image), found
        if found is None:
            tell(
                f"No brain was recognised in {path}.",
                "Check that it is an MR of a whole head, or of a stripped brain.",
                warning=contrast != "FLAIR",
            )
        elif doubt := doubtful_contrast(image, found, contrast):
            tell(
                f"{path}, given as {contrast}, may be {doubt}.", "Check that contrasts were not swapped.", warning=True
            )
    lesion_ml = None
    if case.mask is not None and grid is not None:
        try:
            mask = read_mask(case.mask, grid)
        except MSLesionSegError as error:
            tell(error.message, error.hint)
        else:
            marked = int(mask.sum())
            lesion_ml = marked * float(np.prod(grid.spacing)) / 1000.0
            inside = marked if brain is None else int((mask & (sitk.GetArrayViewFromImage(brain) > 0)).sum())
            if inside < INSIDE_BRAIN * marked:
                tell(
                    f"The mask {case.mask} lies mostly outside the brain: {inside} of its {marked} voxels are in it.",
                    "Check that it belongs to this FLAIR.",
                )
    return CheckedCase(case, lesion_ml, problems)


def check_cases(cases: list[Case]) -> Iterator[CheckedCase]:
    """Check one case after the other, and that no image comes twice."""
    seen = SeenImages()
    for case in cases:
        yield check_case(case, seen)


_SAME_IMAGE_HINT = "Remove one of them, or its patient would be in training and test at once."


def _brain(image: sitk.Image) -> sitk.Image | None:
    try:
        return find_brain(image)
    except StudyError:
        return None


def dates(root: Path) -> Iterator[tuple[str, Path]]:
    """Patient and ``anat`` folder of each date of a BIDS data set, sorted."""
    for patient in sorted(path for path in root.glob("sub-*") if path.is_dir()):
        for folder in (patient / "anat", *sorted(patient.glob("ses-*/anat"))):
            if folder.is_dir():
                yield patient.name, folder


def background_name(case: str) -> str:
    """Name of the file that says what of a case may be trained on as without lesion."""
    return f"{case}_label-background_dseg.nii.gz"


def find_images(name: str, folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """The files of one date by their names, and what is wrong with them.

    Args:
        name: of the case.
        folder: its ``anat``.

    Returns:
        FLAIR, T1w, T2w -> file, and a problem for each contrast with several files and for a FLAIR that is not there.
    """
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
    if "FLAIR" not in images and not problems:
        problems.append(Problem(name, f"{folder} holds no FLAIR.", "Add a file that ends in _FLAIR.nii.gz."))
    return images, problems


def _case(root: Path, name: str, patient: str, folder: Path) -> tuple[Case | None, list[Problem]]:
    images, problems = find_images(name, folder)
    if "FLAIR" not in images:
        return None, problems
    masks_folder = root / ANNOTATIONS / folder.relative_to(root)
    masks = sorted(path for path in masks_folder.glob("*_mask*") if path.name.endswith(MASK_ENDINGS))
    if len(masks) > 1:
        names = ", ".join(path.name for path in masks)
        problems.append(Problem(name, f"{masks_folder} holds {len(masks)} masks: {names}.", "Keep one."))
        return None, problems
    background = root / BACKGROUNDS / folder.relative_to(root) / background_name(name)
    backgrounds = [background] if background.is_file() and not masks else []
    problems += _header_problems(name, images, masks or backgrounds)
    if problems:
        return None, problems
    return Case(name, patient, images, masks[0] if masks else None, backgrounds[0] if backgrounds else None), []


def _header_problems(case: str, images: dict[str, Path], masks: list[Path]) -> list[Problem]:
    """What headers tell: files that cannot be read, and a mask that does not lie on the FLAIR's lattice."""
    problems, flair = [], None
    for contrast, path in images.items():
        try:
            grid = header_grid(path) or Grid.of(read_image(path))
            flair = grid if contrast == "FLAIR" else flair
        except MSLesionSegError as error:
            problems.append(Problem(case, error.message, error.hint))
    for path in masks:
        try:
            if path.suffix == ".dcm":
                check_dicom_seg(path)
                continue
            grid = header_grid(path)
            if grid is None:
                raise StudyError(f"The mask {path} is no 3D image that can be read.", "Save it again.")
            if flair is not None and grid.size_xyz != (1, 1, 1):
                steps_to_flair(path, grid, flair)
        except MSLesionSegError as error:
            problems.append(Problem(case, error.message, error.hint))
    return problems


def header_grid(path: Path) -> Grid | None:
    """The grid that the header alone gives; None where it cannot be read so."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with itk_quiet():
            reader.ReadImageInformation()
    except RuntimeError:
        return None
    if reader.GetDimension() != 3:
        return None
    return Grid(reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())
