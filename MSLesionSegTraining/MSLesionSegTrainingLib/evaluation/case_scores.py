"""All scores of one case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MSLesionSegLib.lesions import bounding_box

from .calibration import Reliability, reliability
from .columns import location_values
from .lesion_metrics import found_by_location, lesion_scores
from .policy import Policy
from .reading import Pair
from .surfaces import surface_scores
from .voxel_metrics import region_scores, voxel_scores

Value = str | float | int | None


@dataclass(frozen=True)
class CaseScores:
    """One row of ``cases.csv`` and what the figures need beside it.

    Attributes:
        values: column -> value; None where it is not defined or not computed.
        size_lesions, size_found: true lesions in each size bin, and those found by any overlap.
        reliability: None without probabilities.
    """

    values: dict[str, Value]
    size_lesions: tuple[int, ...]
    size_found: tuple[int, ...]
    reliability: Reliability | None


def score_case(case: str, patient: str, pair: Pair, policy: Policy) -> CaseScores:
    """Score a prediction against its annotation.

    Args:
        case, patient: names.
        pair: the images on the annotation's grid.
        policy: the definitions.
    """
    spacing = pair.grid.spacing
    box = bounding_box(pair.truth | pair.predicted) or (slice(0, 1),) * 3
    truth, predicted = (np.ascontiguousarray(mask[box]) for mask in (pair.truth, pair.predicted))
    voxel_ml = float(np.prod(spacing)) / 1000.0
    load_ml, predicted_ml = (float(np.count_nonzero(mask)) * voxel_ml for mask in (truth, predicted))
    lesions = lesion_scores(truth, predicted, spacing, policy)
    bins = None
    if pair.probability is not None:
        bins = reliability(pair.probability, pair.truth, pair.predicted, spacing, policy)
    values: dict[str, Value] = {
        "case": case,
        "patient": patient,
        "load_ml": load_ml,
        "predicted_ml": predicted_ml,
        "volume_error_ml": predicted_ml - load_ml,
        "volume_error_abs_ml": abs(predicted_ml - load_ml),
        **voxel_scores(truth, predicted, pair.truth.size, policy),
        **({} if pair.brain is None else region_scores(pair.truth, pair.predicted, pair.brain)),
        **surface_scores(truth, predicted, spacing, policy),
        **lesions.values,
        "ece": bins.ece if bins else None,
        "brier": bins.brier if bins else None,
        "notes": "; ".join(pair.notes),
    }
    for number, (count, found) in enumerate(zip(lesions.size_lesions, lesions.size_found, strict=True), start=1):
        values[f"lesions_size{number}"] = count
        values[f"recall_size{number}"] = found / count if count else None
    if pair.zones is not None:
        values |= location_values(found_by_location(truth, predicted, pair.zones[box], spacing, policy))
    return CaseScores(values, lesions.size_lesions, lesions.size_found, bins)
