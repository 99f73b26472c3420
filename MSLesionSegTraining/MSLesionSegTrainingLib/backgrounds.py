"""Scans that nobody annotated as backgrounds of a training: what a model is not sure of is left out.

A network learns what is no lesion from the brains that it sees, and two annotated patients show little of what other
scanners make bright. Scans without annotation show it, but hold lesions. So the places that may be lesions by a model's
probability are left out of the loss, but for the core of lesions that it is sure of, which counts as lesion, and
lesions of other patients are painted into the rest; what the model listed and doubted itself counts as no lesion. That
is self-training without the outlines (compare Yarowsky, ACL 1995; Xie et al., *Self-training with Noisy Student*, CVPR
2020). Lesions that the model gives no probability at all are learnt as none: a background never shows a network lesions
that its model does not see, unless a person paints them in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib import __version__
from MSLesionSegLib.annotated_case import FLAIR_HASH, CasePlace, flair_hash, one_writer, read_json, write_json
from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.finish import BRAIN_FILE, FLAIR_FILE, MASK_FILE, PROBABILITY_FILE, TABLE_FILE
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.images import read_image
from MSLesionSegLib.lesion_confidence import EDGE_MM, near_edge
from MSLesionSegLib.lesion_table import read_lesion_csv
from MSLesionSegLib.lesions import label_lesions
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.provenance import read_provenance

from .background_labels import FALSE_LESION, SURE_LESION, UNSURE_PLACE
from .cases import BACKGROUNDS, Case, background_name, index_cases
from .collecting import WRITER_S
from .split import read_split
from .worklist import PRESEGMENTED
from .worklist.writing import put_image

PERHAPS = 0.1
"""Probability from which a voxel may be lesion."""
WIDER_MM = 4.0
"""Such places are taken this much wider, so that neither the soft edge of a lesion nor haze around it counts."""

SURE, SURE_MM3 = 0.9, 30.0
"""From this probability a voxel of a lesion of at least so many mm3 that is not doubted, nor at the edge of the brain,
counts as lesion: a model was once sure of a whole temporal pole (docs/decisions/0007-backgrounds.md)."""

DESCRIPTION = (
    "0 no lesion; 1 unsure, left out of the loss; 2 no lesion, though a model listed one, which it doubted; 3 lesion"
)

LABELS_HASH = "LabelsSha256"
"""Of the labels as written: others are an editor's, and are not overwritten."""


@dataclass(frozen=True)
class Background:
    """What was made of a case.

    Attributes:
        case: its name.
        unsure_ml: volume left out of the loss.
        false_lesions: number of lesions that count as none.
        sure_ml: volume that counts as lesion.
    """

    case: str
    unsure_ml: float
    false_lesions: int
    sure_ml: float


def background_labels(
    probability: np.ndarray,
    labels: np.ndarray,
    doubtful: Sequence[int],
    at_edge: Sequence[int],
    spacing_zyx: Sequence[float],
) -> np.ndarray:
    """The label map of a background from a model's result.

    A 26-connected place of probability ``PERHAPS`` and more is unsure, and ``WIDER_MM`` around it, unless the lesions
    listed in it, one or more, are all doubtful: then its listed voxels are a false lesion and the others none. What a
    lesion that is neither doubted nor small nor at the edge of the brain has of probability ``SURE`` is lesion.

    Args:
        probability: (z, y, x) of lesion.
        labels: (z, y, x) integer, 0 background, n = lesion n of the result.
        doubtful: numbers of the lesions that the result calls doubtful.
        at_edge: numbers of the lesions at the edge of the brain.
        spacing_zyx: mm.

    Returns:
        uint8 (z, y, x), see ``background_labels.py``.
    """
    perhaps, count = ndimage.label((probability >= PERHAPS) | (labels > 0), np.ones((3, 3, 3)))
    is_doubtful = np.isin(labels, doubtful)
    sure = np.bincount(perhaps[(labels > 0) & ~is_doubtful], minlength=count + 1) > 0
    doubted = np.bincount(perhaps[is_doubtful], minlength=count + 1) > 0
    unsure = (perhaps > 0) & ~(doubted & ~sure)[perhaps]
    wide = ndimage.distance_transform_edt(~unsure, sampling=spacing_zyx) <= WIDER_MM if unsure.any() else unsure
    background = np.where(wide, UNSURE_PLACE, 0)
    background[is_doubtful & ~wide] = FALSE_LESION
    large = np.bincount(labels.ravel()) * float(np.prod(spacing_zyx)) >= SURE_MM3
    inner = ~np.isin(labels, at_edge)
    background[(labels > 0) & ~is_doubtful & inner & large[labels] & (probability >= SURE)] = SURE_LESION
    return background.astype(np.uint8)


def make_backgrounds(dataset: Path, names: Sequence[str], progress: Progress) -> list[Background]:
    """Make backgrounds of cases that nobody annotated, from what ``batch`` left in ``derivatives/presegmented``.

    A background that is there is made anew, unless somebody edited it. Once a case is annotated, its mask counts and
    the background does not.

    Args:
        dataset: folder of the data set.
        names: of the cases; none takes all that are not annotated and have a result.
        progress: in a stage; may cancel between cases.

    Returns:
        what was made, by name of the case.

    Raises:
        UsageError: a case is not there or annotated, or its background was edited, or there is none to take.
        StudyError: a case cannot be used, or a result is missing, is of another FLAIR, or says nothing of how sure its
            lesions are.
        OutputError: the data set cannot be written.
    """
    chosen = _chosen(dataset, names)
    made = []
    try:
        with one_writer(dataset, WRITER_S):
            _refuse_edited(dataset, chosen)
            for number, case in enumerate(chosen):
                progress.update(number / len(chosen), case.name)
                made.append(_make(dataset, case))
    except OSError as error:
        raise OutputError(f"{dataset} cannot be written ({error.strerror}).", "Free some room.") from error
    return made


