"""The loop learns, repeats, goes on after a stop as if there had been none, and says what stops it."""

import csv
import dataclasses
import json
import multiprocessing
import os
import signal
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from MSLesionSegLib.errors import Cancelled, ResourceError, UsageError
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib import batch_statistics
from MSLesionSegTrainingLib import train as train_module
from MSLesionSegTrainingLib.followed import followed
from MSLesionSegTrainingLib.painting import LesionLevels
from MSLesionSegTrainingLib.patches import PatchDataset, PatchRecipe
from MSLesionSegTrainingLib.samplers import make_sampler
from MSLesionSegTrainingLib.settings import TrainSettings
from MSLesionSegTrainingLib.train import load_result, train

ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8, 8, 8, 8, 8], "depths": [1, 1, 1, 1]}
BATCH_NORM = {**ARCHITECTURE, "norm": "batch"}
LEVELS = LesionLevels(np.array([2.0, -0.5, 1.5]), np.diag([0.01, 0.01, 0.01]), np.array([0.1, 0.1, 0.1]))


def settings(epochs: int, epoch_steps: int, **changes) -> TrainSettings:
    values = {"architecture": ARCHITECTURE, "recipe": PatchRecipe(patch=32), "learning_rate": 5e-3, **changes}
    return TrainSettings(epochs=epochs, epoch_steps=epoch_steps, **values)


@pytest.fixture(autouse=True)
def few_statistics(monkeypatch):
    monkeypatch.setattr(batch_statistics, "STATISTICS_PATCHES", 8)


@pytest.fixture
def patches(study_canvas, map_canvas, shapes):
    sampler = make_sampler("lesion", 32)
    return PatchDataset([study_canvas, map_canvas], shapes, LEVELS, PatchRecipe(patch=32), sampler, 0, 1000)


def weights(network) -> list[torch.Tensor]:
    return [value.clone() for value in network.state_dict().values()]


