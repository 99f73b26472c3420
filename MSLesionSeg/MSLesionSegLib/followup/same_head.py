"""Whether two dates show one head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import StudyError
from .both_dates import Sampled
from .dates import Date

#: Below the first a comparison is refused, below the second the reader is warned; see docs/validation/followup.md.
REFUSED_OVERLAP, DOUBTFUL_OVERLAP = 0.90, 0.95
REFUSED_CORRELATION, DOUBTFUL_CORRELATION = 0.50, 0.65


@dataclass(frozen=True)
class Agreement:
    """How well two registered dates agree.

    Attributes:
        overlap: Dice of the two brain masks in the space half-way.
        correlation: of the two FLAIRs in normal-appearing brain.
    """

    overlap: float
    correlation: float


def agreement(first: Sampled, second: Sampled, matched: tuple[np.ndarray, np.ndarray], normal: np.ndarray) -> Agreement:
    """Measure it.

    Args:
        first, second: both dates, registered.
        matched: their intensities on one scale, (z, y, x).
        normal: (z, y, x) bool, normal-appearing brain.
    """
    both = np.count_nonzero(first.brain & second.brain)
    overlap = 2.0 * both / max(1, np.count_nonzero(first.brain) + np.count_nonzero(second.brain))
    return Agreement(float(overlap), float(np.corrcoef(matched[0][normal], matched[1][normal])[0, 1]))


def check_same_head(baseline: Date, followup: Date, found: Agreement) -> list[str]:
    """Sentences where there is doubt.

    Raises:
        StudyError: the two are not one head, or were not registered.
    """
    figures = f"brains overlap by {found.overlap:.2f}, correlation {found.correlation:.2f}"
    if found.overlap < REFUSED_OVERLAP or found.correlation < REFUSED_CORRELATION:
        raise StudyError(
            f"{baseline.folder} and {followup.folder} do not seem to show one head ({figures} after registration).",
            "Check that both results are of one patient and show the whole brain.",
        )
    if found.overlap < DOUBTFUL_OVERLAP or found.correlation < DOUBTFUL_CORRELATION:
        return [f"The two dates fit each other poorly ({figures}): check that both are of one patient."]
    return []
