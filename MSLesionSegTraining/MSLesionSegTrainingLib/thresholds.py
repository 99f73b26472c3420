"""The threshold that suits validation cases, by one rule for training and release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LOWEST, HIGHEST = 0.3, 0.7
"""Candidates: a few patients do not support an extreme threshold."""
LEAST_LOAD_ML = 5.0
"""The Dice of a case with less load swings with a few voxels and does not count, unless all have less."""


def best_threshold(rows: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """The threshold with the highest mean of Dice and lesion F1.

    Args:
        rows: scores, each of one case at one ``threshold``, with ``dice``, ``lesion_f1`` and ``truth_ml``; every case
            at the same thresholds.

    Returns:
        The threshold (of equal ones the lowest) and its score: the mean of the mean Dice (see ``LEAST_LOAD_ML``) and
        the mean lesion F1 over the cases.
    """
    candidates = [row for row in rows if LOWEST <= row["threshold"] <= HIGHEST]
    loaded = [row for row in candidates if row["truth_ml"] >= LEAST_LOAD_ML] or candidates

    def score(threshold: float) -> float:
        dice = [row["dice"] for row in loaded if row["threshold"] == threshold]
        f1 = [row["lesion_f1"] for row in candidates if row["threshold"] == threshold]
        return (sum(dice) / len(dice) + sum(f1) / len(f1)) / 2

    thresholds = sorted({row["threshold"] for row in candidates})
    best = max(thresholds, key=score)
    return best, score(best)


def best_figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Means over the cases at the threshold that suits them best.

    Args:
        rows: see `best_threshold`; may be empty.

    Returns:
        ``dice``, ``lesion_f1``, ``lesion_recall``, ``lesion_precision``, ``threshold`` and ``score``; all None without
        rows.
    """
    names = ("dice", "lesion_f1", "lesion_recall", "lesion_precision")
    if not rows:
        return dict.fromkeys((*names, "threshold", "score"))
    threshold, score = best_threshold(rows)
    kept = [row for row in rows if row["threshold"] == threshold]
    return {
        **{name: sum(row[name] for row in kept) / len(kept) for name in names},
        "threshold": threshold,
        "score": score,
    }