def same(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def rows(run) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


class StopAt(SilentProgress):
    """Cancels once so much of the run is done."""

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.stop_at = fraction

    def update(self, fraction_of_stage, message=""):
        if fraction_of_stage >= self.stop_at:
            raise Cancelled()


def test_loss_falls_and_every_epoch_leaves_a_row_and_the_curves(tmp_path, patches):
    train(settings(5, 8), patches, [], tmp_path / "run", SilentProgress())
    told = rows(tmp_path / "run")
    assert [(int(row["epoch"]), int(row["step"])) for row in told] == [(1, 8), (2, 16), (3, 24), (4, 32), (5, 40)]
    assert float(told[-1]["loss"]) < float(told[0]["loss"]) - 0.1
    assert told[0]["dice"] == ""
    assert (tmp_path / "run" / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_two_runs_with_one_seed_give_the_same_weights_and_another_seed_others(tmp_path, patches):
    first, second = (weights(train(settings(2, 2), patches, [], tmp_path / n, SilentProgress())) for n in "ab")
    other = weights(train(settings(2, 2, seed=1), patches, [], tmp_path / "c", SilentProgress()))
    assert same(first, second)
    assert not same(first, other)


@pytest.mark.parametrize("stop_at", [1 / 8, 5 / 8])
def test_a_cancelled_run_resumes_to_the_weights_of_an_uninterrupted_one(tmp_path, patches, study_canvas, stop_at):
    choices = settings(2, 4, architecture=BATCH_NORM)
    whole = weights(train(choices, patches, [study_canvas], tmp_path / "whole", SilentProgress()))
    with pytest.raises(Cancelled):
        train(choices, patches, [study_canvas], tmp_path / "cut", StopAt(stop_at))
    resumed = weights(train(choices, patches, [study_canvas], tmp_path / "cut", SilentProgress(), resume=True))
    assert same(whole, resumed)
    assert same(whole, weights(load_result(choices, tmp_path / "cut")))
    timeless = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in rows(tmp_path / n)] for n in ("whole", "cut")
    ]
    assert timeless[0] == timeless[1]
    assert not list((tmp_path / "cut").glob("*.partial"))


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_run_that_is_cancelled_before_an_epoch_is_validated_validates_it_when_it_goes_on(
    tmp_path, patches, study_canvas, epoch
):
    class StopBeforeValidation(SilentProgress):
        validations = 0

        def update(self, fraction_of_stage, message=""):
            self.validations += message == "validating"
            if self.validations == epoch:
                raise Cancelled()

    choices = settings(2, 4, architecture=BATCH_NORM)
    whole = weights(train(choices, patches, [study_canvas], tmp_path / "whole", SilentProgress()))
    with pytest.raises(Cancelled):
        train(choices, patches, [study_canvas], tmp_path / "cut", StopBeforeValidation())
    resumed = weights(train(choices, patches, [study_canvas], tmp_path / "cut", SilentProgress(), resume=True))
    assert same(whole, resumed)
    assert [row["loss"] for row in rows(tmp_path / "cut")] == [row["loss"] for row in rows(tmp_path / "whole")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_processes_that_make_patches_leaves_the_end_of_the_run_to_the_trainer(
    tmp_path, patches, number
):
    class Signalling(SilentProgress):
        heard = 0

        def update(self, fraction_of_stage, message=""):
            if fraction_of_stage >= 0.5:
                for worker in multiprocessing.active_children():
                    os.kill(worker.pid, number)
                    self.heard += 1
            if fraction_of_stage >= 0.75:
                raise Cancelled()

    progress = Signalling()
    with pytest.raises(Cancelled, match="Cancelled at step 6; --resume goes on from there."):
        train(settings(2, 4), patches, [], tmp_path / "run", progress)
    assert progress.heard >= 2


def test_the_weights_of_the_best_epoch_are_kept(tmp_path, patches, study_canvas, monkeypatch):
    scores = iter([0.2, 0.9, 0.5])
    kept = []

    def validate(network, canvases, patch, device):
        kept.append(weights(network))
        score = next(scores)
        figures = {"dice": score, "lesion_f1": score, "lesion_recall": score, "lesion_precision": score}
        return [{"case": "study", "threshold": 0.5, "truth_ml": 9.0, **figures}]

    monkeypatch.setattr(train_module, "validate", validate)
    network = train(settings(3, 2), patches, [study_canvas], tmp_path / "run", SilentProgress())
    assert same(weights(network), kept[1])
    assert [row["score"] for row in rows(tmp_path / "run")] == ["0.2", "0.9", "0.5"]


def test_a_run_without_a_better_epoch_ends_early(tmp_path, patches, study_canvas):
    choices = settings(6, 1, patience=2, learning_rate=1e-7)
    train(choices, patches, [study_canvas], tmp_path / "run", SilentProgress())
    assert len(rows(tmp_path / "run")) == 3


def test_a_run_of_hours_ends_in_time_with_a_validated_network(tmp_path, patches, study_canvas):
    choices = settings(1, 1000)
    choices = dataclasses.replace(choices, epochs=None, hours=6 / 3600)
    train(choices, patches, [study_canvas], tmp_path / "run", SilentProgress())
    told = rows(tmp_path / "run")
    assert len(told) == 1 and told[0]["dice"] != ""
    assert float(told[0]["seconds"]) >= 6
    assert float(told[0]["learning_rate"]) < 1e-3


def test_a_run_starts_from_given_weights(tmp_path, patches):
    torch.manual_seed(3)
    start = build_network(ARCHITECTURE)
    network = train(settings(1, 1, learning_rate=1e-7), patches, [], tmp_path / "run", SilentProgress(), start=start)
    for name, value in network.named_parameters():
        assert torch.allclose(value, dict(start.named_parameters())[name], atol=1e-5), name


def test_deep_supervision_trains_and_leaves_the_network_as_it_is_released(tmp_path, patches):
    choices = settings(2, 2, deep_supervision=True)
    network = train(choices, patches, [], tmp_path / "run", SilentProgress())
    assert set(network.state_dict()) == set(build_network(ARCHITECTURE).state_dict())
    with pytest.raises(UsageError, match="Deep supervision is there for EfficientNet3D-UNet alone"):
        other = dataclasses.replace(choices, architecture={"type": "unet3d", "features": [8, 8, 8, 8, 8, 8]})
        train(other, patches, [], tmp_path / "other", SilentProgress())


def test_a_run_is_not_overwritten_and_nothing_is_resumed_from_nothing(tmp_path, patches):
    train(settings(1, 1), patches, [], tmp_path / "run", SilentProgress())
    with pytest.raises(UsageError, match="holds a run already"):
        train(settings(1, 1), patches, [], tmp_path / "run", SilentProgress())
    with pytest.raises(UsageError, match="holds no checkpoint to go on from"):
        train(settings(1, 1), patches, [], tmp_path / "new", SilentProgress(), resume=True)


def test_a_damaged_checkpoint_is_told(tmp_path, patches):
    train(settings(1, 1), patches, [], tmp_path / "run", SilentProgress())
    path = tmp_path / "run" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UsageError, match=r"checkpoint\.pt is damaged"):
        train(settings(2, 1), patches, [], tmp_path / "run", SilentProgress(), resume=True)


