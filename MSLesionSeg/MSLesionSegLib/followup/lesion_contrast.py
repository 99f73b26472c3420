"""How much brighter lesions are at one date for no other reason than that the two FLAIRs weigh contrast otherwise.

Where normal-appearing tissue of both dates is on one scale, lesions may still not be: another echo or inversion time
makes all of them brighter. So the difference of the dates is measured where both are sure of a lesion, and half of it
taken from either date wherever one of them sees a lesion; what is left is what changed beyond the other lesions. The
rims of lesions do not tell it: where many lesions grow, they all brighten. Lesions that all truly fade together look
the same as another contrast, so nothing is taken where the difference is no larger than two scans of an unchanged brain
may differ, and the reader is told where it is (``notes.py``). What is taken at the edge of a lesion is doubtful by its
range within a voxel. Measured: docs/validation/followup.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .evidence import AROUND, LEAST_MM3
from .subtraction import LEAST_NOISE

#: Probability at both dates of what is surely lesion.
SURE = 0.9
#: In fewer lesions than these a common difference cannot be told from a change of one of them.
LEAST_LESIONS = 5
#: In spreads of normal-appearing tissue: what is less is left alone.
LEAST_DIFFERENCE = LEAST_NOISE
#: From this probability at either date a voxel has the whole difference, below it in proportion.
WHOLE = 0.3
#: Blur of what is taken (standard deviation, mm), as little as outlines of a network have.
_EDGE_MM = 0.5


@dataclass(frozen=True)
class LesionContrast:
    """Second date minus first in lesions of both, in spreads of normal-appearing tissue.

    Attributes:
        difference: the median where both are sure of a lesion, 0.0 in too few lesions.
        expected: (z, y, x) what it makes of each voxel; 0 where there is no lesion, and everywhere where ``difference``
            is below ``LEAST_DIFFERENCE``.
        doubt: (z, y, x) how doubtful ``expected`` is.
    """

    difference: float
    expected: np.ndarray
    doubt: np.ndarray


def lesion_contrast(
    matched: tuple[np.ndarray, np.ndarray], probabilities: tuple[np.ndarray, np.ndarray], brain: np.ndarray
) -> LesionContrast:
    """Measure it. With the dates swapped ``difference`` and ``expected`` only turn their sign.

    Args:
        matched: (z, y, x) intensities of both dates on one scale, 1 mm voxels.
        probabilities: (z, y, x) of both dates.
        brain: (z, y, x) bool.
    """
    nothing = np.zeros(brain.shape)
    sure = brain & (np.minimum(*probabilities) >= SURE)
    labels, _ = ndimage.label(sure, AROUND)
    if np.count_nonzero(np.bincount(labels.ravel())[1:] >= LEAST_MM3) < LEAST_LESIONS:
        return LesionContrast(0.0, nothing, nothing)
    difference = matched[1] - matched[0]
    middle = float(np.median(difference[sure]))
    if abs(middle) < LEAST_DIFFERENCE:
        return LesionContrast(middle, nothing, nothing)
    share = np.minimum(np.where(brain, np.maximum(*probabilities), 0.0) / WHOLE, 1.0)
    expected = middle * ndimage.gaussian_filter(share, _EDGE_MM)
    doubt = ndimage.maximum_filter(expected, 3) - ndimage.minimum_filter(expected, 3)
    return LesionContrast(middle, expected, doubt)
