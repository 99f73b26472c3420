"""Two dates on one scale of intensities, from normal-appearing brain alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..normalise import centre_and_spread

#: Percentiles of normal-appearing brain that are brought onto each other.
PERCENTILES = (0.2, 0.5, 1, 2, *range(5, 96, 5), 98, 99, 99.5)
_LOW, _HIGH = PERCENTILES.index(25), PERCENTILES.index(98)


@dataclass(frozen=True)
class Scale:
    """Brings intensities of one date onto the scale of both.

    Attributes:
        centre, spread: of the date's own normal-appearing brain, its units.
        own, target: its percentiles (``PERCENTILES``) after centring, and where they are brought.
    """

    centre: float
    spread: float
    own: np.ndarray
    target: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(z, y, x) in the date's units to (z, y, x) float64 in spreads of normal-appearing tissue about its centre."""
        return _mapped((values - self.centre) / self.spread, self.own, self.target)


def common_scale(first: np.ndarray, second: np.ndarray, normal: np.ndarray) -> tuple[Scale, Scale]:
    """Scales that bring equal percentiles of normal-appearing brain to the same value in both dates.

    Piecewise linear histogram matching (Nyul et al., IEEE TMI 19(2), 2000), to the mean of the two dates' percentiles
    rather than of one to the other, so that neither is the reference. Beyond the percentiles, where lesions lie, the
    line through the 25th and the 98th goes on.

    Args:
        first, second: (z, y, x), any units.
        normal: (z, y, x) bool, normal-appearing brain.

    Returns:
        Of the first date and of the second.

    Raises:
        StudyError: too little brain, or an image of one intensity.
    """
    parts = [centre_and_spread(values[normal]) for values in (first, second)]
    knots = [
        np.percentile((values[normal] - centre) / spread, PERCENTILES)
        for values, (centre, spread) in zip((first, second), parts, strict=True)
    ]
    target = (knots[0] + knots[1]) / 2.0
    return tuple(Scale(*part, own, target) for part, own in zip(parts, knots, strict=True))


def _mapped(values: np.ndarray, own: np.ndarray, target: np.ndarray) -> np.ndarray:
    mapped = np.interp(values, own, target)
    upper = (target[_HIGH] - target[_LOW]) / (own[_HIGH] - own[_LOW])
    lower = (target[_LOW] - target[0]) / (own[_LOW] - own[0])
    above, below = values > own[_HIGH], values < own[0]
    mapped[above] = target[_HIGH] + (values[above] - own[_HIGH]) * upper
    mapped[below] = target[0] + (values[below] - own[0]) * lower
    return mapped
