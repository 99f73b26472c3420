"""Where the brain is: read off a skull-stripped image, found by a small network in a whole head and then refined.

The network sees one contrast of the whole head on a coarse isotropic grid (axes as in ``model_grid``, arrays
(z, y, x)) in one window. It was trained to take any contrast, so it also works on a T1w or a T2w. Method: a small
network on randomised contrasts after Hoopes et al., *SynthStrip*, NeuroImage 2022.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .brain_refine import refine_brain
from .errors import StudyError
from .grid import model_grid, resample
from .mask_shape import fill_holes, largest_piece
from .study import check_brain_volume

if TYPE_CHECKING:
    from torch import nn

    from .bundle import Bundle
    from .protocol import Progress

#: Name of `normalise_head`, as ``model.json`` of a brain model holds it.
NORMALISATION = "head-foreground-median"
#: Normalised intensities are cut to this range; the typical voxel of the head is 1.
CLIP_RANGE = (-0.5, 4.0)
#: A voxel holds something where it exceeds this part of the 99th percentile of the positive voxels.
FOREGROUND = 0.01
#: An image is stripped where at least this part of the voxels outside the foreground is exactly background, ...
STRIPPED_BACKGROUND = 0.90
#: ... the foreground has a brain's volume (`BRAIN_ML`), and its outermost voxels are at least this bright, relative to
#: its depth. Six stripped images have 0.44 to 1.16, fifteen whole heads (FLAIR, T1w, T2w) 0.02 to 0.10: skin fades.
STRIPPED_EDGE = 0.25
#: Volume of a stripped brain, mL.
BRAIN_ML = (400.0, 2200.0)
#: A refined mask that overlaps less than this (Dice) with the network's own is not taken.
LEAST_AGREEMENT = 0.7
#: Least part of the network's mask that has a probability above 0.9. Fifteen raw series have 0.75 to 0.83, noise 0.43
#: and 0.48, and a hardly trained network on a patient that it never saw 0.61.
LEAST_SURE = 0.5
_EDGE_MM = 2.0
_DEEP_MM = 20.0
_SMOOTHING_MM = 1.0


def find_brain(
    flair: sitk.Image, *, bundle: Bundle | str | Path | None = None, progress: Progress | None = None
) -> sitk.Image:
    """Find the brain.

    Args:
        flair: 3D scalar image of a head, whole or skull-stripped, any orientation and spacing.
        bundle: brain model (or its folder or zip); the shipped one where None.
        progress: its present stage is updated, and a cancel asked for through it is heeded.

    Returns:
        uint8 on the image's own grid, 1 in the brain: one 26-connected piece without holes.

    Raises:
        StudyError: no brain was recognised, or it has no plausible volume (400 to 2200 mL).
        ModelError: the model is missing, damaged or no brain model.
    """
    mask = read_off(flair)
    if mask is not None:
        return mask
    return find_in_head(flair, bundle=bundle, progress=progress)


def read_off(image: sitk.Image) -> sitk.Image | None:
    """Brain mask of a skull-stripped image, or None where the image is not stripped.

    Stripped is an image in which nearly everything around the foreground has exactly one value, the foreground has the
    volume of a brain, and is bright up to its edge (see the constants above). Slight positive and negative ringing of
    an interpolation around the brain is allowed.

    Args:
        image: 3D scalar image.

    Returns:
        uint8 mask on the image's grid, holes filled, or None.
    """
    values = sitk.GetArrayViewFromImage(image).astype(np.float32)
    faces = np.concatenate([np.take(values, end, axis).ravel() for axis in range(3) for end in (0, -1)])
    background = float(np.median(faces))
    values -= background
    most_brain = BRAIN_ML[1] * 1000.0 / np.prod(image.GetSpacing())
    if values.size - np.count_nonzero(values) < STRIPPED_BACKGROUND * (values.size - most_brain):
        return None
    positive = values[values > 0]
    if positive.size == 0:
        return None
    brain = fill_holes(largest_piece(values > FOREGROUND * np.percentile(positive, 99)))
    volume_ml = np.count_nonzero(brain) * np.prod(image.GetSpacing()) / 1000.0
    if not BRAIN_ML[0] <= volume_ml <= BRAIN_ML[1] or np.mean(values[~brain] == 0) < STRIPPED_BACKGROUND:
        return None
    depth = ndimage.distance_transform_edt(brain, sampling=image.GetSpacing()[::-1])
    deep, edge = values[depth > _DEEP_MM], values[(depth > 0) & (depth <= _EDGE_MM)]
    if deep.size == 0 or edge.size == 0 or np.median(edge) < STRIPPED_EDGE * np.median(deep):
        return None
    return _image(brain, image)


def coarse_head(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """The image as the network sees it: on the coarse grid, normalised (float32)."""
    coarse = resample(image, model_grid(image, spacing_mm))
    head = sitk.GetImageFromArray(normalise_head(sitk.GetArrayViewFromImage(coarse)))
    head.CopyInformation(coarse)
    return head


def normalise_head(values: np.ndarray) -> np.ndarray:
    """Intensities of a whole head on one scale: air about 0, the median of the head 1.

    The second percentile is subtracted; the head is what exceeds the mean, and its median becomes 1.

    Args:
        values: shape (z, y, x).

    Returns:
        float32, shape (z, y, x), cut to `CLIP_RANGE`.

    Raises:
        StudyError: the image has one value nearly everywhere.
    """
    values = np.asarray(values, dtype=np.float32)
    values = values - np.percentile(values, 2).astype(np.float32)
    head = values[values > values.mean()]
    scale = float(np.median(head)) if head.size else 0.0
    if not scale > 0:
        raise StudyError("The image has one intensity nearly everywhere.", "Check that the series shows a head.")
    return np.clip(values / scale, *CLIP_RANGE)


def predict_head(network: nn.Module, head: np.ndarray, *, flip: bool = True) -> np.ndarray:
    """Run the network on a coarse head, on one thread: so small a network gains nothing from a second, and two that
    wait for each other on a busy machine took ten times as long.

    Args:
        network: takes (1, 1, z, y, x), gives logits of that shape; in evaluation mode.
        head: normalised intensities, shape (z, y, x), x from right to left.
        flip: average with the prediction on the mirrored head.

    Returns:
        Logits, float32, shape (z, y, x).
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(head))[None, None]
            logits = network(x).float()
            if flip:
                logits = (logits + network(x.flip(4)).float().flip(4)) / 2
    finally:
        torch.set_num_threads(threads)
    return logits[0, 0].numpy()


