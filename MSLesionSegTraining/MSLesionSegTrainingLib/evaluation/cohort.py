"""Scores of all cases together, with bootstrap intervals over patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .policy import Policy

_CELLS = 20_000_000
"""Draws times cases that are looked at in one piece."""


@dataclass(frozen=True)
class PatientDraws:
    """Bootstrap samples of patients, the same for all scores.

    Attributes:
        patient: (cases,) int, number of the patient of each case.
        counts: (draws, patients) int, how often a sample holds each patient.
        level: of the intervals.
    """

    patient: np.ndarray
    counts: np.ndarray
    level: float

    @classmethod
    def of(cls, patients: Sequence[str], policy: Policy, generator: np.random.Generator) -> PatientDraws:
        """Draw as many patients as there are, with replacement, ``policy.draws`` times.

        Args:
            patients: patient of each case.
            policy: number of draws, level.
            generator: the source of chance.
        """
        names, patient = np.unique(list(patients), return_inverse=True)
        number = len(names)
        return cls(patient, generator.multinomial(number, np.full(number, 1 / number), policy.draws), policy.level)

    def mean_interval(self, values: np.ndarray) -> list[float] | None:
        """Interval of the mean over cases; see ``ratio_interval``. NaN: the case has no value."""
        known = np.isfinite(values)
        return self.ratio_interval(np.where(known, values, 0.0), known.astype(float))

    def ratio_interval(self, parts: np.ndarray, wholes: np.ndarray) -> list[float] | None:
        """Percentile interval of ``sum(parts) / sum(wholes)`` over the cases of the drawn patients.

        Davison and Hinkley, "Bootstrap Methods and their Application", 1997, 3.8 (whole clusters are drawn).

        Args:
            parts, wholes: (cases,).

        Returns:
            Lower and upper end; None where fewer than two patients have anything.
        """
        if len(np.unique(self.patient[wholes > 0])) < 2:
            return None
        number = self.counts.shape[1]
        sums = [self.counts @ np.bincount(self.patient, weights=each, minlength=number) for each in (parts, wholes)]
        drawn = sums[1] > 0
        return self._ends(sums[0][drawn] / sums[1][drawn])

    def median_interval(self, values: np.ndarray) -> list[float] | None:
        """Percentile interval of the median over the cases of the drawn patients; NaN: the case has no value."""
        known = np.flatnonzero(np.isfinite(values))
        known = known[np.argsort(values[known], kind="stable")]
        if len(np.unique(self.patient[known])) < 2:
            return None
        ordered, medians = values[known], []
        for counts in np.array_split(self.counts, max(1, self.counts.shape[0] * known.size // _CELLS)):
            reached = np.cumsum(counts[:, self.patient[known]], axis=1)
            twice, total = 2 * reached, reached[:, -1:]
            low, high = (twice >= total).argmax(axis=1), (twice > total).argmax(axis=1)
            medians.append(((ordered[low] + ordered[high]) / 2)[total[:, 0] > 0])
        return self._ends(np.concatenate(medians))

    def _ends(self, statistics: np.ndarray) -> list[float]:
        tail = 100 * (1 - self.level) / 2
        return [float(end) for end in np.percentile(statistics, (tail, 100 - tail))]


def summarise(values: Sequence[float | None], draws: PatientDraws) -> dict[str, Any]:
    """Mean and median over cases with their intervals.

    Args:
        values: one a case; None where it is not defined.
        draws: the bootstrap samples.

    Returns:
        ``n`` (cases with a value), ``patients`` (with a value), ``mean``, ``mean_interval``, ``median``,
        ``median_interval``; None where nothing is known.
    """
    array = np.array([np.nan if value is None else value for value in values], dtype=float)
    known = np.isfinite(array)
    return {
        "n": int(known.sum()),
        "patients": len(np.unique(draws.patient[known])),
        "mean": float(array[known].mean()) if known.any() else None,
        "mean_interval": draws.mean_interval(array),
        "median": float(np.median(array[known])) if known.any() else None,
        "median_interval": draws.median_interval(array),
    }
