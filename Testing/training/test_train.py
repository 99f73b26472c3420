"""The loop learns, repeats, and goes on after a stop as if there had been none."""

import csv
import dataclasses

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from MSLesionSegLib.errors import Cancelled, ResourceError, UsageError
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib import train as train_module
from MSLesionSegTrainingLib.losses import dice_cross_entropy
from MSLesionSegTrainingLib.painting import LesionLevels
from MSLesionSegTrainingLib.patches import PatchDataset, PatchRecipe
from MSLesionSegTrainingLib.settings import TrainSettings
from MSLesionSegTrainingLib.train import load_average, train

ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8, 8, 8, 8, 8], "depths": [1, 1, 1, 1]}
LEVELS = LesionLevels(np.array([2.0, -0.5, 1.5]), np.diag([0.01, 0.01, 0.01]), np.array([0.1, 0.1, 0.1]))


def settings(steps: int) -> TrainSettings:
    return TrainSettings(architecture=ARCHITECTURE, recipe=PatchRecipe(patch=32), steps=steps, learning_rate=5e-3)


@pytest.fixture
def patches(study_canvas, map_canvas, pool):
    return PatchDataset([study_canvas, map_canvas], pool, LEVELS, PatchRecipe(patch=32), 0, 1000)


def weights(network) -> list[torch.Tensor]:
    return [value.clone() for value in network.state_dict().values()]


def same(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_loss_falls_and_metrics_are_written_for_every_step(tmp_path, patches):
    train(settings(40), patches, tmp_path / "run", SilentProgress())
    with (tmp_path / "run" / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    losses = [float(row["loss"]) for row in rows]
    assert [int(row["step"]) for row in rows] == list(range(40))
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.1


def test_two_runs_with_one_seed_give_the_same_weights(tmp_path, patches):
    first, second = (weights(train(settings(4), patches, tmp_path / name, SilentProgress())) for name in "ab")
    assert same(first, second)


def test_a_cancelled_run_resumes_to_the_weights_of_an_uninterrupted_one(tmp_path, patches, monkeypatch):
    monkeypatch.setattr(train_module, "CHECKPOINT_EVERY", 3)
    whole = weights(train(settings(8), patches, tmp_path / "whole", SilentProgress()))

    class StopAtFive(SilentProgress):
        def update(self, fraction_of_stage, message=""):
            if fraction_of_stage >= 5 / 8:
                raise Cancelled()

    with pytest.raises(Cancelled):
        train(settings(8), patches, tmp_path / "cut", StopAtFive())
    resumed = weights(train(settings(8), patches, tmp_path / "cut", SilentProgress(), resume=True))
    assert same(whole, resumed)
    assert same(whole, weights(load_average(settings(8), tmp_path / "cut")))
    assert not list((tmp_path / "cut").glob("*.partial"))


def test_a_run_is_not_overwritten_and_nothing_is_resumed_from_nothing(tmp_path, patches):
    train(settings(1), patches, tmp_path / "run", SilentProgress())
    with pytest.raises(UsageError, match="holds a run already"):
        train(settings(1), patches, tmp_path / "run", SilentProgress())
    with pytest.raises(UsageError, match="holds no checkpoint to resume from"):
        train(settings(1), patches, tmp_path / "new", SilentProgress(), resume=True)


def test_a_loss_that_is_no_number_is_told_with_its_step(tmp_path):
    class Broken(Dataset):
        def __len__(self):
            return 10

        def __getitem__(self, number):
            return torch.full((3, 32, 32, 32), float("nan")), torch.zeros(1, 32, 32, 32)

    with pytest.raises(ResourceError, match="no longer finite at step 0"):
        train(settings(2), Broken(), tmp_path / "run", SilentProgress())


def test_settings_come_back_from_their_file(tmp_path):
    written = settings(7)
    written.save(tmp_path / "settings.json")
    assert TrainSettings.load(tmp_path / "settings.json") == written


def test_the_loss_of_a_perfect_prediction_is_near_zero_and_of_an_empty_one_above_one():
    target = torch.zeros(2, 1, 8, 8, 8)
    target[0, :, 2:6, 2:6, 2:6] = 1
    assert float(dice_cross_entropy(40 * target - 20, target)) < 0.001
    assert float(dice_cross_entropy(torch.full_like(target, -20), target)) > 1.0


def test_batch_statistics_of_the_averaged_weights_are_those_of_the_patches(tmp_path, patches):
    batch = dataclasses.replace(settings(3), architecture={**ARCHITECTURE, "norm": "batch"})
    network = train(batch, patches, tmp_path / "run", SilentProgress())
    seen = []
    network.full[1].register_forward_pre_hook(lambda _, values: seen.append(values[0].mean((0, 2, 3, 4))))
    with torch.no_grad():
        for number in range(0, train_module.STATISTICS_PATCHES, 2):
            network(torch.stack([patches[number][0], patches[number + 1][0]]))
    assert torch.allclose(network.full[1].running_mean, torch.stack(seen).mean(0), atol=1e-4)
    assert same(weights(network), weights(load_average(batch, tmp_path / "run")))
