"""Training losses on logits. Sums over the batch run over the batches of all processes that train together."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .process_sum import full_precision, process_sum

Loss = Callable[[Tensor, Tensor], Tensor]

MISS_WEIGHT = 0.7
"""Focal Tversky: weight of missed voxels; false ones weigh the rest."""
FOCUS = 0.75
"""Focal Tversky: exponent."""
SMOOTH = 1.0
UNSURE = -1.0
"""Target of a voxel that does not count."""


def dice_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice over the whole batch plus mean binary cross-entropy.

    Dice over the batch (not per patch) is defined where a patch holds no lesion (Milletari et al., *V-Net*, 3DV 2016;
    the sum with cross-entropy as in nnU-Net, Isensee et al., Nature Methods 2021).

    Args:
        logits: (B, 1, z, y, x).
        target: (B, 1, z, y, x), 0, 1 or ``UNSURE``.
    """
    logits = full_precision(logits)
    target, counted = _counted(target.to(logits.dtype))
    probability = torch.sigmoid(logits) * counted
    overlap, total = process_sum(torch.stack(((probability * target).sum(), probability.sum() + target.sum())))
    dice = (2 * overlap + SMOOTH) / (total + SMOOTH)
    entropy = F.binary_cross_entropy_with_logits(logits, target, weight=counted, reduction="sum")
    return 1 - dice + entropy / counted.sum().clamp(min=1)


def focal_tversky(logits: Tensor, target: Tensor) -> Tensor:
    """Focal Tversky loss over the whole batch: misses count more than false voxels, poor batches more than good ones.

    ``(1 - T)^0.75`` with ``T = TP / (TP + 0.7 FN + 0.3 FP)`` (Abraham & Khan, *A Novel Focal Tversky Loss Function With
    Improved Attention U-Net for Lesion Segmentation*, ISBI 2019).

    Args:
        logits: (B, 1, z, y, x).
        target: (B, 1, z, y, x), 0, 1 or ``UNSURE``.
    """
    target, counted = _counted(target)
    probability = torch.sigmoid(full_precision(logits)) * counted
    sums = torch.stack(((probability * target).sum(), probability.sum(), target.sum()))
    found, predicted, annotated = process_sum(sums)
    weighted = found + MISS_WEIGHT * (annotated - found) + (1 - MISS_WEIGHT) * (predicted - found)
    tversky = (found + SMOOTH) / (weighted + SMOOTH)
    return (1 - tversky).clamp(min=1e-6) ** FOCUS


def _counted(target: Tensor) -> tuple[Tensor, Tensor]:
    """The target with 0 where it is ``UNSURE``, and 1 where it is not."""
    return target.clamp(min=0), (target >= 0).to(target.dtype)


LOSSES: dict[str, Loss] = {"dice-ce": dice_cross_entropy, "focal-tversky": focal_tversky}
