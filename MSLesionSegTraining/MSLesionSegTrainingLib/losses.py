"""Training losses on logits. Sums over the batch run over the batches of all processes that train together."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]

MISS_WEIGHT = 0.7
"""Focal Tversky: weight of missed voxels; false ones weigh the rest."""
FOCUS = 0.75
"""Focal Tversky: exponent."""
SMOOTH = 1.0


def dice_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice over the whole batch plus mean binary cross-entropy.

    Dice over the batch (not per patch) is defined where a patch holds no lesion (Milletari et al., *V-Net*, 3DV 2016;
    the sum with cross-entropy as in nnU-Net, Isensee et al., Nature Methods 2021).

    Args:
        logits: (B, 1, z, y, x).
        target: (B, 1, z, y, x), 0 or 1.
    """
    logits = logits.float()
    probability = torch.sigmoid(logits)
    overlap, total = _summed((probability * target).sum(), probability.sum() + target.sum())
    dice = (2 * overlap + SMOOTH) / (total + SMOOTH)
    return 1 - dice + F.binary_cross_entropy_with_logits(logits, target)


def focal_tversky(logits: Tensor, target: Tensor) -> Tensor:
    """Focal Tversky loss over the whole batch: misses count more than false voxels, poor batches more than good ones.

    ``(1 - T)^0.75`` with ``T = TP / (TP + 0.7 FN + 0.3 FP)`` (Abraham & Khan, *A Novel Focal Tversky Loss Function With
    Improved Attention U-Net for Lesion Segmentation*, ISBI 2019).

    Args:
        logits: (B, 1, z, y, x).
        target: (B, 1, z, y, x), 0 or 1.
    """
    probability = torch.sigmoid(logits.float())
    found, predicted, annotated = _summed((probability * target).sum(), probability.sum(), target.sum())
    weighted = found + MISS_WEIGHT * (annotated - found) + (1 - MISS_WEIGHT) * (predicted - found)
    tversky = (found + SMOOTH) / (weighted + SMOOTH)
    return (1 - tversky).clamp(min=1e-6) ** FOCUS


LOSSES: dict[str, Loss] = {"dice-ce": dice_cross_entropy, "focal-tversky": focal_tversky}


def _summed(*values: Tensor) -> Tensor:
    """Values stacked, summed over the processes that train together; gradients flow back through the sum."""
    stacked = torch.stack(values)
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        from torch.distributed.nn.functional import all_reduce

        return all_reduce(stacked)
    return stacked
