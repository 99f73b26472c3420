"""EfficientNet3D-UNet: a compound-scaled MBConv3D encoder in a U-Net, one logit at full resolution.

After Almaaz & Dardouri, J. Imaging 2025, 11(10), 361 (doi 10.3390/jimaging11100361), whose abstract names the parts but
no sizes; widths, depths and presets are ours (README, "Choices"). The stem halves the resolution, stages at half
resolution are fused-MBConv unless ``faithful``, stages at a quarter and below are true MBConv always.

Compound scaling (Tan & Le, *EfficientNet*, ICML 2019) in 3D: one coefficient phi scales depth by alpha^phi, width by
beta^phi and patch edge by gamma^phi with alpha * beta^2 * gamma^3 = 2, so each step of phi doubles the work
(alpha 1.15 and gamma 1.10 give beta 1.14, before rounding).
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UsageError
from .blocks import NORMS, ConvNormAct, FusedMBConv3d, MBConv3d

ALPHA = 1.15
"""Depth per step of phi."""
GAMMA = 1.10
"""Patch edge per step of phi."""
DEPTH_SHARE = 0.6
"""Exponent with which the number of encoder blocks enters the work: decoder, stem and head do not get deeper."""

BASE_WIDTHS = (16, 32, 48, 80, 128)
"""Channels at full, half, quarter, eighth and sixteenth resolution, at phi = 0."""
BASE_DEPTHS = (2, 2, 3, 3)
"""Blocks of the encoder stages at half, quarter, eighth and sixteenth resolution, at phi = 0."""
BASE_PATCH = 64
"""Patch edge in voxels at phi = 0."""


@dataclass(frozen=True)
class Scaling:
    """Widths, depths and patch edge of one preset."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    patch: int


def compound_scaling(phi: float) -> Scaling:
    """Sizes for a compound coefficient.

    Depths are rounded to whole blocks and the patch edge to multiples of 16, the network's coarsest stride: both jump.
    The width takes up what rounding left over, so that the work of one patch still doubles with each step of phi
    (counted on the presets: by factors of 1.79 to 2.04).

    Args:
        phi: 0 is the base network; negative values are smaller.

    Returns:
        Widths in multiples of 4 (never under 8), depths (never under 1) and patch edge (never under 32).
    """
    depths = tuple(max(1, round(depth * ALPHA**phi)) for depth in BASE_DEPTHS)
    patch = max(32, 16 * round(BASE_PATCH * GAMMA**phi / 16))
    work = (sum(depths) / sum(BASE_DEPTHS)) ** DEPTH_SHARE * (patch / BASE_PATCH) ** 3
    factor = math.sqrt(2.0**phi / work)
    return Scaling(tuple(max(8, 4 * round(width * factor / 4)) for width in BASE_WIDTHS), depths, patch)


PRESETS = {"small": -1.0, "b0": 0.0, "b1": 1.0, "b2": 2.0, "b3": 3.0, "b4": 4.0}
"""Compound coefficient of each named preset."""


def preset_architecture(name: str) -> dict[str, Any]:
    """The ``architecture`` block of ``model.json`` for a preset.

    Args:
        name: one of ``PRESETS``.

    Raises:
        UsageError: no such preset.
    """
    scaling = preset_scaling(name)
    return {
        "type": "efficientnet3d_unet",
        "widths": list(scaling.widths),
        "depths": list(scaling.depths),
        "norm": "batch",
    }


def preset_scaling(name: str) -> Scaling:
    """Sizes of a preset.

    Args:
        name: one of ``PRESETS``.

    Raises:
        UsageError: no such preset.
    """
    if name not in PRESETS:
        raise UsageError(f"There is no preset {name!r}.", f"Presets are {', '.join(PRESETS)}.")
    return compound_scaling(PRESETS[name])


