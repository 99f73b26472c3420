"""Training of the brain network, and its figures on raw heads.

The schedule has two parts. In the first the network learns from synthetic heads, from real brains in synthetic heads,
and from raw heads whose reference mask is sound. Then it finds the brain of the patients whose reference is defective
(the mean over their series and dates), and these join for the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from MSLesionSegLib.brain_mask import brain_probability, mask_from_probability, refined_mask
from MSLesionSegLib.grid import model_grid, resample
from MSLesionSegLib.images import read_image
from MSLesionSegLib.networks import build_network

from .brain_augment import random_view
from .brain_heads import HEAD_SPACING_MM, Head, grafted_heads, raw_flairs, raw_heads, reference_on, synthetic_heads

ARCHITECTURE = {
    "type": "efficientnet3d_unet",
    "in_channels": 1,
    "widths": [8, 16, 24, 32, 48],
    "depths": [1, 1, 2, 2],
    "drop": 0.0,
}


@dataclass(frozen=True)
class BrainRecipe:
    """Settings of a training of the brain network; `steps` or, where that is 0, `minutes` ends it."""

    steps: int = 1500
    minutes: float = 0.0
    seed: int = 0
    spacing_mm: float = 4.0
    batch: int = 1
    learning_rate: float = 5e-3
    weight_decay: float = 1e-3
    averaging: float = 0.995
    first_part: float = 0.5
    synthetic: int = 32
    grafts_per_brain: int = 2
    raw_share: float = 0.6
    window_mm: tuple[tuple[int, int], ...] = field(default=((132, 216), (196, 256), (164, 224)))


def prepare_heads(data: Path, recipe: BrainRecipe, leave_out: str | None = None) -> tuple[list[Head], list[Head]]:
    """All heads to train on but one patient's: raw ones, and synthetic ones with those around real brains."""
    made = synthetic_heads(recipe.synthetic, recipe.seed) + grafted_heads(data, recipe.grafts_per_brain, recipe.seed)
    return raw_heads(data, leave_out), made


def train_brain(
    raw: list[Head],
    made: list[Head],
    recipe: BrainRecipe,
    report: Callable[[float, int, float], None] = lambda fraction, step, loss: None,
) -> tuple[nn.Module, dict]:
    """Train the brain network.

    Args:
        raw: raw heads, some of which may have no brain yet.
        made: synthetic heads.
        recipe: the settings.
        report: called every 20 steps with the fraction done, the step and the mean loss.

    Returns:
        The network with averaged weights in evaluation mode, and what was done (steps, minutes, losses).
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng([recipe.seed, 1])
    network = build_network(ARCHITECTURE).train()
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    start, step, losses, repaired, done = time.monotonic(), 0, [], False, 0.0
    while done < 1.0:
        if not repaired and done >= recipe.first_part:
            raw, repaired = repair(_with_weights(average), raw, recipe.spacing_mm), True
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(done)
        views, brains = _batch(rng, [head for head in raw if head.brain is not None], made, recipe)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(views)
        loss = brain_loss(logits.float(), brains)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        keep = min(recipe.averaging, step / (step + 10))
        for name, value in network.state_dict().items():
            average[name].lerp_(value, 1 - keep)
        losses.append(float(loss.detach()))
        minutes = (time.monotonic() - start) / 60
        done = step / recipe.steps if recipe.steps else min(minutes / recipe.minutes, 1.0)
        if step % 20 == 0:
            report(done, step, float(np.mean(losses[-20:])))
    summary = {
        "steps": step,
        "minutes": round((time.monotonic() - start) / 60, 1),
        "loss": float(np.mean(losses[-100:])),
    }
    return _with_weights(average), summary


def brain_loss(logits: Tensor, brain: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice loss against the share of brain, both (B, 1, z, y, x)."""
    probability = torch.sigmoid(logits)
    overlap = (probability * brain).sum((1, 2, 3, 4))
    total = (probability.square() + brain.square()).sum((1, 2, 3, 4))
    dice = (2 * overlap + 1) / (total + 1)
    return F.binary_cross_entropy_with_logits(logits, brain) + (1 - dice).mean()


