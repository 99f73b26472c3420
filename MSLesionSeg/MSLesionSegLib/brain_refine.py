"""From a coarse guess of the brain to its edge: grow and cut along the intensities of the image itself.

A network on a coarse grid knows where the brain is and misses its edge by some millimetres; on FLAIR the edge is plain,
a dark gap of bone and fluid between bright brain and bright scalp. The rules are those of brain extraction by threshold
and morphology (Shattuck et al., *Magnetic resonance image tissue classification using a partial volume model*,
NeuroImage 2001: threshold, erode, largest piece, dilate, close), started from the guess and kept near it.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .grid import Grid, model_grid, resample
from .mask_shape import depth, fill_holes, largest_piece

#: Edge of the voxels it works on, mm.
SPACING_MM = 1.5
#: A voxel is tissue where it exceeds this part of the brain's local intensity.
TISSUE = 0.5
#: Beyond the brain of the pass before, and in its outermost `RIM_MM`, what exceeds this is fat, vessel or mucosa.
TOO_BRIGHT = 1.5
RIM_MM = 3.0
#: Each of the passes may go this far beyond the brain of the one before, mm.
REACH_MM = 8.0
PASSES = 2
#: Bridges to scalp, eyes and dura thinner than twice this are cut, mm.
OPENING_MM = 4.5
#: Sulci and gaps narrower than twice this belong to the brain, mm.
CLOSING_MM = 5.0
#: What lies this deep in the guess is brain, whatever its intensity (ventricles), mm.
CERTAIN_MM = 8.0
_LOCAL_MM = 10.0
_DEEP_MM = 4.0


def refine_brain(image: sitk.Image, guess: sitk.Image) -> sitk.Image:
    """Move the edge of a guessed brain mask to where the image has it.

    Args:
        image: FLAIR of a whole head, any orientation and spacing.
        guess: probability of brain on any grid, float32; 0.5 and more is the guess.

    Returns:
        Share of brain, float32 0 to 1, on the image's own grid; 0.5 and more is brain. All 0 where the guess is empty.
    """
    grid = model_grid(image, SPACING_MM)
    values = sitk.GetArrayFromImage(resample(image, grid))
    edge = sitk.ZeroFluxNeumannPad(guess, [1] * 3, [1] * 3)
    brain = sitk.GetArrayFromImage(resample(edge, grid, antialias=False)) >= 0.5
    seen = _field_of_view(image, grid)
    if brain.any():
        brain = fill_holes(largest_piece(brain))
    for _ in range(PASSES):
        if brain.any():
            brain = _grow_and_cut(values, brain) & seen
    padded = sitk.ZeroFluxNeumannPad(grid.image(brain.astype(np.float32)), [1] * 3, [1] * 3)
    return resample(padded, image, antialias=False)


def _grow_and_cut(values: np.ndarray, brain: np.ndarray) -> np.ndarray:
    inside = _depth(brain)
    certain = inside > CERTAIN_MM
    local = _local_intensity(values, brain, inside)
    tissue = (values > TISSUE * local) & ((values < TOO_BRIGHT * local) | (inside > RIM_MM))
    tissue = tissue & (_depth(~brain) <= REACH_MM) | certain
    core = largest_piece(_depth(tissue) > OPENING_MM)
    opened = largest_piece((_depth(~core) <= OPENING_MM) & tissue | certain)
    margin = int(np.ceil(CLOSING_MM / SPACING_MM)) + 1
    padded = np.pad(opened, margin, mode="edge")
    closed = _depth(_depth(~padded) <= CLOSING_MM) > CLOSING_MM
    inner = (slice(margin, -margin),) * 3
    return fill_holes(closed[inner] | opened)


def _local_intensity(values: np.ndarray, brain: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Mean intensity of the brain around each voxel, so that a strong coil bias does not move the edge."""
    deep = inside > _DEEP_MM
    if not deep.any():
        deep = brain
    median = float(np.median(values[deep]))
    weight = (deep & (values > 0.4 * median)).astype(np.float32)
    sigma = _LOCAL_MM / SPACING_MM
    share = ndimage.gaussian_filter(weight, sigma, truncate=3.0)
    total = ndimage.gaussian_filter(values * weight, sigma, truncate=3.0)
    return np.where(share > 0.01, total / np.maximum(share, 0.01), median)


def _depth(mask: np.ndarray) -> np.ndarray:
    return depth(mask, SPACING_MM)


def _field_of_view(image: sitk.Image, grid: Grid) -> np.ndarray:
    return sitk.GetArrayFromImage(resample(image * 0 + 1, grid, interpolator="nearest")) > 0
