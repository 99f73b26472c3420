"""Rehearsal: synthetic twins of the user's brains, lesions of synthetic patients, a network that does not forget."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib import batch_statistics, rehearsal
from MSLesionSegTrainingLib.brain_place import brain_box
from MSLesionSegTrainingLib.canvases import Canvas, real_canvas, shape_mask, shapes_of
from MSLesionSegTrainingLib.painted_patients import paint_patient
from MSLesionSegTrainingLib.painting import LesionLevels, measure_levels
from MSLesionSegTrainingLib.patches import PatchDataset, PatchRecipe
from MSLesionSegTrainingLib.prepared_cache import PreparedCache
from MSLesionSegTrainingLib.rehearsal import broader_levels, synthetic_shapes, synthetic_twin, with_rehearsal
from MSLesionSegTrainingLib.retrain_blend import PAINTED, SHARES, BlendStep, blended, chosen_share
from MSLesionSegTrainingLib.samplers import make_sampler
from MSLesionSegTrainingLib.settings import TrainSettings
from MSLesionSegTrainingLib.synthesis import TISSUE_LEVELS
from MSLesionSegTrainingLib.train import train
from MSLesionSegTrainingLib.training_set import CaseRecord, TrainingSet

ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8] * 5, "depths": [1] * 4, "norm": "batch"}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few patches for the statistics, one synthetic patient."""
    monkeypatch.setattr(batch_statistics, "STATISTICS_PATCHES", 16)
    monkeypatch.setattr(rehearsal, "SYNTHETIC_PATIENTS", 1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> PreparedCache:
    return PreparedCache(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def brain_of_three_tissues(map_canvas) -> tuple[Canvas, np.ndarray]:
    """Images of a tissue map at the usual levels with a little noise, a lesion in it; and the true classes."""
    truth = map_canvas.tissue.numpy().astype(np.float32) / 255
    channels = np.einsum("kt,tzyx->kzyx", np.array(TISSUE_LEVELS, np.float32), truth)
    lesion = map_canvas.lesion[0].numpy() > 0
    channels[:, lesion] = np.array([2.5, -0.5, 1.5], np.float32)[:, None]
    channels += np.random.default_rng(2).normal(0, 0.1, channels.shape)
    brain = map_canvas.brain[0].numpy()
    return real_canvas("sub-01", (channels * brain).astype(np.float32), brain, lesion), truth


@pytest.mark.parametrize("present", [(True, True, True), (True, False, False)])
def test_a_twin_has_the_tissues_of_its_brain_and_white_matter_where_the_lesions_are(brain_of_three_tissues, present):
    canvas, truth = brain_of_three_tissues
    twin = synthetic_twin(replace(canvas, present=present))
    lesion, brain = canvas.lesion[0].numpy() > 0, canvas.brain[0].numpy() > 0
    found, plain = twin.tissue.numpy().argmax(0), brain & ~lesion
    assert (found == truth.argmax(0))[plain].mean() > (0.98 if all(present) else 0.95)
    assert (twin.tissue.numpy()[:, lesion] == np.array([0, 0, 255])[:, None]).all()
    assert twin.tissue.numpy()[:, ~brain].max() == 0
    assert twin.channels is None and twin.name == "synthetic sub-01"


def test_synthetic_patients_have_many_small_lesions_and_are_made_once(cache):
    shapes = synthetic_shapes(cache, 0)
    entries = len(list(cache.folder.iterdir()))
    again = synthetic_shapes(cache, 0)
    assert len(list(cache.folder.iterdir())) == entries
    assert (shapes.lesion == again.lesion).all()
    sizes = shapes.lesions.sizes
    assert 8 <= len(sizes) <= 60 and np.median(sizes) < 150 and sizes.sum() > 300
    assert (shapes.lesions.voxels >= shapes.box.low - 5).all() and (shapes.lesions.voxels <= shapes.box.high + 5).all()


def test_rehearsal_adds_a_twin_of_each_real_brain_and_says_so(cache, study_canvas, map_canvas, shapes):
    record = CaseRecord("sub-01", "train", "a" * 64)
    data = TrainingSet([study_canvas, map_canvas], shapes, [study_canvas], [record], ["a set"], "CC0")
    more = with_rehearsal(data, cache, SilentProgress())
    assert [canvas.name for canvas in more.canvases] == ["study", "map", "synthetic study"]
    assert len(more.shapes) == 2 and more.validation == [study_canvas] and more.records == [record]
    told = "synthetic images of 1 training brain and lesions of 1 synthetic patient (painted)"
    assert more.sources == ["a set", told]


def test_lesions_are_painted_half_as_measured_and_half_as_usual():
    usual = measure_levels([])
    told = broader_levels(LesionLevels(usual.mean + [1.0, 0.0, 0.0], usual.covariance, usual.inside))
    assert told.mean == pytest.approx(usual.mean + [0.5, 0.0, 0.0])
    assert told.covariance == pytest.approx(usual.covariance + np.diag([0.25, 0.0, 0.0]))


USUAL = LesionLevels(np.array([2.6, -0.4, 1.6]), np.diag([0.02] * 3), np.array([0.1] * 3))
FAINT = LesionLevels(np.array([1.25, -0.1, 0.5]), np.diag([0.002] * 3), np.array([0.05] * 3))
"""Of a scanner that shows lesions faintly, on a background that is all the calmer: what the first network misses."""


def lesions(seed: int, brain) -> np.ndarray:
    """Four balls in the white matter of a made-up brain."""
    rng = np.random.default_rng(seed)
    places = np.indices(brain.shape)
    mask = np.zeros(brain.shape, bool)
    for radius in (4, 3, 3, 2):
        direction = rng.normal(size=3)
        centre = 24 + direction / np.linalg.norm(direction) * rng.uniform(8, 13)
        mask |= ((places - centre[:, None, None, None]) ** 2).sum(0) <= radius**2
    return mask


def patient(seed: int, map_canvas, brain, levels) -> Canvas:
    shapes = shape_mask(lesions(seed, brain), brain_box(brain))
    return paint_patient(np.random.default_rng(seed), f"patient {seed}", map_canvas, shapes, levels)


@torch.no_grad()
def mean_dice(network, canvases) -> float:
    scores = []
    for canvas in canvases:
        found = network(canvas.channels.float()[None])[0, 0].numpy() > 0
        truth = canvas.lesion[0].numpy() > 0
        scores.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
    return float(np.mean(scores))


def trained(folder, canvases, shapes, levels, steps, rate, start=None):
    recipe = PatchRecipe(patch=32)
    settings = TrainSettings(
        architecture=ARCHITECTURE, recipe=recipe, epochs=1, epoch_steps=steps, learning_rate=rate, bf16=False
    )
    patches = PatchDataset(canvases, shapes, levels, recipe, make_sampler("lesion", 32), 0, 10_000)
    return train(settings, patches, [], folder, SilentProgress(), start=start)


def test_one_corrected_case_improves_another_of_its_kind_and_little_is_forgotten(tmp_path, map_canvas, brain):
    """A network that knows usual lesions, and a scanner that shows them faintly."""
    usual = [patient(seed, map_canvas, brain, USUAL) for seed in range(6)]
    corrected, second = (patient(seed, map_canvas, brain, FAINT) for seed in (50, 51))
    elsewhere = [patient(seed, map_canvas, brain, USUAL) for seed in range(100, 120)]
    before = trained(tmp_path / "before", [*usual, map_canvas], [shapes_of(one) for one in usual], USUAL, 150, 5e-3)
    data = TrainingSet([corrected], [shapes_of(corrected)], [], [], [], "CC0")
    data = replace(data, canvases=[corrected, synthetic_twin(corrected)])
    shapes = [*data.shapes, *(shape_mask(lesions(seed, brain), brain_box(brain)) for seed in range(200, 208))]
    levels = broader_levels(measure_levels(data.canvases))
    after = trained(tmp_path / "after", data.canvases, shapes, levels, 60, 5e-4, start=before)
    painted = [patient(seed, map_canvas, brain, USUAL) for seed in range(300, 300 + PAINTED)]
    shares = [(share, blended(before, copy.deepcopy(after), share)) for share in (0.0, *SHARES)]
    share = chosen_share([BlendStep(share, mean_dice(mixed, painted), None) for share, mixed in shares])
    mixed = dict(shares)[share]
    of_kind, forgotten = ([mean_dice(network, some) for network in (before, mixed)] for some in ([second], elsewhere))
    told = (f"{name} {old:.3f} to {new:.3f}" for name, (old, new) in (("second", of_kind), ("elsewhere", forgotten)))
    print(f"{share:.3f} of the new weights: {', '.join(told)}")
    assert forgotten[0] > 0.6
    assert forgotten[1] > forgotten[0] - 0.02
    assert of_kind[1] > of_kind[0] + 0.03
