"""Whether probabilities say how often they are right: expected calibration error, Brier score, reliability bins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MSLesionSegLib.lesions import bounding_box

from .policy import Policy


@dataclass(frozen=True)
class Reliability:
    """Sums over the voxels of a region, by bin of probability; those of several cases add up.

    Attributes:
        voxels: (bins,) int, voxels in the bin.
        probability: (bins,) sum of their probabilities.
        lesion: (bins,) int, how many of them are annotated.
        squares: sum over all voxels of (probability - annotated)^2.
    """

    voxels: np.ndarray
    probability: np.ndarray
    lesion: np.ndarray
    squares: float

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.voxels + other.voxels,
            self.probability + other.probability,
            self.lesion + other.lesion,
            self.squares + other.squares,
        )

    @property
    def ece(self) -> float | None:
        """Mean distance between probability and share of lesion, bins weighted by voxels; None without voxels.

        Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.
        """
        total = int(self.voxels.sum())
        return float(np.abs(self.probability - self.lesion).sum() / total) if total else None

    @property
    def brier(self) -> float | None:
        """Mean squared distance between probability and annotation (Brier 1950); None without voxels."""
        total = int(self.voxels.sum())
        return float(self.squares / total) if total else None


def reliability(
    probability: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    spacing_xyz: tuple[float, float, float],
    policy: Policy,
) -> Reliability:
    """Measure the voxels within the margin of the union of both masks.

    Args:
        probability: (z, y, x), 0 to 1.
        truth, predicted: (z, y, x) bool.
        spacing_xyz: voxel spacing in mm.
        policy: margin in mm and number of bins; a probability on an edge belongs to the higher bin, 1 to the last.
    """
    bins = policy.calibration_bins
    union = truth | predicted
    box = bounding_box(union)
    if box is None:
        return Reliability(np.zeros(bins, int), np.zeros(bins), np.zeros(bins, int), 0.0)
    margins = [math.ceil(policy.calibration_margin_mm / step) for step in spacing_xyz[::-1]]
    box = tuple(
        slice(max(0, part.start - margin), part.stop + margin) for part, margin in zip(box, margins, strict=True)
    )
    distance = ndimage.distance_transform_edt(~union[box], sampling=spacing_xyz[::-1])
    region = distance <= policy.calibration_margin_mm
    values, annotated = probability[box][region].astype(np.float64), truth[box][region]
    return bins_of(values, annotated, bins)


def bins_of(probability: np.ndarray, real: np.ndarray, bins: int = Policy.calibration_bins) -> Reliability:
    """Sums over any things that have a probability, by bin of it.

    Args:
        probability: (n,), 0 to 1; one on an edge belongs to the higher bin, 1 to the last.
        real: (n,) bool.
        bins: their number.
    """
    values = probability.astype(np.float64)
    place = np.minimum((values * bins).astype(int), bins - 1)
    return Reliability(
        np.bincount(place, minlength=bins),
        np.bincount(place, weights=values, minlength=bins),
        np.bincount(place[real], minlength=bins),
        float(((values - real) ** 2).sum()),
    )
