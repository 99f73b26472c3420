"""One case under two models: scores, and lesion by lesion what is found now and what is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.grid import Grid, resample
from MSLesionSegLib.lesion_table import Lesion, lesion_table
from MSLesionSegLib.lesions import label_lesions, lesion_mask
from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.prepare import PreparedStudy, prepare
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.segment import listed_on_flair
from MSLesionSegLib.study import CONTRASTS, read_study

from .before_after_models import ComparedModel
from .case_hash import voxel_sha256
from .cases import Case
from .evaluation.case_scores import score_case
from .evaluation.lesion_metrics import overlap_found, overlap_table
from .evaluation.policy import Policy
from .evaluation.reading import Pair
from .mask_files import read_mask

STATES = {
    (True, True): "found by both",
    (False, True): "found now",
    (True, False): "lost now",
    (False, False): "missed by both",
}
"""(found before, found after) -> what is said of an annotated lesion."""
FALSE_STATES = {"before": "false lesion gone", "after": "false lesion new", "both": "false lesion in both"}


@dataclass(frozen=True)
class ComparedLesion:
    """A lesion of the annotation, or one that is marked without any.

    Attributes:
        state: one of ``STATES`` or ``FALSE_STATES``.
        volume_mm3: of the annotated, else of the marked lesion.
        centroid_ras_mm: in the FLAIR's space.
    """

    state: str
    volume_mm3: float
    centroid_ras_mm: tuple[float, float, float]


@dataclass(frozen=True)
class ComparedCase:
    """A case under both models.

    Attributes:
        name, patient: of the case; painted ones are named by it.
        kind: "annotated" or "painted".
        trained: whether one of the models was trained on it.
        before, after: columns of ``cases.csv`` of the evaluation.
        lesions: annotated lesions first, each largest first; none of painted cases.
    """

    name: str
    patient: str
    kind: str
    trained: bool
    before: dict[str, Any]
    after: dict[str, Any]
    lesions: tuple[ComparedLesion, ...] = ()


def compare_case(
    case: Case, models: tuple[ComparedModel, ComparedModel], policy: Policy, progress: Progress, device: str
) -> tuple[ComparedCase, PreparedStudy, np.ndarray]:
    """Segment one annotated case with both models, as ``segment`` does, and compare on the FLAIR's grid.

    Args:
        case: with a mask.
        models: before and after.
        policy: what counts.
        progress: of this case; may cancel.
        device: "auto", "cpu" or "cuda".

    Returns:
        The comparison, the prepared study and the annotated lesions on its grid (z, y, x) bool.

    Raises:
        StudyError: an image or the mask cannot be used.
    """
    study = read_study(*(case.images.get(name) for name in CONTRASTS))
    grid = Grid.of(study.flair)
    truth = read_mask(case.mask, grid)
    prepared = prepare(study, spacing_mm=1.0, progress=progress)
    brain = sitk.GetArrayFromImage(prepared.brain_on_flair) > 0
    masks, scores = [], []
    for model in models:
        probability = predict(model, prepared.channels, prepared.brain, progress, device)
        on_flair, _ = listed_on_flair(probability, prepared, study.flair, model.threshold)
        mask = lesion_mask(on_flair, model.threshold, model.min_lesion_mm3, grid.spacing) > 0
        pair = Pair(grid, truth, mask, on_flair, brain, ())
        scores.append(score_case(case.name, case.patient, pair, policy).values)
        masks.append(mask)
    trained = voxel_sha256(study.flair) in models[0].case_hashes | models[1].case_hashes
    lesions = compare_lesions(grid, truth, masks[0], masks[1], policy)
    compared = ComparedCase(case.name, case.patient, "annotated", trained, *scores, lesions)
    on_model = sitk.GetArrayFromImage(resample(grid.image(truth), prepared.grid, interpolator="nearest")) > 0
    return compared, prepared, on_model & prepared.brain


def predict(
    model: ComparedModel, channels: np.ndarray, brain: np.ndarray, progress: Progress, device: str
) -> np.ndarray:
    """Probability (z, y, x) of prepared channels (3, z, y, x) float32, as the engine predicts by default."""
    predictor = Predictor(model.network, patch=model.patch, flip=model.flip, device=device)
    return predictor.predict(channels, brain, progress)


def compare_lesions(
    grid: Grid, truth: np.ndarray, before: np.ndarray, after: np.ndarray, policy: Policy
) -> tuple[ComparedLesion, ...]:
    """Annotated lesions by who found them (any overlap), then lesions that are marked without any.

    Args:
        grid: of the arrays.
        truth, before, after: (z, y, x) bool.
        policy: smallest lesion.
    """
    tables = [overlap_table(truth, mask, grid.spacing, policy) for mask in (before, after)]
    found = zip(*(overlap_found(table) for table in tables), strict=True)
    compared = [
        _compared(STATES[tuple(map(bool, states))], lesion)
        for states, lesion in zip(found, _measured(grid, truth, policy), strict=True)
    ]
    between = overlap_table(before, after, grid.spacing, policy)
    for name, table, mask, shared in (
        ("after", tables[1], after, overlap_found(between.T)),
        ("before", tables[0], before, overlap_found(between)),
    ):
        right = overlap_found(table.T)
        for is_right, in_other, lesion in zip(right, shared, _measured(grid, mask, policy), strict=True):
            if not is_right and not (in_other and name == "before"):
                compared.append(_compared(FALSE_STATES["both" if in_other else name], lesion))
    return tuple(compared)


def _compared(state: str, lesion: Lesion) -> ComparedLesion:
    centroid = (lesion.centroid_r, lesion.centroid_a, lesion.centroid_s)
    return ComparedLesion(state, round(1000 * lesion.volume_ml, 1), centroid)


def _measured(grid: Grid, mask: np.ndarray, policy: Policy) -> Sequence[Lesion]:
    """The lesions of a mask, largest first, as ``overlap_table`` numbers them."""
    kept = lesion_mask(mask.astype(np.uint8), 0.5, policy.min_lesion_mm3, grid.spacing)
    return lesion_table(grid.image(label_lesions(kept)), grid.image(kept))
