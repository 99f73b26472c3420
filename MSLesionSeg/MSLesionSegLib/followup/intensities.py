"""Two dates on one scale of intensities, from normal-appearing brain alone."""

from __future__ import annotations

import numpy as np

from ..normalise import centre_and_spread

#: Percentiles of normal-appearing brain that are brought onto each other.
PERCENTILES = (0.2, 0.5, 1, 2, *range(5, 96, 5), 98, 99, 99.5)
_LOW, _HIGH = PERCENTILES.index(25), PERCENTILES.index(98)


def match_intensities(first: np.ndarray, second: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring equal percentiles of normal-appearing brain to the same value in both dates.

    Piecewise linear histogram matching (Nyul et al., IEEE TMI 19(2), 2000), to the mean of the two dates' percentiles
    rather than of one to the other, so that neither is the reference. Beyond the percentiles, where lesions lie, the
    line through the 25th and the 98th goes on.

    Args:
        first, second: (z, y, x), any units.
        normal: (z, y, x) bool, normal-appearing brain.

    Returns:
        Both, (z, y, x) float64, in spreads of normal-appearing tissue about its centre.

    Raises:
        StudyError: too little brain, or an image of one intensity.
    """
    scaled = []
    for values in (first, second):
        centre, spread = centre_and_spread(values[normal])
        scaled.append((values - centre) / spread)
    knots = [np.percentile(values[normal], PERCENTILES) for values in scaled]
    target = (knots[0] + knots[1]) / 2.0
    return tuple(_mapped(values, own, target) for values, own in zip(scaled, knots, strict=True))


def _mapped(values: np.ndarray, own: np.ndarray, target: np.ndarray) -> np.ndarray:
    mapped = np.interp(values, own, target)
    upper = (target[_HIGH] - target[_LOW]) / (own[_HIGH] - own[_LOW])
    lower = (target[_LOW] - target[0]) / (own[_LOW] - own[0])
    above, below = values > own[_HIGH], values < own[0]
    mapped[above] = target[_HIGH] + (values[above] - own[_HIGH]) * upper
    mapped[below] = target[0] + (values[below] - own[0]) * lower
    return mapped
