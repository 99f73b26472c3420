"""Batch normalisation beyond one batch: over several processes, and for averaged weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from .patch_workers import outlive_a_cancel
from .process_sum import full_precision, process_sum, processes

STATISTICS_PATCHES = 128


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """Let batch normalisation take its statistics over the batches of all processes; names of weights stay."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm3d):
            shared = SharedBatchNorm3d(child.num_features, child.eps, child.momentum)
            shared.load_state_dict(child.state_dict())
            setattr(network, name, shared)
        else:
            synchronised(child, device)
    return network


class SharedBatchNorm3d(nn.BatchNorm3d):
    """Batch normalisation over the batches of all processes, for CPUs; PyTorch's own needs a GPU.

    Every process has as many voxels as the others.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, z, y, x)."""
        if not self.training:
            return super().forward(x)
        values = full_precision(x)
        count = processes() * values.numel() / values.shape[1]
        mean = process_sum(values.sum((0, 2, 3, 4))) / count
        centred = values - mean[:, None, None, None]
        variance = process_sum(centred.square().sum((0, 2, 3, 4))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None, None] + self.bias[:, None, None, None]).to(x.dtype)


@torch.no_grad()
def measure_statistics(network: nn.Module, patches: Dataset, device: torch.device, workers: int) -> None:
    """Measure the statistics of batch normalisation for averaged weights, which no step has run through.

    Plain means over the first patches (as in Izmailov et al., *Averaging Weights Leads to Wider Optima*, UAI 2018).
    Nothing happens to a network without batch normalisation.

    Args:
        network: changed in place; left in evaluation mode.
        patches: as ``train`` takes them.
        device: where the network is.
        workers: processes that make patches.
    """
    network.eval()
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    if not layers:
        return
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    few = Subset(patches, range(min(len(patches), STATISTICS_PATCHES)))
    loader = DataLoader(few, 2, num_workers=workers, worker_init_fn=outlive_a_cancel)
    dtype = next(network.parameters()).dtype
    for images, _ in loader:
        network(images.to(device, dtype))
    network.eval()
