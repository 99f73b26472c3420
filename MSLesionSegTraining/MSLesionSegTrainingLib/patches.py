"""One training patch from its number: the same number and seed give the same patch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from .appearance import brighten_fluid, grey_matter_share, vary_appearance, vary_grey_matter
from .canvases import Canvas
from .lesion_index import LesionIndex
from .painting import LesionLevels, grow, paint
from .spatial import patch_places, read_places, smooth_field
from .synthesis import synthesise_patch


@dataclass(frozen=True)
class MaskPool:
    """Masks of other patients in the common space, whose shapes are painted.

    Attributes:
        masks: uint8 (1, z, y, x) each.
        lesions: index of each.
    """

    masks: list[Tensor]
    lesions: list[LesionIndex]


@dataclass(frozen=True)
class PatchRecipe:
    """What share of the patches is what.

    Attributes:
        patch: edge in voxels.
        lesion: share centred near a lesion drawn from the index.
        hard: share centred on a bright voxel that is no lesion.
        size_exponent: of the draw by lesion, see ``LesionIndex.draw``.
        jitter: largest shift of the centre from the drawn lesion voxel, in shares of the patch edge.
        tissue: share of patches synthesised from tissue maps.
        painted: share of real patches into which lesions are painted.
        grey: share of patches with unevenly brightened grey matter.
        blobs: chance that a few ellipsoids are added to the painted shapes.
        grown: share of patches whose painted shapes are grown, until neighbours run together.
        plexus: share of patches with bright, unlabelled tissue in fluid, as choroid plexus and flow artefacts are.
    """

    patch: int = 64
    lesion: float = 0.6
    hard: float = 0.2
    size_exponent: float = 0.3
    jitter: float = 0.3
    tissue: float = 0.3
    painted: float = 0.75
    grey: float = 0.6
    blobs: float = 0.3
    grown: float = 0.4
    plexus: float = 0.3


class PatchDataset(Dataset):
    """Patches by number.

    Args:
        canvases: brains to read and paint; at least one real.
        pool: masks to paint.
        levels: lesion intensities to paint.
        recipe: the shares.
        seed: of the run; patch ``i`` depends on (seed, i) alone.
        length: number of patches of the run.
    """

    def __init__(
        self, canvases: list[Canvas], pool: MaskPool, levels: LesionLevels, recipe: PatchRecipe, seed: int, length: int
    ) -> None:
        self.real = [c for c in canvases if c.channels is not None]
        self.tissue = [c for c in canvases if c.tissue is not None]
        self.pool = pool
        self.levels = levels
        self.recipe = recipe
        self.seed = seed
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Patch ``number``: channels (3, z, y, x) and lesions (1, z, y, x), float32."""
        rng = np.random.default_rng((self.seed, number))
        recipe = self.recipe
        if self.tissue and rng.random() < recipe.tissue:
            canvas = self.tissue[rng.integers(len(self.tissue))]
            source = None
        else:
            canvas = self.real[rng.integers(len(self.real))]
            source = int(rng.integers(len(self.pool.masks))) if rng.random() < recipe.painted else None
        painted = self.pool.lesions[source] if source is not None else canvas.lesions
        places = patch_places(rng, self._centre(rng, canvas, painted), recipe.patch)
        brain = (read_places(canvas.brain, places) > 0.5).float()
        if canvas.channels is None:
            tissue = read_places(canvas.tissue, places) / 255.0
            channels, grey = synthesise_patch(rng, tissue), tissue[1]
            shapes = read_places(canvas.lesion, places)[0]
            known = torch.zeros_like(shapes)
        else:
            channels = read_places(canvas.channels, places)
            known = (read_places(canvas.lesion, places)[0] > 0.5).float()
            grey = grey_matter_share(channels, known)
            shapes = torch.zeros_like(known)
            if source is not None:
                moved = places + rng.uniform(0, 2.0) * smooth_field(rng, 3, recipe.patch, 4).permute(1, 2, 3, 0)
                shapes = read_places(self.pool.masks[source], moved)[0]
        if rng.random() < recipe.grey:
            channels = vary_grey_matter(rng, channels, grey)
        if rng.random() < recipe.plexus:
            channels = brighten_fluid(rng, channels)
        if rng.random() < recipe.grown:
            shapes = grow(rng, shapes)
        if rng.random() < recipe.blobs:
            shapes = torch.maximum(shapes, _blobs(rng, recipe.patch))
        shapes = shapes * (1 - known)
        channels, drawn = paint(rng, channels, shapes, brain[0], self.levels)
        label = torch.maximum(known, drawn) * brain[0]
        return vary_appearance(rng, channels, brain), label[None]

    def _centre(self, rng: np.random.Generator, canvas: Canvas, lesions: LesionIndex) -> np.ndarray:
        recipe = self.recipe
        chance = rng.random()
        if chance < recipe.lesion and len(lesions):
            reach = recipe.jitter * recipe.patch
            return lesions.draw(rng, recipe.size_exponent) + rng.uniform(-reach, reach, 3)
        if chance < recipe.lesion + recipe.hard and len(canvas.bright_voxels):
            return canvas.bright_voxels[rng.integers(len(canvas.bright_voxels))] + rng.uniform(-16, 16, 3)
        return canvas.brain_voxels[rng.integers(len(canvas.brain_voxels))].astype(float)


def _blobs(rng: np.random.Generator, size: int) -> Tensor:
    """One to six random ellipsoids of 1 to 4 mm half-axis with wavy edges; float32 (size, size, size), 0 to 1."""
    volume = np.zeros((size,) * 3, np.float32)
    for _ in range(int(rng.integers(1, 7))):
        radius = rng.uniform(1.0, 4.0) * np.exp(rng.normal(0, 0.2, 3))
        box = int(np.ceil(radius.max())) + 2
        centre = rng.integers(box, size - box, 3)
        grid = np.indices((2 * box + 1,) * 3) - box
        distance = np.sqrt(((grid / radius[:, None, None, None]) ** 2).sum(0))
        wave = ndimage.gaussian_filter(rng.standard_normal(distance.shape), 1.5) * 2.0
        part = tuple(slice(c - box, c + box + 1) for c in centre)
        volume[part] = np.maximum(volume[part], np.clip((1.0 - distance + 0.3 * wave) * radius.mean() + 0.5, 0, 1))
    return torch.from_numpy(volume)
