"""Agreement voxel by voxel."""

from __future__ import annotations

import numpy as np

from .policy import Policy


def share(part: float, whole: float, both_empty: bool, policy: Policy) -> float:
    """``part / whole``; where that is 0 / 0 what the policy says.

    Args:
        part, whole: counts.
        both_empty: whether neither mask holds anything.
        policy: gives the value.
    """
    if whole:
        return float(part / whole)
    return policy.both_empty if both_empty else policy.one_empty


def voxel_scores(truth: np.ndarray, predicted: np.ndarray, image_voxels: int, policy: Policy) -> dict[str, float]:
    """Dice = 2TP / (2TP + FP + FN), precision, recall and nDSC.

    nDSC = 2TP / (k FP + 2TP + FN) with k = (1 - r) P / (r N), P lesion and N background voxels of the annotation, k = 1
    where it has no lesion (Raina et al., "Tackling bias in the Dice similarity coefficient: introducing nDSC for white
    matter lesion segmentation", ISBI 2023; as in the code of the Shifts challenge).

    Args:
        truth, predicted: (z, y, x) bool; may be cut to a box that holds all their true voxels.
        image_voxels: voxels of the whole annotated image.
        policy: r, and the values for empty masks.

    Returns:
        ``dice``, ``precision``, ``recall``, ``ndsc``, each 0 to 1.
    """
    tp = int(np.count_nonzero(truth & predicted))
    positive = int(np.count_nonzero(truth))
    marked = int(np.count_nonzero(predicted))
    fp, fn = marked - tp, positive - tp
    both_empty = positive + marked == 0
    r, background = policy.ndsc_r, image_voxels - positive
    k = (1 - r) * positive / (r * background) if positive and background else 1.0
    return {
        "dice": share(2 * tp, positive + marked, both_empty, policy),
        "precision": share(tp, marked, both_empty, policy),
        "recall": share(tp, positive, both_empty, policy),
        "ndsc": share(2 * tp, k * fp + 2 * tp + fn, both_empty, policy),
    }


def region_scores(truth: np.ndarray, predicted: np.ndarray, brain: np.ndarray) -> dict[str, float | None]:
    """Specificity = TN / (TN + FP) and accuracy = (TP + TN) / all, over the voxels of the brain mask.

    Args:
        truth, predicted, brain: (z, y, x) bool of the whole image.

    Returns:
        ``specificity`` and ``accuracy``, 0 to 1; None where the brain mask holds no voxel to divide by.
    """
    size = int(np.count_nonzero(brain))
    wrong = int(np.count_nonzero((truth ^ predicted) & brain))
    negative = int(np.count_nonzero(brain & ~truth))
    fp = int(np.count_nonzero(brain & ~truth & predicted))
    return {
        "specificity": (negative - fp) / negative if negative else None,
        "accuracy": (size - wrong) / size if size else None,
    }