def brain_probability(image: sitk.Image, network: nn.Module, *, spacing_mm: float, flip: bool = True) -> sitk.Image:
    """Probability of brain on the coarse grid (float32) of `image`, for a network as in `predict_head`."""
    head = coarse_head(image, spacing_mm)
    logits = predict_head(network, sitk.GetArrayFromImage(head), flip=flip)
    probability = sitk.GetImageFromArray((1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32))
    probability.CopyInformation(head)
    return probability


def mask_from_probability(probability: sitk.Image, image: sitk.Image, threshold: float = 0.5) -> sitk.Image:
    """Turn a coarse probability into a mask on the image's own grid.

    Interpolated linearly, smoothed over 1 mm, cut at the threshold; the largest piece is kept and its holes are filled.

    Args:
        probability: float32 on the coarse grid.
        image: gives the grid of the mask.
        threshold: probability from which a voxel is brain.

    Returns:
        uint8 on the grid of `image`.
    """
    smooth = sitk.DiscreteGaussian(probability, _SMOOTHING_MM**2)
    edge = sitk.ZeroFluxNeumannPad(smooth, [1] * 3, [1] * 3)
    fine = resample(edge, image, antialias=False)
    brain = sitk.GetArrayViewFromImage(fine) >= threshold
    return _image(fill_holes(largest_piece(brain)), image)


def find_in_head(
    flair: sitk.Image, *, bundle: Bundle | str | Path | None = None, progress: Progress | None = None
) -> sitk.Image:
    """Find the brain in a whole head; see `find_brain`."""
    from .bundle import Bundle, load_bundle
    from .model_store import default_model

    if not isinstance(bundle, Bundle):
        bundle = load_bundle(default_model("brain") if bundle is None else bundle, "brain")
    network = bundle.load_network()
    if progress is not None:
        progress.update(0.2)
    model = bundle.model
    probability = brain_probability(flair, network, spacing_mm=model.spacing_mm, flip=model.flip)
    _check_sure(probability)
    if progress is not None:
        progress.update(0.4)
    mask = refined_mask(flair, probability, model.threshold)
    check_brain_volume(mask, "for the FLAIR")
    return mask


def refined_mask(image: sitk.Image, probability: sitk.Image, threshold: float = 0.5) -> sitk.Image:
    """Turn the network's probability into the mask that `find_brain` gives.

    Args:
        image: a whole head.
        probability: as `brain_probability` gives it.
        threshold: probability from which a voxel is brain.

    Returns:
        uint8 on the grid of `image`: the refined mask, or the network's own where the two disagree.
    """
    guess = mask_from_probability(probability, image, threshold)
    refined = mask_from_share(refine_brain(image, probability), image)
    return refined if _agree(guess, refined) else guess


def _check_sure(probability: sitk.Image) -> None:
    values = sitk.GetArrayViewFromImage(probability)
    if np.count_nonzero(values > 0.9) < LEAST_SURE * np.count_nonzero(values > 0.5):
        raise StudyError(
            "No brain was recognised in the FLAIR.",
            "Check that this is an MR of a whole head, or give a brain mask of your own with --brain-mask.",
        )


def mask_from_share(share: sitk.Image, image: sitk.Image) -> sitk.Image:
    """The largest piece of what is at least half brain, holes filled; uint8 on the grid of `image`."""
    return _image(fill_holes(largest_piece(sitk.GetArrayViewFromImage(share) >= 0.5)), image)


def _agree(guess: sitk.Image, refined: sitk.Image) -> bool:
    """Whether the refined mask is still the brain that the network saw (Dice at least `LEAST_AGREEMENT`)."""
    one, other = (sitk.GetArrayViewFromImage(mask) > 0 for mask in (guess, refined))
    return 2 * np.count_nonzero(one & other) >= LEAST_AGREEMENT * (np.count_nonzero(one) + np.count_nonzero(other))


def _image(mask: np.ndarray, like: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.CopyInformation(like)
    return image
