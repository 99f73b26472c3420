"""Which file of a folder is the mask of which case: masks by name, results of ``segment``, BIDS data sets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.finish import BRAIN_FILE, MASK_FILE, PROBABILITY_FILE, ZONES_FILE

from ..cases import ANNOTATIONS, index_cases

_ENDINGS = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha", ".dcm")
_PROBABILITY = ("_probability", "_probseg")
_NOT_LESIONS = (*_PROBABILITY, "_FLAIR", "_T1w", "_T2w", "_dseg", "brain_mask")
_NAME = re.compile(r"(sub-[0-9A-Za-z]+)(?:_(ses-[0-9A-Za-z]+))?(?=_|$)")
_LAYOUTS = (
    "Name a folder of masks called sub-XX[_ses-YY]..., of segment's results called sub-XX[_ses-YY], or a BIDS data set."
)


@dataclass(frozen=True)
class MaskFiles:
    """The files of one case.

    Attributes:
        case: ``sub-XX``, ``sub-XX_ses-YY``, or, where files are named otherwise, the name without ending.
        patient: ``sub-XX``, or the case's name.
        mask: the lesion mask.
        probability: probability map beside it, or None.
        brain: brain mask of the same result, or None.
        flair: the FLAIR that was annotated, or None where it is not known.
        zones: ``location_zones.nii.gz`` of the same result, or None.
    """

    case: str
    patient: str
    mask: Path
    probability: Path | None = None
    brain: Path | None = None
    flair: Path | None = None
    zones: Path | None = None


@dataclass(frozen=True)
class FoundMasks:
    """What a folder holds.

    Attributes:
        cases: name -> files, sorted by name.
        left_out: sentences on cases that cannot be used.
    """

    cases: dict[str, MaskFiles]
    left_out: tuple[str, ...] = ()


def find_masks(folder: Path) -> FoundMasks:
    """Find the lesion masks of a folder.

    A BIDS data set is known by ``derivatives/annotations``, results of ``segment`` by ``lesion_mask.nii.gz`` in a
    folder of the case's name (or ``sub-XX/ses-YY``). Else masks lie in the folder itself, or below ``sub-XX`` as in a
    BIDS derivative; a probability map is called like its mask's case and ends in ``_probability`` or ``_probseg``.

    Raises:
        StudyError: the folder is missing or holds no mask, or a case has two.
    """
    _check_folder(folder)
    if (folder / ANNOTATIONS).is_dir():
        indexed, problems = index_cases(folder)
        cases = {
            case.name: MaskFiles(case.name, case.patient, case.mask, flair=case.images["FLAIR"])
            for case in indexed
            if case.mask is not None
        }
        found = FoundMasks(cases, tuple(f"{one.case}: {one.message}" for one in problems if not one.warning))
    else:
        cases = _results(folder) or _files(folder)
        found = FoundMasks(dict(sorted(cases.items())))
    if not found.cases:
        raise StudyError(f"{folder} holds no lesion mask.", _LAYOUTS)
    return found


def find_brains(folder: Path) -> dict[str, Path]:
    """Find the brain masks of a folder: case -> file.

    They lie as lesion masks may; files that end in ``brain_mask`` are taken, or, where there are none, all.

    Raises:
        StudyError: the folder is missing or holds no mask, or a case has two.
    """
    _check_folder(folder)
    results = {name: files.brain for name, files in _results(folder).items() if files.brain is not None}
    if results:
        return results
    images = _images(folder)
    named = [path for path in images if _stem(path).endswith("brain_mask")]
    brains = _by_case(folder, named or images)
    if not brains:
        raise StudyError(f"{folder} holds no brain mask.", "Name a folder of masks called sub-XX[_ses-YY]_brain_mask.")
    return brains


def case_name(folder: Path, path: Path) -> tuple[str, str]:
    """Case and patient of a file below ``folder``: by its own name, then by its folders, else its name."""
    stem = _stem(path)
    parts = path.relative_to(folder).parts[:-1]
    by_folders = "_".join(part for part in parts if part.startswith(("sub-", "ses-")))
    for name in (stem, by_folders):
        if match := _NAME.match(name):
            patient, session = match.groups()
            return (f"{patient}_{session}" if session else patient), patient
    for ending in ("_label-lesion_mask", "_lesion_mask", "_mask", *_NOT_LESIONS[:2], "_brain_mask"):
        stem = stem.removesuffix(ending)
    return stem, stem


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise StudyError(f"{folder} is no folder.", "Check the name.")
    if (folder / MASK_FILE).is_file():
        raise StudyError(
            f"{folder} is a single result and does not say whose.", "Name the folder that holds it, called sub-XX."
        )


def _results(folder: Path) -> dict[str, MaskFiles]:
    """Results of ``segment``: in folders of the case's name, or of patient and date."""
    found = {}
    for mask in sorted((*folder.glob(f"*/{MASK_FILE}"), *folder.glob(f"sub-*/ses-*/{MASK_FILE}"))):
        name = "_".join(mask.parent.relative_to(folder).parts)
        match = _NAME.fullmatch(name)
        probability, brain, zones = (mask.with_name(file) for file in (PROBABILITY_FILE, BRAIN_FILE, ZONES_FILE))
        found[name] = MaskFiles(
            name,
            match.group(1) if match else name,
            mask,
            probability if probability.is_file() else None,
            brain if brain.is_file() else None,
            zones=zones if zones.is_file() else None,
        )
    return found


def _files(folder: Path) -> dict[str, MaskFiles]:
    """Masks that lie in the folder or below its ``sub-*``, with the probability maps beside them."""
    images = _images(folder)
    probabilities = _by_case(folder, (path for path in images if _stem(path).endswith(_PROBABILITY)))
    brains = _by_case(folder, (path for path in images if _stem(path).endswith("brain_mask")))
    masks = [path for path in images if not _stem(path).endswith(_NOT_LESIONS)]
    return {
        name: MaskFiles(name, case_name(folder, mask)[1], mask, probabilities.get(name), brains.get(name))
        for name, mask in _by_case(folder, masks).items()
    }


def _images(folder: Path) -> list[Path]:
    paths = (*folder.glob("*"), *folder.glob("sub-*/**/*"))
    return sorted(path for path in paths if path.name.endswith(_ENDINGS) and not path.name.startswith("."))


def _by_case(folder: Path, paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        name, _ = case_name(folder, path)
        if name in found:
            raise StudyError(f"Both {found[name]} and {path} may be the mask of {name}.", "Keep one in this folder.")
        found[name] = path
    return found


def _stem(path: Path) -> str:
    ending = next((ending for ending in _ENDINGS if path.name.endswith(ending)), "")
    return path.name.removesuffix(ending)
