"""How fast this machine trains and predicts with one network: some steps and one window, on made-up voxels."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from MSLesionSegLib.device import choose_device
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.predictor import MARGIN, Predictor
from MSLesionSegLib.protocol import Progress, SilentProgress
from MSLesionSegLib.windows import Box, plan_windows

from .fabric_setup import make_fabric
from .losses import dice_cross_entropy
from .machine import peak_memory

STEPS = 3
"""Timed, after one that is not."""
BRAIN_MM = (140, 170, 130)
"""Height, depth and width of a brain."""
OVERLAP = 0.25
"""Of the predictor's windows."""
CHANNELS = 3


@dataclass(frozen=True)
class Pace:
    """What was measured.

    Attributes:
        device: in words, such as "2 CPU threads".
        step_seconds: of one optimiser step.
        case_seconds: of one whole case that is predicted once.
        memory: bytes at most held so far; None where the system does not say.
        parameters: of the network.
    """

    device: str
    step_seconds: float
    case_seconds: float
    memory: int | None
    parameters: int


def measure_pace(
    architecture: dict[str, Any], patch: int, batch: int, precision: str, device: str, progress: Progress
) -> Pace:
    """Take some steps with random weights and patches, and predict one window.

    Args:
        architecture: as ``build_network`` takes it.
        patch: edge of the patches, voxels.
        batch: patches a step.
        precision: as Lightning Fabric names it.
        device: "auto", "cpu" or "cuda".
        progress: in the stage of the measurement; may cancel.

    Raises:
        UsageError, ResourceError: the device cannot be used.
    """
    fabric = make_fabric(device, precision)
    network, optimiser = fabric.setup(
        module := build_network(architecture), torch.optim.AdamW(module.parameters(), 1e-4)
    )
    generator = torch.Generator().manual_seed(0)
    shape = (batch, CHANNELS, patch, patch, patch)
    images = torch.randn(shape, generator=generator).to(fabric.device)
    labels = (images[:, :1] > 2).float()
    network.train()
    began = time.monotonic()
    for number in range(1 + STEPS):
        progress.update(0.5 * number / (1 + STEPS), "timing some steps")
        if number == 1:
            began = time.monotonic()
        loss = dice_cross_entropy(network(images), labels)
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(loss)
        optimiser.step()
        loss.item()
    step_seconds = (time.monotonic() - began) / STEPS
    progress.update(0.5, "timing one window")
    case_seconds = _case_seconds(module.float(), patch, device, progress)
    parameters = sum(value.numel() for value in module.parameters())
    return Pace(_device_words(device), step_seconds, case_seconds, peak_memory(), parameters)


def _case_seconds(network: torch.nn.Module, patch: int, device: str, progress: Progress) -> float:
    """Seconds to predict a brain of usual size, from one that fits into a single window."""
    length = patch - 2 * MARGIN
    brain = np.ones((length,) * 3, bool)
    channels = np.random.default_rng(0).normal(0, 1, (CHANNELS, *brain.shape)).astype(np.float32)
    predictor = Predictor(network, patch=(patch,) * 3, device=device)
    predictor.predict(channels, brain, _Quiet(progress))
    began = time.monotonic()
    predictor.predict(channels, brain, _Quiet(progress))
    window_seconds = time.monotonic() - began
    whole = plan_windows(Box((0, 0, 0), tuple(side + 2 * MARGIN for side in BRAIN_MM)), (patch,) * 3, OVERLAP)
    return window_seconds * len(whole.windows()) * math.prod(whole.size) / patch**3


def _device_words(name: str) -> str:
    device, note = choose_device(name)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    words = f"{threads} CPU thread{'' if threads == 1 else 's'} of {os.cpu_count()}"
    return f"{words} ({note.rstrip('.')})" if note else words


class _Quiet(SilentProgress):
    """Hears nothing and passes a cancel on."""

    def __init__(self, outer: Progress) -> None:
        super().__init__()
        self._outer = outer

    def check(self) -> None:
        self._outer.check()
