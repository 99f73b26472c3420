"""From lesions of patients left out to the confidence of a model, and what it is worth on a patient not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import mannwhitneyu

from MSLesionSegLib.bundle_schema import Calibration, LesionCalibration
from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.lesion_confidence import FEATURES, lesion_confidence, regressors
from MSLesionSegLib.second_pass import left_out

from .evaluation.calibration import Reliability, bins_of

RIDGE = 1.0
"""Penalty on half the squared weights of the standardised features: few lesions part perfectly by chance."""
DOUBTFUL_BELOW = 0.5
LESION_BINS = 5
OWN, OTHERS = "all cases, this one too", "the other cases"


@dataclass(frozen=True)
class ListedLesion:
    """A lesion that a network listed on a patient left out.

    Attributes:
        features: see ``lesion_confidence.lesion_features``.
        mean_probability: over its voxels.
        real: whether it overlaps an annotated lesion.
    """

    features: dict[str, float]
    mean_probability: float
    real: bool


@dataclass(frozen=True)
class CalibrationCase:
    """What a network that had not seen a patient made of him.

    Attributes:
        name: of the case.
        network: says which network, for the card.
        lesions: choice of contrasts -> those listed.
        probability: (n,) of the voxels within some mm of the annotated and the listed lesions, all contrasts given.
        lesion: (n,) bool: which of these voxels are annotated.
    """

    name: str
    network: str
    lesions: dict[tuple[str, ...], list[ListedLesion]]
    probability: np.ndarray
    lesion: np.ndarray


def calibrate(cases: Sequence[CalibrationCase]) -> Calibration:
    """Fit the confidence on all cases, each counting the same, and measure it on each with a fit on the others.

    The temperature of the voxels (Guo et al., "On calibration of modern neural networks", ICML 2017) is kept only where
    it lowers the mean calibration error of cases that it was not fitted on.

    Raises:
        UsageError: no lesion was listed, or all of them are real, or none.
    """
    full = max(chain.from_iterable(case.lesions for case in cases), key=len)
    lesions, figures = [], []
    for choice in sorted({choice for case in cases for choice in case.lesions}, key=lambda names: (-len(names), names)):
        given = [case for case in cases if case.lesions.get(choice)]
        listed = [lesion for case in given for lesion in case.lesions[choice]]
        if len({lesion.real for lesion in listed}) < 2:
            if choice == full:
                raise UsageError(
                    "The cases left out hold no lesion that is wrong, or none that is real: nothing can be fitted.",
                    "Leave out more patients.",
                )
            continue
        rule = _fit_lesions(choice, given)
        lesions.append(rule)
        figures += _lesion_figures(rule, given)
    temperature, voxel_figures = _voxels(cases)
    return Calibration(
        fitted_on=[_told(case, full) for case in cases],
        voxel_temperature=temperature,
        lesions=lesions,
        figures=[*figures, *voxel_figures],
    )


def fit_temperature(probability: np.ndarray, lesion: np.ndarray, weight: np.ndarray) -> float:
    """The temperature with the least cross-entropy.

    Args:
        probability: (n,) of voxels.
        lesion: (n,) bool.
        weight: (n,) of the voxels.
    """
    logits = _logit(probability)

    def loss(values: np.ndarray) -> float:
        scaled = logits * np.exp(values[0])
        return float((weight * (np.logaddexp(0.0, scaled) - lesion * scaled)).sum() / weight.sum())

    return float(np.exp(-minimize(loss, [0.0], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9}).x[0]))


def fit_logistic(values: np.ndarray, real: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    """Logistic regression with a ridge penalty on standardised features.

    Args:
        values: (n, features).
        real: (n,) bool.
        weight: (n,) of the lesions.

    Returns:
        Intercept and (features,) weights, for the features as they are.
    """
    mean, spread = values.mean(0), values.std(0)
    spread[spread < 1e-6] = 1.0  # a feature that is the same in all lesions
    standard = (values - mean) / spread

    def loss(free: np.ndarray) -> float:
        total = free[0] + standard @ free[1:]
        return float((weight * (np.logaddexp(0.0, total) - real * total)).sum() + RIDGE / 2 * (free[1:] ** 2).sum())

    free = minimize(loss, np.zeros(values.shape[1] + 1)).x
    weights = free[1:] / spread
    return float(free[0] - weights @ mean), weights


def _fit_lesions(choice: tuple[str, ...], cases: Sequence[CalibrationCase]) -> LesionCalibration:
    listed = [lesion for case in cases for lesion in case.lesions[choice]]
    weight = np.concatenate([np.full(len(case.lesions[choice]), 1.0 / len(case.lesions[choice])) for case in cases])
    values = np.array([[regressors(lesion.features)[name] for name in FEATURES] for lesion in listed])
    real = np.array([lesion.real for lesion in listed])
    intercept, weights = fit_logistic(values, real, weight * len(listed) / weight.sum())
    return LesionCalibration(
        contrasts=list(choice),
        left_out=left_out(choice),
        intercept=round(intercept, 4),
        weights={name: round(float(value), 4) for name, value in zip(FEATURES, weights, strict=True)},
        doubtful_below=DOUBTFUL_BELOW,
    )


def _lesion_figures(rule: LesionCalibration, cases: Sequence[CalibrationCase]) -> list[dict[str, Any]]:
    choice = tuple(rule.contrasts)
    figures = []
    for case in cases:
        others = [other for other in cases if other is not case]
        fits = [(OWN, rule)] + ([(OTHERS, _fit_lesions(choice, others))] if others else [])
        for fitted, used in fits:
            figures.append({"what": "lesions", "case": case.name, "fitted_on": fitted, **_scored(used, case)})
    return figures


def _scored(rule: LesionCalibration, case: CalibrationCase) -> dict[str, Any]:
    """Calibration error with and without the rule, and how often doubtful lesions and the others are wrong."""
    listed = case.lesions[tuple(rule.contrasts)]
    real = np.array([lesion.real for lesion in listed])
    confidence = np.array([lesion_confidence(one.features, rule.weights, rule.intercept) for one in listed])
    doubtful = confidence < rule.doubtful_below
    bins = bins_of(confidence, real, LESION_BINS)
    return {
        "contrasts": "+".join(rule.contrasts),
        "listed": len(listed),
        "wrong": int((~real).sum()),
        "doubtful": int(doubtful.sum()),
        "doubtful_wrong": int((doubtful & ~real).sum()),
        "real_above_wrong": _real_above_wrong(confidence, real),
        "ece_before": _rounded(bins_of(np.array([one.mean_probability for one in listed]), real, LESION_BINS)),
        "ece_after": _rounded(bins),
        "bins_listed": bins.voxels.tolist(),
        "bins_wrong": (bins.voxels - bins.lesion).tolist(),
    }


def _real_above_wrong(confidence: np.ndarray, real: np.ndarray) -> float | None:
    """How often a real lesion is surer than a wrong one (area under the ROC curve); None without either."""
    if real.all() or not real.any():
        return None
    pairs = real.sum() * (~real).sum()
    return round(float(mannwhitneyu(confidence[real], confidence[~real]).statistic / pairs), 3)


def _voxels(cases: Sequence[CalibrationCase]) -> tuple[float | None, list[dict[str, Any]]]:
    """The temperature, if it serves patients it was not fitted on, and the calibration error of each."""
    figures, better = [], []
    for case in cases:
        others = [other for other in cases if other is not case] or [case]
        temperature = _common_temperature(others)
        before = bins_of(case.probability, case.lesion)
        after = bins_of(expit(_logit(case.probability) / temperature), case.lesion)
        better.append(before.ece - after.ece)
        figures.append(
            {
                "what": "voxels",
                "case": case.name,
                "fitted_on": OTHERS if others != [case] else OWN,
                "temperature": round(temperature, 3),
                "ece_before": _rounded(before),
                "ece_after": _rounded(after),
            }
        )
    kept = round(_common_temperature(cases), 3) if np.mean(better) > 0 else None
    return kept, figures


def _common_temperature(cases: Sequence[CalibrationCase]) -> float:
    return fit_temperature(
        np.concatenate([case.probability for case in cases]),
        np.concatenate([case.lesion for case in cases]),
        np.concatenate([np.full(len(case.lesion), 1.0 / len(case.lesion)) for case in cases]),
    )


def _told(case: CalibrationCase, full: tuple[str, ...]) -> str:
    listed = case.lesions.get(full, [])
    real = sum(lesion.real for lesion in listed)
    return f"{case.name}: {len(listed)} lesions listed on {' + '.join(full)}, {real} of them real ({case.network})"


def _logit(probability: np.ndarray) -> np.ndarray:
    """The logit, within what a map in steps of 1/4096 can tell."""
    return logit(np.clip(probability.astype(np.float64), 1 / 8192, 1 - 1 / 8192))


def _rounded(bins: Reliability) -> float:
    return round(float(bins.ece or 0.0), 4)
