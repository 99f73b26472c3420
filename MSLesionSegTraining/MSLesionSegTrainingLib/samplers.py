"""Where training patches lie: the lesion-aware sampler and the two that it is compared with.

Each is a plain object that draws the centre of a patch from the index of a case (``case_index.py``); it knows no data
set and no loader, so that it serves any PyTorch loop:

    index = index_case(flair, brain, lesion)
    centre = LesionSampler().draw(rng, index)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from MSLesionSegLib.errors import UsageError

from .case_index import CaseIndex

LESION_JITTER = 0.3
"""Largest shift of a centre from the lesion voxel drawn, in shares of the patch edge: the voxel stays in the patch."""
HARD_JITTER = 0.25
"""The same of a hard negative."""


class Sampler(Protocol):
    """Draws where a patch lies."""

    def draw(self, rng: np.random.Generator, index: CaseIndex) -> np.ndarray:
        """The centre of a patch, float64 (3,), (z, y, x) in voxels.

        Args:
            rng: source of all randomness.
            index: of the case.
        """
        ...


@dataclass(frozen=True)
class LesionSampler:
    """By lesion, not by lesion voxel, or the few biggest lesions would fill every batch.

    A share of the patches lies near a lesion, drawn with probability proportional to its size to ``size_exponent``; a
    share on hard negatives, half of them former false positives where there are any, the others voxels that are bright
    on FLAIR without being lesion; the rest anywhere in the brain. What a case does not have goes to the brain.

    Attributes:
        lesion: share near a lesion.
        hard: share on hard negatives.
        size_exponent: 0 draws every lesion alike, 1 draws every lesion voxel alike.
        jitter_voxels: largest shift from the lesion voxel drawn, along each axis.
        hard_jitter_voxels: the same of a hard negative.

    Raises:
        UsageError: shares that are negative or above 1 together, or a negative exponent or jitter.
    """

    lesion: float = 0.6
    hard: float = 0.2
    size_exponent: float = 0.3
    jitter_voxels: float = LESION_JITTER * 64
    hard_jitter_voxels: float = HARD_JITTER * 64

    def __post_init__(self) -> None:
        if min(self.lesion, self.hard) < 0 or self.lesion + self.hard > 1:
            raise UsageError("The shares of lesions and hard negatives must be 0 or more, and at most 1 together.")
        if min(self.size_exponent, self.jitter_voxels, self.hard_jitter_voxels) < 0:
            raise UsageError("The size exponent and the jitter of the sampler must be 0 or more.")

    def draw(self, rng: np.random.Generator, index: CaseIndex) -> np.ndarray:
        """See ``Sampler.draw``."""
        chance = rng.random()
        if chance < self.lesion:
            if len(index.lesions):
                return index.lesions.draw(rng, self.size_exponent) + _jitter(rng, self.jitter_voxels)
        elif chance < self.lesion + self.hard:
            former = index.false_positives
            if len(former) and (not len(index.bright_voxels) or chance < self.lesion + self.hard / 2):
                return _any_of(rng, former) + _jitter(rng, self.hard_jitter_voxels)
            if len(index.bright_voxels):
                return _any_of(rng, index.bright_voxels) + _jitter(rng, self.hard_jitter_voxels)
        return _any_of(rng, index.brain_voxels)


@dataclass(frozen=True)
class UniformSampler:
    """Anywhere in the brain."""

    def draw(self, rng: np.random.Generator, index: CaseIndex) -> np.ndarray:
        """See ``Sampler.draw``."""
        return _any_of(rng, index.brain_voxels)


@dataclass(frozen=True)
class PosNegSampler:
    """On a lesion voxel or on a voxel without lesion, as MONAI's ``RandCropByPosNegLabeld`` does.

    The rule is that of ``monai.transforms.utils.generate_pos_neg_label_crop_centers`` with the brain as the image that
    limits the background: with the odds pos to neg a voxel of the mask, every voxel alike, else one of the brain
    without lesion; where there are none of the one, always the other. Two things differ: the background is drawn from
    a fixed sample of its voxels, and a patch that reaches beyond the volume is not pushed back inside, since patches
    here are read with zeros around the volume.

    Attributes:
        pos: odds of a lesion voxel.
        neg: odds of a voxel without lesion.

    Raises:
        UsageError: odds that are negative or both 0.
    """

    pos: float = 1.0
    neg: float = 1.0

    def __post_init__(self) -> None:
        if min(self.pos, self.neg) < 0 or self.pos + self.neg <= 0:
            raise UsageError("The odds of the positive/negative sampler must be 0 or more, and not both 0.")

    def draw(self, rng: np.random.Generator, index: CaseIndex) -> np.ndarray:
        """See ``Sampler.draw``."""
        voxels, specks, background = index.lesions.voxels, index.lesions.specks, index.background_voxels
        count = len(voxels) + len(specks)
        if count and (not len(background) or rng.random() * (self.pos + self.neg) < self.pos):
            chosen = int(rng.random() * count)
            return (voxels[chosen] if chosen < len(voxels) else specks[chosen - len(voxels)]).astype(float)
        return _any_of(rng, background)


SAMPLERS: dict[str, Callable[[int], Sampler]] = {
    "lesion": lambda patch: LesionSampler(jitter_voxels=LESION_JITTER * patch, hard_jitter_voxels=HARD_JITTER * patch),
    "uniform": lambda patch: UniformSampler(),
    "posneg": lambda patch: PosNegSampler(),
}


def make_sampler(name: str, patch: int) -> Sampler:
    """The sampler of a name, for cubic patches of so many voxels along an edge.

    Raises:
        UsageError: there is no such sampler.
    """
    if name not in SAMPLERS:
        raise UsageError(f"There is no sampler {name!r}.", f"Samplers are {', '.join(SAMPLERS)}.")
    return SAMPLERS[name](patch)


def _any_of(rng: np.random.Generator, voxels: np.ndarray) -> np.ndarray:
    return voxels[int(rng.random() * len(voxels))].astype(float)


def _jitter(rng: np.random.Generator, reach: float) -> np.ndarray:
    return (2 * rng.random(3) - 1) * reach
