"""How a network does, epoch by epoch, on fixed patches of patients that it trains on and of others."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .canvases import Canvas
from .losses import dice_cross_entropy
from .samplers import PosNegSampler
from .spatial import patch_offsets, read_together

WATCH_FILE = "watch.csv"
PATCHES = 24
"""Of each group; half of them around a lesion voxel, half around another voxel of the brain."""
SEED = 20251124

FixedPatches = tuple[Tensor, Tensor]
"""Channels (n, 3, z, y, x) and lesions (n, 1, z, y, x), 0 or 1, both float32."""


@dataclass(frozen=True)
class Watched:
    """One row of ``watch.csv``: the averaged weights after an epoch.

    Attributes:
        epoch: from 1.
        patches: training patches seen.
        seconds: of training so far.
        training_loss: mean over the epoch, on deformed, painted and varied patches where the sampler put them.
        seen_loss, unseen_loss: the same loss on the fixed patches of patients that are trained on, and that are not.
        seen_dice, unseen_dice: Dice over all their voxels at threshold 0.5.
    """

    epoch: int
    patches: int
    seconds: float
    training_loss: float
    seen_loss: float
    unseen_loss: float
    seen_dice: float
    unseen_dice: float


def fixed_patches(canvases: Sequence[Canvas], size: int, count: int = PATCHES) -> FixedPatches:
    """Cut patches as they are, neither deformed nor varied: the same for every run of a study.

    Args:
        canvases: real studies or painted patients, used in turn.
        size: edge in voxels.
        count: of the patches.
    """
    rng = np.random.default_rng(SEED)
    sampler, images, labels = PosNegSampler(), [], []
    for number in range(count):
        canvas = canvases[number % len(canvases)]
        places = patch_offsets(size) + torch.from_numpy(sampler.draw(rng, canvas.index).round()).float()
        channels, lesion = read_together((canvas.channels, canvas.lesion), places)
        images.append(channels)
        labels.append((lesion > 0.5).float())
    return torch.stack(images), torch.stack(labels)


@torch.no_grad()
def measure(network: nn.Module, patches: FixedPatches, device: torch.device) -> tuple[float, float]:
    """Loss (see ``dice_cross_entropy``, pairs of patches) and Dice over all voxels at threshold 0.5.

    Args:
        network: in evaluation mode, on the device.
        patches: see ``fixed_patches``.
        device: where it runs.
    """
    losses, both, total = [], 0, 0
    for images, labels in zip(*(part.split(2) for part in patches), strict=True):
        logits, labels = network(images.to(device)).float(), labels.to(device)
        losses.append(float(dice_cross_entropy(logits, labels)))
        found = logits > 0
        both += int((found & (labels > 0)).sum())
        total += int(found.sum() + labels.sum())
    return sum(losses) / len(losses), 2 * both / total if total else 1.0


def read_watch(run: Path) -> list[Watched]:
    """The rows of a run's ``watch.csv``; none where there is no such file."""
    path = run / WATCH_FILE
    if not path.exists():
        return []
    kinds = {field.name: int if field.type == "int" else float for field in fields(Watched)}
    with path.open(newline="", encoding="utf-8") as stream:
        return [Watched(**{key: kinds[key](value) for key, value in row.items()}) for row in csv.DictReader(stream)]


def write_watch(run: Path, rows: Sequence[Watched]) -> None:
    """Write ``watch.csv``, whole or not at all."""
    partial = run / f"{WATCH_FILE}.partial"
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Watched)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{value:.6g}" for key, value in asdict(row).items()} for row in rows)
    os.replace(partial, run / WATCH_FILE)