def not_trained_on(dataset: Path, names: Sequence[str]) -> list[str]:
    """Those of the cases whose patient ``split.tsv`` keeps out of the training.

    Raises:
        StudyError: ``split.tsv`` cannot be read.
    """
    split = read_split(dataset)
    patients = {case.name: case.patient for case in index_cases(dataset)[0]}
    return [name for name in names if split.get(patients[name], "train") != "train"]


def _chosen(dataset: Path, names: Sequence[str]) -> list[Case]:
    if not dataset.is_dir():
        raise StudyError(f"There is no folder {dataset}.", "Name the folder of a data set (docs/formats.md).")
    found, problems = index_cases(dataset)
    cases = {case.name: case for case in found}
    for problem in problems:
        if problem.case in names and not problem.warning:
            raise StudyError(f"{problem.case}: {problem.message}", problem.hint)
    for name in names:
        if name not in cases:
            raise UsageError(f"There is no case {name} in {dataset}.", "`mslesionseg cases` lists them.")
        if cases[name].mask is not None:
            raise UsageError(f"{name} is annotated: {cases[name].mask}.", "Its mask is trained on; leave it away.")
    there = [name for name, case in cases.items() if case.mask is None and (dataset / PRESEGMENTED / name).is_dir()]
    chosen = [cases[name] for name in names or there]
    if not chosen:
        raise UsageError(f"{dataset} has no case without annotation that was segmented.", _SEGMENT.format(dataset))
    return chosen


def _path(dataset: Path, case: Case) -> Path:
    return dataset / BACKGROUNDS / CasePlace.of(case.name).inner / "anat" / background_name(case.name)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name.replace(".nii.gz", ".json"))


def _refuse_edited(dataset: Path, cases: Sequence[Case]) -> None:
    for path in (_path(dataset, case) for case in cases):
        if path.exists() and read_json(_sidecar(path)).get(LABELS_HASH) != flair_hash(read_image(path)):
            raise UsageError(
                f"{path} is not as it was made; somebody edited it.",
                "Remove it to have it made anew, or name the other cases.",
            )


def _make(dataset: Path, case: Case) -> Background:
    flair, result = read_image(case.images["FLAIR"]), dataset / PRESEGMENTED / case.name
    model = _checked_model(dataset, case, flair_hash(flair))
    lesions = read_lesion_csv(result / TABLE_FILE)
    if any(lesion.confidence is None for lesion in lesions):
        hint = "Segment with a model that was calibrated (docs/confidence.md)."
        raise StudyError(f"The lesions of {result} have no confidence.", hint)
    labels = label_lesions(sitk.GetArrayFromImage(read_nifti(result / MASK_FILE)) > 0)
    doubtful = [lesion.id for lesion in lesions if lesion.doubtful]
    at_edge = np.unique(labels[near_edge(read_nifti(result / BRAIN_FILE), labels)]).tolist()
    probability = sitk.GetArrayFromImage(read_nifti(result / PROBABILITY_FILE))
    background = background_labels(probability, labels, doubtful, at_edge, flair.GetSpacing()[::-1])
    path, image = _path(dataset, case), Grid.of(flair).image(background)
    path.parent.mkdir(parents=True, exist_ok=True)
    put_image(path, image)
    sidecar = {
        "Description": DESCRIPTION,
        "Time": datetime.now(UTC).isoformat(timespec="seconds"),
        "Tool": "MSLesionSegTraining",
        "ToolVersion": __version__,
        "Model": model,
        "PerhapsProbability": PERHAPS,
        "WiderMm": WIDER_MM,
        "SureProbability": SURE,
        "SureMm3": SURE_MM3,
        "EdgeMm": EDGE_MM,
        FLAIR_HASH: flair_hash(flair),
        LABELS_HASH: flair_hash(image),
    }
    write_json(_sidecar(path), sidecar)
    voxel_ml = float(np.prod(flair.GetSpacing())) / 1000.0
    unsure_ml, sure_ml = (round(int((background == kind).sum()) * voxel_ml, 2) for kind in (UNSURE_PLACE, SURE_LESION))
    return Background(case.name, unsure_ml, len(np.unique(labels[background == FALSE_LESION])), sure_ml)


def _checked_model(dataset: Path, case: Case, flair: str) -> dict[str, Any]:
    """The model of the case's result, which is of the FLAIR with that hash."""
    result = dataset / PRESEGMENTED / case.name
    provenance = read_provenance(result) if result.is_dir() else None
    if provenance is None:
        raise StudyError(f"{case.name} was not segmented: {result} holds no result.", _SEGMENT.format(dataset))
    if flair != flair_hash(read_nifti(result / FLAIR_FILE)):
        raise StudyError(
            f"{result} is a result of another FLAIR than {case.images['FLAIR']}.", _SEGMENT.format(dataset)
        )
    return provenance["models"]["lesion"]


_SEGMENT = "Run `mslesionseg batch {0} {0}/derivatives/presegmented` first."
