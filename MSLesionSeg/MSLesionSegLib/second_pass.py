"""The second pass of the network, by whose agreement the confidence of a lesion is judged.

What the network still finds when it sees less is more often real. So the last contrast is left out (T2w, else T1w), and
of FLAIR alone the mirrored images are shown. One pass more is all that a laptop should bear;
``docs/validation/confidence.md`` says what others would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from .bundle_schema import LesionCalibration, ModelDescription
from .study import CONTRASTS

if TYPE_CHECKING:
    from .predictor import Predictor
    from .protocol import Progress

LEAST_PROBABILITY = 0.05
"""Only where the first pass gives this much is the network run again; nobody sets a threshold below."""


def left_out(contrasts: Sequence[str]) -> str:
    """The contrast that the second pass leaves out; empty for FLAIR alone."""
    return next((name for name in reversed(CONTRASTS[1:]) if name in contrasts), "")


def calibration_for(model: ModelDescription, given: Sequence[str]) -> LesionCalibration | None:
    """The calibration of a model for the contrasts of a study; None where it was not calibrated for them."""
    used = {name for name in given if name in model.contrasts}
    entries = model.calibration.lesions if model.calibration else []
    return next((entry for entry in entries if set(entry.contrasts) == used), None)


def second_pass(
    predictor: Predictor,
    channels: np.ndarray,
    contrasts: Sequence[str],
    without: str,
    probability: np.ndarray,
    progress: Progress,
) -> np.ndarray:
    """Run the network again in the windows that hold anything like a lesion.

    Args:
        predictor: that of the first pass.
        channels: (C, z, y, x) float32, as given to it.
        contrasts: of the channels.
        without: the contrast to leave out, see `left_out`; empty mirrors the images.
        probability: (z, y, x) of the first pass.
        progress: hears of each batch of windows, and may cancel.

    Returns:
        (z, y, x) float32 in [0, 1]; 0 away from the voxels that the first pass gave ``LEAST_PROBABILITY``.
    """
    near = ndimage.binary_dilation(probability >= LEAST_PROBABILITY, np.ones((3, 3, 3)))
    if without:
        kept = np.array([name != without for name in contrasts], np.float32)[:, None, None, None]
        return predictor.predict(channels * kept, near, progress)
    mirrored = predictor.predict(
        np.ascontiguousarray(channels[..., ::-1]), np.ascontiguousarray(near[..., ::-1]), progress
    )
    return np.ascontiguousarray(mirrored[..., ::-1])
