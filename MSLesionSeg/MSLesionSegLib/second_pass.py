"""The second pass of the network, by whose agreement the confidence of a lesion is judged.

What the network still finds when it sees less is more often real. So the last contrast is left out (T2w, else T1w), and
of FLAIR alone the mirrored images are shown. One pass more, without mirrored windows, is all that a laptop should bear;
``docs/validation/confidence.md`` says what others would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .bundle_schema import LesionCalibration, ModelDescription
from .study import CONTRASTS

if TYPE_CHECKING:
    from .predictor import Predictor
    from .protocol import Progress

LEAST_PROBABILITY = 0.05
"""Where the first pass gives less, the second is not kept: nobody sets a threshold below, and the file stays small."""


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
    brain: np.ndarray,
    probability: np.ndarray,
    progress: Progress,
) -> np.ndarray:
    """Run the network again, in the same windows, so that nothing differs but what it sees.

    All windows: at 1 mm they overlap so much that each holds something like a lesion, also in a patient of 1.3 mL.

    Args:
        predictor: that of the first pass.
        channels: (C, z, y, x) float32, as given to it.
        contrasts: of the channels.
        without: the contrast to leave out, see `left_out`; empty mirrors the images.
        brain: (z, y, x) bool.
        probability: (z, y, x) of the first pass.
        progress: hears of each batch of windows, and may cancel.

    Returns:
        (z, y, x) float32 in [0, 1]; 0 where the first pass gives less than ``LEAST_PROBABILITY``. Of FLAIR alone, where
        the first pass is the mean of the windows and their mirror images, the lower of the two.
    """
    if without:
        kept = np.array([name != without for name in contrasts], np.float32)[:, None, None, None]
        second = predictor.predict(channels * kept, brain, progress, flip=False)
    elif predictor.flip:
        plain = predictor.predict(channels, brain, progress, flip=False)
        second = np.clip(np.minimum(plain, 2 * probability - plain), 0.0, 1.0)
    else:
        mirrored = (np.ascontiguousarray(array[..., ::-1]) for array in (channels, brain))
        second = predictor.predict(*mirrored, progress)[..., ::-1]
    return np.where(probability >= LEAST_PROBABILITY, second, np.float32(0.0))
