"""Logits at coarser resolutions while training, so that deep layers learn from the labels directly."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.networks.efficientnet3d_unet import EfficientNet3DUNet

from .losses import UNSURE, Loss


class DeeplySupervised(nn.Module):
    """EfficientNet3D-UNet with a logit of its own after the decoders at a quarter and at half resolution.

    Lee et al., *Deeply-Supervised Nets*, AISTATS 2015. The added layers are left out of what is released.

    Args:
        network: trained inside; its weights are those of this module's ``network``.

    Raises:
        UsageError: another network than EfficientNet3D-UNet.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if not isinstance(network, EfficientNet3DUNet):
            raise UsageError("Deep supervision is there for EfficientNet3D-UNet alone.", "Leave the option away.")
        self.network = network
        decoders = network.decoders[1:]
        self.heads = nn.ModuleList([nn.LazyConv3d(1, 1) for _ in decoders])
        self._features: list[Tensor] = []
        for decoder in decoders:
            decoder.register_forward_hook(lambda _, __, output: self._features.append(output))
        with torch.no_grad():
            edge = network.stride * 2
            in_channels = network.full[0].in_channels
            self(torch.zeros(2, in_channels, edge, edge, edge))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits at full, a quarter and half resolution from (B, C, z, y, x)."""
        self._features.clear()
        full = self.network(x)
        coarse = tuple(head(features) for head, features in zip(self.heads, self._features, strict=True))
        self._features.clear()
        return (full, *coarse)


def supervised_loss(loss: Loss, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
    """A loss over one or several resolutions; each step down halves the weight, and the weights sum to 1.

    A coarse voxel is lesion where any of its fine ones is, so that small lesions stay; else it does not count where any
    of them does not.

    Args:
        loss: of logits and target at one resolution.
        logits: (B, 1, z, y, x), or several of them, the first at the target's resolution.
        target: (B, 1, z, y, x), 0, 1 or ``UNSURE``.
    """
    if isinstance(logits, Tensor):
        return loss(logits, target)
    terms, weights = [], []
    for one in logits:
        factor = target.shape[-1] // one.shape[-1]
        terms.append(loss(one, _coarse(target, factor)))
        weights.append(1.0 / factor)
    return sum(weight * term for weight, term in zip(weights, terms, strict=True)) / sum(weights)


def _coarse(target: Tensor, factor: int) -> Tensor:
    lesion = F.max_pool3d(target.clamp(min=0), factor)
    unsure = F.max_pool3d((target < 0).to(target.dtype), factor)
    return torch.where((lesion == 0) & (unsure > 0), UNSURE, lesion)