def repair(network: nn.Module, heads: list[Head], spacing_mm: float) -> list[Head]:
    """Give the heads without a brain that which the network finds, averaged over the patient's series and dates."""
    repaired = []
    means: dict[str, sitk.Image] = {}
    for head in heads:
        if head.brain is not None:
            repaired.append(head)
            continue
        if head.patient not in means:
            means[head.patient] = _mean_probability(
                network, [h for h in heads if h.patient == head.patient], spacing_mm
            )
        grid = model_grid(head.image, HEAD_SPACING_MM)
        probability = resample(means[head.patient], grid, head.to_common, antialias=False)
        mask = sitk.Cast(mask_from_probability(probability, probability), sitk.sitkFloat32)
        repaired.append(head.with_brain(sitk.GetArrayFromImage(sitk.DiscreteGaussian(mask, 1.0))))
    return repaired


def head_scores(data: Path, network: nn.Module, recipe: BrainRecipe, patient: str | None = None) -> list[dict]:
    """Dice of the mask with the reference on the grid of each raw FLAIR of a patient (of all where None)."""
    scores = []
    for path in raw_flairs(data):
        if patient is not None and not path.name.startswith(f"{patient}_"):
            continue
        image = read_image(path)
        probability = brain_probability(image, network, spacing_mm=recipe.spacing_mm)
        found = sitk.GetArrayFromImage(refined_mask(image, probability)) > 0
        reference = sitk.GetArrayFromImage(reference_on(data, path, image)) > 0
        volume = float(np.prod(image.GetSpacing())) / 1000.0
        scores.append(
            {
                "image": path.name.replace(".nii.gz", ""),
                "dice": round(2 * float((found & reference).sum()) / float(found.sum() + reference.sum()), 4),
                "volume_ml": round(float(found.sum()) * volume),
                "reference_ml": round(float(reference.sum()) * volume),
            }
        )
    return scores


def _mean_probability(network: nn.Module, heads: list[Head], spacing_mm: float) -> sitk.Image:
    """Mean probability over a patient's series, on the first one's fine grid moved to the common space."""
    corners = [np.array(h.to_common.TransformPoint(p)) for h in heads for p in _corners(h.image)]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    size = [int(n) for n in np.ceil((high - low) / HEAD_SPACING_MM) + 1]
    common = sitk.Image(size, sitk.sitkFloat32)
    common.SetSpacing([HEAD_SPACING_MM] * 3)
    common.SetOrigin(low.tolist())
    total, weight = common, common
    for head in heads:
        probability = brain_probability(head.image, network, spacing_mm=spacing_mm)
        back = head.to_common.GetInverse()
        covered = resample(probability * 0 + 1, common, back, antialias=False)
        total = total + resample(probability, common, back, antialias=False)
        weight = weight + covered
    return total / sitk.Maximum(weight, 1e-3)


def _corners(image: sitk.Image) -> list[tuple[float, ...]]:
    size = image.GetSize()
    ends = [(0, n - 1) for n in size]
    return [image.TransformIndexToPhysicalPoint((i, j, k)) for i in ends[0] for j in ends[1] for k in ends[2]]


def _batch(rng: np.random.Generator, raw: list[Head], made: list[Head], recipe: BrainRecipe) -> tuple[Tensor, Tensor]:
    shape = tuple(int(rng.integers(low, high + 1) / recipe.spacing_mm) for low, high in recipe.window_mm)
    pairs = []
    for _ in range(recipe.batch):
        if raw and rng.random() < recipe.raw_share:
            patients = sorted({head.patient for head in raw})
            patient = patients[rng.integers(len(patients))]
            pool = [head for head in raw if head.patient == patient]
        else:
            pool = made
        pairs.append(random_view(rng, pool[rng.integers(len(pool))], shape, recipe.spacing_mm))
    views, brains = (torch.from_numpy(np.stack(arrays))[:, None] for arrays in zip(*pairs, strict=True))
    return views, brains


def _schedule(done: float) -> float:
    """Learning rate over the training, relative to its peak: a short rise, then a cosine to 1 %."""
    if done < 0.03:
        return 0.1 + 0.9 * done / 0.03
    return 0.01 + 0.99 * (1 + float(np.cos(np.pi * (done - 0.03) / 0.97))) / 2


def _with_weights(weights: dict[str, Tensor]) -> nn.Module:
    network = build_network(ARCHITECTURE)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)
