"""A first table of the studies of any folder tree: which files belong together and which is what, to be corrected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from MSLesionSegLib.contrast_guess import Series, dicom_tags, guess_contrasts, sidecar_tags
from MSLesionSegLib.dicom_series import MIN_SLICES, group_into_series, is_dicom, read_series
from MSLesionSegLib.errors import MSLesionSegError, StudyError
from MSLesionSegLib.images import FORMAT_BY_ENDING, read_image

from .studies import StudyFiles

_NO_IMAGE = {"mask", "label", "seg", "dseg", "probability", "prob"}
"""Words in the names of files that hold no image."""


def guess_studies(root: Path, *, patients: bool = False) -> list[StudyFiles]:
    """The studies of a tree as far as folders, names, DICOM tags and, last, voxels tell.

    The image files of one folder are one study. DICOM series of one folder are one study; where each series has a
    folder of its own, the series in the folders of one folder are. Cases are numbered, so that no name of a folder,
    which may be a patient's, gets into results.

    Args:
        root: folder of the tree; hidden files and folders are left out.
        patients: name cases by patient and date; studies below one folder of the root are taken for dates of one
            patient, so that nobody is trained on and validates by mistake.

    Returns:
        ``case-001`` and so on, in the order of the folders, or ``sub-01``, ``sub-02_ses-1``, ``sub-02_ses-2``. ``note``
        says what was taken as what, and why.

    Raises:
        StudyError: there is no such folder, or no image in it.
    """
    if not root.is_dir():
        raise StudyError(f"There is no folder {root}.", "Check the name and the folder.")
    found: dict[Path, list[tuple[Path, Series]]] = {}
    folders = [root, *sorted(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        if any(part.startswith(".") for part in folder.relative_to(root).parts):
            continue
        for study, path, series in _in_folder(folder, root):
            found.setdefault(study, []).append((path, series))
    if not found:
        raise StudyError(f"{root} holds no MR images.", "Name the folder that holds the studies.")
    width = max(3, len(str(len(found))))
    names = [f"case-{number:0{width}d}" for number in range(1, len(found) + 1)]
    if patients:
        names = _names_by_patient([folder.relative_to(root) for folder in found])
    return [_study(name, files) for name, files in zip(names, found.values(), strict=True)]


def _names_by_patient(folders: list[Path]) -> list[str]:
    """``sub-XX`` of a patient with one study, ``sub-XX_ses-Y`` of one with several, from paths below the root."""
    first = [folder.parts[0] if folder.parts else "" for folder in folders]
    order = list(dict.fromkeys(first))
    width = max(2, len(str(len(order))))
    dates: dict[str, int] = {}
    names = []
    for patient in first:
        dates[patient] = dates.get(patient, 0) + 1
        date = f"_ses-{dates[patient]}" if first.count(patient) > 1 else ""
        names.append(f"sub-{order.index(patient) + 1:0{width}d}{date}")
    return names


def _study(name: str, files: list[tuple[Path, Series]]) -> StudyFiles:
    guesses = guess_contrasts([series for _, series in files])
    images = {contrast: files[guess.index][0] for contrast, guess in guesses.items() if guess.index is not None}
    doubts = [f"{contrast}: {guess.reason}" for contrast, guess in guesses.items() if not guess.sure]
    return StudyFiles(name, images, note=f"check {' '.join(doubts)}" if doubts else "")


def _in_folder(folder: Path, root: Path) -> list[tuple[Path, Path, Series]]:
    """Folder of the study, path and description of each image that lies in a folder itself."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    images = [path for path in files if _is_image(path)]
    found = [(folder, path, Series(path.name, sidecar_tags(path), _reader(path))) for path in images]
    slices = [path for path in files if path not in images and is_dicom(path)]
    stacks = []
    if slices:
        try:
            stacks = group_into_series(slices, folder)
        except MSLesionSegError:
            return found
    stacks = [stack for stack in stacks if stack.modality == "MR" and stack.image_count >= MIN_SLICES]
    study = folder.parent if len(stacks) == 1 and folder != root else folder
    for stack in stacks:
        series = Series(stack.description, dicom_tags(stack.files[0]), lambda stack=stack: read_series(stack, folder))
        found.append((study, stack.files[0], series))
    return found


def _reader(path: Path) -> Callable[[], sitk.Image]:
    return lambda: read_image(path)


def _is_image(path: Path) -> bool:
    name = path.name.lower()
    ending = next((ending for ending in FORMAT_BY_ENDING if name.endswith(ending)), "")
    if not ending or ending == ".dcm":
        return False
    return not _NO_IMAGE & set(re.split(r"[-_.]", name.removesuffix(ending)))
