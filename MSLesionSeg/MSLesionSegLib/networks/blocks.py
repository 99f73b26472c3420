"""Building blocks of EfficientNet3D-UNet: dense convolution, fused-MBConv and MBConv in three dimensions.

MBConv: Sandler et al., *MobileNetV2*, CVPR 2018, and Tan & Le, *EfficientNet*, ICML 2019 (squeeze-and-excitation on
the expanded features, Hu et al., CVPR 2018; stochastic depth, Huang et al., ECCV 2016). Fused-MBConv, where one dense
convolution replaces expansion and depthwise convolution: Tan & Le, *EfficientNetV2*, ICML 2021.
All tensors are (B, C, z, y, x).
"""

import torch
from torch import Tensor, nn

NORMS = ("instance", "batch")
"""Statistics of the window itself (Ulyanov et al., 2016), or of the training patches (Ioffe & Szegedy, ICML 2015)."""


def normalisation(channels: int, norm: str) -> nn.Module:
    """Normalisation with learned scale and shift.

    Args:
        channels: of the features.
        norm: one of ``NORMS``. "batch" keeps absolute intensities, which "instance" takes away, costs nothing at
            inference once folded into the convolution before it, and does not depend on the window's size.
    """
    return nn.BatchNorm3d(channels) if norm == "batch" else nn.InstanceNorm3d(channels, affine=True)


class ConvNormAct(nn.Sequential):
    """A dense k x k x k convolution, normalisation, SiLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, *, norm: str) -> None:
        super().__init__(
            nn.Conv3d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False),
            normalisation(out_channels, norm),
            nn.SiLU(inplace=True),
        )


class DepthwiseConv3d(nn.Conv3d):
    """A depthwise convolution (groups equal channels), always computed in float32 on a CPU.

    oneDNN's depthwise kernels lose in bfloat16 what its dense ones gain (measured: 96 channels on 16 cubed, batch 2,
    forward and backward 4.8 ms in float32 against 16.6 ms in bfloat16, both channels-last, two cores).
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(channels, channels, kernel, stride=stride, padding=kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve; (B, C, z, y, x) to (B, C, z', y', x')."""
        if x.device.type != "cpu":
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.to(self.weight.dtype))


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the channel means (reduction given as a channel count)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(channels, squeezed, 1)
        self.expand = nn.Conv3d(squeezed, channels, 1)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Gate (B, C, z, y, x) by (B, C, 1, 1, 1)."""
        gate = self.expand(self.activation(self.reduce(x.mean((2, 3, 4), keepdim=True))))
        return x * torch.sigmoid(gate)


class StochasticDepth(nn.Module):
    """While training, drop the whole branch of a sample with the given probability; the identity otherwise."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Zero and rescale random samples of the batch."""
        if not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        mask = torch.rand((x.shape[0], 1, 1, 1, 1), device=x.device) < keep
        return x * mask / keep


class MBConv3d(nn.Module):
    """Inverted bottleneck: 1x1x1 expansion, depthwise k x k x k, squeeze-and-excitation, 1x1x1 projection, residual.

    The residual is there where stride is 1 and the widths agree.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int,
        norm: str,
        kernel: int = 3,
        stride: int = 1,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        expanded = in_channels * expansion
        self.expand = ConvNormAct(in_channels, expanded, kernel=1, norm=norm)
        self.depthwise = DepthwiseConv3d(expanded, kernel, stride)
        self.norm = normalisation(expanded, norm)
        self.activation = nn.SiLU(inplace=True)
        self.excite = SqueezeExcitation(expanded, max(4, in_channels // 4))
        self.project = nn.Conv3d(expanded, out_channels, 1, bias=False)
        self.project_norm = normalisation(out_channels, norm)
        self.drop = StochasticDepth(drop)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, z, y, x) to (B, out, z / stride, y / stride, x / stride)."""
        y = self.activation(self.norm(self.depthwise(self.expand(x))))
        y = self.project_norm(self.project(self.excite(y)))
        return x + self.drop(y) if self.residual else y


class FusedMBConv3d(nn.Module):
    """MBConv with expansion and depthwise convolution fused into one dense k x k x k convolution; no gate."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int,
        norm: str,
        kernel: int = 3,
        stride: int = 1,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        expanded = in_channels * expansion
        self.expand = ConvNormAct(in_channels, expanded, kernel=kernel, stride=stride, norm=norm)
        self.project = nn.Conv3d(expanded, out_channels, 1, bias=False)
        self.project_norm = normalisation(out_channels, norm)
        self.drop = StochasticDepth(drop)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, z, y, x) to (B, out, z / stride, y / stride, x / stride)."""
        y = self.project_norm(self.project(self.expand(x)))
        return x + self.drop(y) if self.residual else y
