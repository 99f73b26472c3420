"""What keeps a network from forgetting while it learns a handful of corrected cases: more brains and more lesions.

A network that starts from a model and sees few cases soon fits these alone. So its patches also come from synthetic
images of the same brains, whose tissue classes are read off the cases themselves, and lesions of synthetic patients are
painted into all of them. No image of those on whom the first model was trained is needed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from MSLesionSegLib import __version__
from MSLesionSegLib.head_shape import draw_parameters, head_labels
from MSLesionSegLib.phantom_lesions import plant_lesions
from MSLesionSegLib.protocol import Progress

from .brain_place import BrainBox, brain_box
from .canvases import Canvas, ShapeMask, shape_mask, tissue_canvas
from .case_loading import as_white_matter
from .painting import LesionLevels, measure_levels
from .prepared_cache import PreparedCache
from .synthesis import TISSUE_LEVELS
from .training_set import TrainingSet

SYNTHETIC_PATIENTS = 8
"""Whose lesions are painted."""
TISSUE_SPREAD = ((1.5, 0.5, 0.45), (0.8, 0.45, 0.45), (2.0, 0.5, 0.5))
"""How far normalised FLAIR, T1w and T2w (rows) lie from the level of their class (columns: CSF, grey, white matter)."""
LESIONS = {
    "periventricular": (7.0, 160.0, 1.5),
    "deep white matter": (8.0, 35.0, 1.0),
    "juxtacortical": (5.0, 35.0, 1.0),
    "infratentorial": (2.0, 50.0, 1.0),
}
"""Place -> mean number, median volume in mm3, spread of its logarithm. Of the 2759 lesions of 29 real patients 27 % are
below 10 mm3, 57 % below 100, 14 % below 1000 and 2 % above."""
SMALLEST_MM3, LARGEST_MM3 = 4.0, 12000.0


def with_rehearsal(data: TrainingSet, cache: PreparedCache, progress: Progress) -> TrainingSet:
    """The same data with a synthetic twin of each real training brain, and with the lesions of synthetic patients.

    Args:
        data: of the run.
        cache: keeps the synthetic patients, which are the same for every data set.
        progress: in the stage of the preparation.

    Raises:
        OutputError: the cache cannot be written.
    """
    twins = [synthetic_twin(canvas) for canvas in data.canvases if canvas.channels is not None]
    shapes = []
    for number in range(SYNTHETIC_PATIENTS):
        progress.update(number / SYNTHETIC_PATIENTS, f"lesions of synthetic patient {number + 1}")
        shapes.append(synthetic_shapes(cache, number))
    brains, others = (
        f"{n} {word}{'' if n == 1 else 's'}"
        for n, word in ((len(twins), "training brain"), (len(shapes), "synthetic patient"))
    )
    told = f"synthetic images of {brains} and lesions of {others} (painted)"
    return replace(
        data, canvases=[*data.canvases, *twins], shapes=[*data.shapes, *shapes], sources=[*data.sources, told]
    )


def broader_levels(measured: LesionLevels) -> LesionLevels:
    """Lesion intensities of a mixture, half as measured in a handful of cases and half as usual elsewhere.

    Mean and covariance are those of the mixture; the few cases alone would have all lesions painted as theirs are.
    """
    usual = measure_levels([])
    apart = measured.mean - usual.mean
    return LesionLevels(
        (measured.mean + usual.mean) / 2,
        (measured.covariance + usual.covariance) / 2 + np.outer(apart, apart) / 4,
        (measured.inside + usual.inside) / 2,
    )


def synthetic_twin(canvas: Canvas) -> Canvas:
    """A tissue map of a real study: each voxel has shares of the classes whose levels its intensities are close to.

    Shares are the posterior of three normal classes of equal weight (levels of ``synthesis.TISSUE_LEVELS``) over the
    contrasts that there are. Annotated lesions, and places that may be lesions, become white matter.

    Args:
        canvas: a real study; its channels are normalised.
    """
    channels, brain = canvas.channels.float().numpy(), canvas.brain[0].numpy() > 0
    distance = np.zeros((3, *brain.shape), np.float32)
    for contrast, there in enumerate(canvas.present):
        if there:
            for tissue in range(3):
                level, spread = TISSUE_LEVELS[contrast][tissue], TISSUE_SPREAD[contrast][tissue]
                distance[tissue] += ((channels[contrast] - level) / spread) ** 2 / 2 + np.log(spread)
    shares = np.exp(distance.min(0) - distance)
    shares *= brain / shares.sum(0)
    tissue = np.rint(255 * shares).astype(np.uint8)
    lesion = canvas.lesion[0].numpy() > 0
    filled = as_white_matter(tissue, lesion if canvas.unsure is None else lesion | (canvas.unsure[0].numpy() > 0))
    return tissue_canvas(f"synthetic {canvas.name}", filled, brain, lesion)


def synthetic_shapes(cache: PreparedCache, number: int) -> ShapeMask:
    """Lesions of synthetic patient ``number``, made by the phantom's own code: some seconds, then read from the cache.

    Raises:
        OutputError: the cache cannot be written.
    """
    facts = {"kind": "synthetic lesions", "number": number, "lesions": LESIONS, "version": __version__}
    place = cache.entry(facts, lambda partial: _plant(partial, number))
    lesion, (low, high) = np.load(place / "lesion.npy"), np.load(place / "box.npy")
    return shape_mask(lesion, BrainBox(low, high))


def _plant(place: Path, number: int) -> None:
    rng = np.random.default_rng((number, 20251125))
    upright = {"rotation_deg": (0.0, 0.0, 0.0), "shift_mm": (0.0, 0.0, 0.0)}
    head = head_labels(rng, spacing_mm=1.0, parameters=replace(draw_parameters(rng), **upright))
    lesion = np.zeros(head.labels.shape, np.uint8)
    for one in plant_lesions(head, rng, _volumes(rng)):
        lesion[one.box] |= one.member > 0.5
    np.save(place / "lesion.npy", lesion)
    box = brain_box(head.brain())
    np.save(place / "box.npy", np.stack((box.low, box.high)))


def _volumes(rng: np.random.Generator) -> dict[str, tuple[float, ...]]:
    """Wanted volumes in mm3 by place; more lesions in one patient than in another."""
    load = np.exp(rng.normal(0, 0.5))
    return {
        place: tuple(
            np.clip(median * np.exp(rng.normal(0, spread, 1 + rng.poisson(load * mean))), SMALLEST_MM3, LARGEST_MM3)
        )
        for place, (mean, median, spread) in LESIONS.items()
    }
