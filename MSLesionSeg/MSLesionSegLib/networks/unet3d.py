"""The baseline: a conventional 3D U-Net, MONAI's ``BasicUNet``, behind the same call as EfficientNet3D-UNet.

Çiçek et al., *3D U-Net*, MICCAI 2016: two 3x3x3 convolutions a level, max pooling, skip by concatenation; instance
normalisation and leaky ReLU as in nnU-Net (Isensee et al., Nature Methods 2021).
"""

import torch.nn.functional as F
from monai.networks.nets import BasicUNet
from torch import Tensor, nn


class ConventionalUNet3D(nn.Module):
    """A conventional 3D U-Net with five resolutions.

    Args:
        in_channels: contrasts, in the order of the bundle.
        features: channels at full, 1/2, 1/4, 1/8 and 1/16 resolution, and of the last decoder level.
    """

    stride = 16

    def __init__(self, *, in_channels: int = 3, features: tuple[int, ...] = (32, 32, 64, 128, 256, 32)) -> None:
        super().__init__()
        self.network = BasicUNet(
            spatial_dims=3, in_channels=in_channels, out_channels=1, features=features, upsample="nontrainable"
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 1, z, y, x) from (B, contrasts, z, y, x) of any size, padded inside to a multiple of 16."""
        size = x.shape[2:]
        margin = [(-n) % self.stride for n in size]
        if any(margin):
            x = F.pad(x, (0, margin[2], 0, margin[1], 0, margin[0]))
        return self.network(x)[:, :, : size[0], : size[1], : size[2]]
