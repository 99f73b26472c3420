"""One training patch from its number: the same number and seed give the same patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from .appearance import brighten_fluid, draw_contrasts, grey_matter_share, vary_appearance, vary_grey_matter
from .brain_place import between, moved
from .canvases import Canvas, ShapeMask
from .losses import UNSURE
from .painting import LesionLevels, grow, paint
from .samplers import Sampler
from .spatial import patch_places, read_places, read_together, smooth_field
from .synthesis import synthesise_patch


@dataclass(frozen=True)
class PatchRecipe:
    """What the patches show, as shares of them.

    Attributes:
        patch: edge in voxels.
        tissue: share synthesised from tissue maps, where there are any.
        background: share of the real ones that show scans which nobody annotated, where there are any that have the
            contrasts of the patch.
        painted: share of the real ones into which lesions of other patients are painted, where there are any.
        grey: share with unevenly brightened grey matter.
        blobs: chance that a few ellipsoids are added to the painted shapes.
        grown: share whose painted shapes are grown, until neighbours run together.
        plexus: share with bright, unlabelled tissue in fluid, as choroid plexus and flow artefacts are.
    """

    patch: int = 64
    tissue: float = 0.3
    background: float = 0.1
    painted: float = 0.75
    grey: float = 0.6
    blobs: float = 0.3
    grown: float = 0.4
    plexus: float = 0.3


class PatchDataset(Dataset):
    """Patches by number.

    Args:
        canvases: brains to read and paint; at least one annotated.
        shapes: lesions to paint into them.
        levels: lesion intensities to paint.
        recipe: the shares.
        sampler: where the patches lie.
        seed: of the run; patch ``i`` depends on (seed, i) alone.
        length: number of patches of the run.
    """

    def __init__(
        self,
        canvases: Sequence[Canvas],
        shapes: Sequence[ShapeMask],
        levels: LesionLevels,
        recipe: PatchRecipe,
        sampler: Sampler,
        seed: int,
        length: int,
    ) -> None:
        self.annotated = [c for c in canvases if c.channels is not None and c.unsure is None]
        self.backgrounds = [c for c in canvases if c.unsure is not None]
        self.tissue = [c for c in canvases if c.tissue is not None]
        self.shapes = list(shapes)
        self.levels = levels
        self.recipe = recipe
        self.sampler = sampler
        self.seed = seed
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Patch ``number``: channels (3, z, y, x), and lesions (1, z, y, x) as 0, 1 or ``UNSURE``; float32."""
        rng = np.random.default_rng((self.seed, number))
        recipe = self.recipe
        contrasts = draw_contrasts(rng)
        painted = None
        if self.tissue and rng.random() < recipe.tissue:
            canvas = self.tissue[rng.integers(len(self.tissue))]
        else:
            backgrounds = self._backgrounds_with(contrasts) if rng.random() < recipe.background else []
            brains = backgrounds or self.annotated
            canvas = brains[rng.integers(len(brains))]
            if self.shapes and rng.random() < recipe.painted:
                painted = self.shapes[rng.integers(len(self.shapes))]
        places = patch_places(rng, self._centre(rng, canvas, painted), recipe.patch)
        source = canvas.tissue if canvas.channels is None else canvas.channels
        masks = (canvas.brain, canvas.lesion) if canvas.unsure is None else (canvas.brain, canvas.lesion, canvas.unsure)
        shown, brain, annotated, *unsure = read_together((source, *masks), places)
        brain = (brain > 0.5).float()
        doubt = (unsure[0][0] > 0).float() if unsure else torch.zeros_like(brain[0])
        if canvas.channels is None:
            tissue = shown / 255.0
            channels, grey = synthesise_patch(rng, tissue), tissue[1]
            shapes = annotated[0]
            known = torch.zeros_like(shapes)
        else:
            channels = shown
            known = (annotated[0] > 0.5).float()
            grey = grey_matter_share(channels, torch.maximum(known, doubt))
            shapes = torch.zeros_like(known) if painted is None else self._shapes(rng, canvas, painted, places)
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
        label[(doubt > 0) & (label == 0)] = UNSURE
        channels = vary_appearance(rng, channels, brain)
        given = torch.tensor(canvas.present) & torch.tensor(contrasts)
        return channels * given[:, None, None, None], label[None]

    def _backgrounds_with(self, contrasts: tuple[bool, bool, bool]) -> list[Canvas]:
        """The backgrounds that have all of these contrasts.

        Others would be told from annotated brains by the contrast that they lack: with backgrounds without T2w among
        them a network learns that where T2w is missing there are few lesions.
        """
        return [
            c
            for c in self.backgrounds
            if all(there or not asked for there, asked in zip(c.present, contrasts, strict=True))
        ]

    def _centre(self, rng: np.random.Generator, canvas: Canvas, painted: ShapeMask | None) -> np.ndarray:
        """A centre (z, y, x) in the canvas; the lesions it may lie near are those that will be painted."""
        if painted is None:
            return self.sampler.draw(rng, canvas.index)
        lesions = moved(painted.lesions, *between(painted.box, canvas.box))
        return self.sampler.draw(rng, replace(canvas.index, lesions=lesions))

    def _shapes(self, rng: np.random.Generator, canvas: Canvas, painted: ShapeMask, places: Tensor) -> Tensor:
        """Shapes to paint at places of the canvas, (z, y, x) share of each voxel, a little out of place and shape."""
        size = self.recipe.patch
        moved = places + rng.uniform(0, 2.0) * smooth_field(rng, 3, size, 4).permute(1, 2, 3, 0)
        scale, offset = (torch.from_numpy(v.astype(np.float32)) for v in between(canvas.box, painted.box))
        return read_places(painted.lesion, moved * scale + offset)[0]


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
