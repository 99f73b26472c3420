"""What is said of all cases together, as it goes into ``summary.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from MSLesionSegLib import __version__
from MSLesionSegLib.provenance import TOOL, software_versions

from .calibration import Reliability
from .case_scores import CaseScores
from .cohort import PatientDraws, summarise
from .columns import columns
from .policy import Policy

FORMAT_VERSION = 1
RESEARCH_USE = "For research use only. Not for diagnosis."
_DECIMALS = 6


@dataclass(frozen=True)
class Unpaired:
    """Cases that only one side has, by name, and sentences on those that cannot be used."""

    predicted: tuple[str, ...]
    annotated: tuple[str, ...]
    left_out: tuple[str, ...]


def summary(cases: Sequence[CaseScores], unpaired: Unpaired, policy: Policy) -> dict[str, Any]:
    """Means, medians and intervals of all scores, recall by size, volume agreement, calibration, policy and versions.

    Args:
        cases: at least one.
        unpaired: named, not scored.
        policy: gives the seed of the bootstrap as well.

    Returns:
        Plain JSON; the same for the same masks, policy and versions.
    """
    patients = [str(case.values["patient"]) for case in cases]
    draws = PatientDraws.of(patients, policy, np.random.default_rng(policy.seed))
    scores = {
        column.name: summarise([case.values.get(column.name) for case in cases], draws)
        for column in columns(policy)
        if column.score
    }
    return _rounded(
        {
            "tool": TOOL,
            "tool_version": __version__,
            "format_version": FORMAT_VERSION,
            "notice": RESEARCH_USE,
            "cases": len(cases),
            "patients": len(set(patients)),
            "scores": scores,
            "recall_by_size": recall_by_size(cases, draws, policy),
            "volume_agreement": volume_agreement(cases),
            "calibration": calibration(cases),
            "unpaired": {
                "predicted_only": list(unpaired.predicted),
                "annotated_only": list(unpaired.annotated),
                "left_out": list(unpaired.left_out),
            },
            "notes": {str(case.values["case"]): case.values["notes"] for case in cases if case.values["notes"]},
            "policy": policy.settings(),
            "policy_text": policy.sentences(),
            "software": software_versions(),
        }
    )


def recall_by_size(cases: Sequence[CaseScores], draws: PatientDraws, policy: Policy) -> list[dict[str, Any]]:
    """Of the lesions of all cases in each size bin: how many there are, were found, the share and its interval."""
    lesions, found = (
        np.array([getattr(case, name) for case in cases], dtype=float) for name in ("size_lesions", "size_found")
    )
    return [
        {
            "size_mm3": name,
            "lesions": int(lesions[:, number].sum()),
            "found": int(found[:, number].sum()),
            "recall": float(found[:, number].sum() / lesions[:, number].sum()) if lesions[:, number].any() else None,
            "interval": draws.ratio_interval(found[:, number], lesions[:, number]),
        }
        for number, name in enumerate(policy.size_names())
    ]


def volume_agreement(cases: Sequence[CaseScores]) -> dict[str, Any]:
    """Mean of predicted - annotated volume and its 95 % limits of agreement, mL (Bland and Altman, Lancet 1986)."""
    errors = np.array([case.values["volume_error_ml"] for case in cases], dtype=float)
    bias = float(errors.mean())
    if len(errors) < 2:
        return {"bias_ml": bias, "limits_ml": None}
    reach = 1.96 * float(errors.std(ddof=1))
    return {"bias_ml": bias, "limits_ml": [bias - reach, bias + reach]}


def calibration(cases: Sequence[CaseScores]) -> dict[str, Any] | None:
    """ECE, Brier score and reliability bins over the voxels of all cases with probabilities; None without any."""
    pooled: Reliability | None = None
    for case in cases:
        if case.reliability is not None:
            pooled = case.reliability if pooled is None else pooled + case.reliability
    if pooled is None or not pooled.voxels.any():
        return None
    filled = np.maximum(pooled.voxels, 1)
    return {
        "cases": sum(case.reliability is not None for case in cases),
        "ece": pooled.ece,
        "brier": pooled.brier,
        "voxels": pooled.voxels.tolist(),
        "mean_probability": (pooled.probability / filled).tolist(),
        "lesion_share": (pooled.lesion / filled).tolist(),
    }


def _rounded(value: Any) -> Any:
    """The same with floats of six decimals and no negative zero."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, _DECIMALS) + 0.0 if isinstance(value, float) else value
