"""The few scores that choose a model's settings: voxel Dice, lesion precision, recall and F1, volumes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from MSLesionSegLib.lesions import hold_back_small, label_lesions, lesion_mask, quantise_probability


@dataclass(frozen=True)
class Score:
    """Agreement of one predicted mask with one annotated mask on a 1 mm grid.

    A lesion is a 26-connected component of at least 3 mm3 in either mask; it is found if a voxel of the other mask's
    lesions lies in it.

    Attributes:
        threshold: probability from which on a voxel is lesion.
        dice: of the voxels; 1 where both masks are empty.
        lesion_recall: share of annotated lesions found.
        lesion_precision: share of predicted lesions that are annotated.
        lesion_f1: harmonic mean of the two.
        volume_ml: predicted.
        truth_ml: annotated.
    """

    threshold: float
    dice: float
    lesion_recall: float
    lesion_precision: float
    lesion_f1: float
    volume_ml: float
    truth_ml: float

    def row(self) -> dict[str, float]:
        """The values, rounded to three decimals."""
        return {key: round(value, 3) for key, value in asdict(self).items()}


def score(probability: np.ndarray, truth: np.ndarray, threshold: float, min_mm3: float = 3.0) -> Score:
    """Score a probability map on a 1 mm grid.

    Args:
        probability: (z, y, x) float32.
        truth: (z, y, x) bool.
        threshold: see ``Score``; that of a model of which small faint lesions are held back, as ``segment`` does.
        min_mm3: smallest lesion, in the prediction and in the annotation alike.
    """
    spacing = (1.0, 1.0, 1.0)
    listed, _ = hold_back_small(quantise_probability(probability), threshold, spacing)
    predicted = lesion_mask(listed, threshold, min_mm3, spacing) > 0
    annotated = lesion_mask(truth.astype(np.float32), 0.5, min_mm3, spacing) > 0
    both = float((predicted & truth).sum())
    total = float(predicted.sum() + truth.sum())
    recall = _share_touched(annotated, predicted)
    precision = _share_touched(predicted, annotated)
    f1 = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    return Score(
        threshold,
        2 * both / total if total else 1.0,
        recall,
        precision,
        f1,
        float(predicted.sum()) / 1000,
        float(truth.sum()) / 1000,
    )


def _share_touched(lesions: np.ndarray, other: np.ndarray) -> float:
    labels = label_lesions(lesions)
    count = int(labels.max())
    touched = np.unique(labels[other])
    return float((touched > 0).sum()) / count if count else 1.0
