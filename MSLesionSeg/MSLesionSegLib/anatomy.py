"""Ventricles, cortex and the parts below the tentorium, found in the patient's own images.

* Fluid is dark on a normalised FLAIR. The lateral ventricles are the fluid that reaches into the place where the atlas
  has them, all other fluid lies outside the brain's tissue (sulci, cisterns).
* The cortex is what lies within its own thickness of that outer fluid or of the edge of the brain, and, where there is
  a T1w, also what is as dark as grey matter and connected to it: narrow sulci show no fluid. The thickness is 3 mm, a
  little above the 2.5 mm that Fischl and Dale give as the average (PNAS 97(20), 2000).
* Brain stem and cerebellum come from the atlas (``atlas``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .atlas import make_atlas, on_patient, register_atlas
from .grid import Grid
from .mask_shape import depth, largest_piece
from .study import CONTRASTS

DARK_FLUID = -2.0
"""Normalised FLAIR below which a voxel is fluid; white and grey matter lie at about -0.3 and 0.5 with a spread of 1."""
DEEP_MM = 14.0
"""Fluid farther than this from the edge of the brain may be ventricle when the atlas is registered."""
SEED_MM, REACH_MM = 1.5, 10.0
"""Ventricles begin in fluid this close to the atlas's and are followed this far away from it."""
CORTEX_MM, GREY_MM = 3.0, 6.0
"""Cortex lies within the first of outer fluid; grey matter of a T1w counts as cortex within the second."""
NUCLEI_MM = 4.0
"""Grey matter this close to the atlas's nuclei or ventricles is no cortex."""
LESION_PROBABILITY = 0.2
_FOUR_MM_CUBED = 64


@dataclass(frozen=True)
class Anatomy:
    """Where things lie in one patient, bool, (z, y, x) on one grid.

    Attributes:
        ventricles: the two lateral ventricles.
        cortex: grey matter of the cerebrum's surface.
        infratentorial: brain stem, cerebellum and the fourth ventricle.
    """

    ventricles: np.ndarray
    cortex: np.ndarray
    infratentorial: np.ndarray


def find_anatomy(channels: np.ndarray, brain: np.ndarray, grid: Grid, probability: np.ndarray) -> Anatomy:
    """Find ventricles, cortex and the infratentorial parts.

    Args:
        channels: (3, z, y, x) float32, normalised FLAIR, T1w and T2w as ``prepare`` gives them; a missing one is 0.
        brain: (z, y, x) bool.
        grid: where they lie, cubic voxels of about 1 mm.
        probability: (z, y, x) of lesion, 0 to 1: lesions look like grey matter on a T1w.

    Raises:
        StudyError: the atlas cannot be laid over the brain.
    """
    atlas, spacing = make_atlas(), grid.spacing[0]
    fluid = (channels[0] < DARK_FLUID) & brain
    transform = register_atlas(fluid & (depth(brain, spacing) > DEEP_MM), brain, grid)
    infratentorial = (on_patient(atlas.infratentorial, transform, grid) < 0) & brain
    cerebrum = brain & ~infratentorial
    ventricles = _ventricles(fluid & cerebrum, on_patient(atlas.lateral_ventricles, transform, grid))
    inner = on_patient(atlas.nuclei, transform, grid) < NUCLEI_MM
    outer = ~brain | (fluid & ~ventricles & ~inner)
    to_outer, outside = distance_mm(outer, spacing), outer | inner | ventricles
    cortex = cerebrum & ~outside & (to_outer <= CORTEX_MM)
    t1w = channels[CONTRASTS.index("T1w")]
    if t1w.any():
        lesion = ndimage.binary_dilation(probability >= LESION_PROBABILITY)
        cortex |= _grey(t1w, cerebrum & ~outside & ~lesion & (to_outer <= GREY_MM), cortex)
    return Anatomy(ventricles, cortex, infratentorial)


def distance_mm(mask: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Distance (mm, float32, (z, y, x)) of each voxel to the nearest one of ``mask``, 0 inside; infinite from nothing.

    Args:
        mask: bool, shape (z, y, x).
        spacing_mm: edge of the cubic voxels.
    """
    return depth(~mask, spacing_mm) if mask.any() else np.full(mask.shape, np.inf, dtype=np.float32)


def _ventricles(fluid: np.ndarray, to_atlas: np.ndarray) -> np.ndarray:
    """Fluid within reach of the atlas's lateral ventricles that is connected to fluid inside them."""
    within = fluid & (to_atlas <= REACH_MM)
    labels, count = ndimage.label(within)
    seeds = np.bincount(labels[within & (to_atlas <= SEED_MM)], minlength=count + 1)
    keep = seeds >= _FOUR_MM_CUBED
    keep[0] = False
    return ndimage.binary_closing(keep[labels], iterations=1) | keep[labels]


def _grey(t1w: np.ndarray, where: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """What is as dark as grey matter on a T1w and connected to the surface of the brain.

    The limit lies between Otsu's border to white matter and the median of what is darker: at the border itself rims of
    lesions and white matter mixed with cortex would count.
    """
    values = t1w[where]
    values = values[(values > -3.0) & (values < 3.0)]
    border = sitk.OtsuThreshold(sitk.GetImageFromArray(values[None, None, :].astype(np.float32)), 0, 1)
    above = sitk.GetArrayViewFromImage(border)[0, 0] > 0
    if above.all() or not above.any():
        return np.zeros_like(where)
    limit = (float(values[above].min()) + float(np.median(values[~above]))) / 2.0
    smooth = ndimage.uniform_filter(t1w, 3)
    grey = where & (t1w < limit) & (smooth < limit)
    return largest_piece(grey | surface) & grey
