"""Brains to paint lesions into, and the lesions to paint."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .brain_place import BrainBox, brain_box
from .case_index import CaseIndex, index_case
from .lesion_index import LesionIndex, index_lesions

ALL_CONTRASTS = (True, True, True)


@dataclass(frozen=True)
class Canvas:
    """One brain on the model grid.

    Attributes:
        name: of the case, for messages.
        channels: float16 or float32 (3, z, y, x): normalised FLAIR, T1w, T2w of a real study; None for a tissue map.
        tissue: uint8 (3, z, y, x): shares of CSF, grey and white matter in 255ths; None for a real study.
        brain: uint8 (1, z, y, x), 0 or 1.
        lesion: uint8 (1, z, y, x), 0 or 1: the annotated lesions.
        present: whether there is a FLAIR, T1w, T2w; a contrast that is missing is all 0.
        index: places to draw from.
        box: where the brain lies.
        unsure: uint8 (1, z, y, x), 0 or 1: places of a background that count neither as lesion nor as none; None of any
            other canvas.
    """

    name: str
    channels: Tensor | None
    tissue: Tensor | None
    brain: Tensor
    lesion: Tensor
    present: tuple[bool, bool, bool]
    index: CaseIndex
    box: BrainBox
    unsure: Tensor | None = None


@dataclass(frozen=True)
class ShapeMask:
    """Annotated lesions of one patient, whose shapes and places are painted into other brains.

    Attributes:
        lesion: uint8 (1, z, y, x), 0 or 1.
        lesions: index of them, at least one.
        box: where the patient's brain lies on that grid.
    """

    lesion: Tensor
    lesions: LesionIndex
    box: BrainBox


def real_canvas(
    name: str,
    channels: np.ndarray,
    brain: np.ndarray,
    lesion: np.ndarray,
    present: tuple[bool, bool, bool] = ALL_CONTRASTS,
    index: CaseIndex | None = None,
) -> Canvas:
    """A canvas from a prepared and annotated study.

    Args:
        name: for messages.
        channels: (3, z, y, x) float16 or float32 as ``MSLesionSegLib.prepare`` leaves them; not copied.
        brain: (z, y, x) bool or uint8.
        lesion: (z, y, x) bool or uint8.
        present: whether there is a FLAIR, T1w, T2w.
        index: the case's index, if it was made before.
    """
    index = index or index_case(channels[0], brain > 0, lesion > 0)
    volume = torch.from_numpy(channels)
    return Canvas(name, volume, None, _volume(brain), _volume(lesion), present, index, brain_box(brain > 0))


def background_canvas(
    name: str,
    channels: np.ndarray,
    brain: np.ndarray,
    lesion: np.ndarray,
    unsure: np.ndarray,
    present: tuple[bool, bool, bool],
    index: CaseIndex,
) -> Canvas:
    """A canvas from a prepared study without annotated lesions; see `real_canvas`.

    Args:
        name, channels, brain, present: as there.
        unsure: (z, y, x) bool or uint8, where there may be lesions.
        index: the case's index.
    """
    canvas = real_canvas(name, channels, brain, lesion, present, index)
    return replace(canvas, unsure=_volume(unsure))


def tissue_canvas(
    name: str, tissue: np.ndarray, brain: np.ndarray, lesion: np.ndarray, index: CaseIndex | None = None
) -> Canvas:
    """A canvas from a tissue map.

    Args:
        name: for messages.
        tissue: (3, z, y, x) uint8, shares of CSF, grey matter and white matter in 255ths; not copied.
        brain: (z, y, x) bool or uint8.
        lesion: (z, y, x) bool or uint8.
        index: the case's index, if it was made before.
    """
    index = index or index_case(None, brain > 0, lesion > 0)
    volume = torch.from_numpy(tissue)
    return Canvas(name, None, volume, _volume(brain), _volume(lesion), ALL_CONTRASTS, index, brain_box(brain > 0))


def shape_mask(lesion: np.ndarray, box: BrainBox) -> ShapeMask | None:
    """The shapes of a mask (z, y, x) bool or uint8 in a brain that fills a box; None where it holds no lesion."""
    lesions = index_lesions(lesion > 0)
    return ShapeMask(_volume(lesion), lesions, box) if len(lesions) else None


def shapes_of(canvas: Canvas) -> ShapeMask | None:
    """The annotated lesions of a canvas as shapes for others; None where it has none, as a background has."""
    annotated = canvas.unsure is None and len(canvas.index.lesions) > 0
    return ShapeMask(canvas.lesion, canvas.index.lesions, canvas.box) if annotated else None


def _volume(mask: np.ndarray) -> Tensor:
    return torch.from_numpy(mask.view(np.uint8) if mask.dtype == bool else mask)[None]
