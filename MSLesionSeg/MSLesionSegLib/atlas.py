"""A small atlas of the brain, made from shapes described in MNI millimetres, and its registration to a patient.

The shapes are those of the synthetic head (``head_brain``): tentorium, brain stem, cerebellum, ventricles and nuclei at
their places in the MNI space. No image of a person is part of it, and nothing is downloaded. It says only roughly where
things lie; ventricles and cortex themselves are found in the patient's own images (``anatomy``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .errors import StudyError
from .grid import Grid, coarser_grid, resample
from .head_brain import draw_brain
from .head_shape import BRAIN_LABELS, Frame, HeadParameters, Label
from .itk_threads import one_itk_thread

STEP_MM = 3.0
EXTENT_LPS = ((-81.0, 81.0), (-84.0, 117.0), (-87.0, 93.0))
FLUID = 0.3
"""Brightness of ventricles in the picture that is registered, where tissue has 1 and all else 0."""
_WORK_MM, _BLUR_MM = 4.0, 2.0
_FIRST_STEP_MM, _LAST_STEP_MM, _ITERATIONS = 4.0, 0.05, 120
_LATERAL = (Label.VENTRICLE, Label.CHOROID_PLEXUS)
_HINDBRAIN = (Label.BRAIN_STEM, Label.CEREBELLAR_GREY, Label.CEREBELLAR_WHITE)
_NUCLEI = (Label.DEEP_GREY, Label.PALLIDUM, *_LATERAL, Label.CENTRAL_VENTRICLE)


@dataclass(frozen=True)
class Atlas:
    """Signed or plain distances (mm, float32, (z, y, x)) on one grid in MNI space (LPS).

    Attributes:
        grid: 3 mm, axes of LPS.
        tissue: 1 in tissue, ``FLUID`` in ventricles, 0 outside; what is registered.
        infratentorial: distance to brain stem and cerebellum minus that to the cerebrum: negative below the tentorium.
        lateral_ventricles: distance to the lateral ventricles, 0 inside.
        nuclei: distance to the deep grey nuclei and ventricles, 0 inside.
    """

    grid: Grid
    tissue: np.ndarray
    infratentorial: np.ndarray
    lateral_ventricles: np.ndarray
    nuclei: np.ndarray


@lru_cache(maxsize=1)
def make_atlas() -> Atlas:
    """Draw the atlas; always the same. About 0.2 s, once a process."""
    parameters = HeadParameters(scale=(1.0, 1.0, 1.0), warp_mm=0.0, asymmetry_mm=0.0)
    shape = tuple(round((high - low) / STEP_MM) for low, high in reversed(EXTENT_LPS))
    origin = tuple(low + STEP_MM / 2 for low, _ in EXTENT_LPS)
    frame, rng = Frame(shape, STEP_MM, parameters), np.random.default_rng(0)
    frame.place(origin, rng, 0.0)
    _, labels = draw_brain(frame, parameters, rng)
    grid = Grid(shape[::-1], (STEP_MM,) * 3, origin, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))

    brain = labels >= BRAIN_LABELS[0]
    fluid = np.isin(labels, (*_LATERAL, Label.CENTRAL_VENTRICLE))
    hindbrain = np.isin(labels, _HINDBRAIN) & _below_midbrain(frame.y, frame.z)
    cerebrum = brain & ~np.isin(labels, _HINDBRAIN) & (labels != Label.CENTRAL_VENTRICLE)
    cerebrum |= np.isin(labels, _HINDBRAIN) & ~hindbrain
    return Atlas(
        grid,
        np.where(fluid, FLUID, brain).astype(np.float32),
        _distance(hindbrain) - _distance(cerebrum),
        _distance(np.isin(labels, _LATERAL)),
        _distance(np.isin(labels, _NUCLEI)),
    )


def register_atlas(fluid: np.ndarray, brain: np.ndarray, grid: Grid) -> sitk.AffineTransform:
    """Find the affine map from a patient's brain to the atlas.

    Least squares between two pictures of tissue, ventricles and outside at 4 mm, on one ITK thread.

    Args:
        fluid: (z, y, x) bool, ventricles of the patient, roughly.
        brain: (z, y, x) bool.
        grid: where both lie.

    Returns:
        Maps points (LPS mm) of the patient to the atlas, as ``SimpleITK.Resample(atlas, patient, transform)`` takes it.

    Raises:
        StudyError: the two cannot be brought to overlap.
    """
    atlas = make_atlas()
    fixed = _small(grid.image(np.where(fluid, FLUID, brain).astype(np.float32)))
    moving = _small(atlas.grid.image(atlas.tissue))
    centre, target = _centre(fixed), _centre(moving)
    transform = sitk.AffineTransform(3)
    transform.SetCenter(centre.tolist())
    transform.SetTranslation((target - centre).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        _FIRST_STEP_MM, _LAST_STEP_MM, _ITERATIONS, relaxationFactor=0.5, gradientMagnitudeTolerance=1e-6
    )
    with one_itk_thread():
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(transform, inPlace=True)
        try:
            method.Execute(fixed, moving)
        except RuntimeError as error:  # ITK: the images slid apart
            raise StudyError(
                "The brain could not be laid over the atlas, so that no lesion has a location.",
                "Check the brain mask.",
            ) from error
    return transform


def on_patient(distance: np.ndarray, transform: sitk.Transform, grid: Grid) -> np.ndarray:
    """Bring a map of the atlas to a patient's grid.

    Args:
        distance: (z, y, x), one of the maps of :class:`Atlas`.
        transform: from :func:`register_atlas`.
        grid: the patient's.

    Returns:
        (z, y, x) float32; 99 outside the atlas.
    """
    image = make_atlas().grid.image(distance)
    return sitk.GetArrayFromImage(resample(image, grid, transform, default=99.0, antialias=False))


def _below_midbrain(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Below the plane through the posterior commissure (y -25, z 0) and the mamillary bodies (y -10, z -10)."""
    return z < np.clip(-(y + 25.0) * np.float32(10.0 / 15.0), None, 0.0)


def _distance(mask: np.ndarray) -> np.ndarray:
    return ndimage.distance_transform_edt(~mask, sampling=STEP_MM).astype(np.float32)


def _small(image: sitk.Image) -> sitk.Image:
    return sitk.SmoothingRecursiveGaussian(resample(image, coarser_grid(image, _WORK_MM)), _BLUR_MM)


def _centre(image: sitk.Image) -> np.ndarray:
    """Centre of the brain, LPS mm."""
    z, y, x = ndimage.center_of_mass(sitk.GetArrayViewFromImage(image) > FLUID / 2)
    return np.asarray(image.TransformContinuousIndexToPhysicalPoint((x, y, z)))
