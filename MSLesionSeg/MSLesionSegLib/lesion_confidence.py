"""How sure a listed lesion is: its confidence, and why it is doubtful.

The confidence is a logistic regression on two things that a lesion shows on any image, fitted on patients whom the
network had not seen (see ``docs/confidence.md``):

* the evidence: the network runs a second time with one contrast left out (FLAIR alone: mirrored), and the lower of the
  two probabilities is taken at each voxel; the greatest such value within the lesion, as a logit;
* whether the lesion touches the edge of the brain, where bright rims and remains of the skull are marked falsely.

Both come from images of the result, so another threshold or an edited mask is rated without the network. Needs numpy
and SimpleITK alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .lesion_table import Lesion
from .lesions import bounding_box

FEATURES = ("evidence", "edge")
EDGE_MM = 2.5
"""A lesion touches the edge of the brain where one of its voxels lies this near to what is not brain."""
HIGHEST = 0.999
"""Evidence is taken between 1 - 0.999 and 0.999: beyond, a probability says nothing more."""
AT_THE_EDGE, UNSURE = "at the edge of the brain", "low probability"
CONFIDENCE_NOTICE = (
    "Confidence: how often an expert marked a lesion like this too, on the few patients below. It need not hold at "
    "another site. It says nothing about lesions that were missed."
)
NOT_MIRRORED = "not found on the mirrored images"


def rate_lesions(
    lesions: Sequence[Lesion],
    labels: sitk.Image,
    probability: sitk.Image,
    second: sitk.Image,
    brain: sitk.Image,
    rule: Mapping[str, Any],
    threshold: float,
) -> list[Lesion]:
    """Fill ``confidence`` and ``doubtful`` of each lesion.

    Args:
        lesions: of ``labels``.
        labels: 3D integer image, 0 background, n = lesion n.
        probability: ``lesion_probability.nii.gz``.
        second: ``second_probability.nii.gz``: the same of the second pass.
        brain: ``brain_mask.nii.gz``; all four on one grid.
        rule: the block ``confidence`` of ``provenance.json``.
        threshold: of the mask.

    Returns:
        The same lesions with both fields. A lesion that nowhere reaches the threshold was not found by the model but
        drawn by a reader: it keeps neither.
    """
    features = lesion_features(labels, probability, second, brain)
    rated = []
    for lesion in lesions:
        if lesion.max_probability < threshold:
            rated.append(replace(lesion, confidence=None, doubtful=""))
            continue
        confidence = lesion_confidence(features[lesion.id], rule["weights"], rule["intercept"])
        doubtful = confidence < rule["doubtful_below"]
        reason = _reason(features[lesion.id], rule["left_out"], threshold) if doubtful else ""
        rated.append(replace(lesion, confidence=confidence, doubtful=reason))
    return rated


def review_order(lesions: Iterable[Lesion]) -> list[Lesion]:
    """Doubtful lesions first, the least sure first; then the others by number."""
    return sorted(lesions, key=lambda one: (0, one.confidence or 0.0, one.id) if one.doubtful else (1, 0.0, one.id))


def lesion_features(
    labels: sitk.Image, probability: sitk.Image, second: sitk.Image, brain: sitk.Image
) -> dict[int, dict[str, float]]:
    """What the confidence of each lesion is computed from; for the arguments see `rate_lesions`.

    Returns:
        Number of the lesion -> ``evidence`` (0 to 1) and ``edge`` (0 or 1).
    """
    numbers = sitk.GetArrayViewFromImage(labels)
    lower = np.minimum(sitk.GetArrayViewFromImage(probability), sitk.GetArrayViewFromImage(second))
    edge = near_edge(brain, numbers)
    features = {}
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        if box is not None:
            inside = numbers[box] == number
            features[number] = {"evidence": float(lower[box][inside].max()), "edge": float(edge[box][inside].any())}
    return features


def lesion_confidence(features: Mapping[str, float], weights: Mapping[str, float], intercept: float) -> float:
    """The logistic regression: 1 / (1 + exp(-(intercept + weights times features))), two decimals.

    Args:
        features: of one lesion, see `lesion_features`.
        weights: feature -> weight; that of ``evidence`` is for its logit.
        intercept: of the regression.
    """
    values = regressors(features)
    total = intercept + sum(weights[name] * values[name] for name in FEATURES)
    return round(1.0 / (1.0 + math.exp(-total)), 2)


def regressors(features: Mapping[str, float]) -> dict[str, float]:
    """The features as they enter the regression: the evidence as a logit."""
    evidence = min(max(features["evidence"], 1.0 - HIGHEST), HIGHEST)
    return {"evidence": math.log(evidence / (1.0 - evidence)), "edge": features["edge"]}


def near_edge(brain: sitk.Image, numbers: np.ndarray) -> np.ndarray:
    """Voxels of lesions that lie within ``EDGE_MM`` of what is not brain; beyond the image all is brain.

    Args:
        brain: 0 where there is no brain.
        numbers: (z, y, x) integer on its grid, 0 background, n = lesion n.

    Returns:
        (z, y, x) bool.
    """
    near = np.zeros(numbers.shape, bool)
    box = bounding_box(numbers != 0)
    if box is None:
        return near
    radius = [math.floor(EDGE_MM / step) for step in brain.GetSpacing()]
    wide = tuple(slice(max(part.start - r, 0), part.stop + r) for part, r in zip(box, radius[::-1], strict=True))
    part = sitk.GetImageFromArray((sitk.GetArrayViewFromImage(brain)[wide] != 0).astype(np.uint8))
    inner = sitk.GetArrayFromImage(sitk.BinaryErode(part, radius, sitk.sitkBall))
    near[wide] = (inner == 0) & (numbers[wide] != 0)
    return near


def _reason(features: Mapping[str, float], left_out: str, threshold: float) -> str:
    """Why a lesion is doubtful, for a reader."""
    reasons = [AT_THE_EDGE] if features["edge"] else []
    if features["evidence"] < threshold:
        reasons.append(f"not found without {left_out}" if left_out else NOT_MIRRORED)
    return "; ".join(reasons) or UNSURE