class Constant(Dataset):
    """Patches of one value."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __len__(self):
        return 1000

    def __getitem__(self, number):
        return torch.full((3, 32, 32, 32), self.value), torch.zeros(1, 32, 32, 32)


def test_a_loss_that_is_no_number_is_told_with_its_step(tmp_path):
    with pytest.raises(ResourceError, match="no longer finite at step 0"):
        train(settings(1, 2), Constant(float("nan")), [], tmp_path / "run", SilentProgress())


def test_memory_that_does_not_suffice_is_told_with_its_step(tmp_path, monkeypatch):
    def no_memory(*_):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes.")

    monkeypatch.setattr(train_module, "supervised_loss", no_memory)
    with pytest.raises(ResourceError, match="memory does not suffice at step 0; the last checkpoint"):
        train(settings(1, 2), Constant(0.5), [], tmp_path / "run", SilentProgress())


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, patches, monkeypatch):
    run = tmp_path / "run"
    train(settings(1, 1), patches, [], run, SilentProgress())
    before = (run / "checkpoint.pt").read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        train(settings(2, 1), patches, [], run, SilentProgress(), resume=True)
    assert (run / "checkpoint.pt").read_bytes() == before
    assert not list(run.glob("*.partial"))


def test_progress_is_followed_in_a_file_to_the_last_line(tmp_path, patches):
    run = tmp_path / "run"
    with pytest.raises(Cancelled), followed(StopAt(0.6), run) as progress:
        progress.stage("read", "trying")
        train(settings(2, 2), patches, [], run, progress)
    lines = [json.loads(line) for line in (run / "progress.jsonl").read_text().splitlines()]
    assert lines[0]["process"]["number"] == os.getpid()
    assert lines[1]["stage"] == "read" and lines[1]["message"] == "trying"
    assert [line["epoch"]["epoch"] for line in lines if "epoch" in line] == [1]
    assert lines[-1]["error"]["kind"] == "cancelled"
    assert lines[-1]["error"]["message"] == "Cancelled at step 3; --resume goes on from there."
    assert all(line["time"].endswith("Z") for line in lines)


def test_settings_come_back_from_their_file_and_a_foreign_file_is_refused(tmp_path):
    written = settings(7, 3)
    written.save(tmp_path / "settings.json")
    assert TrainSettings.load(tmp_path) == written
    (tmp_path / "settings.json").write_text('{"recipe": {}, "colour": "red"}')
    with pytest.raises(UsageError, match="does not hold the settings of a run of this version"):
        TrainSettings.load(tmp_path)


def test_batch_statistics_of_the_averaged_weights_are_those_of_the_patches(tmp_path, patches):
    network = train(settings(1, 3, architecture=BATCH_NORM), patches, [], tmp_path / "run", SilentProgress())
    seen = []
    network.full[1].register_forward_pre_hook(lambda _, values: seen.append(values[0].mean((0, 2, 3, 4))))
    with torch.no_grad():
        for number in range(0, 8, 2):
            network(torch.stack([patches[number][0], patches[number + 1][0]]))
    assert torch.allclose(network.full[1].running_mean, torch.stack(seen).mean(0), atol=1e-4)
