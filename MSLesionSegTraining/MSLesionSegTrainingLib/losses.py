"""Training losses on logits."""

import torch
import torch.nn.functional as F
from torch import Tensor


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
    overlap = (probability * target).sum()
    dice = (2 * overlap + 1.0) / (probability.sum() + target.sum() + 1.0)
    return 1 - dice + F.binary_cross_entropy_with_logits(logits, target)
