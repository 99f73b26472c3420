"""Training of the brain network: heads, random views, loop, bundle, command."""

from dataclasses import asdict

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import typer
from typer.testing import CliRunner

from MSLesionSegLib.bundle import load_bundle
from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.images import read_image
from MSLesionSegTrainingLib.brain_augment import random_view
from MSLesionSegTrainingLib.brain_card import save_brain_bundle
from MSLesionSegTrainingLib.brain_command import brain_train
from MSLesionSegTrainingLib.brain_heads import (
    Head,
    contrast_classes,
    flair_hashes,
    raw_flairs,
    reference_on,
    synthetic_heads,
)
from MSLesionSegTrainingLib.brain_training import BrainRecipe, brain_loss, repair, train_brain
from MSLesionSegTrainingLib.case_hash import voxel_sha256


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Training is repeatable on one thread, and tests side by side do not wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made() -> list[Head]:
    return synthetic_heads(2, 0)


@pytest.fixture(scope="module")
def trained(made):
    recipe = BrainRecipe(steps=40, synthetic=2, grafts_per_brain=0, learning_rate=1e-2)
    losses = []
    network, summary = train_brain([], made, recipe, lambda done, step, loss: losses.append(loss))
    return network, summary, losses, recipe


def as_raw(head: Head, patient: str) -> Head:
    """A synthetic head as a raw series without a brain."""
    values = head.labels.astype(np.float32)
    picture = sitk.GetImageFromArray(values)
    picture.SetSpacing([3.0] * 3)
    return Head(patient, "x", picture, values, np.zeros(0, np.uint8), None, (0,), sitk.Transform(3, sitk.sitkIdentity))


def test_hash_of_a_case_is_that_of_its_float_voxels():
    image = sitk.GetImageFromArray(np.arange(8, dtype=np.int16).reshape(2, 2, 2))
    expected = "0571cfe42be5c7b95de9afc7c7ba1286fb7a2ef10a9035f8d6b87d21a3bc8387"
    assert voxel_sha256(image) == expected
    assert voxel_sha256(sitk.Cast(image, sitk.sitkFloat64)) == expected


def test_view_has_the_shape_asked_for_and_repeats_with_its_seed(made):
    first = random_view(np.random.default_rng(3), made[0], (34, 50, 42), 4.0)
    again = random_view(np.random.default_rng(3), made[0], (34, 50, 42), 4.0)
    for a, b in zip(first, again, strict=True):
        assert a.shape == (34, 50, 42) and a.dtype == np.float32
        np.testing.assert_array_equal(a, b)
    view, brain = first
    assert np.isfinite(view).all() and brain.min() >= 0 and brain.max() <= 1 + 1e-6


def test_views_hold_most_of_the_brain(made):
    volumes = [random_view(np.random.default_rng(i), made[0], (54, 64, 56), 4.0)[1].sum() * 0.064 for i in range(8)]
    whole = made[0].brain.sum() * 0.027
    assert all(0.4 * whole < volume < 2.0 * whole for volume in volumes)


def test_classes_inside_and_outside_the_brain_never_meet():
    rng = np.random.default_rng(0)
    values, brain = rng.uniform(0, 2, (12, 12, 12)).astype(np.float32), rng.random((12, 12, 12)) > 0.5
    labels = contrast_classes(values, brain)
    assert not set(labels[brain]) & set(labels[~brain])
    assert set(labels[~brain & (values < 0.1)]) == {0}


def test_loss_is_least_for_the_right_brain():
    brain = torch.zeros(1, 1, 8, 8, 8)
    brain[..., 2:6, 2:6, 2:6] = 1
    right, wrong = brain_loss(brain * 20 - 10, brain), brain_loss(10 - brain * 20, brain)
    assert float(right) < 0.01 < 1.5 < float(wrong)


def test_training_learns_and_repeats(trained, made):
    network, summary, losses, recipe = trained
    assert summary["steps"] == 40
    assert losses[-1] < 0.85 * losses[0]
    short = BrainRecipe(**asdict(recipe) | {"steps": 3})
    one, two = (train_brain([], made, short)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_heads_without_a_brain_get_the_one_that_is_found(trained, made):
    network, _, _, recipe = trained
    raw = [as_raw(made[0], "a"), as_raw(made[0], "a"), as_raw(made[1], "b")]
    repaired = repair(network, raw, recipe.spacing_mm)
    assert [head.patient for head in repaired] == ["a", "a", "b"]
    np.testing.assert_array_equal(repaired[0].brain, repaired[1].brain)
    assert all(head.brain.shape == head.values.shape == head.labels.shape for head in repaired)
    assert repaired[0].brain.max() > 0.9


def test_bundle_of_a_training_finds_a_brain(trained, tmp_path):
    network, summary, _, recipe = trained
    score = {"image": "sub-12_ses-1_FLAIR", "dice": 0.9612, "volume_ml": 1500, "reference_ml": 1522}
    folder = save_brain_bundle(
        tmp_path / "brain-1.0",
        network,
        recipe=asdict(recipe) | summary | {"left_out": "sub-12"},
        case_hashes=["0" * 64],
        scores=[score],
        created="2026-01-31T12:00:00Z",
    )
    bundle = load_bundle(folder, "brain")
    assert bundle.model.training.recipe["left_out"] == "sub-12"
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    assert "| sub-12_ses-1_FLAIR | 0.961 | 1500 | 1522 |" in card and "10.1007/s12021-017-9348-7" in card
    assert bundle.load_network()(torch.zeros(1, 1, 20, 20, 20)).shape == (1, 1, 20, 20, 20)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1.5e6


def test_command_wants_steps_or_minutes(tmp_path):
    app = typer.Typer()
    app.command()(brain_train)
    for words in ([], ["--steps", "5", "--minutes", "1"]):
        result = CliRunner().invoke(app, ["--data", str(tmp_path), "--out", str(tmp_path / "b"), *words])
        assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "b").exists()


def test_reference_lies_on_the_raw_flair(data_dir):
    path = next(p for p in raw_flairs(data_dir) if p.name.startswith("sub-12_ses-1"))
    image = read_image(path)
    mask = sitk.GetArrayFromImage(reference_on(data_dir, path, image))
    assert mask.sum() * np.prod(image.GetSpacing()) / 1000 == pytest.approx(1522, abs=2)
    assert sitk.GetArrayFromImage(image)[mask > 0].mean() > 200


def test_left_out_patient_is_not_among_the_hashes(data_dir):
    everyone, rest = flair_hashes(data_dir), flair_hashes(data_dir, "sub-12")
    assert len(everyone) == 7 and len(rest) == 5 and set(rest) < set(everyone)
