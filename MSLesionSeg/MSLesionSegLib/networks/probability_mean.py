"""Several networks of one architecture as one: the logit of their mean probability."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ProbabilityMean(nn.Module):
    """The mean of the probabilities of several networks.

    Networks that were trained apart are wrong in different places (Lakshminarayanan et al., *Simple and Scalable
    Predictive Uncertainty Estimation using Deep Ensembles*, NeurIPS 2017). Probabilities are averaged, not logits, for
    the reason that ``predictor.py`` gives for windows.

    Args:
        members: networks that take the same input and give one logit a voxel.
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 1, z, y, x) from (B, contrasts, z, y, x)."""
        logits = torch.cat([member(x) for member in self.members], 1).float()
        # The logit of the mean is log(sum p) - log(sum (1 - p)); in logarithms no p is rounded to 0 or 1.
        return _log_of_sum(F.logsigmoid(logits)) - _log_of_sum(F.logsigmoid(-logits))


def _log_of_sum(logarithms: Tensor) -> Tensor:
    """Logarithm of the sum over channels; spelt out, since exported ``torch.logsumexp`` sums over every axis."""
    largest = logarithms.amax(1, keepdim=True)
    return largest + torch.log(torch.exp(logarithms - largest).sum(1, keepdim=True))
