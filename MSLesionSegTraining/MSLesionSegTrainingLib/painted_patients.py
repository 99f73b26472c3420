"""Whole painted patients, to test on: a brain, the lesion shapes of somebody else, and a mask that is exact."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .appearance import brighten_fluid, grey_matter_share, vary_grey_matter
from .brain_place import between
from .canvases import Canvas, ShapeMask, real_canvas
from .painting import LesionLevels, paint
from .spatial import read_places, smooth_field
from .synthesis import synthesise_patch

LARGEST_SHIFT = 2.0
"""Standard deviation, in voxels, by which the shapes are at most moved out of place and shape."""


def paint_patient(
    rng: np.random.Generator, name: str, brain: Canvas, shapes: ShapeMask, levels: LesionLevels
) -> Canvas:
    """Paint the lesions of one patient into the whole brain of another, as training patches are painted.

    The images of a tissue map are synthesised first. Grey matter is unevenly brightened and fluid holds bright spots,
    as in patches; scanner and resolution are not varied, and all contrasts of the brain are there.

    Args:
        rng: source of all randomness.
        name: of the painted patient.
        brain: real study or tissue map.
        shapes: the lesions to paint; they go where they lie in their own brain.
        levels: intensities to paint.

    Returns:
        A canvas on the grid of the brain, channels float16; its lesions are the painted ones, and those that a real
        study has of its own.
    """
    shape = tuple(brain.brain.shape[1:])
    edge = max(shape)
    inside = _cube(brain.brain.float(), edge)
    if brain.channels is None:
        tissue = _cube(brain.tissue.float(), edge) / 255.0
        channels, grey, known = synthesise_patch(rng, tissue), tissue[1], torch.zeros((edge,) * 3)
    else:
        channels, known = _cube(brain.channels.float(), edge), _cube(brain.lesion.float(), edge)[0]
        grey = grey_matter_share(channels, known)
    channels = vary_grey_matter(rng, channels, grey)
    channels = brighten_fluid(rng, channels)
    drawn = _placed(rng, brain, shapes, edge) * (1 - known)
    channels, painted = paint(rng, channels, drawn, inside[0], levels)
    label = torch.maximum(known, painted) * inside[0]
    channels = channels * inside * torch.tensor(brain.present)[:, None, None, None]
    crop = tuple(slice(0, length) for length in shape)
    return real_canvas(
        name,
        channels[(slice(None), *crop)].numpy().astype(np.float16),
        brain.brain[0].numpy(),
        label[crop].numpy() > 0,
        brain.present,
    )


def _cube(volume: Tensor, edge: int) -> Tensor:
    """A volume (C, z, y, x) with zeros behind it, (C, edge, edge, edge): what varies patches takes cubes."""
    return F.pad(volume, [part for length in volume.shape[:0:-1] for part in (0, edge - length)])


def _placed(rng: np.random.Generator, brain: Canvas, shapes: ShapeMask, edge: int) -> Tensor:
    """Lesion share (edge, edge, edge) of each voxel of the brain, a little out of place and shape."""
    line = torch.arange(edge, dtype=torch.float32)
    places = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1)
    nodes = max(4, edge // 16)
    places = places + rng.uniform(0, LARGEST_SHIFT) * smooth_field(rng, 3, edge, nodes).permute(1, 2, 3, 0)
    scale, offset = (torch.from_numpy(part.astype(np.float32)) for part in between(brain.box, shapes.box))
    return read_places(shapes.lesion, places * scale + offset)[0]