class EfficientNet3DUNet(nn.Module):
    """EfficientNet3D-UNet.

    Args:
        in_channels: contrasts, in the order of the bundle.
        widths: channels at full, 1/2, 1/4, 1/8 and 1/16 resolution.
        depths: blocks of the encoder stages at 1/2, 1/4, 1/8 and 1/16.
        expansion: expansion ratio of the MBConv blocks.
        fused_expansion: expansion ratio of the fused blocks at half resolution.
        faithful: MBConv at half resolution as well, as the paper's name implies; slower, for comparison.
        drop: stochastic depth of the deepest block, rising linearly from 0.
        norm: "instance" or "batch", see ``blocks.normalisation``.

    Raises:
        UsageError: another ``norm``.
    """

    stride = 16

    def __init__(
        self,
        *,
        in_channels: int = 3,
        widths: tuple[int, ...] = BASE_WIDTHS,
        depths: tuple[int, ...] = BASE_DEPTHS,
        expansion: int = 4,
        fused_expansion: int = 2,
        faithful: bool = False,
        drop: float = 0.1,
        norm: str = "instance",
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            raise UsageError(f"There is no normalisation {norm!r} in the network.", f"Give one of {', '.join(NORMS)}.")
        full, half = widths[0], widths[1]
        self.full = ConvNormAct(in_channels, full, norm=norm)
        self.stem = ConvNormAct(full, half, stride=2, norm=norm)
        total = sum(depths)
        built = 0
        stages = []
        for level, (width, depth) in enumerate(zip(widths[1:], depths, strict=True)):
            fused = level == 0 and not faithful
            stage = nn.Sequential()
            for index in range(depth):
                first = level > 0 and index == 0
                block = FusedMBConv3d if fused else MBConv3d
                stage.append(
                    block(
                        widths[level] if first else width,
                        width,
                        expansion=fused_expansion if fused else expansion,
                        stride=2 if first else 1,
                        drop=drop * built / max(1, total - 1),
                        norm=norm,
                    )
                )
                built += 1
            stages.append(stage)
        self.stages = nn.ModuleList(stages)
        self.decoders = nn.ModuleList(
            [
                nn.Sequential(
                    ConvNormAct(coarse + fine, fine, kernel=1, norm=norm),
                    MBConv3d(fine, fine, expansion=expansion, norm=norm),
                )
                if fine_level >= 2 or faithful
                else ConvNormAct(coarse + fine, fine, norm=norm)
                for fine_level, fine, coarse in (
                    (3, widths[3], widths[4]),
                    (2, widths[2], widths[3]),
                    (1, half, widths[2]),
                )
            ]
        )
        self.reduce = nn.Conv3d(half, full, 1, bias=False)
        self.refine = ConvNormAct(full, full, norm=norm)
        self.logit = nn.Conv3d(full, 1, 1)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits.

        Args:
            x: (B, contrasts, z, y, x), any size; padded inside with zeros to a multiple of 16.

        Returns:
            (B, 1, z, y, x) logits at the size of ``x``.
        """
        size = x.shape[2:]
        margin = [(-n) % self.stride for n in size]
        if any(margin):
            x = F.pad(x, (0, margin[2], 0, margin[1], 0, margin[0]))
        full = self.full(x)
        features = [self.stem(full)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        skips = features[1:]
        y = skips[3]
        for decoder, skip in zip(self.decoders, (skips[2], skips[1], skips[0]), strict=True):
            y = decoder(torch.cat((F.interpolate(y, scale_factor=2.0, mode="nearest"), skip), 1))
        y = self.refine(F.interpolate(self.reduce(y), scale_factor=2.0, mode="nearest") + full)
        return self.logit(y)[:, :, : size[0], : size[1], : size[2]]


def _initialise(network: nn.Module) -> None:
    """He initialisation of the convolutions; the logit starts at a lesion share of about two per cent.

    On the meta device there is nothing to initialise, and PyTorch would take a second to find that out.
    """
    if network.logit.weight.is_meta:
        return
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.normal_(network.logit.weight, std=0.01)
    nn.init.constant_(network.logit.bias, -math.log(49.0))
