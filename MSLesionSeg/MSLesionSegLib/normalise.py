"""Intensities on one scale for all patients and scanners, from the brain's own distribution."""

from __future__ import annotations

import numpy as np

from .errors import StudyError

#: Name of the method below, as ``model.json`` holds it: a model is used only with the method it was trained on.
NORMALISATION = "brain-biweight-3"
#: Normalised values are cut to this range. Lesions on FLAIR reach 6, the brightest voxel of a brain 8.5.
CLIP_RANGE = (-6.0, 12.0)
#: Voxels farther than this many spreads from the centre do not move it.
REACH = 3.0
#: The centre and the spread are measured on about this many voxels, taken at even steps.
SAMPLE_VOXELS = 200_000
_FEWEST_VOXELS = 1000
_MAD_TO_SD = 1.4826


def centre_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Centre and spread of normal tissue, unmoved by lesions and ventricles.

    The centre is Tukey's biweight location (Mosteller and Tukey, Data Analysis and Regression, 1977; Beers et al.,
    Astronomical Journal 100, 1990) reaching 3 spreads, started at the median with 1.4826 times the median absolute
    deviation (MAD) as spread; the spread returned is 1.4826 times the MAD about that centre of the voxels in reach.

    Args:
        values: intensities in the brain, shape (n,).

    Returns:
        Centre and spread, in the image's own units.

    Raises:
        StudyError: too few voxels, or the image does not vary inside the brain.
    """
    if values.size < _FEWEST_VOXELS:
        raise StudyError(
            f"Only {values.size} voxels of the image lie inside the brain.",
            "Check that the series shows the head and that the brain mask belongs to this study.",
        )
    sample = values[:: max(1, values.size // SAMPLE_VOXELS)].astype(np.float64)
    centre = float(np.median(sample))
    spread = _MAD_TO_SD * float(np.median(np.abs(sample - centre)))
    if spread <= 0:
        raise StudyError(
            "The image has one intensity in most of the brain.",
            "Check that the series is an MR image of the head and not a mask or a segmentation.",
        )
    for _ in range(50):
        weight = np.clip(1.0 - ((sample - centre) / (REACH * spread)) ** 2, 0.0, None) ** 2
        moved = float(weight @ sample / weight.sum())
        if abs(moved - centre) < 1e-5 * spread:
            break
        centre = moved
    distance = np.abs(sample - centre)
    return centre, _MAD_TO_SD * float(np.median(distance[distance < REACH * spread]))


def normalise(array: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Put the intensities of one contrast on the common scale: normal tissue about 0, spread about 1.

    Subtracts the centre and divides by the spread of `centre_and_spread`, then cuts to `CLIP_RANGE`. Chosen by
    measurement on two stripped studies with 1.3 and 50 mL of lesions, whose white matter, grey matter and lesions land
    on -0.40, 0.63, 2.04 and -0.19, 0.34, 2.01 on FLAIR. Median and MAD give -0.25, 0.69, 1.99 and 0.05, 0.45, 1.72
    (lesions pull both), mean and standard deviation 0.01, 0.61, 1.45 and 0.34, 0.58, 1.33. With a brain mask 2 mm too
    large or too small the centre moves by at most 0.1 and the spread by 11 % on seven raw FLAIRs (MAD: 0.24 and 17 %).

    Args:
        array: intensities, shape (z, y, x), any positive scale.
        brain: the brain, bool, shape (z, y, x).

    Returns:
        float32, shape (z, y, x); 0 outside the brain.

    Raises:
        StudyError: too few voxels, or the image does not vary inside the brain.
    """
    brain = np.asarray(brain, dtype=bool)
    values = np.asarray(array)[brain]
    centre, spread = centre_and_spread(values)
    scaled = np.zeros(brain.shape, dtype=np.float32)
    scaled[brain] = np.clip((values.astype(np.float64) - centre) / spread, *CLIP_RANGE)
    return scaled
